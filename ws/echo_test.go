package ws_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

func TestEchoAllSizes(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		url, opts := tr.serve(t, fm.echo(t, nil))
		c := dial(t, url, opts)
		ctx := patient(t)
		for _, size := range []int{0, 1, 2, 3, 124, 125, 126, 127, 128, 2047, 2048, 4080, 4096, 4097, 65521, 65522, 65535, 65536, 65537, 1 << 18, 1 << 20} {
			for _, typ := range []ws.MessageType{ws.Text, ws.Binary} {
				want := bytes.Repeat([]byte("Pingüino "), size/10+1)[:size]
				if typ == ws.Text {
					want = bytes.ToValidUTF8(want, []byte("??"))
				}
				if err := c.Write(ctx, typ, want); err != nil {
					t.Fatalf("%v of %d bytes: %v", typ, size, err)
				}
				gotTyp, got, err := c.Read(ctx)
				if err != nil || gotTyp != typ || !bytes.Equal(got, want) {
					t.Fatalf("%v of %d bytes came back as %v of %d bytes, %v", typ, size, gotTyp, len(got), err)
				}
			}
		}
		if err := c.Close(ws.CloseNormal, "done"); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, _, err := c.Read(ctx); ws.CloseStatus(err) != ws.CloseNormal {
			t.Errorf("after Close, Read: %v", err)
		}
	})
}

func TestEchoMany(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		url, opts := tr.serve(t, fm.echo(t, nil))
		c := dial(t, url, opts)
		ctx := patient(t)
		go func() {
			for i := range 1000 {
				if err := c.Write(ctx, ws.Text, fmt.Appendf(nil, "message %d", i)); err != nil {
					t.Errorf("Write %d: %v", i, err)
					return
				}
			}
		}()
		for i := range 1000 {
			_, p, err := c.Read(ctx)
			if want := fmt.Sprintf("message %d", i); err != nil || string(p) != want {
				t.Fatalf("read %q, %v, want %q", p, err, want)
			}
		}
	})
}
