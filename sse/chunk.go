package sse

import (
	"strconv"

	"github.com/tidewire/tidewire/internal/netio"
)

// A stream over HTTP/1.1 that has left net/http frames its own chunks (RFC 9112,
// section 7.1), one around each batch of events. Over HTTP/1.0 the body ends
// with the connection, and where the handler stays net/http does the framing.

// chunkRoom is what is kept free before a batch for its chunk's size line.
const chunkRoom = len("7fffffffffffffff\r\n")

// lastChunk ends a chunked body.
const lastChunk = "0\r\n\r\n"

// beginBatch returns an empty batch in the memory of buf.
func (s *Stream) beginBatch(buf []byte) []byte {
	buf = buf[:0]
	if s.chunked {
		buf = append(buf, "                "+"\r\n"...)
	}
	return buf
}

// endBatch returns the bytes for the wire. An empty batch has none: a chunk of
// no bytes would end the body.
func (s *Stream) endBatch(batch *[]byte) []byte {
	if !s.chunked {
		return *batch
	}
	size := len(*batch) - chunkRoom
	if size == 0 {
		return nil
	}
	*batch = append(*batch, "\r\n"...)
	b := *batch
	at := chunkRoom - len("\r\n")
	for n := size; n > 0; n >>= 4 {
		at--
		b[at] = "0123456789abcdef"[n&15]
	}
	return b[at:]
}

// chunks puts each frame of a TrySend into a chunk of its own.
var chunks = netio.Framing{
	Head: func(dst []byte, size int) []byte {
		return append(strconv.AppendInt(dst, int64(size), 16), "\r\n"...)
	},
	Tail: []byte("\r\n"),
}
