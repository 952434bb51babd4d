package presence

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// A record is what the topic holds under the key of a connection.
type record[S any] struct {
	// Clock orders the states of a member's connections: the highest is the
	// latest. Equal clocks of different nodes are ordered by key.
	Clock uint64
	State S
}

// A recordCodec writes records as
//
//	{"clock":1763690000123456,"state":{"name":"Ada"}}
//
// with "b64" in place of "state" if there is a codec, whose output may be
// anything.
type recordCodec[S any] struct {
	state hub.Codec[S] // nil: JSON
}

func (c recordCodec[S]) Append(dst []byte, r record[S]) ([]byte, error) {
	field, state := "state", any(r.State)
	if c.state != nil {
		b, err := c.state.Append(nil, r.State)
		if err != nil {
			return dst, err
		}
		field, state = "b64", b
	}
	b, err := json.Marshal(state)
	if err != nil {
		return dst, err
	}
	dst = append(dst, `{"clock":`...)
	dst = strconv.AppendUint(dst, r.Clock, 10)
	dst = append(dst, `,"`+field+`":`...)
	dst = append(dst, b...)
	return append(dst, '}'), nil
}

func (c recordCodec[S]) Decode(data []byte) (record[S], error) {
	if c.state == nil {
		var in struct {
			Clock uint64 `json:"clock"`
			State S      `json:"state"`
		}
		err := json.Unmarshal(data, &in)
		return record[S](in), err
	}
	var in struct {
		Clock uint64 `json:"clock"`
		B64   []byte `json:"b64"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return record[S]{}, err
	}
	s, err := c.state.Decode(in.B64)
	return record[S]{Clock: in.Clock, State: s}, err
}

// sameState compares two encoded records but for their clocks, which come
// first.
func sameState(a, b []byte) bool {
	_, a, _ = bytes.Cut(a, []byte{','})
	_, b, _ = bytes.Cut(b, []byte{','})
	return bytes.Equal(a, b)
}

// entryKey is the key of a connection: member, incarnation of the node and a
// number of its own there. So no node writes to the key of another, and neither
// do two connections to one.
func entryKey(member, incarnation string, n uint64) string {
	return member + "/" + incarnation + "." + strconv.FormatUint(n, 36)
}

// memberOf returns the member of a key. A member's name may contain anything.
func memberOf(key string) (string, bool) {
	i := strings.LastIndexByte(key, '/')
	if i <= 0 || !strings.Contains(key[i:], ".") {
		return "", false
	}
	return key[:i], true
}

// A clock is a hybrid one: microseconds since 1970, but never backwards and
// never behind what it was shown. (Microseconds, so that JavaScript can read it
// without loss.)
type clock struct{ last atomic.Uint64 }

func (c *clock) next() uint64 {
	for {
		last := c.last.Load()
		now := max(uint64(max(0, time.Now().UnixMicro())), last+1)
		if c.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

// saw keeps the clock ahead of another node's.
func (c *clock) saw(t uint64) {
	for {
		last := c.last.Load()
		if t <= last || c.last.CompareAndSwap(last, t) {
			return
		}
	}
}
