//go:build !purego && !race

package ws

// maskBlocksFrom is the length from which maskBlocks is faster than a loop of Go.
const maskBlocksFrom = 128

// canMaskBlocks says that the processor has AVX2 and the system keeps its registers. Packages of the standard library know it
// too, but do not tell.
var canMaskBlocks = hasAVX2()

func hasAVX2() bool {
	const (
		avxAndOSXSAVE = 1<<28 | 1<<27 // leaf 1, ECX
		avx2          = 1 << 5        // leaf 7, EBX
		xmmAndYMM     = 1<<2 | 1<<1   // XCR0
	)
	if highest, _, _ := cpuid(0, 0); highest < 7 {
		return false
	}
	if _, _, ecx := cpuid(1, 0); ecx&avxAndOSXSAVE != avxAndOSXSAVE || xgetbv()&xmmAndYMM != xmmAndYMM {
		return false
	}
	_, ebx, _ := cpuid(7, 0)
	return ebx&avx2 != 0
}

// maskBlocks XORs n bytes from p on, which are a multiple of 64 and not none, with a key of 8 bytes.
//
//go:noescape
func maskBlocks(p *byte, n int, key uint64)

func cpuid(leaf, sub uint32) (eax, ebx, ecx uint32)
func xgetbv() (eax uint32)
