package server

import (
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
)

// channels is a goroutine and a channel for each connection and nothing else: no library, no reading, one write for each
// message of a frame that was made once. What a library costs on top of that is its own.
type channels struct{ subs subscribers[[]byte] }

func newChannels(Spec) Server { return &channels{} }

func (s *channels) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrade(w, r)
		if err != nil {
			return
		}
		ch := s.subs.add()
		go func() { // ends with the connection, by the write that fails
			for m := range ch {
				if _, err := c.Write(m); err != nil {
					return
				}
			}
		}()
		go func() { // ends with the connection
			defer c.Close()
			io.Copy(io.Discard, c)
		}()
	})
}

func (s *channels) Publish(msgs [][]byte) {
	for _, m := range msgs {
		s.subs.publish(appendTextFrame(nil, m))
	}
}

// upgrade answers a handshake without looking at more than its key.
func upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	h := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 4.2.2
	_, err = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(h[:])+"\r\n\r\n")
	return c, err
}

// appendTextFrame appends a server's text frame of less than 64 KiB (RFC 6455, section 5.2).
func appendTextFrame(dst, payload []byte) []byte {
	dst = append(dst, 0x81)
	if n := len(payload); n < 126 {
		dst = append(dst, byte(n))
	} else {
		dst = append(dst, 126, byte(n>>8), byte(n))
	}
	return append(dst, payload...)
}
