package presence

import (
	"strings"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// DefaultPrefix is the default of Options.Prefix.
const DefaultPrefix = "presence/"

const (
	defaultGrace = 10 * time.Second
	// tailAge is how long the topics of Config keep what happened. A follower of
	// the raw topic that was away for longer is reset; a topic that everybody
	// has left is forgotten by the hub after that time.
	tailAge = time.Minute
	// retryDelay is how long a removal waits that the hub has refused.
	retryDelay = time.Second
)

// Options of a Presence. nil and the zero value are good.
type Options[S any] struct {
	// Grace is how long a member stays after an abrupt disconnect, so that a
	// reload or a short cut is not told as leaving and entering. 0 means 10 s,
	// negative none.
	Grace time.Duration

	// Prefix goes before a topic's name to make that of the hub's topic with
	// its members. "" means DefaultPrefix.
	Prefix string

	// Codec encodes states; nil is JSON. Two states with the same encoding are
	// the same state.
	Codec hub.Codec[S]
}

func (o *Options[S]) withDefaults() Options[S] {
	var out Options[S]
	if o != nil {
		out = *o
	}
	switch {
	case out.Grace == 0:
		out.Grace = defaultGrace
	case out.Grace < 0:
		out.Grace = 0
	}
	if out.Prefix == "" {
		out.Prefix = DefaultPrefix
	}
	return out
}

// Config returns what a hub's topic must be to hold members, if its name begins
// with DefaultPrefix. It is meant to be asked first in hub.Options.Configure;
// without it members can't enter, for topics are logs by default. The limits in
// it are the hub's defaults and may be changed.
func Config(topic string) (hub.TopicConfig, bool) {
	return config(DefaultPrefix, topic)
}

// Config is the function Config for another Prefix.
func (o *Options[S]) Config(topic string) (hub.TopicConfig, bool) {
	return config(o.withDefaults().Prefix, topic)
}

func config(prefix, topic string) (hub.TopicConfig, bool) {
	if !strings.HasPrefix(topic, prefix) {
		return hub.TopicConfig{}, false
	}
	return hub.TopicConfig{Kind: hub.Keyed, MaxAge: tailAge}, true
}
