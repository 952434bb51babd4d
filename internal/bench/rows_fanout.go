package main

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/bench/figure"
	"github.com/tidewire/tidewire/internal/bench/load"
	"github.com/tidewire/tidewire/internal/bench/server"
)

var fanoutMetrics = []figure.Metric{
	{Name: "per_s", Head: "deliveries/s"},
	{Name: "cpu_us", Head: "CPU, µs per delivery", Lower: true},
	{Name: "p50_ms", Head: "p50, ms", Lower: true},
	{Name: "p99_ms", Head: "p99, ms", Lower: true},
	{Name: "allocs", Head: "allocations per delivery", Lower: true},
	{Name: "load_cpu_us", Head: "load generator's CPU, µs", Lower: true},
}

const (
	single = "5,000 connections, one message at a time"
	eight  = "5,000 connections, bursts of 8"
)

const fanoutAbout = "Messages of 256 B of text, which carry the time at which they were published. The next burst is published " +
	"when the last one has arrived everywhere, so nothing waits for a clock; the times are from publishing to receiving, " +
	"over all connections, and contain the work for the connections before."

// fanoutTrials are servers of one protocol with the same job.
func fanoutTrials(s scale, proto, prefix string, who []string, burst int) []trial {
	job := load.Job{
		Kind: "fanout", Proto: proto, Conns: s.conns(5000), Size: 256, Burst: burst,
		Warmup: s.pick(40, 2) / burst, DurationMS: s.ms(3000),
	}
	var out []trial
	for _, w := range who {
		kind := prefix + w
		if w == oursLog {
			kind = "sse/tidewire-log"
		}
		out = append(out, trial{who: w, server: server.Spec{Kind: kind}, job: job, extra: s.pick(1, 0)})
	}
	return out
}

func wsFanout(s scale) row {
	who := []string{ours, "channels", "gws", "gorilla", "melody", "bare"}
	return row{Row: figure.Row{
		Name: "ws-fanout", Title: "Fan-out to WebSocket connections",
		About: []string{
			fanoutAbout,
			"tidewire is the hub's push form, with connections of ws as sinks. channels has a goroutine and a channel for each " +
				"connection, no library, and one write for each message of a frame that is made once: the least that this design " +
				"costs. bare is less than a server: a loop of system calls over a list of descriptors, so nobody who sends each " +
				"message to each connection by itself can be below it. gws is its Broadcaster, gorilla its chat example with a " +
				"prepared message, melody its Broadcast. " +
				"centrifuge is not here but in hub-burst, because its wire protocol is its own.",
		},
		Metrics: fanoutMetrics, Ours: []string{ours}, Ratios: []string{"cpu_us", "per_s", "p99_ms"},
		Targets: []figure.Target{
			{
				What: "CPU per delivery against a goroutine and a channel each", Metric: "cpu_us",
				Of: figure.Ref{Point: single, Who: ours}, Against: figure.Ref{Who: "channels"}, Value: 0.75,
				Why: "the floor is near: bare, a loop of system calls over descriptors, is what is left when a server does " +
					"nothing else", Shown: "bare",
			},
			{
				What: "deliveries/s against a goroutine and a channel each, in bursts of 8", Metric: "per_s",
				Of: figure.Ref{Point: eight, Who: ours}, Against: figure.Ref{Who: "channels"}, AtLeast: true, Value: 3,
			},
		},
	}, points: []point{
		{single, fanoutTrials(s, "ws", "fanout/", who, 1)},
		{eight, fanoutTrials(s, "ws", "fanout/", who, 8)},
	}}
}

func wsStalled(s scale) row {
	const point1, stalled = "5,000 connections", ", 1 % stalled"
	r := row{Row: figure.Row{
		Name: "ws-stalled", Title: "Fan-out beside connections that do not read",
		About: []string{fmt.Sprintf("The same, with one message at a time, and then with fifty connections that never read and have "+
			"been full since before the clock started. Send buffers are of %d KiB, for all alike; the times are of those who "+
			"read. Who is full misses out (tidewire: policy SkipWithGap).", stalledSendBuffer>>10)},
		Metrics: fanoutMetrics, Ours: []string{ours + stalled, ours}, Ratios: []string{"p99_ms", "cpu_us"},
		Targets: []figure.Target{{
			What: "p99 of the others against that without stalled ones", Metric: "p99_ms",
			Of: figure.Ref{Point: point1, Who: ours + stalled}, Against: figure.Ref{Point: point1, Who: ours}, Value: 1.2,
		}},
	}}
	p := point{name: point1}
	for _, t := range fanoutTrials(s, "ws", "fanout/", []string{ours, "channels"}, 1) {
		t.server.SendBuffer = stalledSendBuffer
		t.job.Warmup = s.pick(200, 2)
		t.extra = s.pick(4, 0)
		p.trials = append(p.trials, t)
		t.who += stalled
		t.job.Stalled = max(1, t.job.Conns/100)
		p.trials = append(p.trials, t)
	}
	r.points = []point{p}
	return r
}

// stalledSendBuffer lets a connection that is not read be full after some dozens of messages.
const stalledSendBuffer = 16 << 10

func sseFanout(s scale) row {
	who := []string{ours, oursLog, "channels", "go-sse", "r3labs", "launchdarkly"}
	return row{Row: figure.Row{
		Name: "sse-fanout", Title: "Fan-out to SSE subscribers",
		About: []string{
			fanoutAbout,
			"tidewire is the hub's push form, with streams of sse.Handler as sinks; tidewire log is a sse.Log that serves its " +
				"followers from their handlers. channels is a net/http handler with a channel, and a write and a flush for " +
				"each event. The others are their libraries' servers with default options, without replay.",
		},
		Metrics: fanoutMetrics, Ours: []string{ours, oursLog}, Ratios: []string{"cpu_us", "per_s", "p99_ms"},
		Targets: []figure.Target{
			{
				What: "CPU per delivery against the best peer", Metric: "cpu_us", Of: figure.Ref{Point: single, Who: ours},
				Against: figure.Ref{Who: figure.BestPeer}, Value: 0.75,
			},
			{
				What: "p99 against the best peer", Metric: "p99_ms", Of: figure.Ref{Point: single, Who: ours},
				Against: figure.Ref{Who: figure.BestPeer}, Report: true,
			},
		},
	}, points: []point{
		{single, fanoutTrials(s, "sse", "sse/", who, 1)},
		{eight, fanoutTrials(s, "sse", "sse/", who, 8)},
	}}
}

func sseIdle(s scale) row {
	const p = "5,000 subscribers"
	forms := []struct{ who, kind string }{{ours, "sse/tidewire-bare"}, {oursHub, "sse/tidewire"}, {oursLog, "sse/tidewire-log"}}
	for _, who := range []string{"channels", "go-sse", "r3labs", "launchdarkly"} {
		forms = append(forms, struct{ who, kind string }{who, "sse/" + who})
	}
	pt := point{name: p}
	for _, f := range forms {
		pt.trials = append(pt.trials, trial{
			who: f.who, server: server.Spec{Kind: f.kind},
			job: load.Job{Kind: "idle", Proto: "sse", Conns: s.conns(5000), Size: 64, SettleMS: s.ms(4000)},
		})
	}
	return row{Row: figure.Row{
		Name: "sse-idle", Title: "Memory of idle SSE subscribers",
		About: []string{"Over HTTP/1.1. Each subscriber has received an event and waits for the next. tidewire is a stream of " +
			"sse.Handler, which the HTTP handler leaves behind; tidewire hub is the same with a connection of the hub, which " +
			"follows a topic; tidewire log is a sse.Log that serves its followers from their handlers; channels is a plain " +
			"net/http handler with a channel."},
		Metrics: idleMetrics, Ours: []string{ours, oursHub, oursLog}, Ratios: []string{"rss_b"},
		Targets: []figure.Target{
			{What: "detached, B", Metric: "rss_b", Of: figure.Ref{Point: p, Who: ours}, Value: 2200},
			{What: "detached, and following a topic of the hub, B", Metric: "rss_b", Of: figure.Ref{Point: p, Who: oursHub}, Report: true},
		},
	}, points: []point{pt}}
}

// Our forms of an event stream beside the plain one: followed from the hub, and with a handler for each subscriber.
const (
	oursHub = "tidewire hub"
	oursLog = "tidewire log"
)
