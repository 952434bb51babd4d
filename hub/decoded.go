package hub

import "sync"

// maxDecoded is how many typed forms of an event are kept. One endpoint and
// one typed view make two; a program with more codecs for one topic decodes
// again for each reader.
const maxDecoded = 4

// A decoded is one typed form of an entry, in a list that only grows at its
// front. It goes when the entry goes.
type decoded struct {
	codec any // identity of the codec
	event any // func() (*Event[T], error)
	next  *decoded
	depth int
}

// eventOf returns the event that all readers with this codec share. The first
// one decodes it; no lock is held meanwhile, but others who want the same event
// wait for the result.
func eventOf[T any](t *Topic[T], e *entry) (*Event[T], error) {
	var made func() (*Event[T], error)
	for {
		list := e.decoded.Load()
		for d := list; d != nil; d = d.next {
			if f, ok := d.event.(func() (*Event[T], error)); ok && d.codec == t.codecID {
				return f()
			}
		}
		if made == nil {
			made = sync.OnceValues(func() (*Event[T], error) { return t.decode(e) })
		}
		depth := 1
		if list != nil {
			depth = list.depth + 1
		}
		if depth > maxDecoded {
			return made()
		}
		if e.decoded.CompareAndSwap(list, &decoded{codec: t.codecID, event: made, next: list, depth: depth}) {
			return made()
		}
	}
}

func (t *Topic[T]) decode(e *entry) (*Event[T], error) {
	ev := &Event[T]{
		Topic: t.name, Name: e.name, Key: e.key, Time: e.time.Round(0).UTC(),
		Pos: e.rev(), Rev: e.rev(), Data: e.data, Deleted: e.deleted, Expired: e.expired,
	}
	if e.deleted {
		return ev, nil
	}
	v, err := t.codec.Decode(e.data)
	if err != nil {
		return nil, &DecodeError{Topic: t.name, Key: e.key, Pos: ev.Pos, Rev: ev.Rev, Err: err}
	}
	ev.Value = v
	return ev, nil
}

// rowOf is eventOf for an entry read from a table: it has no position to
// resume from.
func rowOf[T any](t *Topic[T], e *entry) (*Event[T], error) {
	ev, err := eventOf(t, e)
	if err != nil {
		if d, ok := err.(*DecodeError); ok {
			dup := *d
			dup.Pos = Position{}
			err = &dup
		}
		return nil, err
	}
	dup := *ev
	dup.Pos = Position{}
	return &dup, nil
}
