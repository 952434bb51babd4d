package server

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/tidewire/tidewire/hub"
)

// What the server says, beside notes.
type (
	// A welcome is followed by rows and then by live.
	welcomeMessage struct {
		T      string  `json:"t"`
		V      int     `json:"v"`
		Mode   string  `json:"mode"`
		Reset  string  `json:"reset,omitempty"`
		Acked  *uint64 `json:"acked"` // null: the client is not known
		HB     int64   `json:"hb"`    // milliseconds
		Limits limits  `json:"limits"`
	}
	liveMessage struct {
		T   string `json:"t"`
		Pos string `json:"pos"`
	}
	limits struct {
		Text      int `json:"text"`
		Notes     int `json:"notes"`
		OpsPerSec int `json:"opsPerSec"`
	}
	effect struct {
		T      string `json:"t"`
		Pos    string `json:"pos"`
		Client string `json:"client"`
		Seq    uint64 `json:"seq"`
		By     string `json:"by"`
		At     int64  `json:"at"`
		K      string `json:"k"`
		ID     string `json:"id"`
		F      any    `json:"f,omitempty"`
	}
	fields struct {
		X       *float64 `json:"x,omitempty"`
		Y       *float64 `json:"y,omitempty"`
		Z       *int64   `json:"z,omitempty"`
		Color   *string  `json:"color,omitempty"`
		Text    *string  `json:"text,omitempty"`
		TextRev *uint64  `json:"textRev,omitempty"`
	}
	ackMessage struct {
		T   string `json:"t"`
		Seq uint64 `json:"seq"`
	}
	rejectMessage struct {
		T    string `json:"t"`
		Seq  uint64 `json:"seq"`
		Code string `json:"code"`
		Note *Note  `json:"note,omitempty"`
		By   string `json:"by,omitempty"`
	}
	conflictMessage struct {
		T      string `json:"t"`
		Seq    uint64 `json:"seq"`
		ID     string `json:"id"`
		Lost   string `json:"lost"`
		Winner string `json:"winner"`
	}
	peersMessage struct {
		T     string   `json:"t"`
		Reset bool     `json:"reset,omitempty"`
		Join  []User   `json:"join"`
		Leave []string `json:"leave"`
	}
	beatMessage struct {
		T string `json:"t"`
		N uint64 `json:"n"`
	}
	byeMessage struct {
		T     string `json:"t"`
		Code  string `json:"code"`
		Retry int64  `json:"retry"` // milliseconds
	}
)

// encode returns the JSON of one of the types above. They hold only what JSON
// can say: numbers were found finite when they came in.
func encode(v any) []byte {
	var b bytes.Buffer
	newEncoder(&b).Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// newEncoder leaves <, > and & as they are, which else take six bytes each: what
// it writes goes to WebSockets and into the hub, never into a page.
func newEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// effectOf returns the operation that made a record, as a client is told it.
func effectOf(pos hub.Position, r *record, client string) effect {
	e := effect{
		T: "op", Pos: pos.String(), Client: client,
		Seq: r.Seq, By: r.By, At: r.At, K: r.Kind, ID: r.Note.ID,
	}
	switch r.Kind {
	case "create", "restore":
		e.F = &r.Note
	case "set", "front":
		e.F = fieldsOf(&r.Note, r.Changed)
	}
	return e
}

func fieldsOf(n *Note, changed []register) *fields {
	f := new(fields)
	has := func(r register) bool { return slices.Contains(changed, r) }
	if has(place) {
		f.X, f.Y = &n.X, &n.Y
	}
	if has(color) {
		f.Color = &n.Color
	}
	if has(text) {
		f.Text, f.TextRev = &n.Text, &n.TextRev
	}
	if has(order) {
		f.Z = &n.Z
	}
	return f
}
