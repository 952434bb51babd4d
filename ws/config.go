package ws

import "time"

// What the zero options mean.
const (
	defaultServerHandshake  = 16 << 10 // bytes of request header
	defaultClientHandshake  = 64 << 10 // bytes of response header
	defaultHandshakeTimeout = 10 * time.Second
	defaultMessageLimit     = 1 << 20
	defaultFrameLimit       = 10_000
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
	pingInterval time.Duration
	pongTimeout  time.Duration
	frameTimeout time.Duration
	writeTimeout time.Duration
	closeTimeout time.Duration // never off
	observer     *Observer     // or nil
	handled      bool          // it is a connection of Handler, in callback form
}

func (o *AcceptOptions) config() config {
	return config{
		messageLimit: orDefault(o.MessageLimit, defaultMessageLimit),
		frameLimit:   orDefault(o.FrameLimit, defaultFrameLimit),
		pingInterval: orOff(o.PingInterval, defaultPingInterval),
		pongTimeout:  orOff(o.PongTimeout, defaultPongTimeout),
		frameTimeout: orOff(o.FrameTimeout, defaultFrameTimeout),
		writeTimeout: orOff(o.WriteTimeout, defaultWriteTimeout),
		closeTimeout: positive(o.CloseTimeout, defaultCloseTimeout),
		observer:     o.Observer,
	}
}

func (o *DialOptions) config() config {
	return config{
		messageLimit: orDefault(o.MessageLimit, defaultMessageLimit),
		frameLimit:   orDefault(o.FrameLimit, defaultFrameLimit),
		pingInterval: orOff(o.PingInterval, defaultPingInterval),
		pongTimeout:  orOff(o.PongTimeout, defaultPongTimeout),
		frameTimeout: orOff(o.FrameTimeout, defaultFrameTimeout),
		writeTimeout: orOff(o.WriteTimeout, defaultWriteTimeout),
		closeTimeout: positive(o.CloseTimeout, defaultCloseTimeout),
		observer:     o.Observer,
	}
}

// orDefault is v, or d where v is zero.
func orDefault[T int | int64](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// orOff is v, d where v is zero, and 0 where v is negative.
func orOff(v, d time.Duration) time.Duration {
	if v == 0 {
		return d
	}
	return max(v, 0)
}

// positive is v, or d where v is zero or negative.
func positive(v, d time.Duration) time.Duration {
	if v <= 0 {
		return d
	}
	return v
}
