package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// kinds configures topics by the first part of their name.
func kinds(cfg hub.TopicConfig) *hub.Options {
	return &hub.Options{Configure: func(name string) (hub.TopicConfig, error) {
		c := cfg
		switch prefix, _, _ := strings.Cut(name, "."); prefix {
		case "keyed":
			c.Kind = hub.Keyed
		case "eph":
			c.Kind = hub.Ephemeral
		case "none":
			return c, errors.New("there is no such topic")
		}
		return c, nil
	}}
}

// A site is a server with a hub and a gateway.
type site struct {
	t   testing.TB
	hub *hub.Hub
	g   *gateway.Handler
	url string
	// dial makes the connections of clients; nil: the network's.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	http *http.Client
	h2   *http.Client // without TLS
}

// protocols are what a site's server speaks, all without TLS.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// useH2 makes the client for HTTP/2.
func (s *site) useH2() (stop func()) {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{DialContext: s.dial, Protocols: p}
	s.h2 = &http.Client{Transport: tr}
	return tr.CloseIdleConnections
}

func newSite(t testing.TB, ho *hub.Options, o *gateway.Options) *site {
	t.Helper()
	s := prepare(t, ho, o)
	ts := httptest.NewUnstartedServer(s.mux())
	ts.Config.Protocols = protocols()
	ts.Start()
	s.serve(ts)
	t.Cleanup(s.useH2())
	return s
}

// newNarrowSite returns a site whose first n connections hold few bytes between a
// server that writes and a client that does not read.
func newNarrowSite(t testing.TB, n, size int, ho *hub.Options, o *gateway.Options) *site {
	t.Helper()
	if o == nil {
		o = &gateway.Options{}
	}
	// However slow the machine is, nobody is given up for not reading.
	o.EventStream.WriteTimeout, o.WebSocket.WriteTimeout, o.WebSocket.PingInterval = -1, -1, -1
	s := prepare(t, ho, o)
	var accepted, dialled atomic.Int32
	ts := httptest.NewUnstartedServer(s.mux())
	ts.Config.Protocols = protocols()
	ts.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if accepted.Add(1) <= int32(n) {
			if err := c.(*net.TCPConn).SetWriteBuffer(size); err != nil {
				t.Error(err)
			}
		}
		return ctx
	}
	ts.Start()
	s.serve(ts)
	s.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil && dialled.Add(1) <= int32(n) {
			err = c.(*net.TCPConn).SetReadBuffer(size)
		}
		return c, err
	}
	tr := &http.Transport{DialContext: s.dial}
	t.Cleanup(tr.CloseIdleConnections)
	s.http = &http.Client{Transport: tr}
	t.Cleanup(s.useH2())
	return s
}

func (s *site) serve(ts *httptest.Server) {
	s.url = ts.URL
	s.http = ts.Client()
	s.t.Cleanup(func() {
		s.end()
		ts.CloseClientConnections()
		ts.Close()
	})
}

func prepare(t testing.TB, ho *hub.Options, o *gateway.Options) *site {
	if o == nil {
		o = &gateway.Options{}
	}
	if o.Authorize == nil {
		o.Authorize = gateway.Public
	}
	s := &site{t: t, hub: hub.New(ho)}
	s.g = gateway.New(s.hub, o)
	return s
}

func (s *site) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/sse/{topic}", s.g.EventStream())
	mux.Handle("/ws/{topic}", s.g.WebSocket())
	mux.Handle("/any/{topic}", s.g)
	mux.HandleFunc("/wrapped/{topic}", func(w http.ResponseWriter, r *http.Request) {
		s.g.EventStream().ServeHTTP(wrapper{w}, r)
	})
	return mux
}

// wrapper is a middleware's writer: the stream stays with its HTTP handler.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// end closes the hub, so that all connections end, and looks that all did.
func (s *site) end() {
	if err := s.hub.Close(); err != nil {
		s.t.Error(err)
	}
	for s.g.Len() > 0 {
		time.Sleep(time.Millisecond) // ends with the test's time at the latest
	}
	if st := s.hub.Stats(); st.Connections != 0 || st.Subscriptions != 0 {
		s.t.Errorf("at the end: %d connections, %d subscriptions", st.Connections, st.Subscriptions)
	}
}

// A transport opens a client of a topic. Query and Last-Event-ID may be "".
type transport struct {
	name string
	open func(s *site, topic, query, id string) *client
}

var (
	overSSE = transport{"event stream", func(s *site, topic, query, id string) *client { return s.openStream("/sse/", topic, query, id) }}
	overWS  = transport{"WebSocket", (*site).openSocket}

	transports = []transport{
		overSSE,
		overWS,
		{"event stream behind a middleware", func(s *site, topic, query, id string) *client {
			return s.openStream("/wrapped/", topic, query, id)
		}},
		{"event stream over HTTP/2", func(s *site, topic, query, id string) *client {
			return s.openStreamBy(s.h2, "/sse/", topic, query, id)
		}},
	}
)

func everywhere(t *testing.T, f func(t *testing.T, tr transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { f(t, tr) })
	}
}

// A got is an event as a client got it.
type got struct {
	*gateway.Envelope
	sse *sse.Event // nil over a WebSocket
	id  string     // of the event stream, this event's
}

type client struct {
	t     testing.TB
	next  func() (got, error)
	close func()
	conn  *ws.Conn       // of a WebSocket
	resp  *http.Response // of an event stream
}

func (s *site) request(ctx context.Context, path, query, id string) *http.Request {
	u := s.url + path
	if query != "" {
		u += "?" + query
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if id != "" {
		r.Header.Set("Last-Event-ID", id)
	}
	return r
}

func (s *site) openStream(prefix, topic, query, id string) *client {
	s.t.Helper()
	return s.openStreamBy(s.http, prefix, topic, query, id)
}

func (s *site) openStreamBy(by *http.Client, prefix, topic, query, id string) *client {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := s.request(ctx, prefix+topic, query, id)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := by.Do(r)
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		cancel()
		s.t.Fatalf("%s?%s: %s", topic, query, resp.Status)
	}
	next, stop := iter.Pull2(sse.Read(resp.Body, nil))
	c := &client{t: s.t, resp: resp}
	last := ""
	c.next = func() (got, error) {
		ev, err, ok := next()
		switch {
		case !ok:
			return got{}, errors.New("the stream has ended")
		case err != nil:
			return got{}, err
		}
		e, err := gateway.ParseEnvelope(ev.Data)
		g := got{Envelope: e, sse: &ev}
		if err == nil && (ev.ID != last || ev.ID == e.Pos.String()) { // else it is an older event's
			g.id, last = ev.ID, ev.ID
		}
		return g, err
	}
	c.close = func() {
		cancel()
		stop()
		_ = resp.Body.Close()
	}
	s.t.Cleanup(c.close)
	return c
}

func (s *site) openSocket(topic, query, id string) *client {
	s.t.Helper()
	u := "ws" + strings.TrimPrefix(s.url, "http") + "/ws/" + topic
	if query != "" {
		u += "?" + query
	}
	o := &ws.DialOptions{NetDial: s.dial, MessageLimit: 8 << 20}
	if id != "" {
		o.Header = http.Header{"Last-Event-Id": {id}}
	}
	conn, err := ws.Dial(context.Background(), u, o)
	if err != nil {
		s.t.Fatalf("%s?%s: %v", topic, query, err)
	}
	c := &client{t: s.t, conn: conn}
	c.next = func() (got, error) {
		typ, data, err := conn.Read(context.Background())
		if err != nil {
			return got{}, err
		}
		if typ != ws.Text {
			return got{}, fmt.Errorf("a message of type %v", typ)
		}
		e, err := gateway.ParseEnvelope(data)
		return got{Envelope: e}, err
	}
	c.close = func() { _ = conn.CloseNow() }
	s.t.Cleanup(c.close)
	return c
}

// one reads an event that must come.
func (c *client) one() got {
	c.t.Helper()
	g, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	return g
}

// until reads events up to one that is shown as the word, and returns all.
func (c *client) until(word string) []got {
	c.t.Helper()
	var list []got
	for {
		g, err := c.next()
		if err != nil {
			c.t.Fatalf("%v after %s", err, show(list...))
		}
		if list = append(list, g); show(g) == word {
			return list
		}
	}
}

// want reads as many events as there are words.
func (c *client) want(what, words string) {
	c.t.Helper()
	var list []got
	for range len(strings.Fields(words)) {
		g, err := c.next()
		if err != nil {
			c.t.Fatalf("%s: %v after %q, want %q", what, err, show(list...), words)
		}
		list = append(list, g)
	}
	if got := show(list...); got != words {
		c.t.Errorf("%s: got %q, want %q", what, got, words)
	}
}

// end reads up to the end, the last event included.
func (c *client) end() (list []got, err error) {
	for {
		g, err := c.next()
		if err != nil {
			return list, err
		}
		list = append(list, g)
	}
}

// show writes events as words: the data, "k=a" with a key, "-k" a tombstone,
// "live", "gap(reason,missed)", "reset(reason,missed)", "bye(reason)".
func show(events ...got) string {
	var words []string
	for _, e := range events {
		var w string
		switch {
		case e.Bye != nil:
			w = fmt.Sprintf("bye(%s)", e.Bye.Reason)
		case e.Gap != nil:
			w = fmt.Sprintf("gap(%s,%d)", e.Gap.Reason, e.Gap.Missed)
		case e.Reset != nil:
			w = fmt.Sprintf("reset(%s,%d)", e.Reset.Reason, e.Reset.Missed)
		case e.Marker != hub.NoMarker:
			w = e.Marker.String()
		case e.Deleted:
			w = "-" + e.Key
		default:
			if w = strings.Trim(string(e.Data), `"`); e.Key != "" {
				w = e.Key + "=" + w
			}
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func publish(t testing.TB, topic *hub.Topic[string], values ...string) (last hub.Position) {
	t.Helper()
	for _, v := range values {
		pos, err := topic.Publish(context.Background(), v)
		if err != nil {
			t.Fatal(err)
		}
		last = pos
	}
	return last
}

// write puts "k=v" and deletes "-k".
func write(t testing.TB, topic *hub.Topic[string], writes ...string) (last hub.Position) {
	t.Helper()
	for _, w := range writes {
		key, v, put := strings.Cut(w, "=")
		pos, err := hub.Position{}, error(nil)
		if put {
			pos, err = topic.Put(context.Background(), key, v)
		} else {
			pos, err = topic.Delete(context.Background(), strings.TrimPrefix(w, "-"))
		}
		if err != nil {
			t.Fatal(err)
		}
		last = pos
	}
	return last
}

// sameEvent compares what a reader in the process has with what came over the
// wire, which has milliseconds.
var sameEvent = cmp.Comparer(func(a, b got) bool {
	return equal(a.Gap, b.Gap) && equal(a.Reset, b.Reset) && a.Topic == b.Topic && a.Marker == b.Marker &&
		a.Pos == b.Pos && a.Rev == b.Rev && a.Name == b.Name && a.Key == b.Key && a.Time.UnixMilli() == b.Time.UnixMilli() &&
		string(a.Data) == string(b.Data) && string(a.Value) == string(b.Value) && a.Deleted == b.Deleted && a.Expired == b.Expired
})

func envelopeOf(ev *hub.Event[[]byte]) got { return got{Envelope: &gateway.Envelope{Event: *ev}} }

// sortRows sorts the rows of a snapshot, which are in no order: the events
// without a position that follow one another.
func sortRows(list []got) {
	for i := 0; i < len(list); {
		j := i
		for j < len(list) && list[j].Pos.IsZero() && list[j].Marker == hub.NoMarker && list[j].Key != "" {
			j++
		}
		slices.SortFunc(list[i:j], func(a, b got) int { return strings.Compare(a.Key, b.Key) })
		i = j + 1
	}
}

func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func bodyOf(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
