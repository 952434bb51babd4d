package sseinterop

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	gosse "github.com/tmaxmax/go-sse"
)

const goSSEModule = "github.com/tmaxmax/go-sse"

// goSSEClient is the client of tmaxmax/go-sse.
type goSSEClient struct{ described }

func (goSSEClient) about() *about {
	return &about{
		name: "go-sse-client", title: "go-sse (client)", from: "Go module tmaxmax/go-sse", pinned: moduleVersion(goSSEModule), cursor: "header",
		lacks: map[string]string{
			caseRefused:    "it gives up for good on any status but 200",
			caseLiveCursor: "it gives out the cursor as an event",
		},
		note: "it also gives out what has no data, such as a reconnection time alone; that is left out",
	}
}

func (goSSEClient) follow(ctx context.Context, url string) ([]event, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	c := &gosse.Client{
		HTTPClient: &http.Client{Transport: transport},
		Backoff:    gosse.Backoff{InitialInterval: time.Millisecond, Multiplier: 1, Jitter: -1},
	}
	conn := c.NewConnection(req)
	var got []event
	conn.SubscribeToAll(func(e gosse.Event) {
		if e.Data == "" && (e.LastEventID == "" || len(got) > 0 && e.LastEventID == got[len(got)-1].ID) {
			return // every event of ours has an id of its own
		}
		got = append(got, event{e.LastEventID, named(e.Type), e.Data})
		if e.Type == end {
			cancel()
		}
	})
	err = conn.Connect()
	if n := len(got); n > 0 && got[n-1].Name == end && errors.Is(err, context.Canceled) {
		err = nil
	}
	return got, err
}

// goSSEServer is the server of tmaxmax/go-sse with its replayer.
type goSSEServer struct{ described }

func (goSSEServer) about() *about {
	return &about{
		name: "go-sse-server", title: "go-sse (server with FiniteReplayer)", from: "Go module tmaxmax/go-sse", pinned: moduleVersion(goSSEModule),
		lacks: map[string]string{},
		note: "its encoder drops empty data, and line ends at the end of data, so it is given none; its replayer gives a client that has the " +
			"newest event all events again, so each request is preceded by a new one",
	}
}

type goSSEStream struct {
	srv  *httptest.Server
	sse  *gosse.Server
	next int // ids are counted by its replayer, from 0
}

func (goSSEServer) open(context.Context) (stream, error) {
	replayer, err := gosse.NewFiniteReplayer(1<<16, true)
	if err != nil {
		return nil, err
	}
	s := &goSSEStream{sse: &gosse.Server{Provider: &gosse.Joe{Replayer: replayer}}}
	s.srv = httptest.NewServer(s.sse)
	return s, nil
}

func (s *goSSEStream) url() string { return s.srv.URL }

func (s *goSSEStream) publish(_ context.Context, name, data string) (event, error) {
	if data = strings.TrimRight(data, "\n"); data == "" {
		data = "-"
	}
	m := &gosse.Message{}
	if name != "" {
		m.Type = gosse.Type(name)
	}
	m.AppendData(data)
	id := strconv.Itoa(s.next)
	s.next++
	return event{id, named(name), data}, s.sse.Publish(m)
}

func (s *goSSEStream) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = s.sse.Shutdown(ctx)
	s.srv.CloseClientConnections()
	s.srv.Close()
}
