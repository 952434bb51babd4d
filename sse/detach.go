package sse

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/textproto"
	"reflect"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// canDetach reports whether the connection may be taken from net/http: over
// HTTP/1, with nobody in between, and with nothing of the request still to come.
// A writer of somebody else's may count, compress or time what goes through it,
// even if it can be hijacked. A response that somebody has begun already is gone
// on with: a second status line in it would be for the client to guess at.
func canDetach(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || hasBody(r) {
		return false
	}
	v := reflect.ValueOf(w)
	if v.Kind() != reflect.Pointer || v.Type().Elem().PkgPath() != "net/http" || v.Type().Elem().Name() != "response" {
		return false
	}
	begun := v.Elem().FieldByName("wroteHeader") // net/http tells it in no other way
	return begun.Kind() == reflect.Bool && !begun.Bool()
}

// detach takes the connection from net/http, sends the response's header and
// first bytes, and begins. False: net/http does not give it.
func (s *Stream) detach(w http.ResponseWriter, r *http.Request) bool {
	nc, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	s.chunked = r.ProtoAtLeast(1, 1)
	s.c = netio.New(nc, carrier{s}, &s.h.wire, nil)
	buf, body := getBuffer(), getBuffer()
	*body = s.h.opts.appendOpening(s.beginBatch(*body), &s.window)
	*buf = appendHead((*buf)[:0], s.chunked, w.Header())
	first := s.endBatch(body)
	if err := s.c.Send(*buf, first); errors.Is(err, netio.ErrFull) { // they are larger than the whole queue
		_ = s.c.Write(context.Background(), *buf, first)
	} // another error is told to the event Close
	putBuffer(buf)
	putBuffer(body)
	s.hear(brw.Reader.Buffered()) // thrown away, too
	s.arm(0)
	s.c.Serve()
	s.begin(r)
	return true
}

// appendHead appends a response's status line and header as net/http writes
// them, but for what says how long the body is: it ends with the connection, and
// before that, if chunked, with the last chunk.
func appendHead(dst []byte, chunked bool, h http.Header) []byte {
	if chunked {
		dst = append(dst, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"...)
	} else {
		dst = append(dst, "HTTP/1.0 200 OK\r\n"...)
	}
	dst = append(dst, "Connection: close\r\n"...)
	if _, ok := h["Date"]; !ok {
		dst = append(dst, "Date: "...)
		dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
		dst = append(dst, "\r\n"...)
	}
	fields := bytes.NewBuffer(dst)
	_ = h.WriteSubset(fields, notSent(h)) // a buffer takes all
	return append(fields.Bytes(), "\r\n"...)
}

// notSent are the fields that have no place in the response: those of the
// connection and of the body's length, trailers, and names that are none.
func notSent(h http.Header) map[string]bool {
	var not map[string]bool
	for name := range h {
		bad := strings.HasPrefix(name, http.TrailerPrefix) || strings.ContainsFunc(name, notToken) || name == ""
		switch textproto.CanonicalMIMEHeaderKey(name) { // in whatever case somebody has put it there
		case "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade":
			bad = true
		}
		if bad {
			if not == nil {
				not = make(map[string]bool)
			}
			not[name] = true
		}
	}
	return not
}

// notToken reports whether a character can't be in a field's name (RFC 9110,
// section 5.6.2).
func notToken(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return c >= 0x7f || !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}
