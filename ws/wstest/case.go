package wstest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Side says whom a case judges.
type Side uint8

const (
	ServerSide Side = 1 << iota
	ClientSide
	BothSides = ServerSide | ClientSide
)

func (s Side) String() string {
	switch s {
	case ServerSide:
		return "server"
	case ClientSide:
		return "client"
	case BothSides:
		return "both"
	}
	return fmt.Sprintf("Side(%d)", uint8(s))
}

// Case is one thing that a strict WebSocket implementation gets right.
type Case struct {
	ID    string // "frames/rsv"
	Side  Side
	Text  string // what the peer under test must do, in a line
	Ref   string // where that is said: "RFC 6455, 5.2"
	Needs string // the option without which it is skipped, or ""
}

// Cases lists the suite in the order in which it runs. The slice is the caller's.
func Cases() []Case {
	all := make([]Case, len(suite))
	for i, e := range suite {
		all[i] = e.Case
	}
	return all
}

// Outcome is what became of a case.
type Outcome uint8

const (
	Pass Outcome = iota + 1
	Fail
	Skip // an option that the case needs was not given, or the caller wanted it left out
)

func (o Outcome) String() string {
	switch o {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	case Skip:
		return "skip"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Result is what a run found out about a case. The texts are for people; long ones are shortened.
type Result struct {
	Case    Case
	Outcome Outcome
	Probe   string // which of the things that the case tries went wrong, where there are several
	Sent    string // what the suite sent on that connection, the latest last
	Got     string // what it received
	Want    string // what it waited for then
	Instead string // what came instead; of a skipped case, the reason
}

// String is the report of a case, several lines for one that failed.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", strings.ToUpper(r.Outcome.String()), r.Case.ID)
	switch r.Outcome {
	case Skip:
		fmt.Fprintf(&b, ": %s", r.Instead)
	case Fail:
		fmt.Fprintf(&b, " (%s)\n%s", r.Case.Ref, r.Case.Text)
		for _, line := range [][2]string{{"probe", r.Probe}, {"sent", r.Sent}, {"got", r.Got}, {"wanted", r.Want}, {"instead", r.Instead}} {
			if line[1] != "" {
				fmt.Fprintf(&b, "\n  %-8s %s", line[0]+":", line[1])
			}
		}
	}
	return b.String()
}

// suite is every case, in order. The order is from the ground up: who fails the first ones will fail others too.
var suite = slices.Concat(
	serverHandshakeCases, serverKeyCases, serverOriginCases, serverSubprotocolCases, serverLoadCases,
	dialCases, dialRefusalCases, dialRedirectCases,
	frameCases, lengthCases, fragmentCases, limitCases, controlCases, maskCases,
	textCases, closeCases, closeEndCases,
)

// exercise is a case with what runs it.
type exercise struct {
	Case
	run func(x *exam)
	// presumes is the case that a peer must have passed, or this one would fail for the same fault. "": none.
	presumes string
	// lacks says why this target can't be judged, or "". nil: every target can.
	lacks func(x *exam) string
}

// choose returns the exercises of a side, and for each why it is left out by the caller, or "". It fails on a pattern
// that matches nothing: a typo in Skip would otherwise go unnoticed.
func choose(side Side, p Peer) (chosen []exercise, why []string, err error) {
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	for _, pattern := range slices.Concat(p.Only, p.Skip) {
		if !slices.ContainsFunc(suite, func(e exercise) bool { return matches(pattern, e.ID) }) {
			return nil, nil, fmt.Errorf("wstest: %q matches no case", pattern)
		}
	}
	matched := func(patterns []string, id string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, id) })
	}
	for _, e := range suite {
		if e.Side&side == 0 {
			continue
		}
		reason := ""
		switch {
		case len(p.Only) > 0 && !matched(p.Only, e.ID):
			reason = "not among Only"
		case matched(p.Skip, e.ID):
			reason = "named in Skip"
		}
		chosen, why = append(chosen, e), append(why, reason)
	}
	return chosen, why, nil
}

func matches(pattern, id string) bool {
	ok, err := path.Match(pattern, id)
	return err == nil && ok // a malformed pattern matches nothing, which is told
}
