package sse_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// The events come one by one: Open, Leave, Close, and Close also after a panic.
func TestStreamEventsOrder(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		g := sse.NewGroup(nil)
		var mu sync.Mutex
		var told []string
		tell := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, what)
		}
		s := tr.start(t, sse.Handler(&sse.Options{Group: g}, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
			tell("open " + s.LastEventID())
			s.SetValue("mine")
			return sse.StreamEvents{
				Open: func(s *sse.Stream) {
					tell("Open")
					if s.Value() != "mine" || s.RemoteAddr() == nil {
						t.Errorf("value %v, address %v", s.Value(), s.RemoteAddr())
					}
					_ = s.Send(s.Context(), &sse.Event{Data: []byte("x")})
					<-s.Done()
					tell("end of Open")
				},
				Leave: func(s *sse.Stream, reason error) {
					if reason != sse.ErrDraining || s.Err() != reason {
						t.Errorf("reason %v", reason)
					}
					if err := s.Push(&sse.Event{}); err != sse.ErrDraining {
						t.Errorf("Push in Leave: %v", err)
					}
					if n, err := s.TrySend([][]byte{{1}}); n != 0 || err != sse.ErrDraining {
						t.Errorf("TrySend in Leave: %d, %v", n, err)
					}
					time.Sleep(time.Second)
					tell("Leave")
					if err := s.Close(&sse.Event{Name: "bye", Retry: 7 * time.Second}); err != nil {
						t.Errorf("Close: %v", err)
					}
					time.Sleep(time.Second)
					tell("end of Leave")
				},
				Close: func(s *sse.Stream, err error) {
					tell("Close " + err.Error())
					time.Sleep(time.Second)
					tell("end of Close")
				},
			}
		}), nil)
		br := bufio.NewReader(s.get("Last-Event-ID", "k.7").Body)
		readBlock(t, br)
		if block := readBlock(t, br); block != "data: x\n\n" {
			t.Errorf("%q", block)
		}
		start := time.Now()
		if err := g.Drain(t.Context()); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("Drain: %v after %v", err, time.Since(start))
		}
		if rest, err := io.ReadAll(br); err != nil || string(rest) != "retry: 7000\nevent: bye\ndata: \n\n" {
			t.Errorf("last %q, %v", rest, err)
		}
		want := []string{"open k.7", "Open", "end of Open", "Leave", "end of Leave", "Close " + sse.ErrDraining.Error(), "end of Close"}
		if got := strings.Join(told, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("told\n%s", got)
		}
	})
}

// A stream that is drained while open still runs ends when that has returned.
func TestStreamDrainedBeforeItIsOpen(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		g := sse.NewGroup(nil)
		inside, goOn := make(chan struct{}), make(chan struct{})
		s := tr.start(t, sse.Handler(&sse.Options{Group: g}, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
			close(inside)
			<-goOn
			return sse.StreamEvents{Leave: func(s *sse.Stream, reason error) { _ = s.Close(&sse.Event{Name: "bye"}) }}
		}), nil)
		br := bufio.NewReader(s.get().Body)
		readBlock(t, br)
		<-inside
		g.BeginDrain()
		synctest.Wait()
		if g.Len() != 1 {
			t.Errorf("%d streams", g.Len())
		}
		close(goOn)
		if block := readBlock(t, br); block != "event: bye\ndata: \n\n" {
			t.Errorf("last %q", block)
		}
		if block := readBlock(t, br); !lastRetry.MatchString(block) {
			t.Errorf("last %q", block)
		}
		if err := g.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Whichever event panics or ends its goroutine, the stream ends, Close comes,
// and the process lives.
func TestStreamEventsPanic(t *testing.T) {
	type place struct {
		name string
		at   string
		with any
	}
	var places []place
	for _, at := range []string{"open", "Open", "Leave", "Close"} {
		places = append(places, place{at + " panics", at, "oops"}, place{at + " aborts", at, http.ErrAbortHandler})
		if at != "open" { // there net/http's own goroutine would end
			places = append(places, place{at + " exits", at, nil})
		}
	}
	for _, tt := range places {
		t.Run(tt.name, func(t *testing.T) {
			inBubbles(t, func(t *testing.T, tr transport) {
				var logged bytes.Buffer
				g := sse.NewGroup(nil)
				ended := make(chan error, 2)
				fail := func(at string) {
					switch {
					case at != tt.at:
					case tt.with == nil:
						runtime.Goexit()
					default:
						panic(tt.with)
					}
				}
				s := tr.start(t, sse.Handler(&sse.Options{Group: g}, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
					fail("open")
					return sse.StreamEvents{
						Open:  func(s *sse.Stream) { fail("Open") },
						Leave: func(*sse.Stream, error) { fail("Leave") },
						Close: func(s *sse.Stream, err error) {
							ended <- err
							fail("Close")
						},
					}
				}), func(srv *http.Server) { srv.ErrorLog = log.New(&logged, "", 0) })
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := s.rt.RoundTrip(r)
				synctest.Wait()
				if err := g.Drain(t.Context()); err != nil {
					t.Error(err)
				}
				if err == nil { // else the stream was cut before its first bytes came
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				synctest.Wait()
				want := 1
				if tt.at == "open" { // nothing was asked for
					want = 0
				}
				if len(ended) != want {
					t.Fatalf("Close came %d times", len(ended))
				}
				if tt.at == "Open" {
					if err := <-ended; !errors.Is(err, sse.ErrClosed) {
						t.Errorf("ended with %v", err)
					}
				}
				if said := strings.Contains(logged.String(), "oops"); said != (tt.with == "oops") {
					t.Errorf("logged %q", logged.String())
				}
			})
		})
	}
}
