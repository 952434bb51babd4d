package inproc

import (
	"bytes"
	"fmt"
	"io"

	"github.com/tidewire/tidewire/sse"
	gosse "github.com/tmaxmax/go-sse"
)

// smallEvents is how many events a stream of small ones has.
const smallEvents = 10_000

// maxEvent lets the largest event through; go-sse allows 64 KiB by default.
const maxEvent = 16 << 20

// read parses a stream and gives the length of each event's data.
func read(who string, r io.Reader, data func(int)) error {
	switch who {
	case "tidewire":
		for e, err := range sse.Read(r, nil) {
			if err != nil {
				return err
			}
			data(len(e.Data))
		}
	case "go-sse":
		for e, err := range gosse.Read(r, &gosse.ReadConfig{MaxEventSize: maxEvent}) {
			if err != nil {
				return err
			}
			data(len(e.Data))
		}
	default:
		return fmt.Errorf("no parser of %q", who)
	}
	return nil
}

// parsing reads a stream of small events.
func parsing(j Job) (map[string]float64, error) {
	var stream []byte
	for i := range smallEvents {
		stream = fmt.Appendf(stream, "event: %s\nid: %d\ndata: %s\n\n", eventName, i, eventData(j.Size))
	}
	c, err := j.repeat(func() error {
		n, size := 0, 0
		if err := read(j.Who, bytes.NewReader(stream), func(l int) { n++; size += l }); err != nil {
			return err
		}
		if n != smallEvents || size != n*j.Size {
			return fmt.Errorf("%s reads %d events with %d bytes", j.Who, n, size)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]float64{"ns": c.ns / smallEvents, "allocs": c.allocs / smallEvents}, nil
}

// kilobytes reads not more than 1 KiB at a time, as from a network.
type kilobytes struct{ b []byte }

func (k *kilobytes) Read(p []byte) (int, error) {
	if len(k.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1024)], k.b)
	k.b = k.b[n:]
	return n, nil
}

// parsingOne reads one large event.
func parsingOne(j Job) (map[string]float64, error) {
	stream := fmt.Appendf(nil, "data: %s\n\n", eventData(j.Size))
	c, err := j.repeat(func() error {
		size := 0
		if err := read(j.Who, &kilobytes{stream}, func(l int) { size += l }); err != nil {
			return err
		}
		if size != j.Size {
			return fmt.Errorf("%s reads %d bytes", j.Who, size)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]float64{"ms": c.ns / 1e6, "allocs": c.allocs}, nil
}
