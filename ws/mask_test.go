package ws

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestMaskOfEverySizeAtEveryPlaceInMemory(t *testing.T) {
	masks := map[string]func([]byte, uint32) uint32{
		"mask":      mask,
		"maskWords": func(b []byte, key uint32) uint32 { return maskWords(b, key, uint64(key)<<32|uint64(key)) },
	}
	random := rand.NewChaCha8([32]byte{1})
	const key, around = 0xd1c2b3a4, 64
	for name, f := range masks {
		sizes := []int{maskAtOnce - 1, maskAtOnce + 63, 2*maskAtOnce + 200}
		for size := range 600 {
			sizes = append(sizes, size)
		}
		for _, size := range sizes {
			for _, start := range []int{0, 1, 2, 4, 6, 8, 10, 14, 16, 31} {
				got := make([]byte, start+size+around)
				random.Read(got)
				want := bytes.Clone(got)
				turned := uint32(key)
				for i := range size { // RFC 6455, section 5.3, to the letter
					want[start+i] ^= byte(turned)
					turned = turned>>8 | turned<<24
				}
				if k := f(got[start:start+size], key); k != turned || !bytes.Equal(got, want) {
					t.Fatalf("%s of %d bytes at %d: key %x, want %x", name, size, start, k, turned)
				}
			}
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 125, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload := make([]byte, 8+size)[8:] // as behind its header
			b.SetBytes(int64(size))
			for b.Loop() {
				mask(payload, 0xd1c2b3a4)
			}
		})
	}
}
