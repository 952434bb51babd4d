package inproc

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"
	_ "github.com/gorilla/websocket" // maskBytes
	_ "github.com/lxzan/gws"         // internal.MaskXOR
	_ "unsafe"                       // go:linkname

	_ "github.com/coder/websocket"      // mask
	_ "github.com/tidewire/tidewire/ws" // mask
)

// Only gobwas exports its function. The others are reached by their names in the linker; the empty assembler file beside
// this one lets functions be without a body.

//go:linkname tidewireMask github.com/tidewire/tidewire/ws.mask
func tidewireMask(b []byte, key uint32) uint32

//go:linkname gorillaMask github.com/gorilla/websocket.maskBytes
func gorillaMask(key [4]byte, pos int, b []byte) int

//go:linkname coderMask github.com/coder/websocket.mask
func coderMask(b []byte, key uint32) uint32

//go:linkname gwsMask github.com/lxzan/gws/internal.MaskXOR
func gwsMask(b, key []byte)

var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

var masks = map[string]func([]byte){
	"tidewire": func(b []byte) { tidewireMask(b, binary.LittleEndian.Uint32(maskKey[:])) },
	"gorilla":  func(b []byte) { gorillaMask(maskKey, 0, b) },
	"coder":    func(b []byte) { coderMask(b, binary.LittleEndian.Uint32(maskKey[:])) },
	"gws":      func(b []byte) { gwsMask(b, maskKey[:]) },
	"gobwas":   func(b []byte) { ws.Cipher(b, maskKey, 0) },
}

// maskOffset is where a payload stands in a buffer that begins with its frame.
const maskOffset = 6

// masking unmasks a payload in place, over and over.
func masking(j Job) (map[string]float64, error) {
	f, ok := masks[j.Who]
	if !ok {
		return nil, fmt.Errorf("no mask function of %q", j.Who)
	}
	b := make([]byte, maskOffset+j.Size)[maskOffset:]
	want := make([]byte, j.Size)
	for i := range b {
		b[i] = byte(i * 7)
		want[i] = b[i] ^ maskKey[i%4]
	}
	if f(b); !bytes.Equal(b, want) {
		return nil, fmt.Errorf("%s masks wrongly", j.Who)
	}
	const batch = 64
	c, err := j.repeat(func() error {
		for range batch {
			f(b)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ns := c.ns / batch
	return map[string]float64{"gb_per_s": float64(j.Size) / ns, "ns": ns}, nil
}
