package wstest_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"
	"unicode/utf8"
)

// twin is a small and strict WebSocket peer that echoes, server or client, and has the one fault that it is told to
// have. It is the measure of the suite: without a fault it passes every case, with one it fails exactly the case that
// the fault is named after. It shares no code with the suite, nor with package ws.
type twin struct {
	fault  string
	server bool
	nc     net.Conn
	br     *bufio.Reader
	quit   <-chan struct{} // closed when the run is over, for faults that hang

	text utf8Check
	// The message under way; op is 0 between messages.
	op     byte
	msg    []byte
	size   int64 // declared so far
	frames int
	pongs  [][]byte // put off, for a fault

	pings, burst int
	longest      []byte // of the pings, for a fault
	closed       bool   // a close frame has come
	failed       bool
}

const (
	twinMessages = 128 << 10
	twinFrames   = 10_000
	twinPatience = 5 * time.Second
)

func (p *twin) has(fault string) bool { return p.fault == fault }

// violation is what the peer did wrong, as a close code.
type violation uint16

func (v violation) Error() string { return "violation" }

// errClosed says that the close frames are exchanged.
var errClosed = errors.New("closed")

// echo runs the connection to its end.
func (p *twin) echo() error {
	var err error
	for err == nil {
		err = p.frame()
	}
	code, broke := err.(violation)
	switch {
	case broke:
		p.fail(uint16(code))
	case errors.Is(err, errClosed):
		p.end(false)
	case p.has("eof-hangs") && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		<-p.quit
		p.nc.Close()
	default:
		p.nc.Close()
	}
	return err
}

// fail closes because of a violation.
func (p *twin) fail(code uint16) {
	p.failed = true
	payload := binary.BigEndian.AppendUint16(nil, code)
	if p.has("bad-close-reason") {
		payload = append(payload, 0xff)
	}
	p.write(8, payload, true)
	if p.has("answers-after-failure") {
		if p.server {
			p.br.Discard(4) // the mask of a frame that was refused
		}
		for p.frame() == nil {
		}
	}
	p.end(true)
}

// end ends TCP: a server, or who has failed the connection, half-closes and reads on; a client waits for the server.
func (p *twin) end(failed bool) {
	defer p.nc.Close()
	if p.has("no-drain") && (p.server || failed) || p.has("client-ends-first") {
		return
	}
	if (p.server || failed) && !p.has("waits-for-client") {
		p.nc.(interface{ CloseWrite() error }).CloseWrite()
	}
	if !p.has("waits-for-ever") && (failed || !p.has("waits-for-client")) {
		p.nc.SetReadDeadline(time.Now().Add(twinPatience))
	}
	io.Copy(io.Discard, p.br)
}

// frame deals with one frame.
func (p *twin) frame() error {
	if p.br.Buffered() == 0 {
		p.burst = 0
	}
	var h [14]byte
	if _, err := io.ReadFull(p.br, h[:1]); err != nil {
		return err
	}
	if !p.has("no-frame-deadline") && p.br.Buffered() < 200 {
		p.nc.SetReadDeadline(time.Now().Add(twinPatience))
		defer p.nc.SetReadDeadline(time.Time{})
	}
	if _, err := io.ReadFull(p.br, h[1:2]); err != nil {
		return err
	}
	fin, rsv, op := h[0]&0x80 != 0, h[0]&0x70, h[0]&0x0f
	masked, length := h[1]&0x80 != 0, int64(h[1]&0x7f)
	control := op >= 8
	switch {
	case rsv != 0 && !p.has("ignores-rsv"):
		return violation(1002)
	case masked != p.server && !p.has("ignores-mask"):
		return violation(1002)
	case control && op > 10, !control && op > 2:
		if !p.has("ignores-opcode") {
			return violation(1002)
		}
	case control && !fin && !p.has("fragmented-control"):
		return violation(1002)
	case control && length > 125 && !p.has("long-control"):
		return violation(1002)
	case op == 0 && p.op == 0:
		if !p.has("continuation-begins") {
			return violation(1002)
		}
		op = 1
	case (op == 1 || op == 2) && p.op != 0 && !p.has("message-in-message"):
		return violation(1002)
	}
	if length == 126 && p.has("length-cut") && p.br.Buffered() == 1 {
		return violation(1002)
	}
	length, err := p.length(length)
	if err != nil {
		return err
	}
	var key [4]byte
	if masked {
		if _, err := io.ReadFull(p.br, key[:]); err != nil {
			return err
		}
	}
	switch {
	case op > 10 || op > 2 && op < 8: // only with a fault
		_, err := io.CopyN(io.Discard, p.br, length)
		return err
	case control:
		payload := make([]byte, length)
		if _, err := io.ReadFull(p.br, payload); err != nil {
			return err
		}
		unmask(payload, key, masked, 0)
		return p.control(op, payload)
	}
	return p.data(op, fin, length, key, masked)
}

// length reads the rest of a length.
func (p *twin) length(l int64) (int64, error) {
	var b [8]byte
	switch l {
	case 126:
		if _, err := io.ReadFull(p.br, b[6:]); err != nil {
			return 0, err
		}
	case 127:
		if _, err := io.ReadFull(p.br, b[:]); err != nil {
			return 0, err
		}
	default:
		return l, nil
	}
	n := binary.BigEndian.Uint64(b[:])
	if n>>63 != 0 {
		if !p.has("top-bit-cleared") {
			return 0, violation(1002)
		}
		n &^= 1 << 63
	}
	if (l == 126 && n < 126 || l == 127 && n < 65536) && !p.has("length-not-minimal") {
		return 0, violation(1002)
	}
	return int64(n), nil
}

// data deals with a frame of a message.
func (p *twin) data(op byte, fin bool, length int64, key [4]byte, masked bool) error {
	if op != 0 {
		p.op, p.msg, p.size, p.frames, p.text = op, nil, 0, 0, utf8Check{fault: p.fault}
	}
	limit := int64(twinMessages)
	if p.has("limit-too-small") {
		limit--
	}
	over := length > limit-p.size
	if p.has("limit-per-frame") {
		over = length > limit
	}
	if p.has("limit-overflows") {
		over = p.size+length > limit // wraps around
	}
	if over && !p.has("limit-late") {
		return violation(1009)
	}
	p.size += length
	if p.frames++; p.frames > twinFrames && !p.has("no-frame-limit") {
		if p.has("flood-hangs") && p.op == 1 {
			<-p.quit
		}
		return violation(1008)
	}
	if p.op == 1 && p.has("utf8-per-frame") {
		p.text = utf8Check{}
	}
	for done := int64(0); done < length; {
		chunk := make([]byte, min(length-done, 4096))
		n, err := p.br.Read(chunk)
		if err != nil {
			return err
		}
		unmask(chunk[:n], key, masked, done)
		done += int64(n)
		p.msg = append(p.msg, chunk[:n]...)
		if int64(len(p.msg)) > limit && !p.has("limit-per-frame") {
			return violation(1009)
		}
		if p.op == 1 && !p.text.add(chunk[:n]) && !p.has("utf8-at-end") {
			return violation(1007)
		}
	}
	if op == 0 && length > 65536 && length < 100_000 && p.has("long-fragment-cut") {
		p.msg = p.msg[:len(p.msg)-1]
	}
	if p.op == 1 && p.has("utf8-per-frame") && !p.text.done() {
		return violation(1007)
	}
	if !fin {
		return nil
	}
	return p.message()
}

// message deals with a message that is whole.
func (p *twin) message() error {
	op, msg := p.op, p.msg
	p.op, p.msg = 0, nil
	if p.closed && !p.has("data-after-close") {
		return nil
	}
	switch {
	case op == 1 && p.has("utf8-at-end") && !utf8.Valid(msg):
		return violation(1007)
	case op == 1 && !p.text.done() && !p.has("utf8-unfinished"):
		return violation(1007)
	case op == 2 && p.has("binary-is-text") && len(msg) < 8 && !utf8.Valid(msg):
		return violation(1007)
	case op == 1 && p.has("noncharacters-refused") && (len(msg) == 3 && msg[0] == 0xef && msg[1] == 0xbf && msg[2] >= 0xbe):
		return violation(1007)
	}
	if p.burst++; p.burst > 256 && p.has("drops-of-a-burst") {
		return nil
	}
	if len(msg) == 0 && p.frames > 1 && p.frames < 5 && p.has("drops-empty") {
		return nil
	}
	if len(msg) == 4096 && p.has("spoils-a-size") {
		msg[4095]++
	}
	if err := p.write(op, msg, true); err != nil {
		return err
	}
	for _, pong := range p.pongs {
		if err := p.write(10, pong, true); err != nil {
			return err
		}
	}
	p.pongs = nil
	return nil
}

// control deals with a control frame.
func (p *twin) control(op byte, payload []byte) error {
	switch op {
	case 8:
		return p.close(payload)
	case 9:
		if p.failed && !p.has("answers-after-failure") || p.closed && !p.has("pong-after-close") {
			return nil
		}
		if p.pings++; p.pings > 1000 && p.has("pings-limited") {
			return nil
		}
		switch {
		case p.has("pong-empty"):
			payload = nil
		case p.has("pong-zeros"):
			clear(payload)
		case p.has("pong-stale"):
			if len(payload) >= len(p.longest) {
				p.longest = payload
			}
			copy(p.longest, payload)
			payload = p.longest
		case p.has("pong-late") && p.op != 0:
			p.pongs = append(p.pongs, payload)
			return nil
		}
		return p.write(10, payload, true)
	case 10:
		if p.has("pong-must-be-asked-for") {
			return violation(1002)
		}
	}
	return nil
}

// close deals with the peer's close frame.
func (p *twin) close(payload []byte) error {
	if p.closed || p.failed {
		if p.has("close-twice") {
			p.write(8, payload, true)
		}
		return errClosed
	}
	if len(payload) == 1 && !p.has("close-one-byte") {
		return violation(1002)
	}
	var reply []byte
	if len(payload) >= 2 {
		code, reason := binary.BigEndian.Uint16(payload), payload[2:]
		legal := code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 || code >= 3000 && code <= 4999
		switch {
		case !legal && !p.has("close-illegal-code"),
			code >= 1012 && code <= 1014 && p.has("close-legal-code-refused"),
			len(reason) > 100 && p.has("close-reason-short"):
			return violation(1002)
		case !utf8.Valid(reason) && !p.has("close-reason-any"):
			return violation(1007)
		case p.has("close-echo-wrong"):
			code = 1000
		}
		reply = binary.BigEndian.AppendUint16(nil, code)
	} else if p.has("close-1005") {
		reply = []byte{0x03, 0xed}
	}
	if p.op != 0 && p.has("close-flushes") {
		p.write(p.op, p.msg, true)
	}
	p.closed = true
	if err := p.write(8, reply, true); err != nil {
		return err
	}
	if p.has("pong-after-close") || p.has("data-after-close") || p.has("close-twice") {
		for p.br.Buffered() > 0 {
			if err := p.frame(); err != nil {
				break
			}
		}
	}
	return errClosed
}

// write sends a frame.
func (p *twin) write(op byte, payload []byte, fin bool) error {
	if op < 8 && p.failed && !p.has("answers-after-failure") {
		return nil
	}
	b := []byte{op, 0}
	if fin {
		b[0] |= 0x80
	}
	masked := p.server == p.has("masks-wrongly")
	if masked {
		b[1] = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16 && !p.has("own-length-long"):
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if masked {
		var key [4]byte
		if !p.has("mask-key-reused") {
			binary.BigEndian.PutUint32(key[:], rand.Uint32())
		}
		b = append(b, key[:]...)
		start := len(b)
		b = append(b, payload...)
		unmask(b[start:], key, true, 0)
	} else {
		b = append(b, payload...)
	}
	_, err := p.nc.Write(b)
	return err
}

func unmask(b []byte, key [4]byte, masked bool, offset int64) {
	if masked {
		for i := range b {
			b[i] ^= key[(offset+int64(i))%4]
		}
	}
}
