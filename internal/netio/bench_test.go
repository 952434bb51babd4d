package netio

import (
	"bytes"
	"fmt"
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

// BenchmarkEcho is a ping-pong of 64 bytes on one connection, the peer being an ordinary net.Conn in the same process.
func BenchmarkEcho(b *testing.B) {
	for _, tr := range transports() {
		for _, blocking := range []bool{false, true} {
			b.Run(fmt.Sprintf("64/%s/blocking=%v", tr.name, blocking), func(b *testing.B) {
				_, peer := echoServer(b, tr, newLines(), blocking, nil)
				f := frame(make([]byte, 64))
				back := make([]byte, len(f))
				b.ReportAllocs()
				for b.Loop() {
					peer.Write(f)
					mustReadFull(b, peer, back)
				}
			})
		}
	}
}

// BenchmarkEchoPipelined sends sixteen messages at a time.
func BenchmarkEchoPipelined(b *testing.B) {
	for _, tr := range transports() {
		b.Run("16x64/"+tr.name, func(b *testing.B) {
			_, peer := echoServer(b, tr, newLines(), false, nil)
			f := bytes.Repeat(frame(make([]byte, 64)), 16)
			back := make([]byte, len(f))
			b.ReportAllocs()
			for b.Loop() {
				peer.Write(f)
				mustReadFull(b, peer, back)
			}
		})
	}
}
