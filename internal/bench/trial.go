package main

import (
	"github.com/tidewire/tidewire/internal/bench/figure"
	"github.com/tidewire/tidewire/internal/bench/inproc"
	"github.com/tidewire/tidewire/internal/bench/load"
	"github.com/tidewire/tidewire/internal/bench/server"
)

// row is a question with all that is needed to ask it.
type row struct {
	figure.Row
	points []point
}

// point is one setting of a row.
type point struct {
	name   string
	trials []trial
}

// trial is one contestant at a point: either a server and a job for it, or something inside one process.
type trial struct {
	who    string
	server server.Spec
	job    load.Job
	inproc *inproc.Job
	free   bool // inproc: on all cores rather than on one
	extra  int  // seconds, about, beyond what the job says
}

// seconds is how long a round takes, about.
func (r *row) seconds() int {
	n := 0
	for _, p := range r.points {
		for _, t := range p.trials {
			ms := 300 + t.job.WarmupMS + t.job.DurationMS + t.job.SettleMS*5/4 + t.job.Conns/4 + t.extra*1000
			if t.inproc != nil {
				ms += t.inproc.DurationMS
			}
			n += ms
		}
	}
	return (n + 999) / 1000
}

// scale chooses between real and tiny parameters.
type scale struct{ smoke bool }

func (s scale) pick(real, tiny int) int {
	if s.smoke {
		return tiny
	}
	return real
}

// conns is a number of connections.
func (s scale) conns(n int) int { return s.pick(n, min(n, 20)) }

// ms is a time.
func (s scale) ms(n int) int { return s.pick(n, 40) }

// rows are all rows, in the order of the document.
func rows(smoke bool) []row {
	s := scale{smoke}
	return []row{
		wsIdle(s), wsEcho(s), wsPipelined(s), wsContext(s), wsHandshake(s), wsMask(s), wsFanout(s), wsStalled(s),
		hubPublish(s), hubBurst(s), hubPush(s),
		sseIdle(s), sseFanout(s), sseEncode(s), sseParse(s),
	}
}
