package load

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// handshakeKey is the nonce of all handshakes (RFC 6455, section 1.3): what the answer must be is known beforehand.
const handshakeKey = "dGhlIHNhbXBsZSBub25jZQ=="

var handshakeRequest = []byte("GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + handshakeKey + "\r\n\r\n")

var handshakeAccept = func() []byte {
	h := sha1.Sum([]byte(handshakeKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return []byte(": " + base64.StdEncoding.EncodeToString(h[:]) + "\r\n")
}()

func checkHandshake(header []byte) error {
	if !bytes.HasPrefix(header, []byte("HTTP/1.1 101 ")) || !bytes.Contains(header, handshakeAccept) {
		return fmt.Errorf("handshake answered by %.200q", header)
	}
	return nil
}

// appendMasked appends a client's text frame (RFC 6455, section 5.2) of less than 64 KiB.
func appendMasked(dst, payload []byte, key [4]byte) []byte {
	dst = append(dst, 0x81)
	if n := len(payload); n < 126 {
		dst = append(dst, 0x80|byte(n))
	} else {
		dst = append(dst, 0x80|126, byte(n>>8), byte(n))
	}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// appendPlain appends the same as a server sends it.
func appendPlain(dst, payload []byte) []byte {
	dst = append(dst, 0x81)
	if n := len(payload); n < 126 {
		dst = append(dst, byte(n))
	} else {
		dst = append(dst, 126, byte(n>>8), byte(n))
	}
	return append(dst, payload...)
}

// echoFrames makes the frames that a connection sends at once, each with a payload and a key of its own, and the bytes
// that must come back.
func echoFrames(conn, depth, size int) (out, want []byte) {
	r := rand.New(rand.NewPCG(uint64(conn), 1))
	payload := make([]byte, size)
	for range depth {
		for i := range payload {
			payload[i] = byte(' ' + r.IntN(95)) // printable ASCII
		}
		k := r.Uint32()
		out = appendMasked(out, payload, [4]byte{byte(k), byte(k >> 8), byte(k >> 16), byte(k >> 24)})
		want = appendPlain(want, payload)
	}
	return out, want
}
