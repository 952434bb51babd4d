package inproc

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/tidewire/tidewire/sse"
	gosse "github.com/tmaxmax/go-sse"
)

// The event that is written: a name, an id and some JSON in one line.
const (
	eventName = "tick"
	eventID   = "7f3a9c.1048576.5d21"
)

func eventData(size int) string {
	const head = `{"data":"`
	return head + strings.Repeat("x", max(0, size-len(head)-2)) + `"}`
}

// sink is a buffer that is emptied for each event, and counts the writes.
type sink struct {
	bytes.Buffer
	writes int
}

func (s *sink) Write(b []byte) (int, error) {
	s.writes++
	return s.Buffer.Write(b)
}

// encoding writes one event to a buffer, over and over. N tells that it is made of its parts each time, as by a program
// that publishes; otherwise it is made once, as for many subscribers.
func encoding(j Job) (map[string]float64, error) {
	data := eventData(j.Size)
	var f func(w io.Writer) error
	switch j.Who {
	case "tidewire":
		b, buf := []byte(data), []byte(nil)
		made := &sse.Event{Name: eventName, ID: eventID, Data: b}
		f = func(w io.Writer) (err error) {
			e := made
			if j.N > 0 {
				e = &sse.Event{Name: eventName, ID: eventID, Data: b}
			}
			if buf, err = sse.AppendEvent(buf[:0], e); err == nil {
				_, err = w.Write(buf)
			}
			return err
		}
	case "go-sse":
		made := goSSEMessage(data)
		f = func(w io.Writer) error {
			m := made
			if j.N > 0 {
				m = goSSEMessage(data)
			}
			_, err := m.WriteTo(w)
			return err
		}
	default:
		return nil, fmt.Errorf("no encoder of %q", j.Who)
	}
	s := &sink{}
	if err := f(s); err != nil {
		return nil, err
	}
	writes := s.writes
	if err := oneEvent(s.Bytes(), data); err != nil {
		return nil, fmt.Errorf("%s: %w", j.Who, err)
	}
	c, err := j.repeat(func() error {
		s.Reset()
		return f(s)
	})
	if err != nil {
		return nil, err
	}
	return map[string]float64{"ns": c.ns, "allocs": c.allocs, "writes": float64(writes)}, nil
}

func goSSEMessage(data string) *gosse.Message {
	m := &gosse.Message{ID: gosse.ID(eventID), Type: gosse.Type(eventName)}
	m.AppendData(data)
	return m
}

// oneEvent checks that an event stream is the event and nothing else.
func oneEvent(stream []byte, data string) error {
	n := 0
	for e, err := range sse.Read(bytes.NewReader(stream), nil) {
		if err != nil || e.Name != eventName || e.ID != eventID || string(e.Data) != data {
			return fmt.Errorf("%q, %v", stream, err)
		}
		n++
	}
	if n != 1 {
		return fmt.Errorf("%d events: %q", n, stream)
	}
	return nil
}
