package hub

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A Kind says what a topic keeps.
type Kind uint8

const (
	// Log keeps the newest events, by count, age and bytes.
	Log Kind = iota
	// Keyed keeps the latest event of each key and, apart from that, an
	// uncompacted tail of the log. Tombstones live in the tail only.
	Keyed
	// Ephemeral keeps no history and can't be resumed; of events with keys it
	// keeps the latest of each for those who come late.
	Ephemeral
)

// String returns "log", "keyed" or "ephemeral".
func (k Kind) String() string {
	switch k {
	case Log:
		return "log"
	case Keyed:
		return "keyed"
	case Ephemeral:
		return "ephemeral"
	}
	return "unknown"
}

// MarshalText implements [encoding.TextMarshaler].
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *Kind) UnmarshalText(b []byte) error {
	return parseName(k, "kind", string(b), Log, Keyed, Ephemeral)
}

// A TopicConfig says what a topic is and how much it keeps. The zero value is a
// log with the defaults. In each field 0 is the default and a negative value
// switches the limit off.
type TopicConfig struct {
	Kind Kind

	// What the log, or the tail of a keyed topic, retains; also the room that
	// a slow reader has before it falls off. Bytes are those of data, key and
	// name and a fixed charge an event.
	MaxEvents int           // 1024; ephemeral 256
	MaxAge    time.Duration // none; ephemeral 30 s, which is also how long a key is kept
	MaxBytes  int64         // 8 MiB; ephemeral 1 MiB

	// What the table of a keyed or ephemeral topic may hold. A write past it
	// is refused with a *LimitError; with a Broker, which keeps no table of an
	// ephemeral topic, each hub drops the oldest keys instead.
	MaxKeys       int   // 262144
	MaxTableBytes int64 // 64 MiB

	// How long, and how many, idempotency keys are remembered. Past the number
	// the oldest are forgotten. Negative: forgets none for that reason.
	IdempotencyWindow  time.Duration // 24 h
	MaxIdempotencyKeys int           // 10000
}

// Options of a Hub. The zero value is good. In each limit 0 is the default and
// a negative value switches it off.
type Options struct {
	// Configure returns the configuration of a topic, or the error with which
	// it is refused. It runs without locks, before the topic exists, perhaps
	// more than once: it should be a pure function of the name. nil makes
	// every topic a log with the defaults.
	Configure func(topic string) (TopicConfig, error)

	// Broker keeps the logs; nil keeps them here, in memory. The hub does not
	// close it.
	Broker Broker

	// Linger is how long a topic stays attached to the Broker after its last
	// reader has left; 0 means 30 s, negative not at all.
	Linger time.Duration

	// Observe, if not nil, is told of what seldom happens and somebody may want
	// to know; what happens often is counted, see Stats. It is called without
	// locks, by whoever noticed, and must not block. A panic in it is counted.
	Observe func(Incident)

	MaxTopics     int   // topics that retain something or have a subscriber; 100000
	MaxFollows    int   // topics that one connection follows; 256
	MaxNameBytes  int   // length of topic names, event names and keys; 256
	MaxEventBytes int   // data of one event; 1 MiB
	MaxBytes      int64 // retained by all topics together; 1 GiB
}

// maxIdempotencyKey bounds the length of an idempotency key.
const maxIdempotencyKey = 128

// unlimited stands for a limit that is switched off.
const unlimited = 1<<62 - 1

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Configure == nil {
		out.Configure = func(string) (TopicConfig, error) { return TopicConfig{}, nil }
	}
	if out.Linger == 0 {
		out.Linger = 30 * time.Second
	}
	setLimit(&out.MaxTopics, 100_000)
	setLimit(&out.MaxFollows, 256)
	setLimit(&out.MaxNameBytes, 256)
	setLimit(&out.MaxEventBytes, 1<<20)
	setLimit(&out.MaxBytes, 1<<30)
	return out
}

func (c TopicConfig) withDefaults() TopicConfig {
	events, age, bytes := 1024, time.Duration(unlimited), int64(8<<20)
	if c.Kind == Ephemeral {
		events, age, bytes = 256, 30*time.Second, 1<<20
	}
	setLimit(&c.MaxEvents, events)
	setLimit(&c.MaxAge, age)
	setLimit(&c.MaxBytes, bytes)
	setLimit(&c.MaxKeys, 1<<18)
	setLimit(&c.MaxTableBytes, 64<<20)
	setLimit(&c.IdempotencyWindow, 24*time.Hour)
	setLimit(&c.MaxIdempotencyKeys, 10_000)
	return c
}

func setLimit[N ~int | ~int64](v *N, def N) {
	switch {
	case *v == 0:
		*v = def
	case *v < 0:
		off := int64(unlimited)
		if *v = N(off); *v < 0 { // int of 32 bits
			*v = 1<<31 - 1
		}
	}
}

// article puts "a" or "an" before one of NameError's words.
func article(what string) string {
	if what != "" && strings.Contains("aeiou", what[:1]) {
		return "an " + what
	}
	return "a " + what
}

// checkName refuses names that could not be carried on every transport.
func checkName(what, option, name string, limit int) error {
	switch {
	case name == "":
		return &NameError{What: what, Problem: "empty"}
	case len(name) > limit:
		return &LimitError{Limit: "length of " + article(what), Option: option, Max: int64(limit), Got: int64(len(name))}
	case !utf8.ValidString(name):
		return &NameError{What: what, Name: clip(name), Problem: "not UTF-8"}
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return &NameError{What: what, Name: clip(name), Problem: "has a control character"}
	}
	return nil
}
