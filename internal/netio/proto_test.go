package netio

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
)

// lines is the tests' protocol: frames of a length in four bytes and a payload.
type lines struct {
	c         *Conn
	onMessage func(p []byte) Next // nil echoes
	onAlarm   func()
	onCut     func()
	closed    chan error
	blocking  bool // a message pauses, and lies in got
	got       []byte
	has       bool
	inData    atomic.Int32
	calls     atomic.Int32 // of Data
	useRoom   bool
	big       []byte // under way by Room
	have      int
}

func newLines() *lines { return &lines{closed: make(chan error, 2)} }

func frame(p []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(p))), p...)
}

func (l *lines) Room() []byte {
	if l.big == nil {
		return nil
	}
	return l.big[l.have:]
}

func (l *lines) Data(b []byte) (n int, next Next) {
	if l.inData.Add(1) != 1 {
		panic("two goroutines in Data")
	}
	defer l.inData.Add(-1)
	l.calls.Add(1)
	if l.big != nil {
		k := len(b)
		if room := l.big[l.have:]; len(room) > 0 && &room[0] != &b[0] {
			k = copy(room, b)
		}
		l.have += k
		if l.have < len(l.big) {
			return k, More
		}
		p := l.big
		l.big, l.have = nil, 0
		n, b = k, b[k:]
		if next = l.message(p, b); next == Pause {
			return n, next
		}
	}
	for len(b) >= 4 {
		size := int(binary.BigEndian.Uint32(b))
		if l.useRoom && size > readSize && len(b) < 4+size {
			l.big = make([]byte, size)
			l.have = copy(l.big, b[4:])
			return n + len(b), More
		}
		if len(b) < 4+size {
			break
		}
		p := b[4 : 4+size]
		n, b = n+4+size, b[4+size:]
		if next = l.message(p, b); next == Pause {
			return n, next
		}
	}
	return n, next
}

func (l *lines) message(p, rest []byte) Next {
	l.c.SetMore(len(rest) >= 4 && len(rest) >= 4+int(binary.BigEndian.Uint32(rest)))
	if l.blocking {
		l.got, l.has = append(l.got[:0], p...), true
		return Pause
	}
	if l.onMessage != nil {
		return l.onMessage(p)
	}
	l.echo(p)
	return More
}

func (l *lines) echo(p []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(p)))
	return l.c.Write(context.Background(), head[:], p)
}

func (l *lines) Alarm() {
	if l.onAlarm != nil {
		l.onAlarm()
	}
}

func (l *lines) Cut() {
	if l.onCut != nil {
		l.onCut()
	}
}

func (l *lines) Closed(err error) { l.closed <- err }

// read is the blocking form's Read.
func (l *lines) read(ctx context.Context) ([]byte, error) {
	for {
		if l.has {
			l.has = false
			return l.got, nil
		}
		if err := l.c.Pump(ctx); err != nil {
			return nil, err
		}
	}
}

// echoServer starts a Conn that echoes, in either form.
func echoServer(t testing.TB, tr transport, l *lines, blocking bool, change func(*Config)) (*Conn, net.Conn) {
	t.Helper()
	c, peer := tr.start(t, l, change)
	l.c, l.blocking = c, blocking
	if !blocking {
		c.Serve()
		return c, peer
	}
	go func() {
		for {
			p, err := l.read(context.Background())
			if err != nil {
				return
			}
			if l.echo(p) != nil {
				return
			}
		}
	}()
	return c, peer
}

// bothForms runs f for the callback and for the blocking form.
func bothForms(t *testing.T, f func(t *testing.T, blocking bool)) {
	for _, blocking := range []bool{false, true} {
		t.Run(fmt.Sprintf("blocking=%v", blocking), func(t *testing.T) { f(t, blocking) })
	}
}
