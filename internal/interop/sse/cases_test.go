package sseinterop

import (
	"context"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// A testCase is run with each peer that can play it.
type testCase struct {
	name string
	what string
	// with is for clients of others, by for servers; nil where there is no such side.
	with func(t *testing.T, ctx context.Context, c client)
	by   func(t *testing.T, ctx context.Context, s server)
}

// How many connections are cut, and how many events an uncut stream has.
const (
	cuts       = 160 // behind the bytes 160 to 1 of the response's body: the longest first, which tells the reconnection time
	headerCuts = 40  // behind every fourth byte of its header
	refusals   = 20
	uncut      = 400
)

const (
	caseLiveCursor = "live-cursor"
	caseRefused    = "refused"
	caseHeader     = "cut-in-header"
)

func cases() []testCase {
	return []testCase{
		{
			name: "whole", what: "400 events, uncut: names, ids and data arrive as they were, whatever characters they hold",
			with: func(t *testing.T, ctx context.Context, c client) {
				o := serveOurs(t, ctx, nil, sse.Start)
				got, n := o.follow(c, func(int) cut { fill(&o.j, o.publish); return cut{} })
				exactly(t, &o.j, got)
				if n != 1 {
					t.Errorf("%d requests for an uncut stream", n)
				}
			},
			by: func(t *testing.T, ctx context.Context, s server) {
				o := openTheirs(t, ctx, s)
				got, _ := o.follow(func(int) cut { fill(&o.j, o.publish); return cut{} })
				exactly(t, &o.j, got)
			},
		},
		swept("cut", serveSwept, "160 connections end, each one byte earlier than the one before", cuts, func(n int) cut { return cut{how: cutFIN, after: cuts - n} }),
		swept("reset", serveSwept, "160 connections are reset, each one byte earlier than the one before", cuts, func(n int) cut { return cut{how: cutReset, after: cuts - n} }),
		swept(caseHeader, serveSwept, "40 connections end in the response's header, and as many a little behind", 2*headerCuts, func(n int) cut {
			if n%2 == 1 {
				return cut{how: cutHeader, after: 2 * n}
			}
			return cut{how: cutFIN, after: 2 * (2*headerCuts - n)}
		}),
		alone(swept("cut-callback", serveSweptCallback, "as `cut`, with our server in callback form", cuts, func(n int) cut { return cut{how: cutFIN, after: cuts - n} })),
		refused(),
		liveCursor(),
		gap(),
	}
}

// fill publishes all events of an uncut stream and its end.
func fill(j *journal, pub func(name, data string) (event, error)) {
	for range uncut {
		j.add(pub)
	}
	j.finish(pub)
}

func openTheirs(t *testing.T, ctx context.Context, s server) *theirs {
	t.Helper()
	st, err := s.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.close)
	return &theirs{t: t, ctx: ctx, s: st}
}

// Our server's forms for a case in which a client may be far behind.
func serveSwept(t *testing.T, ctx context.Context) *ours {
	return serveOurs(t, ctx, &sse.LogOptions{Count: -1, Bytes: -1}, sse.Start)
}

func serveSweptCallback(t *testing.T, ctx context.Context) *ours {
	return serveCallback(t, ctx, &sse.LogOptions{Count: -1, Bytes: -1})
}

// alone is a case without servers of others.
func alone(c testCase) testCase {
	c.by = nil
	return c
}

// swept is a case in which the first connections are cut as how says, and the next one lives.
func swept(name string, ours func(*testing.T, context.Context) *ours, what string, connections int, how func(n int) cut) testCase {
	plan := func(finish func()) func(int) cut {
		return func(n int) cut {
			if n < connections {
				return how(n)
			}
			finish()
			return cut{}
		}
	}
	return testCase{
		name: name, what: what,
		with: func(t *testing.T, ctx context.Context, c client) {
			o := ours(t, ctx)
			got, n := o.follow(c, plan(o.finish))
			exactly(t, &o.j, got)
			if n <= connections {
				t.Errorf("%d requests, want more than %d", n, connections)
			}
			checkCursors(t, o, c, len(got), name == caseHeader)
		},
		by: func(t *testing.T, ctx context.Context, s server) {
			o := openTheirs(t, ctx, s)
			got, n := o.follow(plan(o.finish))
			exactly(t, &o.j, got)
			if n <= connections {
				t.Errorf("%d requests, want more than %d", n, connections)
			}
		},
	}
}

// checkCursors wants the cursor in the way that is the client's own. Where connections fail before they are open, a
// library that wraps a browser's EventSource may bring it in both.
func checkCursors(t *testing.T, o *ours, c client, events int, both bool) {
	t.Helper()
	header, query := o.cursors()
	t.Logf("%d events; cursors: %d in headers, %d in queries", events, header, query)
	own, other := header, query
	if c.about().cursor == "query" {
		own, other = query, header
	}
	if own < 10 || other != 0 && !both {
		t.Errorf("cursors came back %d times by header and %d times by query, want only by %s", header, query, c.about().cursor)
	}
}

func refused() testCase {
	// Of three requests one is answered with 503 and one is cut.
	plan := func(finish func()) func(int) cut {
		return func(n int) cut {
			switch {
			case n >= 3*refusals:
				finish()
				return cut{}
			case n%3 == 1:
				return cut{how: refuse503}
			}
			return cut{how: cutFIN, after: 100 + n}
		}
	}
	return testCase{
		name: caseRefused, what: "20 times in between the server can't be reached: 503",
		with: func(t *testing.T, ctx context.Context, c client) {
			o := serveOurs(t, ctx, nil, sse.Start)
			got, _ := o.follow(c, plan(o.finish))
			exactly(t, &o.j, got)
			header, query := o.cursors()
			t.Logf("%d events; cursors: %d in headers, %d in queries", len(got), header, query)
			if query < refusals && c.about().cursor == "query" {
				t.Errorf("only %d cursors came by query", query)
			}
		},
		by: func(t *testing.T, ctx context.Context, s server) {
			o := openTheirs(t, ctx, s)
			got, _ := o.follow(plan(o.finish))
			exactly(t, &o.j, got)
		},
	}
}

func liveCursor() testCase {
	return testCase{
		name: caseLiveCursor, what: "cut before the first event: the cursor that came without data brings those that it missed",
		with: func(t *testing.T, ctx context.Context, c client) {
			o := serveOurs(t, ctx, nil, sse.Live)
			if _, err := o.publish("", "before"); err != nil {
				t.Fatal(err)
			}
			head, err := o.log.Head(ctx)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := o.follow(c, func(n int) cut {
				if n == 0 {
					return cut{how: cutMark, mark: "id: " + head + "\n\n"}
				}
				if n == 1 {
					for range 3 {
						o.next()
					}
					o.finish()
				}
				return cut{}
			})
			exactly(t, &o.j, got)
		},
	}
}

func gap() testCase {
	return testCase{
		name: "gap", what: "away for longer than the log remembers: an event tells how many are missing, and what is kept follows",
		with: func(t *testing.T, ctx context.Context, c client) {
			o := serveOurs(t, ctx, &sse.LogOptions{Count: 3}, sse.Start)
			o.next()
			got, _ := o.follow(c, func(n int) cut {
				if n == 0 {
					return cut{how: cutMark, mark: "data: plain 0\n\n"}
				}
				if n == 1 {
					for range 9 {
						o.next()
					}
					o.finish()
				}
				return cut{}
			})
			want, err := o.j.published()
			if err != nil {
				t.Fatal(err)
			}
			// The log has the last two and the end; seven of the nine and the end are gone.
			if len(got) != 4 || got[0] != want[0] || got[1].Name != sse.GapEvent || got[2] != want[8] || got[3] != want[9] {
				t.Fatalf("got %q of %q", got, want)
			}
			g, ok := sse.ParseGap(&sse.Event{Name: got[1].Name, Data: []byte(got[1].Data)})
			wantGap := sse.Gap{Reason: sse.GapTrimmed, From: want[0].ID, Now: want[7].ID, Missed: 7}
			if !ok || *g != wantGap || got[1].ID != g.Now {
				t.Errorf("gap %+v with id %q, want %+v", g, got[1].ID, wantGap)
			}
		},
	}
}
