package sse_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/sse"
)

var errStore = errors.New("store is broken")

// brokenStore is a log whose methods can be made to fail.
type brokenStore struct {
	*sse.Log
	append func(e *sse.Event) (string, error)                      // in place of Append
	after  func(cursor string, yield func(*sse.Event, error) bool) // in place of After
	head   error
}

func (b *brokenStore) Append(ctx context.Context, e *sse.Event) (string, error) {
	if b.append != nil {
		return b.append(e)
	}
	return b.Log.Append(ctx, e)
}

func (b *brokenStore) After(ctx context.Context, cursor string) iter.Seq2[*sse.Event, error] {
	if b.after != nil {
		return func(yield func(*sse.Event, error) bool) { b.after(cursor, yield) }
	}
	return b.Log.After(ctx, cursor)
}

func (b *brokenStore) Head(ctx context.Context) (string, error) {
	if b.head != nil {
		return "", b.head
	}
	return b.Log.Head(ctx)
}

// What the store did not take, nobody gets.
func TestLogStoreAppendFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{Log: sse.NewLog(nil)}
		l := sse.NewLog(&sse.LogOptions{Store: store})
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			got = take(t, l, sse.Live, 1)
		}()
		synctest.Wait()
		for name, f := range map[string]func(*sse.Event) (string, error){
			"fails":  func(*sse.Event) (string, error) { return "", errStore },
			"no id":  func(*sse.Event) (string, error) { return "", nil },
			"bad id": func(*sse.Event) (string, error) { return "a\nb", nil },
		} {
			store.append = f
			if id, err := l.Append(t.Context(), &sse.Event{Data: []byte(name)}); err == nil || id != "" {
				t.Errorf("%s: id %q, error %v", name, id, err)
			}
		}
		store.append = nil
		publish(t, l, 7, 8)
		<-done
		if diff := cmp.Diff([]string{"7"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// What the store took though its Append failed, as a database does whose answer
// is lost, comes to all who follow, in its place, once.
func TestLogStoreTookItAllTheSame(t *testing.T) {
	for name, fail := range map[string]func(id string) (string, error){
		"fails":  func(string) (string, error) { return "", errStore },
		"no id":  func(string) (string, error) { return "", nil },
		"panics": func(string) (string, error) { panic(errStore) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &brokenStore{Log: sse.NewLog(nil)}
				l := sse.NewLog(&sse.LogOptions{Store: store})
				ids := publish(t, l, 0, 3)
				var wg sync.WaitGroup
				follow := func(cursor string, want ...string) {
					wg.Go(func() {
						if diff := cmp.Diff(want, take(t, l, cursor, len(want))); diff != "" {
							t.Errorf("after %s (-want +got)\n%s", cursor, diff)
						}
					})
					synctest.Wait()
				}
				follow(sse.Start, "0", "1", "2", "3", "4", "5", "6")
				follow(ids[1], "2", "3", "4", "5", "6")
				follow(sse.Live, "3", "4", "5", "6")
				func() {
					defer func() { _ = recover() }()
					store.append = func(e *sse.Event) (string, error) { return fail(publish(t, store.Log, 3, 4)[0]) }
					if _, err := l.Append(t.Context(), &sse.Event{Data: []byte("3")}); err == nil {
						t.Error("no error")
					}
				}()
				store.append = nil
				follow(sse.Start, "0", "1", "2", "3", "4", "5", "6")
				publish(t, l, 4, 7)
				wg.Wait()
			})
		})
	}
}

// Who follows live needs the store no more than once, as long as it does not
// fail.
func TestLogStoreIsNotReadForWhatMemoryHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem, reads := sse.NewLog(nil), 0
		l := sse.NewLog(&sse.LogOptions{Store: &brokenStore{Log: mem, after: func(cursor string, yield func(*sse.Event, error) bool) {
			reads++
			mem.After(t.Context(), cursor)(yield)
		}}})
		done := make(chan struct{})
		go func() { defer close(done); take(t, l, sse.Live, 20) }()
		for i := range 20 {
			synctest.Wait()
			publish(t, l, i, i+1)
		}
		<-done
		if reads != 0 {
			t.Errorf("twenty live events took %d reads of the store", reads)
		}
	})
}

// A store that can't give all ends the follower with its error.
func TestLogStoreReadFails(t *testing.T) {
	for name, tt := range map[string]struct {
		after func(cursor string, yield func(*sse.Event, error) bool)
		want  []string
		is    error
	}{
		"at once": {
			func(_ string, yield func(*sse.Event, error) bool) { yield(nil, errStore) },
			nil, errStore,
		},
		"in the middle": {
			func(_ string, yield func(*sse.Event, error) bool) {
				_ = yield(&sse.Event{ID: "1", Data: []byte("one")}, nil) && yield(nil, errStore)
			},
			[]string{"one"},
			errStore,
		},
		"at its end": {
			func(cursor string, yield func(*sse.Event, error) bool) {
				if cursor == "1" {
					yield(nil, errStore)
					return
				}
				yield(&sse.Event{ID: "1", Data: []byte("one")}, nil)
			},
			[]string{"one"},
			errStore,
		},
		"an event that can't be sent": {
			func(_ string, yield func(*sse.Event, error) bool) { yield(&sse.Event{ID: "a\nb"}, nil) },
			nil, &sse.FieldError{Field: "id", Reason: "it has a line end"},
		},
		"refuses its own cursor": {
			func(cursor string, yield func(*sse.Event, error) bool) {
				yield(nil, &sse.Gap{Reason: sse.GapEpoch, From: cursor, Now: "0", Missed: -1})
			},
			[]string{"gap"},
			&sse.Gap{Reason: sse.GapEpoch, From: "0", Now: "0", Missed: -1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := sse.NewLog(&sse.LogOptions{Store: &brokenStore{Log: sse.NewLog(nil), after: tt.after}})
			var got []string
			var last error
			for e, err := range l.Follow(t.Context(), "x") {
				if last = err; err != nil {
					continue
				}
				if e.Name == sse.GapEvent {
					got = append(got, "gap")
				} else {
					got = append(got, string(e.Data))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !errors.Is(last, errStore) && (last == nil || last.Error() != tt.is.Error()) {
				t.Errorf("ended with %v, want %v", last, tt.is)
			}
		})
	}
}

// A follower goes over from the store to memory, or begins live, while somebody
// appends: in the one moment in which that could be missed, the other waits.
func TestLogStoreMeetsMemoryWithoutASeam(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *sse.Log
		var appending sync.WaitGroup
		appendNow := func() { // goes as far as it can, before the store answers
			appending.Go(func() { publish(t, l, 1, 2) })
			synctest.Wait()
		}
		for _, cursor := range []string{sse.Live, sse.Start} {
			store := &hookedStore{Log: sse.NewLog(nil)}
			l = sse.NewLog(&sse.LogOptions{Store: store})
			publish(t, store.Log, 0, 1)
			want := []string{"1"}
			if cursor == sse.Live {
				store.onHead = appendNow
			} else {
				store.onEnd = appendNow
				want = []string{"0", "1"}
			}
			if diff := cmp.Diff(want, take(t, l, cursor, len(want))); diff != "" {
				t.Errorf("%s (-want +got)\n%s", cursor, diff)
			}
			appending.Wait()
		}
	})
}

// hookedStore calls a function once: when Head has its answer, or when After
// has come to the end for the second time without an event.
type hookedStore struct {
	*sse.Log
	onHead, onEnd func()
}

func (h *hookedStore) Head(ctx context.Context) (string, error) {
	head, err := h.Log.Head(ctx)
	if f := h.onHead; f != nil {
		h.onHead = nil
		f()
	}
	return head, err
}

func (h *hookedStore) After(ctx context.Context, cursor string) iter.Seq2[*sse.Event, error] {
	return func(yield func(*sse.Event, error) bool) {
		empty := true
		for e, err := range h.Log.After(ctx, cursor) {
			empty = false
			if !yield(e, err) {
				return
			}
		}
		if f := h.onEnd; f != nil && empty {
			h.onEnd = nil
			f()
		}
	}
}

// The store forgets where a follower is, between two reads: it is told.
func TestLogStoreForgetsBetweenReads(t *testing.T) {
	reads := 0
	after := func(cursor string, yield func(*sse.Event, error) bool) {
		switch reads++; {
		case cursor == "1" && reads > 1:
			yield(nil, &sse.Gap{Reason: sse.GapTrimmed, From: cursor, Now: "8", Missed: 7})
		case cursor == "8":
			yield(&sse.Event{ID: "9", Data: []byte("nine")}, nil)
		}
	}
	l := sse.NewLog(&sse.LogOptions{Store: &brokenStore{Log: sse.NewLog(nil), after: after}})
	var got []string
	for e, err := range l.Follow(t.Context(), "1") {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.Name+e.ID); len(got) == 2 {
			break
		}
	}
	if diff := cmp.Diff([]string{"gap8", "9"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A log whose memory has outlived all its events follows its store, and waits.
func TestLogStoreAfterMemoryForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sse.NewLog(&sse.LogOptions{Age: time.Second, Store: sse.NewLog(nil)})
		ids := publish(t, l, 0, 3)
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for _, cursor := range []string{ids[0], ids[2], sse.Live} {
			wg.Go(func() {
				want := []string{"3"}
				if cursor == ids[0] {
					want = []string{"1", "2", "3"}
				}
				if diff := cmp.Diff(want, take(t, l, cursor, len(want))); diff != "" {
					t.Errorf("after %s (-want +got)\n%s", cursor, diff)
				}
			})
		}
		synctest.Wait()
		publish(t, l, 3, 4)
		wg.Wait()
	})
}

// A follower that takes its time holds nothing of the store, and gets what the
// store has in batches.
func TestLogStoreIsNotReadWhileAFollowerIsBusy(t *testing.T) {
	const n = 1000
	mem := sse.NewLog(nil)
	reads, most, reading := 0, 0, false
	store := &brokenStore{Log: mem}
	store.after = func(cursor string, yield func(*sse.Event, error) bool) {
		reads++
		reading = true
		given := 0
		defer func() { reading, most = false, max(most, given) }()
		for e, err := range mem.After(t.Context(), cursor) {
			if given++; !yield(e, err) {
				return
			}
		}
	}
	var want []string
	for i := range n {
		want = append(want, strconv.Itoa(i))
	}
	ids := publish(t, mem, 0, n)
	l := sse.NewLog(&sse.LogOptions{Store: store})
	var got []string
	for e, err := range l.Follow(t.Context(), sse.Start) {
		if err != nil || reading {
			t.Fatalf("event %d: error %v, the store is being read: %v", len(got), err, reading)
		}
		if got = append(got, string(e.Data)); len(got) == n {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if reads > 8 || most > 256 {
		t.Errorf("%d events took %d reads of the store, of up to %d events", n, reads, most)
	}

	// The same to a client: a write for each batch, not for each event.
	w := &countingWriter{header: http.Header{}}
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header.Set("Last-Event-ID", ids[0])
	last := 0
	_ = l.Serve(w, r, &sse.ServeOptions{Filter: func(e *sse.Event) bool {
		if last++; last == n-1 {
			cancel()
		}
		return true
	}})
	if w.writes > 8 {
		t.Errorf("%d events took %d writes", n, w.writes)
	}
}

// A request that can't be served because of the store gets an error response.
func TestServeStoreFails(t *testing.T) {
	fails := func(_ string, yield func(*sse.Event, error) bool) { yield(nil, errStore) }
	for name, store := range map[string]*brokenStore{
		"head":   {Log: sse.NewLog(nil), head: errStore},
		"cursor": {Log: sse.NewLog(nil), after: fails},
	} {
		t.Run(name, func(t *testing.T) {
			l := sse.NewLog(&sse.LogOptions{Store: store})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			if name == "cursor" {
				r.Header.Set("Last-Event-ID", "1")
			}
			rec := httptest.NewRecorder()
			err := l.Serve(rec, r, nil)
			re, ok := errors.AsType[*sse.RefusedError](err)
			if !ok || !errors.Is(err, errStore) || re.Status != 500 || rec.Code != 500 {
				t.Errorf("error %v, answered %d", err, rec.Code)
			}
			if strings.Contains(rec.Body.String(), errStore.Error()) {
				t.Errorf("the client was told the store's own words: %q", rec.Body)
			}
		})
	}
}

// A server that admits nobody more asks its store nothing for them.
func TestServeRefusesBeforeItAsksTheStore(t *testing.T) {
	asked := 0
	store := &brokenStore{Log: sse.NewLog(nil), after: func(string, func(*sse.Event, error) bool) { asked++ }}
	l := sse.NewLog(&sse.LogOptions{Store: store})
	full := sse.NewGroup(&sse.GroupOptions{MaxStreams: 1})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s, err := sse.NewWriter(httptest.NewRecorder(), r, &sse.Options{Group: full})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r.Header.Set("Last-Event-ID", "1")
	rec := httptest.NewRecorder()
	err = l.Serve(rec, r, &sse.ServeOptions{Stream: sse.Options{Group: full}})
	if !errors.Is(err, sse.ErrFull) || rec.Code != 503 || rec.Header().Get("Retry-After") == "" || asked != 0 {
		t.Errorf("error %v, answered %d, %v; the store was asked %d times", err, rec.Code, rec.Header(), asked)
	}
}

// A log over a store that is not empty gives its events, as after a restart.
func TestLogStoreOutlivesTheLog(t *testing.T) {
	store := sse.NewLog(nil)
	ids := publish(t, sse.NewLog(&sse.LogOptions{Store: store}), 0, 5)
	l := sse.NewLog(&sse.LogOptions{Store: store})
	if head := headOf(t, l); head != ids[4] {
		t.Errorf("head %q, want %q", head, ids[4])
	}
	publish(t, l, 5, 8)
	if diff := cmp.Diff([]string{"2", "3", "4", "5", "6", "7"}, take(t, l, ids[1], 6)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
