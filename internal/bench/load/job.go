package load

import (
	"fmt"
	"time"
)

// Job says what to do to a server.
type Job struct {
	Kind    string `json:"kind"`  // "echo", "handshake", "idle" or "fanout"
	Proto   string `json:"proto"` // "ws" or "sse"
	Addr    string `json:"addr"`
	Control string `json:"control"`
	Cert    []byte `json:"cert,omitempty"` // PEM; TLS if there is one
	PID     int    `json:"pid"`            // of the server

	Conns   int `json:"conns"`
	Size    int `json:"size"`              // of a payload, in bytes
	Depth   int `json:"depth,omitempty"`   // echo: messages that are sent at once and awaited
	Burst   int `json:"burst,omitempty"`   // fanout: messages that are published at once
	Stalled int `json:"stalled,omitempty"` // fanout: connections that do not read
	Warmup  int `json:"warmup,omitempty"`  // fanout: bursts before the clock starts

	WarmupMS   int `json:"warmup_ms,omitempty"`
	DurationMS int `json:"duration_ms,omitempty"`
	SettleMS   int `json:"settle_ms,omitempty"` // idle: silence before memory is looked at
}

// Result is what came out: metrics or, if anything was not as it must be, an error.
type Result struct {
	Metrics map[string]float64 `json:"metrics,omitempty"`
	Error   string             `json:"error,omitempty"`
}

// patience is how long anything may take that should come at once.
const patience = 30 * time.Second

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// Run does the job.
func Run(j Job) Result {
	var m map[string]float64
	var err error
	switch j.Kind {
	case "echo":
		m, err = echo(j)
	case "handshake":
		m, err = handshakes(j)
	case "idle":
		m, err = idle(j)
	case "fanout":
		m, err = fanout(j)
	default:
		err = fmt.Errorf("no job %q", j.Kind)
	}
	if err != nil {
		return Result{Error: err.Error()}
	}
	return Result{Metrics: m}
}
