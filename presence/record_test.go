package presence

import (
	"testing"
)

func FuzzKey(f *testing.F) {
	f.Add("ada", uint64(1))
	f.Add("a/n.1", uint64(1<<63))
	f.Add("/", uint64(0))
	f.Fuzz(func(t *testing.T, member string, n uint64) {
		if member == "" {
			return
		}
		if got, ok := memberOf(entryKey(member, "INCARNATION", n)); got != member || !ok {
			t.Errorf("memberOf(entryKey(%q, %d)) = %q, %v", member, n, got, ok)
		}
		if got, ok := memberOf(member); ok && (got == "" || len(got) >= len(member)) {
			t.Errorf("memberOf(%q) = %q", member, got)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"clock":1,"state":"red"}`))
	f.Add([]byte(`{"clock":18446744073709551615,"b64":"/w=="}`))
	f.Add([]byte(`{"clock":-1}`))
	f.Add([]byte(`,`))
	f.Fuzz(func(t *testing.T, data []byte) {
		sameState(data, nil)
		for _, c := range []recordCodec[string]{{}, {state: binary{}}} {
			r, err := c.Decode(data)
			if err != nil || r.State == "panic" {
				continue
			}
			again, err := c.Append(nil, r)
			if err != nil {
				t.Fatalf("%q decodes to %+v, which does not encode: %v", data, r, err)
			}
			if back, err := c.Decode(again); err != nil || back != r {
				t.Errorf("%q decodes to %+v, and that encodes to %q: %+v, %v", data, r, again, back, err)
			}
		}
	})
}
