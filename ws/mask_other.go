//go:build !amd64 || purego || race

package ws

const (
	maskBlocksFrom = 1 << 30
	canMaskBlocks  = false
)

func maskBlocks(*byte, int, uint64) {}
