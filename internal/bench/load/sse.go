package load

import (
	"bytes"
	"errors"
	"fmt"
)

var sseRequest = []byte("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")

func checkSSEHeader(h []byte) error {
	if !bytes.HasPrefix(h, []byte("HTTP/1.1 200 ")) || !bytes.Contains(bytes.ToLower(h), []byte("text/event-stream")) {
		return fmt.Errorf("event stream answered by %.300q", h)
	}
	return nil
}

func isChunked(h []byte) bool {
	return bytes.Contains(bytes.ToLower(h), []byte("\r\ntransfer-encoding: chunked\r\n"))
}

// sseParser takes the response's header, the chunks (RFC 9112, section 7.1) and the lines of an event stream apart, as far as is needed to see
// the data of one-line events.
type sseParser struct {
	header  []byte // of the response, as far as it has come
	begun   bool   // the header is complete
	chunked bool
	state   chunkState
	left    int    // bytes of the chunk that are to come, or the size as far as it was read
	line    []byte // the beginning of a line
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkData
	chunkEnd // the line end behind the data
)

// feed calls data with the value of each data field in b.
func (p *sseParser) feed(b []byte, data func([]byte) error) error {
	if !p.begun {
		p.header = append(p.header, b...)
		i := bytes.Index(p.header, []byte("\r\n\r\n"))
		if i < 0 {
			return nil
		}
		h, rest := p.header[:i+4], p.header[i+4:]
		if err := checkSSEHeader(h); err != nil {
			return err
		}
		p.begun, p.chunked, p.header = true, isChunked(h), nil
		b = rest
	}
	if !p.chunked {
		return p.lines(b, data)
	}
	for len(b) > 0 {
		switch p.state {
		case chunkSize:
			c := b[0]
			b = b[1:]
			switch v := hexDigit(c); {
			case v >= 0:
				p.left = p.left<<4 | v
			case c == '\r':
			case c == '\n' && p.left > 0:
				p.state = chunkData
			default:
				return errors.New("the event stream has ended, or its chunks are wrong")
			}
		case chunkData:
			n := min(p.left, len(b))
			if err := p.lines(b[:n], data); err != nil {
				return err
			}
			b = b[n:]
			if p.left -= n; p.left == 0 {
				p.state = chunkEnd
			}
		case chunkEnd:
			if b[0] == '\n' {
				p.state = chunkSize
			}
			b = b[1:]
		}
	}
	return nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c - 'a' + 10)
	case c >= 'A' && c <= 'F':
		return int(c - 'A' + 10)
	}
	return -1
}

func (p *sseParser) lines(b []byte, data func([]byte) error) error {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			p.line = append(p.line, b...)
			return nil
		}
		l := b[:i]
		if len(p.line) > 0 {
			p.line = append(p.line, l...)
			l = p.line
		}
		if v, ok := bytes.CutPrefix(l, []byte("data:")); ok {
			if err := data(bytes.TrimPrefix(v, []byte(" "))); err != nil {
				return err
			}
		}
		p.line = p.line[:0]
		b = b[i+1:]
	}
}

// wsParser takes a server's unmasked text frames of less than 64 KiB apart.
type wsParser struct {
	part []byte
	pong []byte // the frame that a ping wants, until it is sent
}

func (p *wsParser) feed(b []byte, data func([]byte) error) error {
	if len(p.part) > 0 {
		p.part = append(p.part, b...)
		b = p.part
	}
	for {
		n, payload, err := cutFrame(b)
		if err != nil {
			return err
		}
		if n == 0 {
			p.part = append(p.part[:0], b...) // to the front, when b is the end of part itself
			return nil
		}
		switch b[0] {
		case textFrame:
			if err := data(payload); err != nil {
				return err
			}
		case pingFrame:
			p.pong = append([]byte{0x8a, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...) // masked with zeros
		}
		b = b[n:]
	}
}

// First bytes of frames (RFC 6455, section 5.2).
const (
	textFrame = 0x81
	pingFrame = 0x89
)

// cutFrame returns the length of the text or ping at the front of b, 0 if it is not complete, and its payload.
func cutFrame(b []byte) (n int, payload []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil
	}
	l, h := int(b[1]), 2
	if l == 126 {
		if len(b) < 4 {
			return 0, nil, nil
		}
		l, h = int(b[2])<<8|int(b[3]), 4
	}
	if l == 127 || b[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("a frame with length byte %#x", b[1])
	}
	if len(b) < h+l {
		return 0, nil, nil
	}
	if b[0] != textFrame && (b[0] != pingFrame || l > 125) {
		return 0, nil, fmt.Errorf("a frame with first byte %#x: %.80q", b[0], b[h:h+l])
	}
	return h + l, b[h : h+l], nil
}
