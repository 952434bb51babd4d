package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/ws"
)

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
	if err := c.send(c.first); err != nil {
		return err
	}
	events := c.rest
	c.first, c.rest = nil, nil
	beats, beat := uint64(0), time.Now().Add(c.srv.opts.HeartBeat)
	for {
		if err := c.sendEvents(events); err != nil {
			return err
		}
		events = nil
		// One goroutine waits for both sources: a letter ends the wait for
		// events, which loses none of them.
		ctx, cancel := context.WithDeadline(c.ctx, beat)
		letters := c.out.take(c.echoed, cancel)
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
		if c.rows != nil {
			if err := c.sendRow(ev); err != nil {
				return err
			}
			continue
		}
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
