package server

import (
	"net/http"

	"github.com/launchdarkly/eventsource"
)

// launchDarkly is launchdarkly/eventsource with its default options.
type launchDarkly struct{ s *eventsource.Server }

func newLaunchDarkly(Spec) Server { return launchDarkly{s: eventsource.NewServer()} }

func (l launchDarkly) Handler() http.Handler { return l.s.Handler("news") }

func (l launchDarkly) Publish(msgs [][]byte) {
	for _, m := range msgs {
		l.s.Publish([]string{"news"}, launchDarklyEvent(m))
	}
}

type launchDarklyEvent []byte

func (launchDarklyEvent) Id() string     { return "" }
func (launchDarklyEvent) Event() string  { return "" }
func (e launchDarklyEvent) Data() string { return string(e) }
