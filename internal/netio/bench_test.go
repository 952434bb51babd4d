package netio

import (
	"testing"
	"time"
)

// BenchmarkAlarm sets 10,000 alarms anew, as a keepalive does twice a minute.
func BenchmarkAlarm(b *testing.B) {
	for name, timers := range map[string]bool{"wheel": false, "timers": true} {
		b.Run(name, func(b *testing.B) {
			cfg := &Config{Timers: timers}
			conns := make([]*Conn, 10_000)
			for i := range conns {
				conns[i] = &Conn{cfg: cfg, wire: fast, proto: newLines()}
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, c := range conns {
					c.SetAlarm(30 * time.Second)
				}
			}
			for _, c := range conns {
				c.stopAlarm()
			}
		})
	}
}
