package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/hub"
)

// FromRequest returns where a client wants to start, from its request. The first
// of these that is there decides:
//
//	Last-Event-ID: POS            the header of an EventSource that comes back
//	?after=POS                    a position
//	?lastEventId=, ?last_event_id=    what polyfills send that can't set the header
//	?from=start|live|last.N       see hub.Start, hub.Live and hub.Last
//
// Without any it is the default of the topic's kind: Start for keyed topics, Live
// for the others.
//
// An id that is no position is not an error: an EventSource would give up for
// ever on a status that is not 200, and it got that id somewhere, perhaps from
// the server that was here before. It gives hub.Lost: the client is told in the
// stream, by a gap or a reset, that events are missing.
//
// A wrong after or from, also one that is overruled, is an error that names it, a
// *hub.StartError or one of net/url: the request is to be refused with 400.
func FromRequest(r *http.Request) (hub.From, error) {
	query := url.Values{}
	if r.URL != nil && r.URL.RawQuery != "" {
		var err error
		if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return hub.From{}, err
		}
	}
	asked := url.Values{}
	for _, name := range []string{"after", "from"} {
		if values, ok := query[name]; ok {
			asked[name] = values
		}
	}
	from, err := hub.ParseFrom(asked, "")
	if err != nil {
		return hub.From{}, err
	}
	ids := []string{strings.Join(r.Header.Values("Last-Event-ID"), ",")} // several are no position
	if !asked.Has("after") {
		ids = append(ids, strings.Join(query["lastEventId"], ","), strings.Join(query["last_event_id"], ","))
	}
	for _, id := range ids {
		if id == "" { // what an EventSource sends that has none
			continue
		}
		if pos, err := hub.ParsePosition(id); err == nil {
			return hub.After(pos), nil
		}
		return hub.Lost(), nil
	}
	return from, nil
}
