package hub

import (
	"fmt"
	"runtime/debug"
)

// A PanicError says that code of the program's has panicked in a goroutine of the
// hub: a Filter, an Encoder, a Sink, Ended or Observe. It ends the subscription, or
// the connection, whose code that was, and nothing else.
type PanicError struct {
	In    string // "TrySend", "NotifyWritable", "AppendFrame", "Filter", "Ended" or "Observe"
	Topic string // "" where it concerns none
	Value any    // of the panic
	Stack []byte // of the goroutine, as debug.Stack writes it
}

func (e *PanicError) Error() string {
	if e.Topic == "" {
		return fmt.Sprintf("hub: %s panicked: %v", e.In, e.Value)
	}
	return fmt.Sprintf("hub: %s for topic %q panicked: %v", e.In, e.Topic, e.Value)
}

// rescue is deferred by whoever calls code of the program's, with no lock held. It
// makes a panic an error, counts it and tells Observe.
func (h *Hub) rescue(in, topic string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	h.stats.panics.Add(1)
	p := &PanicError{In: in, Topic: topic, Value: v, Stack: debug.Stack()}
	*err = p
	if in != "Observe" {
		h.observe(Incident{What: Panicked, Topic: topic, Err: p})
	}
}

// trySend is the sink's, which takes nothing if it panics.
func (c *Conn) trySend(frames [][]byte) (whole int, err error) {
	defer c.hub.rescue("TrySend", "", &err)
	return c.sink.TrySend(frames)
}

// notify asks the sink to say when it is writable.
func (c *Conn) notify() (err error) {
	defer c.hub.rescue("NotifyWritable", "", &err)
	c.sink.NotifyWritable(c.writable)
	return nil
}

// isFull asks an error of TrySend, which may be the program's own.
func (c *Conn) isFull(e error) (again bool) {
	var err error
	defer c.hub.rescue("TrySend", "", &err)
	return full(e)
}

// tell calls Ended.
func (c *Conn) tell(topic string, pos Position, end error) (err error) {
	defer c.hub.rescue("Ended", topic, &err)
	c.opts.Ended(topic, pos, end)
	return nil
}

// wants calls the filter.
func (f *follower) wants(ev *Event[[]byte]) (yes bool, err error) {
	defer f.conn.hub.rescue("Filter", f.lane.t.name, &err)
	return f.filter(ev), nil
}

// frame calls the encoder.
func (ln *lane) frame(enc Encoder, ev *Event[[]byte]) (b []byte, err error) {
	t := ln.t
	t.hub.stats.encoded.Add(1)
	defer t.hub.rescue("AppendFrame", t.name, &err)
	if b, err = enc.AppendFrame(nil, ev); err != nil {
		err = &EncodeError{Topic: t.name, Err: err}
	}
	return b, err
}
