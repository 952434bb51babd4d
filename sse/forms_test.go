package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/sse"
)

// sender is what the two forms have in common.
type sender interface {
	Send(ctx context.Context, events ...*sse.Event) error
	SendEncoded(ctx context.Context, frames ...[]byte) error
	Close(last ...*sse.Event) error
	Context() context.Context
	Done() <-chan struct{}
	Err() error
}

// A form makes a handler of a function that has a stream for as long as it runs.
type form struct {
	name    string
	handler func(t *testing.T, o *sse.Options, f func(s sender, h http.Header)) http.Handler
}

var forms = []form{
	{"in the handler", func(t *testing.T, o *sse.Options, f func(sender, http.Header)) http.Handler {
		return stream(t, o, func(s *sse.Writer, r *http.Request) { f(s, r.Header) })
	}},
	{"callback", func(t *testing.T, o *sse.Options, f func(sender, http.Header)) http.Handler {
		return sse.Handler(o, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
			h := r.Header.Clone()
			return sse.StreamEvents{Open: func(s *sse.Stream) {
				f(s, h)
				_ = s.Close()
			}}
		})
	}},
}

// inBothForms is one behaviour over every transport, in each form.
func inBothForms(t *testing.T, f func(t *testing.T, fm form, tr transport)) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, tr transport) { f(t, fm, tr) })
		})
	}
}

// onFakeTime is inBothForms in bubbles, over those transports that run there.
func onFakeTime(t *testing.T, f func(t *testing.T, fm form, tr transport)) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			for _, tr := range append(slices.Clone(piped), wrapped(piped[1], "unwrapping", func(w http.ResponseWriter) http.ResponseWriter { return unwrapping{w} })) {
				t.Run(tr.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { f(t, fm, tr) })
				})
			}
		})
	}
}

// The same stream has the same bytes, in each form and over every transport.
func TestFormsSendTheSame(t *testing.T) {
	one, _ := sse.AppendEvent(nil, &sse.Event{Data: []byte("one")})
	two, _ := sse.AppendEvent(nil, &sse.Event{ID: "2", Data: bytes.Repeat([]byte("two"), 1000)})
	inBothForms(t, func(t *testing.T, fm form, tr transport) {
		s := tr.start(t, fm.handler(t, &sse.Options{Retry: -1}, func(s sender, h http.Header) {
			ctx := context.Background()
			for name, err := range map[string]error{
				"Send":              s.Send(ctx, &sse.Event{Data: []byte("one")}, &sse.Event{ID: "2", Data: bytes.Repeat([]byte("two"), 1000)}),
				"SendEncoded":       s.SendEncoded(ctx, one, two),
				"Send nothing":      s.Send(ctx),
				"SendEncoded again": s.SendEncoded(ctx, two),
				"an empty frame":    s.SendEncoded(ctx, nil),
			} {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			var bad *sse.FieldError
			if err := s.Send(ctx, &sse.Event{}, &sse.Event{ID: "a\nb"}); !errors.As(err, &bad) {
				t.Errorf("a bad id: %v", err)
			}
			if err := s.Err(); err != nil {
				t.Errorf("open, but Err is %v", err)
			}
			over, cancel := context.WithCancelCause(ctx)
			cancel(errors.New("mine"))
			if err := s.Send(over, &sse.Event{}); err != context.Cause(over) {
				t.Errorf("an ended context: %v", err)
			}
			for range 2 {
				if err := s.Close(&sse.Event{Name: "bye"}); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
			<-s.Done()
			for name, err := range map[string]error{
				"Send": s.Send(ctx, &sse.Event{}), "SendEncoded": s.SendEncoded(ctx, one),
				"Err": s.Err(), "the cause": context.Cause(s.Context()),
			} {
				if err != sse.ErrClosed {
					t.Errorf("%s after Close: %v", name, err)
				}
			}
		}), nil)
		// The map's order is any; what counts is the pieces.
		body := string(readAll(t, s.get()))
		rest, ok := strings.CutPrefix(body, ": stream\n\n")
		rest, bye := strings.CutSuffix(rest, "event: bye\ndata: \n\n")
		pair := string(one) + string(two)
		if !ok || !bye || rest != pair+pair+string(two) && rest != pair+string(two)+pair && rest != string(two)+pair+pair {
			t.Errorf("body %q", body)
		}
	})
}

func TestFormsHaveTheSameHeader(t *testing.T) {
	inBothForms(t, func(t *testing.T, fm form, tr transport) {
		h := fm.handler(t, nil, func(s sender, h http.Header) {})
		s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3")
			w.Header().Set("X-Mine", "stays")
			w.Header().Set("X-Broken", "a\r\nX-Evil: 1")
			w.Header()["X-Two"] = []string{"a", "b"}
			if r.Header.Get("X-Undated") != "" {
				w.Header()["Date"] = nil
			}
			if r.Method == http.MethodHead && strings.HasPrefix(fm.name, "in") {
				_, _ = sse.NewWriter(w, r, nil)
				return
			}
			h.ServeHTTP(w, r)
		}), nil)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp := s.do(t.Context(), method)
			if d, err := http.ParseTime(resp.Header.Get("Date")); err != nil || time.Since(d).Abs() > time.Hour {
				t.Errorf("%s: Date %q", method, resp.Header.Get("Date"))
			}
			resp.Header.Del("Date")
			resp.Header.Del("Connection")
			want := http.Header{
				"Content-Type":      {"text/event-stream"},
				"Cache-Control":     {"no-store, no-transform"},
				"X-Accel-Buffering": {"no"},
				"X-Mine":            {"stays"},
				"X-Two":             {"a", "b"},
			}
			if resp.ProtoMajor == 1 { // HTTP/2 leaves such a field out
				want["X-Broken"] = []string{"a  X-Evil: 1"}
			}
			if diff := cmp.Diff(want, resp.Header); diff != "" || resp.StatusCode != 200 {
				t.Errorf("%s: status %d, header (-want +got)\n%s", method, resp.StatusCode, diff)
			}
			readAll(t, resp)
		}
		resp := s.get("X-Undated", "1")
		if got := resp.Header.Values("Date"); got != nil {
			t.Errorf("Date %q, which was switched off", got)
		}
		readAll(t, resp)
	})
}

// Who gets no stream is told so by a response, and no event of it comes.
func TestFormsRefuse(t *testing.T) {
	inBothForms(t, func(t *testing.T, fm form, tr transport) {
		g := sse.NewGroup(&sse.GroupOptions{MaxStreams: 1})
		opened := make(chan struct{}, 10)
		h := sse.Handler(&sse.Options{Group: g}, func(*sse.Stream, *http.Request) sse.StreamEvents {
			opened <- struct{}{}
			return sse.StreamEvents{}
		})
		if fm.name != "callback" {
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if s, err := sse.NewWriter(w, r, &sse.Options{Group: g}); err == nil {
					opened <- struct{}{}
					<-s.Done()
					_ = s.Close()
				}
			})
		}
		s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c := r.Header.Get("X-Encode"); c != "" {
				w.Header().Set("Content-Encoding", c)
			}
			h.ServeHTTP(w, r)
		}), nil)
		for _, tt := range []struct {
			method string
			header []string
			status int
			body   string
		}{
			{"PUT", nil, 405, "method not allowed\n"},
			{"GET", []string{"Accept", "text/html"}, 406, "client does not accept text/event-stream\n"},
			{"GET", []string{"X-Encode", "gzip"}, 500, "response has a Content-Encoding\n"},
			{"HEAD", nil, 200, ""},
		} {
			resp := s.do(t.Context(), tt.method, tt.header...)
			if body := readAll(t, resp); resp.StatusCode != tt.status || string(body) != tt.body {
				t.Errorf("%s %v: %d %q", tt.method, tt.header, resp.StatusCode, body)
			}
		}
		if n := g.Len(); n != 0 || len(opened) != 0 {
			t.Fatalf("%d streams, %d opened", n, len(opened))
		}
		open(t, s, 1)
		<-opened
		resp := s.get()
		after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if resp.StatusCode != 503 || err != nil || after < 1 || after > 7 {
			t.Errorf("over the limit: %d %v", resp.StatusCode, resp.Header)
		}
	})
}

// A comment and a random reconnection time come at once; heartbeats come when
// the stream has been silent, and traffic puts them off.
func TestFormsHeartbeat(t *testing.T) {
	onFakeTime(t, func(t *testing.T, fm form, tr transport) {
		s := tr.start(t, fm.handler(t, nil, func(s sender, h http.Header) {
			time.Sleep(10 * time.Second)
			_ = s.Send(context.Background(), &sse.Event{Data: []byte("x")})
			<-s.Done()
		}), nil)
		start := time.Now()
		br := bufio.NewReader(s.get().Body)
		if block := readBlock(t, br); !opening.MatchString(block) {
			t.Errorf("the stream begins with %q", block)
		}
		for _, want := range []struct {
			at    time.Duration
			block string
		}{
			{10 * time.Second, "data: x\n\n"},
			{25 * time.Second, ":\n\n"}, // the event put it off
			{40 * time.Second, ":\n\n"},
			{55 * time.Second, ":\n\n"},
		} {
			if block, at := readBlock(t, br), time.Since(start); block != want.block || at != want.at {
				t.Errorf("%q after %v, want %q after %v", block, at, want.block, want.at)
			}
		}
	})
}

func TestFormsMaxAge(t *testing.T) {
	onFakeTime(t, func(t *testing.T, fm form, tr transport) {
		ages := map[time.Duration]bool{}
		for range 5 {
			ended := make(chan error, 1)
			s := tr.start(t, fm.handler(t, &sse.Options{MaxAge: 10 * time.Minute, Retry: -1}, func(s sender, h http.Header) {
				<-s.Done()
				ended <- s.Err()
				_ = s.Close(&sse.Event{Name: "bye"})
			}), nil)
			start := time.Now()
			body := readAll(t, s.get())
			d := time.Since(start)
			if d < 8*time.Minute || d > 10*time.Minute {
				t.Errorf("ended after %v", d)
			}
			ages[d] = true
			if err := <-ended; err != sse.ErrMaxAge {
				t.Errorf("ended with %v", err)
			}
			if !bytes.HasPrefix(body, []byte(": stream\n\n:\n\n")) {
				t.Errorf("body %q", body)
			}
		}
		if len(ages) < 2 {
			t.Errorf("five streams reached the same age: %v", ages)
		}
	})
}

// A client that leaves ends its stream, and one that stops reading too, when
// WriteTimeout has passed.
func TestFormsEndWithTheClient(t *testing.T) {
	onFakeTime(t, func(t *testing.T, fm form, tr transport) {
		g := sse.NewGroup(nil)
		ended := make(chan error, 1)
		s := tr.start(t, fm.handler(t, &sse.Options{Group: g, WriteTimeout: 5 * time.Second, Heartbeat: -1}, func(s sender, h http.Header) {
			if h.Get("X-Flood") != "" {
				for s.Send(context.Background(), &sse.Event{Data: make([]byte, 1<<20)}) == nil {
				}
			}
			<-s.Done()
			ended <- s.Err()
		}), nil)
		ctx, cancel := context.WithCancel(t.Context())
		s.do(ctx, http.MethodGet)
		synctest.Wait()
		cancel()
		err := <-ended
		if fm.name == "callback" && !errors.Is(err, sse.ErrGone) || fm.name != "callback" && !errors.Is(err, context.Canceled) {
			t.Errorf("the client left: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		s.do(ctx, http.MethodGet, "X-Flood", "1") // and never read
		if err := <-ended; !isDeadline(err) || !strings.Contains(err.Error(), "Options.WriteTimeout") {
			t.Errorf("the client stopped reading: %v", err)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("that took %v", d)
		}
		synctest.Wait()
		if g.Len() != 0 {
			t.Errorf("%d streams are left", g.Len())
		}
	})
}

func isDeadline(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// The server's WriteTimeout counts from the request; a stream must outlive it.
func TestFormsOutliveTheServersWriteTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{0, -1} {
		t.Run("WriteTimeout "+timeout.String(), func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, fm form, tr transport) {
				s := tr.start(t, fm.handler(t, &sse.Options{WriteTimeout: timeout}, func(s sender, h http.Header) {
					for i := range 10 {
						if err := s.Send(context.Background(), &sse.Event{Data: []byte(strconv.Itoa(i))}); err != nil {
							t.Errorf("event %d: %v", i, err)
						}
						time.Sleep(100 * time.Millisecond)
					}
					time.Sleep(time.Minute)
					if err := s.Send(context.Background(), &sse.Event{Data: []byte("last")}); err != nil {
						t.Errorf("after a quiet minute: %v", err)
					}
				}), func(srv *http.Server) { srv.WriteTimeout = 300 * time.Millisecond })
				if got := reference(readAll(t, s.get())).events; len(got) != 11 {
					t.Errorf("%d events arrived, want 11", len(got))
				}
			})
		})
	}
}

// Drain ends when all streams have, at once, and each client was told its own
// time to come back.
func TestFormsDrainAThousandStreams(t *testing.T) {
	retry := regexp.MustCompile(`retry: (\d+)\n`)
	onFakeTime(t, func(t *testing.T, fm form, tr transport) {
		const n = 1000
		g := sse.NewGroup(&sse.GroupOptions{Rate: 10})
		s := tr.start(t, fm.handler(t, &sse.Options{Group: g, Heartbeat: -1}, func(s sender, h http.Header) {
			<-s.Done()
			if s.Err() != sse.ErrDraining {
				t.Errorf("ended with %v", s.Err())
			}
			if err := s.Send(context.Background(), &sse.Event{}); err != sse.ErrDraining {
				t.Errorf("Send: %v", err)
			}
		}), func(srv *http.Server) {
			srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2 * n}
		})
		bodies := open(t, s, n)
		synctest.Wait()
		if g.Len() != n {
			t.Fatalf("%d streams, want %d", g.Len(), n)
		}
		start := time.Now()
		if err := g.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 0 || g.Len() != 0 {
			t.Errorf("Drain took %v and left %d", d, g.Len())
		}
		told := map[string]bool{}
		for i, br := range bodies {
			m := retry.FindStringSubmatch(readBlock(t, br))
			if m == nil {
				t.Fatalf("stream %d was not told when to come back", i)
			}
			told[m[1]] = true
			if b, err := br.ReadByte(); err == nil {
				t.Fatalf("stream %d goes on with %q", i, b)
			}
		}
		if len(told) < n*9/10 {
			t.Errorf("%d streams were told %d times to come back", n, len(told))
		}
		if resp := s.get(); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a new request got %d %v", resp.StatusCode, resp.Header)
		}
	})
}

// The window that clients need to come back grows with their number; those who
// came early are told with a heartbeat.
func TestFormsTellEarlyClientsOfALargerWindow(t *testing.T) {
	onFakeTime(t, func(t *testing.T, fm form, tr transport) {
		g := sse.NewGroup(&sse.GroupOptions{Rate: 1})
		s := tr.start(t, fm.handler(t, &sse.Options{Group: g}, func(s sender, h http.Header) { <-s.Done() }), func(srv *http.Server) {
			srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1000}
		})
		first := open(t, s, 1)[0]
		open(t, s, 299)
		if block := readBlock(t, first); !strings.HasPrefix(block, ":\nretry: ") {
			t.Errorf("first heartbeat %q", block)
		}
		if block := readBlock(t, first); block != ":\n\n" {
			t.Errorf("second heartbeat %q", block)
		}
	})
}

// Bytes of concurrent senders never mix, and heartbeats do not come between.
func TestFormsConcurrentSendersNeverInterleave(t *testing.T) {
	inBothForms(t, func(t *testing.T, fm form, tr transport) {
		const senders, each = 8, 50
		s := tr.start(t, fm.handler(t, &sse.Options{Heartbeat: time.Millisecond}, func(s sender, h http.Header) {
			var all sync.WaitGroup
			for i := range senders {
				all.Go(func() {
					data := bytes.Repeat([]byte{byte('a' + i)}, 1+i*700)
					frame, _ := sse.AppendEvent(nil, &sse.Event{Data: data})
					for k := range each {
						var err error
						if k%2 == 0 {
							err = s.Send(context.Background(), &sse.Event{Data: data})
						} else {
							err = s.SendEncoded(context.Background(), frame)
						}
						if err != nil {
							t.Errorf("sender %d: %v", i, err)
							return
						}
					}
				})
			}
			all.Wait()
		}), nil)
		count := map[string]int{}
		for _, e := range reference(readAll(t, s.get())).events {
			count[string(e.Data)]++
		}
		for i := range senders {
			if got := count[strings.Repeat(string(rune('a'+i)), 1+i*700)]; got != each {
				t.Errorf("%d events of sender %d came whole, want %d", got, i, each)
			}
		}
		if len(count) != senders {
			t.Errorf("%d different events", len(count))
		}
	})
}
