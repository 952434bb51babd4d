package main

import (
	"github.com/tidewire/tidewire/internal/bench/figure"
	"github.com/tidewire/tidewire/internal/bench/inproc"
)

func hubPublish(s scale) row {
	const none, lagging, sleeping = "no subscriber", "100,000 lagging", "100,000 sleeping"
	trials := func(kind string, n, extra int, peers ...string) (out []trial) {
		for _, who := range append([]string{ours}, peers...) {
			out = append(out, trial{
				who: who, extra: s.pick(extra, 0),
				inproc: &inproc.Job{Kind: kind, Who: who, N: n, Size: 128, DurationMS: s.ms(1000)},
			})
		}
		return out
	}
	return row{Row: figure.Row{
		Name: "hub-publish", Title: "Publishing",
		About: []string{"In one process, on one core; 128 B. channels is a hub with a channel for each subscriber, where who is full " +
			"misses out. Lagging subscribers do not read: tidewire's have all that is retained before them, and the channels " +
			"are full. Sleeping subscribers are goroutines that wait for the message; what counts there is the CPU time of " +
			"the process until the last of them has it.",
			"centrifuge is as in hub-burst. It is not among the lagging: it disconnects a client that does not read once " +
				"1 MiB waits for it."},
		Metrics: []figure.Metric{
			{Name: "publish_ns", Head: "publisher, ns per message", Lower: true},
			{Name: "cpu_ns_delivery", Head: "CPU, ns per delivery", Lower: true},
			{Name: "ns_delivery", Head: "until the last, ns per delivery", Lower: true},
			{Name: "allocs", Head: "allocations per message", Lower: true},
		},
		Ours: []string{ours}, Ratios: []string{"publish_ns", "cpu_ns_delivery"},
		Targets: []figure.Target{
			{
				What: "publishing to lagging subscribers against none", Metric: "publish_ns",
				Of: figure.Ref{Point: lagging, Who: ours}, Against: figure.Ref{Point: none, Who: ours}, Value: 2,
			},
			{
				What: "CPU until the last delivery to sleeping subscribers, against a channel each", Metric: "cpu_ns_delivery",
				Of: figure.Ref{Point: sleeping, Who: ours}, Against: figure.Ref{Who: "channels"}, Report: true,
			},
		},
	}, points: []point{
		{none, trials("hub-none", 0, 0, "channels", "centrifuge")},
		{lagging, trials("hub-lagging", s.conns(100_000), 1, "channels")},
		{sleeping, trials("hub-sleeping", s.conns(100_000), 2, "channels", "centrifuge")},
	}}
}

func hubBurst(s scale) row {
	const few, many = "1,000 subscribers", "10,000 subscribers"
	trials := func(n, extra int) (out []trial) {
		for _, who := range []string{ours, "channels", "centrifuge"} {
			out = append(out, trial{
				who: who, free: true, extra: s.pick(extra, 0),
				inproc: &inproc.Job{Kind: "hub-burst", Who: who, N: n, Size: 128, Burst: s.pick(1000, 10), DurationMS: s.ms(1000)},
			})
		}
		return out
	}
	r := row{Row: figure.Row{
		Name: "hub-burst", Title: "Bursts",
		About: []string{"In one process, on all cores: a thousand messages of 128 B at once, to subscribers who all read. Nothing may " +
			"be lost: the log has room for the burst once, the channels have it for each subscriber.",
			"centrifuge is a Node with default options and its memory broker, and clients whom the server subscribes to one " +
				"channel without history, presence or recovery. They are connected by a transport in memory, in one direction " +
				"and without pings, which compares the data of each publication and counts it. Besides what the others do, " +
				"this contains the encoding of its Protobuf protocol, once for each message, its metrics, and a queue and a " +
				"writer goroutine for each client, which hands on up to 16 messages at once. Its figures end " +
				"with the transport's Write, those of the other two in the subscriber's own goroutine."},
		Metrics: []figure.Metric{
			{Name: "publish_ns", Head: "publisher, ns per message", Lower: true},
			{Name: "cpu_ns_delivery", Head: "CPU, ns per delivery", Lower: true},
			{Name: "ns_delivery", Head: "until the last, ns per delivery", Lower: true},
		},
		Ours: []string{ours}, Ratios: []string{"publish_ns", "cpu_ns_delivery", "ns_delivery"},
	}}
	for _, p := range []string{few, many} {
		r.Targets = append(r.Targets, figure.Target{
			What: "CPU per delivery against a channel each, " + p, Metric: "cpu_ns_delivery",
			Of: figure.Ref{Point: p, Who: ours}, Against: figure.Ref{Who: "channels"}, Report: true,
		})
	}
	r.points = []point{{few, trials(s.conns(1000), 0)}, {many, trials(s.conns(10_000), 2)}}
	r.points[1].trials[2].extra = s.pick(15, 0) // twice ten million deliveries
	return r
}

func hubPush(s scale) row {
	const one, eight = "10,000 connections, one message at a time", "10,000 connections, bursts of 8"
	trials := func(burst int) []trial {
		return []trial{{who: ours, inproc: &inproc.Job{
			Kind: "hub-push", Who: ours, N: s.conns(10_000), Size: 256, Burst: burst, DurationMS: s.ms(1000),
		}}}
	}
	r := row{Row: figure.Row{
		Name: "hub-push", Title: "The push form without a network",
		About: []string{"In one process, on one core: messages of 256 B to sinks that take everything at once, which is what a " +
			"delivery costs beside its send."},
		Metrics: []figure.Metric{
			{Name: "cpu_ns_delivery", Head: "CPU, ns per delivery", Lower: true},
			{Name: "ns_delivery", Head: "until the last, ns per delivery", Lower: true},
			{Name: "allocs_delivery", Head: "allocations per delivery", Lower: true},
			{Name: "encodings", Head: "encodings per message", Lower: true},
		},
		Ours: []string{ours},
	}}
	for _, p := range []string{one, eight} {
		of := figure.Ref{Point: p, Who: ours}
		r.Targets = append(r.Targets,
			figure.Target{
				What: "allocations per delivery (at most 0.01, that is none but the message's own), " + p, Metric: "allocs_delivery",
				Of: of, Value: 0.01,
			},
			figure.Target{What: "encodings per message, " + p, Metric: "encodings", Of: of, Value: 1})
	}
	r.points = []point{{one, trials(1)}, {eight, trials(8)}}
	return r
}

// sseTrials are ours and go-sse's.
func sseTrials(s scale, kind string, size, ms, extra int) (out []trial) {
	for _, who := range []string{ours, "go-sse"} {
		out = append(out, trial{who: who, extra: s.pick(extra, 0), inproc: &inproc.Job{Kind: kind, Who: who, Size: size, DurationMS: ms}})
	}
	return out
}

func sseEncode(s scale) row {
	const made, kept, response = "made and written", "made once", "to a response of net/http"
	at := func(p string) figure.Ref { return figure.Ref{Point: p, Who: ours} }
	r := row{Row: figure.Row{
		Name: "sse-encode", Title: "Encoding SSE events",
		About: []string{"In one process, on one core: an event with a name, an id and 200 B of JSON. *Made and written*: it is made " +
			"of its parts each time, as by a program that publishes, and written to a buffer. *Made once*: only the " +
			"writing. *To a response of net/http*: the same through Writer.Send, and through Session.Send and Flush, with a " +
			"connection below that throws everything away; the writes are those to the connection."},
		Metrics: []figure.Metric{
			{Name: "ns", Head: "ns per event", Lower: true},
			{Name: "allocs", Head: "allocations", Lower: true},
			{Name: "writes", Head: "writes", Lower: true},
		},
		Ours: []string{ours}, Ratios: []string{"ns"},
		Targets: []figure.Target{
			{What: "made and written, time against go-sse", Metric: "ns", Of: at(made), Against: figure.Ref{Who: "go-sse"}, Value: 0.3},
			{What: "made once, time against go-sse", Metric: "ns", Of: at(kept), Against: figure.Ref{Who: "go-sse"}, Report: true},
			{What: "allocations (at most 0.01, that is none but the runtime's own)", Metric: "allocs", Of: at(made), Value: 0.01},
			{What: "writes", Metric: "writes", Of: at(made), Value: 1},
			{What: "writes to the connection", Metric: "writes", Of: at(response), Value: 1},
		},
	}, points: []point{
		{made, sseTrials(s, "sse-encode", 200, s.ms(500), 0)},
		{kept, sseTrials(s, "sse-encode", 200, s.ms(500), 0)},
		{response, sseTrials(s, "sse-send", 200, s.ms(500), 0)},
	}}
	for i := range r.points[0].trials {
		r.points[0].trials[i].inproc.N = 1
	}
	return r
}

func sseParse(s scale) row {
	const small, four, eight = "10,000 small events", "one event of 4 MB", "one event of 8 MB"
	r := row{Row: figure.Row{
		Name: "sse-parse", Title: "Parsing event streams",
		About: []string{"In one process, on one core. The small events have a name, an id and 100 B of data, and are read from memory. " +
			"The large ones come in reads of 1 KiB; go-sse is allowed 16 MiB for an event there."},
		Metrics: []figure.Metric{
			{Name: "ns", Head: "ns per event", Lower: true},
			{Name: "ms", Head: "ms", Lower: true},
			{Name: "allocs", Head: "allocations per event", Lower: true},
		},
		Ours: []string{ours}, Ratios: []string{"ns", "ms"},
		Targets: []figure.Target{
			{
				What: "small events, go-sse's time against ours", Metric: "ns", Of: figure.Ref{Point: small, Who: "go-sse"},
				Against: figure.Ref{Who: ours}, AtLeast: true, Value: 3.5,
			},
			{
				What: "an event of 8 MB against one of 4 MB (linear)", Metric: "ms", Of: figure.Ref{Point: eight, Who: ours},
				Against: figure.Ref{Point: four, Who: ours}, Value: 2.5,
			},
		},
	}, points: []point{
		{small, sseTrials(s, "sse-parse", 100, s.ms(500), 0)},
		{four, sseTrials(s, "sse-parse-1", s.pick(4_000_000, 40_000), s.ms(300), 0)},
		{eight, sseTrials(s, "sse-parse-1", s.pick(8_000_000, 80_000), s.ms(300), 0)},
	}}
	r.points[1].trials[1].extra, r.points[2].trials[1].extra = s.pick(2, 0), s.pick(8, 0) // its time is that of the square
	return r
}
