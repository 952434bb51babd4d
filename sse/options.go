package sse

import (
	"log/slog"
	"math/rand/v2"
	"time"
)

// Defaults of [Options].
const (
	defaultHeartbeat    = 15 * time.Second // HTML standard, "Authoring notes" of server-sent events
	defaultWriteTimeout = 10 * time.Second
	defaultRetry        = 3 * time.Second
)

// Options says how [NewWriter] and [Handler] open an event stream. Nil and the
// zero value are good. Options are copied, never changed.
type Options struct {
	// Heartbeat is the silence after which a comment is sent, so that proxies
	// keep the connection and both ends notice when the other one is gone.
	// Zero means 15 s, negative switches heartbeats off.
	Heartbeat time.Duration

	// WriteTimeout bounds each write. It takes the place of
	// [http.Server.WriteTimeout], which would end the stream after a fixed
	// time. Zero means 10 s, negative sets no bound: a client that stops
	// reading then holds a sender until the network gives up.
	WriteTimeout time.Duration

	// QueueLimit is how many bytes may wait in memory for a client that reads
	// slowly, and QueuePolicy what Stream.Push does with more. They are
	// [Handler]'s; a Writer has no queue. Zero and negative mean 256 KiB.
	QueueLimit  int
	QueuePolicy QueuePolicy

	// Retry is the reconnection time that the client is told when the stream
	// opens: each stream gets its own, at random between a half and one and a
	// half of it, and on top a random part of the window that Group needs to
	// take all its streams back. Zero means 3 s, negative tells none.
	Retry time.Duration

	// MaxAge ends the stream with [ErrMaxAge] at a random age between 80 %
	// and 100 % of it, so that clients spread anew over several servers. Zero
	// and negative mean never.
	MaxAge time.Duration

	// IgnoreAccept opens the stream also for a request whose Accept header
	// excludes text/event-stream. By default that is refused with 406.
	IgnoreAccept bool

	// Group registers the stream for a common drain and an admission limit.
	// Nil means none.
	Group *Group

	// Logger gets one line if the connection can't have write deadlines. Nil
	// discards it.
	Logger *slog.Logger
}

// withDefaults returns a copy with the defaults filled in; what is switched
// off is zero in it.
func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	c.Heartbeat = orDefault(c.Heartbeat, defaultHeartbeat)
	c.WriteTimeout = orDefault(c.WriteTimeout, defaultWriteTimeout)
	c.Retry = orDefault(c.Retry, defaultRetry)
	c.MaxAge = max(c.MaxAge, 0)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault(d, def time.Duration) time.Duration {
	switch {
	case d == 0:
		return def
	case d < 0:
		return 0
	}
	return d
}

// randomIn returns a random duration in [from, to).
func randomIn(from, to time.Duration) time.Duration {
	if to <= from {
		return from
	}
	return from + rand.N(to-from)
}
