package sse

import "time"

// A ring holds the newest events of a log, each with an offset: 1 for the
// first that was ever pushed, and one more for each. It is not safe for
// concurrent use.
type ring struct {
	// Limits; zero is none.
	count, bytes int
	age          time.Duration

	entries []entry
	head    uint64 // offset of the newest entry, also of one that is gone; 0 before the first
	size    int    // bytes of the frames
}

// An entry is an event and its form on the wire; both are never changed again
// and shared by all who read the log.
type entry struct {
	event *Event
	frame []byte
	at    time.Time
}

// tail is the offset of the newest entry that is gone: what follows it is all
// that is kept.
func (r *ring) tail() uint64 { return r.head - uint64(len(r.entries)) }

// push adds an entry and drops what is over the limits, never the new one. It
// gives each dropped entry to dropped, if that is not nil.
func (r *ring) push(e entry, dropped func(entry)) {
	r.head++
	r.entries = append(r.entries, e)
	r.size += len(e.frame)
	n := 0
	for size := r.size; n < len(r.entries)-1; n++ {
		overCount := r.count > 0 && len(r.entries)-n > r.count
		overBytes := r.bytes > 0 && size > r.bytes
		if !overCount && !overBytes {
			break
		}
		size -= len(r.entries[n].frame)
	}
	r.drop(n, dropped)
}

// skip drops all entries and counts one that was never here, so that the
// place of each follower is before the tail.
func (r *ring) skip(dropped func(entry)) {
	r.drop(len(r.entries), dropped)
	r.head++
}

// expire drops what is older than the age limit.
func (r *ring) expire(now time.Time, dropped func(entry)) {
	if r.age == 0 {
		return
	}
	n := 0
	for n < len(r.entries) && now.Sub(r.entries[n].at) > r.age {
		n++
	}
	r.drop(n, dropped)
}

func (r *ring) drop(n int, dropped func(entry)) {
	if n == 0 {
		return
	}
	for _, e := range r.entries[:n] {
		r.size -= len(e.frame)
		if dropped != nil {
			dropped(e)
		}
	}
	clear(r.entries[:n]) // free the events; append makes a new array now and then
	r.entries = r.entries[n:]
}

// appendAfter appends entries after the offset, which must not be before the
// tail, to dst: at least one if there is one, then up to the number and the
// bytes.
func (r *ring) appendAfter(dst []entry, off uint64, number, bytes int) []entry {
	if off >= r.head {
		return dst
	}
	for _, e := range r.entries[off-r.tail():] {
		dst = append(dst, e)
		number--
		bytes -= len(e.frame)
		if number <= 0 || bytes <= 0 {
			break
		}
	}
	return dst
}
