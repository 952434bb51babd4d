package server

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/ws"
)

// What a client may say: one of these types.
type (
	hello struct {
		client string
		user   User
		resume hub.Position // zero if absent
		first  uint64
	}
	operation struct {
		seq     uint64
		kind    string
		id      string
		set     []register // of place, color and text: which are given
		x, y    float64
		color   string
		text    string
		textRev uint64
		bad     string // reject code: the number is good, the rest is not
	}
	ping  struct{ n uint64 }
	pong  struct{ n uint64 }
	leave struct{}
)

// A refusal is why a connection ends, as its peer is told.
type refusal struct {
	code   ws.CloseCode
	reason string
}

func (r *refusal) Error() string { return r.reason }

// refuse makes a refusal whose reason fits into a close frame: 123 bytes of
// UTF-8 (RFC 6455, section 5.5).
func refuse(code ws.CloseCode, format string, args ...any) *refusal {
	reason := fmt.Sprintf(format, args...)
	if len(reason) > 123 {
		reason = strings.ToValidUTF8(reason[:123], "")
	}
	return &refusal{code, reason}
}

// Close codes of the board.
const (
	closeBad      ws.CloseCode = 4000
	closeSlow     ws.CloseCode = 4002
	closeVersion  ws.CloseCode = 4003
	closeReplaced ws.CloseCode = 4005
	closeSilent   ws.CloseCode = 4008
	closeHole     ws.CloseCode = 4009
)

// Reject codes.
const (
	rejectGone    = "gone"
	rejectExists  = "exists"
	rejectTooLong = "too_long"
	rejectLimit   = "limit"
	rejectInvalid = "invalid"
)

// decode reads a client's message. What can't be answered ends the connection;
// an operation whose number can be read is refused by that number instead.
func decode(data []byte) (any, *refusal) {
	o, err := parseObject(data)
	if err != nil {
		return nil, refuse(closeBad, "message: %v", err)
	}
	t, err := o.str("t")
	if err != nil {
		return nil, refuse(closeBad, "message: %v", err)
	}
	switch t {
	case "hello":
		return decodeHello(o)
	case "op":
		return decodeOp(o)
	case "ping", "pong":
		n, err := o.count("n", 0, maxSeq)
		if err == nil {
			err = o.only("t", "n")
		}
		if err != nil {
			return nil, refuse(closeBad, "%s: %v", t, err)
		}
		if t == "ping" {
			return ping{n}, nil
		}
		return pong{n}, nil
	case "leave":
		if err := o.only("t"); err != nil {
			return nil, refuse(closeBad, "leave: %v", err)
		}
		return leave{}, nil
	}
	return nil, refuse(closeBad, "message: unknown t %.32q", t)
}

func decodeHello(o object) (any, *refusal) {
	// The version comes first: what else a hello of another version holds is
	// not ours to judge.
	v, err := o.count("v", 0, maxSeq)
	if err != nil {
		return nil, refuse(closeBad, "hello: %v", err)
	}
	if v != version {
		return nil, refuse(closeVersion, "version %d; this server speaks %d", v, version)
	}
	h, err := readHello(o)
	if err != nil {
		return nil, refuse(closeBad, "hello: %v", err)
	}
	return h, nil
}

func readHello(o object) (h hello, err error) {
	if err := o.only("t", "v", "client", "user", "resume", "first"); err != nil {
		return h, err
	}
	if h.client, err = o.str("client"); err != nil {
		return h, err
	}
	if !isClient(h.client) {
		return h, fmt.Errorf("client is not c_ and 32 hexadecimal digits")
	}
	if h.first, err = o.count("first", 1, maxSeq); err != nil {
		return h, err
	}
	if o.has("resume") {
		s, err := o.str("resume")
		if err != nil {
			return h, err
		}
		if h.resume, err = hub.ParsePosition(s); err != nil {
			return h, fmt.Errorf("resume is not a position")
		}
	}
	u, err := parseObject(o["user"])
	if err != nil {
		return h, fmt.Errorf("user: %w", err)
	}
	h.user, err = readUser(u)
	return h, err
}

func readUser(o object) (u User, err error) {
	if err := o.only("id", "name", "hue"); err != nil {
		return u, fmt.Errorf("user: %w", err)
	}
	if u.ID, err = o.str("id"); err != nil {
		return u, fmt.Errorf("user: %w", err)
	}
	if !isID(u.ID, "u_", 1, 32) {
		return u, fmt.Errorf("user: id is not u_ and 1 to 32 letters and digits")
	}
	if u.Name, err = o.str("name"); err != nil {
		return u, fmt.Errorf("user: %w", err)
	}
	if n := utf8.RuneCountInString(u.Name); n < 1 || n > maxName {
		return u, fmt.Errorf("user: name has %d code points, not 1 to %d", n, maxName)
	}
	hue, err := o.count("hue", 0, 359)
	if err != nil {
		return u, fmt.Errorf("user: %w", err)
	}
	u.Hue = int(hue)
	return u, nil
}

func decodeOp(o object) (any, *refusal) {
	seq, err := o.count("seq", 1, maxSeq)
	if err != nil {
		return nil, refuse(closeBad, "op: %v", err)
	}
	op, ok := readOp(o)
	op.seq = seq
	if !ok && op.bad == "" {
		op.bad = rejectInvalid
	}
	return op, nil
}

// readOp reads all of an operation but its number. If it is not ok, bad may say
// why.
func readOp(o object) (op operation, ok bool) {
	var err error
	if op.kind, err = o.str("k"); err != nil {
		return op, false
	}
	if op.id, err = o.str("id"); err != nil || !isID(op.id, "n_", 1, 32) {
		op.id = ""
		return op, false
	}
	switch op.kind {
	case "create":
		if o.only("t", "seq", "k", "id", "f") != nil {
			return op, false
		}
		ok = op.readFields(o["f"])
		return op, ok && len(op.set) == 3
	case "set":
		if o.only("t", "seq", "k", "id", "f", "textRev") != nil {
			return op, false
		}
		if !op.readFields(o["f"]) || len(op.set) == 0 || o.has("textRev") != op.sets(text) {
			return op, false
		}
		if op.sets(text) {
			op.textRev, err = o.count("textRev", 0, maxSeq)
		}
		return op, err == nil
	case "front", "delete", "restore":
		return op, o.only("t", "seq", "k", "id") == nil
	}
	return op, false
}

func (op *operation) sets(r register) bool { return slices.Contains(op.set, r) }

func (op *operation) readFields(raw []byte) bool {
	f, err := parseObject(raw)
	if err != nil || f.only("x", "y", "color", "text") != nil || f.has("x") != f.has("y") {
		return false
	}
	if f.has("x") {
		var errX, errY error
		op.x, errX = f.num("x", maxPlace)
		op.y, errY = f.num("y", maxPlace)
		if errX != nil || errY != nil {
			return false
		}
		op.set = append(op.set, place)
	}
	if f.has("color") {
		if op.color, err = f.str("color"); err != nil || !slices.Contains(colors, op.color) {
			return false
		}
		op.set = append(op.set, color)
	}
	if f.has("text") {
		if op.text, err = f.str("text"); err != nil {
			return false
		}
		if utf8.RuneCountInString(op.text) > maxText {
			op.bad = rejectTooLong
			return false
		}
		op.set = append(op.set, text)
	}
	return true
}
