package server

import (
	"bytes"
	"encoding/json"

	"github.com/tidewire/tidewire/hub"
)

const (
	// maxRows bounds a message with a part of the board, in bytes.
	maxRows = 32 << 10
	// maxRow is more than any note or operation takes: 2,000 code points of at
	// most six bytes, and the rest.
	maxRow = 14 << 10
)

// rows packs a board, or what somebody missed of it, into messages of at most
// maxRows. It is the only thing that grows with the board while one joins, and
// goes when they have it all.
type rows struct {
	field string // notes or ops
	send  func([]byte) error
	buf   bytes.Buffer
	head  int // bytes of the buffer before the first row
	enc   *json.Encoder
}

func newRows(field string, send func([]byte) error) *rows {
	r := &rows{field: field, send: send}
	r.buf.Grow(maxRows + maxRow)
	r.enc = newEncoder(&r.buf)
	r.begin()
	return r
}

func (r *rows) begin() {
	r.buf.Reset()
	r.buf.WriteString(`{"t":"rows","` + r.field + `":[`)
	r.head = r.buf.Len()
}

// add packs another row; what was packed before goes if there is no room for it.
func (r *rows) add(v any) error {
	full := r.buf.Len()
	if full > r.head {
		r.buf.WriteByte(',')
	}
	begin := r.buf.Len()
	r.enc.Encode(v)                 // see encode
	r.buf.Truncate(r.buf.Len() - 1) // its line feed
	if r.buf.Len()+len("]}") <= maxRows || full == r.head {
		return nil
	}
	row := bytes.Clone(r.buf.Bytes()[begin:])
	r.buf.Truncate(full)
	if err := r.flush(); err != nil {
		return err
	}
	r.buf.Write(row)
	return nil
}

// flush sends what is packed, if anything is.
func (r *rows) flush() error {
	if r.buf.Len() == r.head {
		return nil
	}
	r.buf.WriteString("]}")
	err := r.send(r.buf.Bytes())
	r.begin()
	return err
}

// welcome subscribes to the board and builds the first message, of what leads
// up to one position; the writer goes on with it, and then behind it. The first
// batch is read here, by which the position stands before the client's
// operations are read: acked and it agree.
func (c *conn) welcome(acked *uint64) error {
	o := c.srv.opts
	m := welcomeMessage{
		T: "welcome", V: version, Mode: "snapshot", Acked: acked, HB: o.HeartBeat.Milliseconds(),
		Limits: limits{Text: maxText, Notes: o.MaxNotes, OpsPerSec: o.OpsPerSecond},
	}
	from, field := hub.Start(), "notes"
	if !c.hello.resume.IsZero() {
		from, field, m.Mode = hub.After(c.hello.resume), "ops", "delta"
	}
	var err error
	if c.sub, err = c.board.topic.Subscribe(c.ctx, &hub.SubOptions[record]{From: from}); err != nil {
		return err
	}
	if c.rest, err = c.sub.Next(c.ctx); err != nil {
		return err
	}
	if ev := c.rest[0]; ev.Marker == hub.MarkReset {
		m.Mode, field, m.Reset = "snapshot", "notes", ev.Reset.Reason.String()
		c.rest = c.rest[1:]
	}
	c.first = encode(m)
	c.rows = newRows(field, c.send)
	return nil
}

// sendRow goes on with the welcome by an event of the subscription; the live
// marker is the end of it.
func (c *conn) sendRow(ev *hub.Event[record]) error {
	switch {
	case ev.Marker == hub.MarkLive:
		if err := c.rows.flush(); err != nil {
			return err
		}
		c.rows = nil
		return c.send(encode(liveMessage{"live", ev.Pos.String()}))
	case ev.Marker != hub.NoMarker, ev.Deleted: // forgotten some time after it was deleted
		return nil
	case c.rows.field == "notes":
		if ev.Value.Gone {
			return nil
		}
		return c.rows.add(&ev.Value.Note)
	}
	e, conflict := c.effect(ev)
	if err := c.rows.add(e); err != nil || conflict == nil {
		return err
	}
	if err := c.rows.flush(); err != nil {
		return err
	}
	return c.send(encode(conflict))
}
