package wstest

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// head is the head of an HTTP message, field by field as it is on the wire (RFC 9112, section 2.1).
type head struct {
	start  string
	fields []field
}

type field struct{ name, value string }

// maxHead bounds what is read as a head: nothing here is near it.
const maxHead = 256 << 10

// readHead reads up to the empty line.
func readHead(r *bufio.Reader) (*head, error) {
	h := &head{}
	for total, first := 0, true; ; first = false {
		line, err := readLine(r)
		if err != nil {
			if !first || line != "" {
				err = unexpected(err)
			}
			return nil, err
		}
		if total += len(line); total > maxHead {
			return nil, fmt.Errorf("a head of more than %d bytes", maxHead)
		}
		line, ok := strings.CutSuffix(line, "\r\n")
		switch {
		case !ok:
			return nil, fmt.Errorf("a line that does not end with CR LF: %q", line)
		case first:
			h.start = line
		case line == "":
			return h, nil
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok || name == "" || strings.ContainsAny(name, " \t") {
				return nil, fmt.Errorf("a line that is not a field: %q", line)
			}
			h.fields = append(h.fields, field{name, strings.Trim(value, " \t")})
		}
	}
}

// readLine reads up to and with a line feed, or maxHead bytes.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) < maxHead {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err != bufio.ErrBufferFull {
			return string(line), err
		}
	}
	return string(line), fmt.Errorf("a line of more than %d bytes", maxHead)
}

// values are those of all fields of a name.
func (h *head) values(name string) (all []string) {
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			all = append(all, f.value)
		}
	}
	return all
}

// tokens are the values of a name as the list that they are.
func (h *head) tokens(name string) (all []string) {
	for _, v := range h.values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.Trim(t, " \t"); t != "" {
				all = append(all, t)
			}
		}
	}
	return all
}

func (h *head) hasToken(name, token string) bool {
	for _, t := range h.tokens(name) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}

// status is the code of a response, 0 if its first line is not a status line.
func (h *head) status() int {
	rest, ok := strings.CutPrefix(h.start, "HTTP/1.1 ")
	if !ok {
		rest, ok = strings.CutPrefix(h.start, "HTTP/1.0 ")
	}
	digits, _, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(digits)
	if !ok || err != nil || len(digits) != 3 {
		return 0
	}
	return code
}

// readBody reads the body of a response as its head says it is framed (RFC 9112, section 6.3). last is true when only
// the connection's end ends it.
func (h *head) readBody(r *bufio.Reader) (n int64, last bool, err error) {
	body := io.Reader(r)
	length := h.values("Content-Length")
	switch {
	case h.hasToken("Transfer-Encoding", "chunked"):
		n, err := io.Copy(io.Discard, httputil.NewChunkedReader(r))
		if err == nil {
			err = skipTrailer(r)
		}
		return n, false, err
	case len(length) > 0:
		want, err := strconv.ParseInt(length[0], 10, 64)
		if err != nil || want < 0 || len(length) > 1 {
			return 0, true, fmt.Errorf("Content-Length: %q", length)
		}
		n, err = io.Copy(io.Discard, io.LimitReader(body, want))
		if err == nil && n < want {
			err = io.ErrUnexpectedEOF
		}
		return n, false, err
	}
	n, err = io.Copy(io.Discard, io.LimitReader(body, maxHead))
	return n, true, err
}

// skipTrailer reads what follows the last chunk, up to the empty line.
func skipTrailer(r *bufio.Reader) error {
	for range 100 {
		line, err := readLine(r)
		if err != nil || line == "\r\n" {
			return err
		}
	}
	return fmt.Errorf("a trailer of more than 100 lines")
}

// set replaces the fields of a name by one for each value.
func (h *head) set(name string, values ...string) *head {
	kept := h.fields[:0:0]
	for _, f := range h.fields {
		if !strings.EqualFold(f.name, name) {
			kept = append(kept, f)
		}
	}
	for _, v := range values {
		kept = append(kept, field{name, v})
	}
	h.fields = kept
	return h
}

// add adds the fields of a header.
func (h *head) add(header http.Header) {
	for name, values := range header {
		for _, v := range values {
			h.fields = append(h.fields, field{name, v})
		}
	}
}

func (h *head) append(dst []byte) []byte {
	dst = append(append(dst, h.start...), "\r\n"...)
	for _, f := range h.fields {
		dst = append(append(dst, f.name...), ": "...)
		dst = append(append(dst, f.value...), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// acceptFor answers a key (RFC 6455, section 4.2.2, point 5).
func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
