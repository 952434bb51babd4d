package netio

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"
)

// BenchmarkAlarms compares the wheel with a timer for each of 10,000 connections: what it takes to set an alarm anew, as a
// keepalive does twice a minute, and what memory an alarm that is set takes.
func BenchmarkAlarms(b *testing.B) {
	const conns = 10_000
	for _, timers := range []bool{false, true} {
		name, inConn := "wheel", reflect.TypeFor[alarm]().Size()+4+1 // due, onWheel
		if timers {
			name, inConn = "timers", reflect.TypeFor[*time.Timer]().Size()
		}
		b.Run(name, func(b *testing.B) {
			cfg := &Config{Timers: timers}
			all := make([]*Conn, conns)
			for i := range all {
				// The place of the timer is there already: without a wheel it would be in Conn.
				all[i] = &Conn{cfg: cfg, wire: fast, proto: newLines(), slow: new(slow)}
			}
			before := heapInUse()
			for i, c := range all { // as if they had come within an interval
				c.SetAlarm(30*time.Second + time.Duration(i)*3*time.Millisecond)
			}
			memory := float64(heapInUse()-before)/conns + float64(inConn)
			i := 0
			for b.Loop() {
				all[i].SetAlarm(60 * time.Second)
				if i++; i == conns {
					i = 0
				}
			}
			b.ReportMetric(memory, "B/conn")
			for _, c := range all {
				c.stopAlarm()
			}
		})
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
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
