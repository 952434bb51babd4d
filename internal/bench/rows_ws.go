package main

import (
	"github.com/tidewire/tidewire/internal/bench/figure"
	"github.com/tidewire/tidewire/internal/bench/inproc"
	"github.com/tidewire/tidewire/internal/bench/load"
	"github.com/tidewire/tidewire/internal/bench/server"
)

// Names of our forms.
const (
	ours     = "tidewire"
	blocking = "tidewire blocking"
)

// wsPeers are the other WebSocket libraries, the best in most rows first.
var wsPeers = []string{"gws", "gobwas", "gorilla", "coder"}

var idleMetrics = []figure.Metric{
	{Name: "rss_b", Head: "RSS, B per connection", Lower: true},
	{Name: "natural_rss_b", Head: "before collection, B", Lower: true},
	{Name: "heap_b", Head: "of it heap", Lower: true},
	{Name: "stack_b", Head: "of it stacks", Lower: true},
	{Name: "goroutines", Head: "goroutines per connection", Lower: true},
}

var echoMetrics = []figure.Metric{
	{Name: "per_s", Head: "messages/s"},
	{Name: "cpu_us", Head: "CPU, µs per message", Lower: true},
	{Name: "allocs", Head: "allocations per message", Lower: true},
	{Name: "load_cpu_us", Head: "load generator's CPU, µs", Lower: true},
}

// wsTrials are ours and the peers' with the same job.
func wsTrials(forms []string, peers []string, spec server.Spec, job load.Job) []trial {
	kind := map[string]string{ours: "ws/tidewire", blocking: "ws/tidewire-blocking"}
	job.Proto = "ws"
	var out []trial
	for _, who := range append(append([]string(nil), forms...), peers...) {
		s := spec
		if s.Kind = kind[who]; s.Kind == "" {
			s.Kind = "ws/" + who
		}
		out = append(out, trial{who: who, server: s, job: job})
	}
	return out
}

func wsIdle(s scale) row {
	const detached, inHandler, overTLS = "goroutines of their own, 10,000 connections", "in the handler, 5,000 connections", "TLS, 5,000 connections"
	job := func(n int) load.Job {
		return load.Job{Kind: "idle", Conns: s.conns(n), Size: 64, SettleMS: s.ms(4000)}
	}
	r := row{Row: figure.Row{
		Name: "ws-idle", Title: "Memory of idle WebSocket connections",
		About: []string{"Each connection has echoed one message of 64 B and is silent. Every library is used in its most " +
			"frugal documented way: the connection's loop in a goroutine of its own, so that net/http keeps nothing; gws and " +
			"gorilla with read buffers of 1 KiB, gorilla with a pool of write buffers. *In the handler* is the loop where it " +
			"is commonly written; what net/http has on the handler's stack, and its buffers, are then pinned for all alike."},
		Metrics: idleMetrics, Ours: []string{ours, blocking}, Ratios: []string{"rss_b"},
		Targets: []figure.Target{
			{What: "callback form, B", Metric: "rss_b", Of: figure.Ref{Point: detached, Who: ours}, Value: 1800},
			{What: "blocking form in a goroutine of its own, B", Metric: "rss_b", Of: figure.Ref{Point: detached, Who: blocking}, Value: 4200},
			{
				What: "blocking form in the handler, against the best peer", Metric: "rss_b", Of: figure.Ref{Point: inHandler, Who: blocking},
				Against: figure.Ref{Who: figure.BestPeer}, Value: 1,
			},
			{What: "callback form over TLS, B", Metric: "rss_b", Of: figure.Ref{Point: overTLS, Who: ours}, Value: 10_500},
		},
	}}
	both := []string{ours, blocking}
	r.points = []point{
		{detached, wsTrials(both, wsPeers, server.Spec{Frugal: true}, job(10_000))},
		{inHandler, wsTrials([]string{blocking}, wsPeers, server.Spec{Frugal: true, InHandler: true}, job(5000))},
		{overTLS, wsTrials([]string{ours}, wsPeers, server.Spec{Frugal: true, TLS: true}, job(5000))},
	}
	for i := range r.points[2].trials {
		r.points[2].trials[i].extra = s.pick(5, 0) // handshakes
	}
	return r
}

func wsEcho(s scale) row {
	const few, many = "100 connections", "1,000 connections"
	job := func(n int) load.Job {
		return load.Job{Kind: "echo", Conns: s.conns(n), Depth: 1, Size: 64, WarmupMS: s.ms(500), DurationMS: s.ms(2000)}
	}
	target := func(point, what, metric string, atLeast bool, value float64) figure.Target {
		return figure.Target{
			What: what + " against gws, " + point, Metric: metric, Of: figure.Ref{Point: point, Who: ours},
			Against: figure.Ref{Who: "gws"}, AtLeast: atLeast, Value: value,
		}
	}
	r := row{Row: figure.Row{
		Name: "ws-echo", Title: "Echo, one message at a time",
		About:   []string{"Text of 64 B. Each connection sends its next message when the last one has come back."},
		Metrics: echoMetrics, Ours: []string{ours, blocking}, Ratios: []string{"per_s", "cpu_us"},
		Targets: []figure.Target{
			target(few, "messages/s", "per_s", true, 1.15), target(few, "CPU per message", "cpu_us", false, 0.85),
			target(many, "messages/s", "per_s", true, 1.15), target(many, "CPU per message", "cpu_us", false, 0.85),
		},
	}}
	both := []string{ours, blocking}
	r.points = []point{
		{few, wsTrials(both, wsPeers, server.Spec{}, job(100))},
		{many, wsTrials(both, wsPeers, server.Spec{}, job(1000))},
	}
	return r
}

func wsPipelined(s scale) row {
	const p = "100 connections"
	job := load.Job{Kind: "echo", Conns: s.conns(100), Depth: 16, Size: 64, WarmupMS: s.ms(500), DurationMS: s.ms(2000)}
	return row{Row: figure.Row{
		Name: "ws-pipelined", Title: "Echo, sixteen messages at a time",
		About: []string{"Text of 64 B. Each connection sends sixteen messages in one write, and the next sixteen when all have " +
			"come back, which is the kindest to servers that answer each by itself."},
		Metrics: echoMetrics, Ours: []string{ours, blocking}, Ratios: []string{"per_s", "cpu_us"},
		Targets: []figure.Target{{
			What: "messages/s against gws", Metric: "per_s", Of: figure.Ref{Point: p, Who: ours},
			Against: figure.Ref{Who: "gws"}, AtLeast: true, Value: 8,
		}},
	}, points: []point{{p, wsTrials([]string{ours, blocking}, wsPeers, server.Spec{}, job)}}}
}

func wsContext(s scale) row {
	const p = "100 connections"
	job := load.Job{Kind: "echo", Conns: s.conns(100), Depth: 1, Size: 64, WarmupMS: s.ms(500), DurationMS: s.ms(2000)}
	return row{Row: figure.Row{
		Name: "ws-context", Title: "Echo with a context that can be cancelled",
		About: []string{"The blocking form, where each read and each write is given such a context. coder is the one peer whose " +
			"calls take a context. Allocations are those of the whole process, so that a few in a thousand messages are " +
			"the runtime's own."},
		Metrics: echoMetrics, Ours: []string{blocking}, Ratios: []string{"per_s", "cpu_us"},
		Targets: []figure.Target{{
			What: "allocations per message (at most 0.01, that is none but the runtime's own)", Metric: "allocs",
			Of: figure.Ref{Point: p, Who: blocking}, Value: 0.01,
		}},
	}, points: []point{{p, wsTrials([]string{blocking}, []string{"coder"}, server.Spec{Cancel: true}, job)}}}
}

func wsHandshake(s scale) row {
	const p = "64 at a time"
	job := load.Job{Kind: "handshake", Conns: s.pick(64, 4), WarmupMS: s.ms(500), DurationMS: s.ms(2000)}
	return row{Row: figure.Row{
		Name: "ws-handshake", Title: "Handshakes",
		About: []string{"A connection is made, the handshake's answer checked, and the connection reset, 64 of them at a time. " +
			"net/http's part is the same for all."},
		Metrics: []figure.Metric{
			{Name: "per_s", Head: "handshakes/s"},
			{Name: "cpu_us", Head: "CPU, µs each", Lower: true},
			{Name: "allocs", Head: "allocations each", Lower: true},
			{Name: "load_cpu_us", Head: "load generator's CPU, µs", Lower: true},
		},
		Ours: []string{ours}, Ratios: []string{"per_s", "cpu_us"},
		Targets: []figure.Target{{
			What: "CPU per handshake, against the best peer", Metric: "cpu_us", Of: figure.Ref{Point: p, Who: ours},
			Against: figure.Ref{Who: figure.BestPeer}, Report: true,
		}},
	}, points: []point{{p, wsTrials([]string{ours, blocking}, wsPeers, server.Spec{}, job)}}}
}

func wsMask(s scale) row {
	r := row{Row: figure.Row{
		Name: "ws-mask", Title: "Masking",
		About: []string{"A payload is unmasked in place, on one core, by the libraries' own functions. tidewire and gobwas " +
			"have assembler for it, the others are pure Go."},
		Metrics: []figure.Metric{{Name: "gb_per_s", Head: "GB/s"}, {Name: "ns", Head: "ns", Lower: true}},
		Ours:    []string{ours}, Ratios: []string{"gb_per_s"},
	}}
	for _, who := range []string{"gws", "gorilla", "coder"} {
		r.Targets = append(r.Targets, figure.Target{
			What: "GB/s of 1 KiB against " + who, Metric: "gb_per_s", Of: figure.Ref{Point: "1 KiB", Who: ours},
			Against: figure.Ref{Who: who}, AtLeast: true, Value: 1.4,
		})
	}
	for _, size := range []struct {
		name string
		n    int
	}{{"64 B", 64}, {"1 KiB", 1024}, {"16 KiB", 16 << 10}} {
		p := point{name: size.name}
		for _, who := range append([]string{ours}, wsPeers...) {
			p.trials = append(p.trials, trial{who: who, inproc: &inproc.Job{Kind: "mask", Who: who, Size: size.n, DurationMS: s.ms(200)}})
		}
		r.points = append(r.points, p)
	}
	return r
}
