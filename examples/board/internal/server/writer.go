package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/ws"
)

// welcome subscribes to the board and builds the first message: all that
// happened up to one position, behind which the writer goes on.
func (c *conn) welcome(acked *uint64) error {
	o := c.srv.opts
	m := welcomeMessage{
		T: "welcome", V: version, Acked: acked, HB: o.HeartBeat.Milliseconds(),
		Limits: limits{Text: maxText, Notes: o.MaxNotes, OpsPerSec: o.OpsPerSecond},
	}
	from := hub.Start()
	if c.hello.resume.IsZero() {
		m.Mode, m.Notes = "snapshot", []Note{}
	} else {
		from = hub.After(c.hello.resume)
		m.Mode, m.Ops = "delta", []effect{}
	}
	var err error
	if c.sub, err = c.board.topic.Subscribe(c.ctx, &hub.SubOptions[record]{From: from}); err != nil {
		return err
	}
	return c.gather(&m)
}

// gather reads up to where the board stood when the subscription began, and
// makes the first messages of it.
func (c *conn) gather(m *welcomeMessage) error {
	var told []conflictMessage
	for m.Pos == "" {
		events, err := c.sub.Next(c.ctx)
		if err != nil {
			return err
		}
		for i, ev := range events {
			if ev.Marker == hub.MarkLive {
				m.Pos = ev.Pos.String()
				c.rest = events[i+1:]
				break
			}
			switch {
			case ev.Marker == hub.MarkReset:
				m.Mode, m.Reset = "snapshot", ev.Reset.Reason.String()
				m.Notes, m.Ops, told = []Note{}, nil, nil
			case ev.Deleted: // forgotten some time after it was deleted
			case m.Notes == nil:
				e, conflict := c.effect(ev)
				m.Ops = append(m.Ops, e)
				if conflict != nil {
					told = append(told, *conflict)
				}
			case !ev.Value.Gone:
				m.Notes = append(m.Notes, ev.Value.Note)
			}
		}
	}
	sortNotes(m.Notes)
	c.first = append(c.first, encode(m))
	for _, conflict := range told {
		c.first = append(c.first, encode(conflict))
	}
	return nil
}

// effect returns an operation as this client is told it and, if it replaced a
// text of this client unseen, the notice of that.
func (c *conn) effect(ev *hub.Event[record]) (effect, *conflictMessage) {
	r := &ev.Value
	me := c.hello.client
	from := me
	if r.Client != me {
		from = mask(r.Client)
	}
	if r.Lost != nil && r.Lost.Client == me {
		return effectOf(ev.Pos, r, from), &conflictMessage{"conflict", r.Lost.Seq, r.Note.ID, r.Lost.Text, r.By}
	}
	return effectOf(ev.Pos, r, from), nil
}

// write is the writer: it ends when the connection does, or ends it.
func (c *conn) write() {
	err := c.writeAll()
	c.explain(err)
	c.sub.Close()
	c.out.close()
}

func (c *conn) writeAll() error {
	for _, data := range c.first {
		if err := c.send(data); err != nil {
			return err
		}
	}
	c.first = nil
	if err := c.sendEvents(c.rest); err != nil {
		return err
	}
	c.rest = nil
	beats, beat := uint64(0), time.Now().Add(c.srv.opts.HeartBeat)
	for {
		// One goroutine waits for both sources: a letter ends the wait for
		// events, which loses none of them.
		ctx, cancel := context.WithDeadline(c.ctx, beat)
		letters := c.out.take(c.echoed, cancel)
		var events []*hub.Event[record]
		var err error
		if letters == nil {
			events, err = c.sub.Next(ctx)
		}
		cancel()
		switch {
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			beats++
			beat = time.Now().Add(c.srv.opts.HeartBeat)
			err = c.send(encode(beatMessage{"ping", beats}))
		case errors.Is(err, context.Canceled):
			err = nil // a letter has come
		}
		if err == nil {
			err = c.sendLetters(letters)
		}
		if err == nil {
			err = c.sendEvents(events)
		}
		if err != nil {
			return err
		}
	}
}

func (c *conn) sendLetters(letters []letter) error {
	for _, l := range letters {
		if err := c.send(l.data); err != nil {
			return err
		}
		if l.sent != nil {
			close(l.sent)
		}
	}
	return nil
}

func (c *conn) sendEvents(events []*hub.Event[record]) error {
	for _, ev := range events {
		if ev.Marker != hub.NoMarker || ev.Deleted {
			continue
		}
		own := ev.Value.Client == c.hello.client
		if own {
			// Answers to operations before this one are in the outbox already, and
			// go before its echo, which would settle them on the client.
			if err := c.sendLetters(c.out.take(c.echoed, nil)); err != nil {
				return err
			}
		}
		e, conflict := c.effect(ev)
		if err := c.send(encode(e)); err != nil {
			return err
		}
		if conflict != nil {
			if err := c.send(encode(conflict)); err != nil {
				return err
			}
		}
		if own {
			c.echoed = ev.Value.Seq
		}
	}
	return nil
}

// send writes one message. The connection's end does not break it off, so that
// a close frame finds its place behind it; AcceptOptions.WriteTimeout and the
// closing handshake bound it.
func (c *conn) send(data []byte) error {
	if err := c.ws.Write(context.WithoutCancel(c.ctx), ws.Text, data); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return nil
}
