package hub

import (
	"net/url"
	"strconv"
	"strings"
)

type fromMode uint8

const (
	fromDefault fromMode = iota
	fromStart
	fromLive
	fromLast
	fromAfter
	fromLost
)

// maxLast bounds the n of last.n on the wire; no log retains more.
const maxLast = 1_000_000_000

// A From says where a subscription starts. The zero value is the default of the
// topic's kind: Start for keyed topics, Live for the others.
type From struct {
	mode fromMode
	n    int
	pos  Position
}

// Start begins with all that is retained: a log's oldest event, a keyed or
// ephemeral topic's table.
func Start() From { return From{mode: fromStart} }

// Live begins with what is published from now on.
func Live() From { return From{mode: fromLive} }

// Last begins with the last n retained events of the log; of a keyed topic,
// with those of its tail, without the table. A negative n is refused by Subscribe.
func Last(n int) From { return From{mode: fromLast, n: n} }

// After begins with the first event after p, or with a gap or reset marker
// that says why it can't. The zero Position is refused by Subscribe: whoever has
// none yet begins with Start or Live.
func After(p Position) From { return From{mode: fromAfter, pos: p} }

// Lost is After for a reader that comes back with something that is no position,
// of another server perhaps: the stream begins with a gap or reset marker, reason
// Epoch, whose From is zero, and goes on as behind any such marker.
func Lost() From { return From{mode: fromLost} }

// String returns the form used on the wire: "", "start", "live", "last.50" or
// "after=" and the position; of Lost, which has none, "lost".
func (f From) String() string {
	switch f.mode {
	case fromStart:
		return "start"
	case fromLive:
		return "live"
	case fromLast:
		return "last." + strconv.Itoa(f.n)
	case fromAfter:
		return "after=" + f.pos.String()
	case fromLost:
		return "lost"
	}
	return ""
}

func (f From) check() error {
	switch {
	case f.mode == fromLast && f.n < 0:
		return &StartError{Text: f.String(), Problem: "negative count"}
	case f.mode == fromAfter && f.pos.IsZero():
		return &StartError{Text: f.String(), Problem: "the zero Position is no place: where there is none yet, begin with hub.Start or hub.Live"}
	}
	return nil
}

// ParseFrom reads where a client wants to start from the query and the
// Last-Event-ID header of its request ("" when there is none). The first of
// these that is present decides: the header, after=POS, the lastEventId and
// last_event_id queries of EventSource polyfills, from=start|live|last.N.
//
// An empty header or polyfill query counts as absent, for that is what an
// EventSource without an id sends. Everything else must be well-formed, also
// what is overruled: an empty or repeated after or from is an error rather than
// a silent start elsewhere. Errors are *StartError, name the parameter, and wrap
// the *PositionError where it was to be a position.
//
// A handler of event streams or WebSockets better uses FromRequest of package
// hub/gateway, which does what follows, from the whole request.
//
// What a program has asked for wrongly is to be refused, with 400. What an
// EventSource sends by itself better is not: it gives up for ever on any status
// but 200 (HTML standard, "fail the connection"), and it got its id somewhere,
// perhaps from the server that was here before. So a handler of event streams lets
// ParseFrom judge the query, and takes the header by itself; what is no position
// becomes Lost, and the client is told within the stream.
//
//	from, err := hub.ParseFrom(r.URL.Query(), "")
//	if err != nil {
//		http.Error(w, err.Error(), http.StatusBadRequest)
//		return
//	}
//	if id := r.Header.Get("Last-Event-ID"); id != "" {
//		if pos, err := hub.ParsePosition(id); err == nil {
//			from = hub.After(pos)
//		} else {
//			from = hub.Lost()
//		}
//	}
func ParseFrom(query url.Values, lastEventID string) (From, error) {
	var after, from From
	for _, name := range []string{"after", "from"} {
		values, ok := query[name]
		if !ok {
			continue
		}
		if len(values) != 1 {
			return From{}, startError(name+"="+strings.Join(values, "&"+name+"="), "given more than once")
		}
		var err error
		if name == "after" {
			after, err = parseAfter("after=", values[0])
		} else {
			from, err = parseStart(values[0])
		}
		if err != nil {
			return From{}, err
		}
	}
	var polyfill From
	for _, name := range []string{"lastEventId", "last_event_id"} {
		values := query[name]
		if len(values) > 1 {
			return From{}, startError(name+"="+strings.Join(values, "&"+name+"="), "given more than once")
		}
		if len(values) == 0 || values[0] == "" || polyfill != (From{}) {
			continue
		}
		f, err := parseAfter(name+"=", values[0])
		if err != nil {
			return From{}, err
		}
		polyfill = f
	}
	var header From
	if lastEventID != "" {
		f, err := parseAfter("Last-Event-ID: ", lastEventID)
		if err != nil {
			return From{}, err
		}
		header = f
	}
	for _, f := range []From{header, after, polyfill, from} {
		if f != (From{}) {
			return f, nil
		}
	}
	return From{}, nil
}

// parseAfter reads the position of a parameter, whose name is for the error.
func parseAfter(name, s string) (From, error) {
	p, err := ParsePosition(s)
	if err == nil {
		return After(p), nil
	}
	problem := "no position"
	if wrong, ok := err.(*PositionError); ok {
		problem = wrong.Problem
	}
	return From{}, &StartError{
		Text: clip(name + clip(s)), Err: err,
		Problem: problem + ": want the position of an event, as it was sent, or leave it out",
	}
}

func parseStart(s string) (From, error) {
	switch s {
	case "start":
		return Start(), nil
	case "live":
		return Live(), nil
	}
	const last = "last."
	if len(s) <= len(last) || s[:len(last)] != last {
		return From{}, startError("from="+s, "want start, live or last.N")
	}
	n, ok := parseOffset(s[len(last):])
	if !ok || n > maxLast {
		return From{}, startError("from="+s, "want last.N with N from 0 to 1000000000")
	}
	return Last(int(n)), nil
}
