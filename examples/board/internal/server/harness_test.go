package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// An env is a server and a way to it.
type env struct {
	t    *testing.T
	srv  *Server
	http *http.Client
	url  string // http://host
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	stop func() // ends all; also called at the end of the test
}

// bubble runs f in a synctest bubble with a server on an in-memory network.
func bubble(t *testing.T, opts Options, f func(*env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newBubbleEnv(t, opts)) })
}

// newBubbleEnv is another server in the same bubble.
func newBubbleEnv(t *testing.T, opts Options) *env {
	ln := testnet.Listen()
	return start(t, opts, ln, ln.DialContext, "http://board.test")
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// loopback starts a server on a real port.
func loopback(t *testing.T, opts Options) *env {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, opts, ln, new(net.Dialer).DialContext, "http://"+ln.Addr().String())
}

func start(t *testing.T, opts Options, ln net.Listener, dial func(context.Context, string, string) (net.Conn, error), url string) *env {
	t.Helper()
	srv, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: srv.Handler()}
	served := make(chan struct{})
	go func() { defer close(served); hs.Serve(ln) }()
	tr := &http.Transport{DialContext: dial}
	stopped := false
	e := &env{t: t, srv: srv, http: &http.Client{Transport: tr}, url: url, dial: dial}
	e.stop = func() {
		if stopped {
			return
		}
		stopped = true
		srv.Close()
		tr.CloseIdleConnections()
		hs.Close()
		<-served
	}
	t.Cleanup(e.stop)
	return e
}

// A msg is any message of the server.
type msg struct {
	T      string          `json:"t"`
	V      int             `json:"v"`
	Mode   string          `json:"mode"`
	Reset  any             `json:"reset"`
	Pos    string          `json:"pos"`
	Acked  *uint64         `json:"acked"`
	Notes  []Note          `json:"notes"`
	Ops    []msg           `json:"ops"`
	HB     int64           `json:"hb"`
	Limits map[string]int  `json:"limits"`
	Client string          `json:"client"`
	Seq    uint64          `json:"seq"`
	By     string          `json:"by"`
	At     int64           `json:"at"`
	K      string          `json:"k"`
	ID     string          `json:"id"`
	F      json.RawMessage `json:"f"`
	Code   string          `json:"code"`
	Note   *Note           `json:"note"`
	Lost   string          `json:"lost"`
	Winner string          `json:"winner"`
	Join   []User          `json:"join"`
	Leave  []string        `json:"leave"`
	N      uint64          `json:"n"`
	Retry  int64           `json:"retry"`

	raw string
}

// A peer is one page of a user on a board: a client, over one connection at a
// time.
type peer struct {
	*env
	conn    *ws.Conn
	board   string
	client  string
	user    User
	pos     string // last position seen
	acked   *uint64
	state   map[string]Note // the fold of all that was told
	peers   map[string]User
	peerLog []msg
	log     []msg // the operations that were told
	held    []msg // came within the welcome and are next
}

// client ids and users for tests: "a" is c_aaaa… and u_a.
func (e *env) peer(name string) *peer { return e.peerOf(name, "main", User{"u_" + name, name, 20}) }

func (e *env) peerOf(name, board string, user User) *peer {
	id := "c_" + strings.Repeat(fmt.Sprintf("%x", name), 16)[:32]
	if len(name) > 1 {
		id = "c_" + fmt.Sprintf("%032x", name)[:32]
	}
	return &peer{env: e, board: board, client: id, user: user}
}

// join is a peer that has connected and is welcome.
func (e *env) join(name string) *peer {
	e.t.Helper()
	p := e.peer(name)
	p.connect(1)
	return p
}

func (e *env) open(board string, o *ws.DialOptions) (*ws.Conn, error) {
	if o == nil {
		o = &ws.DialOptions{Subprotocols: []string{Protocol}}
	}
	o.NetDial, o.PingInterval, o.Proxy = e.dial, -1, noProxy
	return ws.Dial(e.t.Context(), "ws"+strings.TrimPrefix(e.url, "http")+"/ws/"+board, o)
}

// connect says hello and reads up to the welcome, which it returns.
func (p *peer) connect(first uint64) msg {
	p.t.Helper()
	p.openWith(p.helloText(first))
	p.held = nil // what is left of another connection
	m := p.next()
	if m.T != "welcome" {
		p.t.Fatalf("%s: got %s instead of a welcome", p.user.ID, m.raw)
	}
	var held []msg
	for m.Pos == "" {
		switch next := p.nextOf("rows", "live"); next.T {
		case "rows":
			m.Notes, m.Ops = append(m.Notes, next.Notes...), append(m.Ops, next.Ops...)
		case "live":
			m.Pos = next.Pos
		case "conflict":
			held = append(held, next)
		default:
			p.t.Fatalf("%s: got %s in a welcome", p.user.ID, next.raw)
		}
	}
	if m.Mode == "snapshot" && m.Notes == nil {
		m.Notes = []Note{}
	} else if m.Mode == "delta" && m.Ops == nil {
		m.Ops = []msg{}
	}
	p.held = held
	p.welcome(m)
	return m
}

func (p *peer) openWith(hello string) {
	p.t.Helper()
	conn, err := p.open(p.board, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.CloseNow() })
	p.conn = conn
	if hello != "" {
		p.say(hello)
	}
}

func (p *peer) helloText(first uint64) string {
	user, _ := json.Marshal(p.user)
	resume := ""
	if p.pos != "" {
		resume = `"resume":"` + p.pos + `",`
	}
	return fmt.Sprintf(`{"t":"hello","v":1,"client":%q,"user":%s,%s"first":%d}`, p.client, user, resume, first)
}

func (p *peer) sayf(format string, args ...any) {
	p.t.Helper()
	p.say(fmt.Sprintf(format, args...))
}

func (p *peer) say(text string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), ws.Text, []byte(text)); err != nil {
		p.t.Fatalf("%s says %.80s: %v", p.user.ID, text, err)
	}
}

// get returns the next message, or how the connection ended.
func (p *peer) get() (msg, error) {
	_, data, err := p.conn.Read(p.t.Context())
	if err != nil {
		return msg{}, err
	}
	m := msg{raw: string(data)}
	if err := json.Unmarshal(data, &m); err != nil {
		p.t.Errorf("message %s: %v", data, err)
	}
	return m, nil
}

// next returns the next message beside peers, pings and the rest of a welcome,
// which it deals with.
func (p *peer) next() msg {
	p.t.Helper()
	return p.nextOf()
}

// nextOf is next that also returns messages of these types.
func (p *peer) nextOf(types ...string) msg {
	p.t.Helper()
	if len(p.held) > 0 {
		m := p.held[0]
		p.held = p.held[1:]
		return m
	}
	for {
		m, err := p.get()
		if err != nil {
			p.t.Fatalf("%s: the connection ended: %v", p.user.ID, err)
		}
		if slices.Contains(types, m.T) || !p.aside(m) {
			return m
		}
	}
}

func (p *peer) aside(m msg) bool {
	switch m.T {
	case "peers":
		p.peerLog = append(p.peerLog, m)
		if m.Reset == true || p.peers == nil {
			p.peers = map[string]User{}
		}
		for _, u := range m.Join {
			p.peers[u.ID] = u
		}
		for _, id := range m.Leave {
			delete(p.peers, id)
		}
		return true
	case "rows", "live": // of a welcome that the test does not look at
		return true
	case "ping":
		p.sayf(`{"t":"pong","n":%d}`, m.N)
		return true
	case "op":
		p.effect(m)
	}
	return false
}

// expect returns the next message, which must be of that type.
func (p *peer) expect(typ string) msg {
	p.t.Helper()
	m := p.next()
	if m.T != typ {
		p.t.Fatalf("%s: got %s, want %s", p.user.ID, m.raw, typ)
	}
	return m
}

// closed reads until the connection ends and returns the close code.
func (p *peer) closed() ws.CloseCode {
	p.t.Helper()
	for {
		if m, err := p.get(); err != nil {
			var ce *ws.CloseError
			if !errors.As(err, &ce) {
				p.t.Fatalf("%s: the connection ended without a close: %v", p.user.ID, err)
			}
			return ws.CloseStatus(err)
		} else if m.T == "op" {
			p.effect(m)
		}
	}
}

func (p *peer) wantClosed(code ws.CloseCode) {
	p.t.Helper()
	if got := p.closed(); got != code {
		p.t.Fatalf("%s: closed with %d, want %d", p.user.ID, int(got), int(code))
	}
}

func (p *peer) welcome(m msg) {
	p.t.Helper()
	switch m.Mode {
	case "snapshot":
		p.state = map[string]Note{}
		for _, n := range m.Notes {
			p.state[n.ID] = n
		}
	case "delta":
		for _, op := range m.Ops {
			p.effect(op)
		}
	default:
		p.t.Fatalf("mode %q", m.Mode)
	}
	p.pos, p.acked = m.Pos, m.Acked
}

// effect folds an operation into what the peer knows.
func (p *peer) effect(m msg) {
	p.t.Helper()
	p.log = append(p.log, m)
	p.pos = m.Pos
	if p.state == nil {
		p.state = map[string]Note{}
	}
	if m.K == "delete" {
		delete(p.state, m.ID)
		return
	}
	n := p.state[m.ID]
	n.ID, n.By, n.At = m.ID, m.By, m.At
	if err := json.Unmarshal(m.F, &n); err != nil {
		p.t.Errorf("f of %s: %v", m.raw, err)
	}
	p.state[m.ID] = n
}

// notes returns what the peer knows, in canonical order.
func (p *peer) notes() []Note {
	out := []Note{}
	for _, n := range p.state {
		out = append(out, n)
	}
	sortNotes(out)
	return out
}

// create makes a note and waits for the echo.
func (p *peer) create(seq uint64, id, text string) msg {
	p.t.Helper()
	p.sayf(`{"t":"op","seq":%d,"k":"create","id":%q,"f":{"x":1,"y":2,"color":"amber","text":%q}}`, seq, id, text)
	return p.expect("op")
}

// server's own view of the main board.
func (e *env) truth() []Note {
	e.t.Helper()
	notes, err := e.srv.Notes(e.t.Context(), "main")
	if err != nil {
		e.t.Fatal(err)
	}
	return notes
}

func (p *peer) wantConverged() {
	p.t.Helper()
	if got, want := p.notes(), p.truth(); !reflect.DeepEqual(got, want) {
		p.t.Fatalf("%s and the server differ:\n%v\n%v", p.user.ID, got, want)
	}
}

func (p *peer) here() []string {
	var ids []string
	for id := range p.peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
