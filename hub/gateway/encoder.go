package gateway

import (
	"sync"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// EventStreamEncoder writes events for an event stream (HTML standard, section
// 9.2): the position as the id, none where there is none, the name or that of
// the marker as the event, and the envelope as the data. It is what a program
// gives [hub.Hub.Connect] that serves its streams itself, with an sse.Stream as
// the sink. An EventSource gives events named error or open to the handlers of its
// own events of these names: publish with other names for pages.
type EventStreamEncoder struct{}

// Format implements [hub.Encoder].
func (EventStreamEncoder) Format() string { return "tidewire/1 event-stream" }

// AppendFrame implements [hub.Encoder].
func (EventStreamEncoder) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	s := getScratch()
	defer s.free()
	s.b = AppendEvent(s.b[:0], ev)
	var id [64]byte // no position is longer
	pos, _ := ev.Pos.AppendText(id[:0])
	e := sse.Event{ID: string(pos), Name: ev.Name, Data: s.b}
	if ev.Marker != hub.NoMarker {
		e.Name = ev.Marker.String()
	}
	return sse.AppendEvent(dst, &e)
}

// WebSocketEncoder writes events for a WebSocket: each envelope is one text
// message in one frame of a server's, that is, without a mask (RFC 6455, section
// 5.2). Its sink is a ws.Conn.
type WebSocketEncoder struct{}

// Format implements [hub.Encoder].
func (WebSocketEncoder) Format() string { return "tidewire/1 websocket" }

// AppendFrame implements [hub.Encoder].
func (WebSocketEncoder) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	s := getScratch()
	defer s.free()
	s.b = AppendEvent(s.b[:0], ev)
	return ws.AppendFrame(dst, ws.Text, s.b)
}

// A scratch is where an envelope is made before its length is known.
type scratch struct{ b []byte }

// maxScratch is the most that is kept of one.
const maxScratch = 64 << 10

var scratches = sync.Pool{New: func() any { return &scratch{b: make([]byte, 0, 1024)} }}

func getScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) free() {
	if cap(s.b) <= maxScratch {
		scratches.Put(s)
	}
}
