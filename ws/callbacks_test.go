package ws

import (
	"slices"
	"testing"

	"github.com/tidewire/tidewire/internal/testnet"
)

// An event that appends to what it was lent does not write over the messages behind it, however they were cut.
func TestEventMayAppendToItsData(t *testing.T) {
	stream := slicesConcat(appendMasked(nil, "one"), appendMasked(nil, "two"), appendMasked(nil, "three"))
	for cut := range len(stream) {
		near, far := testnet.Pipe()
		cfg := (&AcceptOptions{}).config()
		cfg.handled = true
		c := newConn(near, true, "", nil, cfg)
		var got []string
		c.events.Message = func(c *Conn, typ MessageType, data []byte) {
			got = append(got, string(data))
			_ = append(data, "????????????????"...)
		}
		core := (*protocol)(c)
		core.Data(slices.Clone(stream[:cut]))
		core.Data(slices.Clone(stream[cut:]))
		if !slices.Equal(got, []string{"one", "two", "three"}) || c.ended() != nil {
			t.Errorf("cut at %d: %q, %v", cut, got, c.ended())
		}
		c.CloseNow()
		far.Close()
	}
}

func appendMasked(dst []byte, text string) []byte {
	return appendFrame(dst, header{opcode: opText, fin: true, masked: true, key: testKey}, []byte(text))
}
