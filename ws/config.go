package ws

import (
	"log"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// What the zero options mean.
const (
	defaultServerHandshake  = 16 << 10 // bytes of request header
	defaultClientHandshake  = 64 << 10 // bytes of response header
	defaultHandshakeTimeout = 10 * time.Second
	defaultMessageLimit     = 1 << 20
	defaultFrameLimit       = 10_000
	defaultQueueLimit       = 256 << 10
	defaultPingInterval     = 30 * time.Second
	defaultPongTimeout      = 15 * time.Second
	defaultFrameTimeout     = 30 * time.Second
	defaultWriteTimeout     = 2 * time.Minute
	defaultCloseTimeout     = 5 * time.Second
)

// config is what a connection needs of its options, defaults filled in. A duration of 0 is off.
type config struct {
	messageLimit int64 // negative: none
	frameLimit   int   // negative: none
	queueLimit   int   // 0: the default
	queueFull    QueuePolicy
	pingInterval time.Duration
	pongTimeout  time.Duration
	frameTimeout time.Duration
	writeTimeout time.Duration
	closeTimeout time.Duration // never off
	observer     *Observer     // or nil
	handled      bool          // it is a connection of Handler, in callback form
	subprotocol  string        // "": none
	log          *log.Logger   // where the panics of its events go; nil: the standard one
}

func (o *AcceptOptions) config() config {
	return config{
		messageLimit: orDefault(o.MessageLimit, defaultMessageLimit),
		frameLimit:   orDefault(o.FrameLimit, defaultFrameLimit),
		queueLimit:   positive(o.QueueLimit, defaultQueueLimit),
		queueFull:    o.QueueFull,
		pingInterval: orOff(o.PingInterval, defaultPingInterval),
		pongTimeout:  orOff(o.PongTimeout, defaultPongTimeout),
		frameTimeout: orOff(o.FrameTimeout, defaultFrameTimeout),
		writeTimeout: orOff(o.WriteTimeout, defaultWriteTimeout),
		closeTimeout: min(positive(o.CloseTimeout, defaultCloseTimeout), longest),
		observer:     o.Observer,
	}
}

func (o *DialOptions) config() config {
	return config{
		messageLimit: orDefault(o.MessageLimit, defaultMessageLimit),
		frameLimit:   orDefault(o.FrameLimit, defaultFrameLimit),
		queueLimit:   positive(o.QueueLimit, defaultQueueLimit),
		queueFull:    o.QueueFull,
		pingInterval: orOff(o.PingInterval, defaultPingInterval),
		pongTimeout:  orOff(o.PongTimeout, defaultPongTimeout),
		frameTimeout: orOff(o.FrameTimeout, defaultFrameTimeout),
		writeTimeout: orOff(o.WriteTimeout, defaultWriteTimeout),
		closeTimeout: min(positive(o.CloseTimeout, defaultCloseTimeout), longest),
		observer:     o.Observer,
	}
}

// shared is a config as connections have it, in common: it is larger than what many of them have for themselves.
type shared struct {
	config
	net   netio.Config
	parse limits
}

// recent holds the configs that were used last. A program has few; one that makes new options for each connection pays
// for that with memory.
var recent struct {
	mu   sync.Mutex
	all  [8]*shared
	next int
}

// share returns what the connections with this config have in common.
func (g config) share() *shared {
	recent.mu.Lock()
	defer recent.mu.Unlock()
	for _, s := range recent.all {
		if s != nil && s.config == g {
			return s
		}
	}
	s := &shared{config: g, net: netio.Config{
		QueueLimit:   g.queueLimit,
		Policy:       netio.Refuse, // ours is applied by Send
		WriteTimeout: g.writeTimeout,
		Linger:       g.closeTimeout,
		HearOut:      hearOut,
	}}
	s.parse = newLimits(g.messageLimit, g.frameLimit)
	if g.writeTimeout == 0 {
		s.net.WriteTimeout = -1
	}
	recent.all[recent.next] = s
	recent.next = (recent.next + 1) % len(recent.all)
	return s
}

// orDefault is v, or d where v is zero.
func orDefault[T int | int64](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// longest is what stands for a longer time, such as math.MaxInt64: a sum of some of them is still a time, and the wheel can count it.
const longest = 5 * 365 * 24 * time.Hour

// orOff is v, d where v is zero, and 0 where v is negative.
func orOff(v, d time.Duration) time.Duration {
	if v == 0 {
		return d
	}
	return min(max(v, 0), longest)
}

// positive is v, or d where v is zero or negative.
func positive[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}
