package ws

import (
	"encoding/binary"
	"math/bits"
)

// maskAtOnce is how much is masked without letting the scheduler in, which can't interrupt assembler.
const maskAtOnce = 1 << 20

// mask XORs b in place with the masking key (RFC 6455, section 5.3) and returns the key turned so that the next bytes
// of the same payload can go on with it. The key's first byte on the wire is its lowest.
//
// What is long is done 32 bytes at a time on an amd64 processor that can; not with the build tag purego, nor under the race
// detector, which sees no assembler. The rest is eight words at a time: in Go a store of a word in each cycle is the limit,
// however the loop is written, and key blocks for subtle.XORBytes cost more to build than they save.
func mask(b []byte, key uint32) uint32 {
	k := uint64(key)<<32 | uint64(key)
	for canMaskBlocks && len(b) >= maskBlocksFrom {
		n := min(len(b), maskAtOnce) &^ 63
		maskBlocks(&b[0], n, k)
		b = b[n:]
	}
	return maskWords(b, key, k)
}

// maskWords is mask in Go. k is the key twice.
func maskWords(b []byte, key uint32, k uint64) uint32 {
	for len(b) >= 64 {
		p := b[:64:64]
		binary.LittleEndian.PutUint64(p[0:], binary.LittleEndian.Uint64(p[0:])^k)
		binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^k)
		binary.LittleEndian.PutUint64(p[16:], binary.LittleEndian.Uint64(p[16:])^k)
		binary.LittleEndian.PutUint64(p[24:], binary.LittleEndian.Uint64(p[24:])^k)
		binary.LittleEndian.PutUint64(p[32:], binary.LittleEndian.Uint64(p[32:])^k)
		binary.LittleEndian.PutUint64(p[40:], binary.LittleEndian.Uint64(p[40:])^k)
		binary.LittleEndian.PutUint64(p[48:], binary.LittleEndian.Uint64(p[48:])^k)
		binary.LittleEndian.PutUint64(p[56:], binary.LittleEndian.Uint64(p[56:])^k)
		b = b[64:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	if len(b) >= 4 {
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)^key)
		b = b[4:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
