package wstest

import (
	"context"
	"fmt"
	"testing"
)

// RunServer runs the suite against a server. url is that of an endpoint that echoes text and binary messages whole
// and sends nothing of its own: "ws://host:port/path", "wss://…", or just "host:port".
//
// The results are in the order of Cases. With an error they are those of the cases that were run before: ctx has
// ended, the server can't be reached, or an option is of no use.
func RunServer(ctx context.Context, url string, opts *ServerOptions) ([]Result, error) {
	r, err := newServerRun(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	return r.all()
}

// RunClient runs the suite against a client. echo is called many times, each time with another URL, one call at a
// time: it connects, sends back whole whatever messages it receives, and returns when the connection has ended, or
// could not be made, which is an error. It must not retry. Its context ends when it is to give up at once.
//
// The results are as with RunServer.
func RunClient(ctx context.Context, echo func(ctx context.Context, url string) error, opts *ClientOptions) ([]Result, error) {
	r, err := newClientRun(ctx, echo, opts)
	if err != nil {
		return nil, err
	}
	defer r.client.close()
	return r.all()
}

// Server runs the suite against a server, each case as a subtest. See RunServer, which is for bubbles and programs.
func Server(t *testing.T, url string, opts *ServerOptions) {
	t.Helper()
	r, err := newServerRun(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	r.subtests(t)
}

// Client runs the suite against a client, each case as a subtest. See RunClient, which is for bubbles and programs.
func Client(t *testing.T, echo func(ctx context.Context, url string) error, opts *ClientOptions) {
	t.Helper()
	r, err := newClientRun(t.Context(), echo, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.client.close()
	r.subtests(t)
}

// run is the suite under way against one target.
type run struct {
	ctx    context.Context
	peer   Peer
	server *serverTarget // one of the two
	client *clientTarget

	chosen []exercise
	why    []string // for each: why the caller leaves it out, or ""
	failed map[string]bool
}

func newServerRun(ctx context.Context, url string, opts *ServerOptions) (*run, error) {
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	target, err := newServerTarget(url, o)
	if err != nil {
		return nil, err
	}
	r := &run{ctx: ctx, peer: o.Peer, server: target, failed: map[string]bool{}}
	if r.chosen, r.why, err = choose(ServerSide, o.Peer); err != nil {
		return nil, err
	}
	// A server that is not there would fail every case after the same wait.
	dialing, cancel := context.WithTimeout(ctx, o.patience())
	defer cancel()
	nc, err := target.dial(dialing)
	if err != nil {
		return nil, fmt.Errorf("wstest: the server can't be reached: %w", err)
	}
	_ = nc.Close() // nothing was said
	return r, nil
}

func newClientRun(ctx context.Context, echo func(ctx context.Context, url string) error, opts *ClientOptions) (*run, error) {
	var o ClientOptions
	if opts != nil {
		o = *opts
	}
	r := &run{ctx: ctx, peer: o.Peer, failed: map[string]bool{}}
	var err error
	if r.chosen, r.why, err = choose(ClientSide, o.Peer); err != nil {
		return nil, err
	}
	r.client, err = newClientTarget(echo, o)
	return r, err
}

// one runs the i-th of the chosen exercises.
func (r *run) one(i int) Result {
	e := r.chosen[i]
	skipped := func(why string) Result { return Result{Case: e.Case, Outcome: Skip, Instead: why} }
	if r.why[i] != "" {
		return skipped(r.why[i])
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	x := &exam{ctx: ctx, peer: r.peer, patience: r.peer.patience(), server: r.server, client: r.client}
	if r.failed[e.presumes] {
		return skipped(e.presumes + " has failed")
	}
	if e.lacks != nil {
		if why := e.lacks(x); why != "" {
			return skipped(why)
		}
	}
	x.try("", func() { e.run(x) })
	result := x.result(e.Case)
	r.failed[e.ID] = result.Outcome == Fail
	return result
}

func (r *run) all() ([]Result, error) {
	var results []Result
	for i := range r.chosen {
		result := r.one(i)
		if r.ctx.Err() != nil { // it may be what made the case fail
			return results, fmt.Errorf("wstest: %w", context.Cause(r.ctx))
		}
		results = append(results, result)
	}
	return results, nil
}

func (r *run) subtests(t *testing.T) {
	for i, e := range r.chosen {
		if r.why[i] != "" {
			continue // what the caller does not want need not be seen
		}
		t.Run(e.ID, func(t *testing.T) {
			switch result := r.one(i); result.Outcome {
			case Skip:
				t.Skip(result.Instead)
			case Fail:
				t.Error(result)
			}
		})
	}
}
