package wstest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// exam is a case being run against a target. The first thing that goes wrong is kept; from then on every step does
// nothing, so that a case is written down as the list of its steps. Owned by the goroutine that runs the case.
type exam struct {
	ctx      context.Context
	peer     Peer
	patience time.Duration

	// The target: one of the two.
	server *serverTarget
	client *clientTarget

	failure *failure
	probe   string
	sent    transcript
	got     transcript

	links []*link // open ones, of the probe under way
	call  *call   // of the client under test, in the probe under way
}

type failure struct{ probe, sent, got, want, instead string }

func (x *exam) failed() bool { return x.failure != nil }

// fail says what was wanted and what there was instead. Only the first failure counts.
func (x *exam) fail(want, format string, args ...any) {
	if x.failure == nil {
		x.failure = &failure{x.probe, x.sent.String(), x.got.String(), want, fmt.Sprintf(format, args...)}
	}
}

// try is one of several things that a case tries, with connections of its own.
func (x *exam) try(name string, f func()) {
	if x.failed() || x.ctx.Err() != nil {
		return
	}
	x.probe, x.sent, x.got = name, transcript{}, transcript{}
	f()
	x.end()
}

// end closes what the probe has opened, and waits for the client under test to notice.
func (x *exam) end() {
	for _, l := range x.links {
		l.close()
	}
	x.links = nil
	if x.call != nil {
		if !x.call.finish(x.patience) {
			x.fail("the client to return when its connection has ended", "it has not returned")
		}
		x.call = nil
	}
}

// result is what is to be reported when all is done.
func (x *exam) result(c Case) Result {
	if f := x.failure; f != nil {
		return Result{Case: c, Outcome: Fail, Probe: f.probe, Sent: f.sent, Got: f.got, Want: f.want, Instead: f.instead}
	}
	return Result{Case: c, Outcome: Pass}
}

// asServer reports whether it is a server that is under test: then the suite masks, and the peer ends TCP.
func (x *exam) asServer() bool { return x.server != nil }

// open makes a connection that has shaken hands well. Failing that, the link is of no use but does no harm.
func (x *exam) open() *link {
	if x.asServer() {
		return x.openServer()
	}
	return x.openClient()
}

// transcript is the last of what went one way.
type transcript struct {
	lines   []string
	dropped int
}

const maxTranscript = 12

func (t *transcript) add(format string, args ...any) {
	if len(t.lines) == maxTranscript {
		t.lines = append(t.lines[:0], t.lines[1:]...)
		t.dropped++
	}
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func (t *transcript) String() string {
	s := strings.Join(t.lines, "; ")
	if t.dropped > 0 {
		return fmt.Sprintf("(%d before) %s", t.dropped, s)
	}
	return s
}
