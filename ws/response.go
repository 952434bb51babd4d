package ws

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net/http"
)

const (
	maxBody         = 64 << 10 // bytes kept of the body of a refusal
	maxInterim      = 8        // 1xx responses before the one that counts
	responseReading = 4 << 10  // bytes read at once
)

// readResponse reads up to the end of the response's header. The reader has what came after.
func readResponse(r io.Reader, req *http.Request, limit int) (*http.Response, *bufio.Reader, error) {
	max := int64(math.MaxInt64)
	if limit >= 0 {
		max = int64(limit)
	}
	lr := &headerReader{r: r, left: max}
	br := bufio.NewReaderSize(lr, responseReading)
	for range maxInterim {
		resp, err := http.ReadResponse(br, req)
		if lr.left == 0 && err != nil {
			return nil, nil, &LimitError{Limit: "response header in bytes", Max: max, Option: "HandshakeLimit"}
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			lr.left = math.MaxInt64 // a body is bounded by itself
			return resp, br, nil
		}
	}
	return nil, nil, errors.New("ws: too many interim responses")
}

// headerReader is an io.LimitedReader whose limit can be lifted.
type headerReader struct {
	r    io.Reader
	left int64
}

func (h *headerReader) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	if int64(len(p)) > h.left {
		p = p[:h.left]
	}
	n, err := h.r.Read(p)
	h.left -= int64(n)
	return n, err
}

// readBody reads the body of a refusal, as much as will come and is kept. The body is not closed, because that would
// read it to its end, which need not be; the connection is, by the caller.
func readBody(body io.Reader) (p []byte, truncated bool) {
	p, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if len(p) > maxBody {
		return p[:maxBody], true
	}
	return p, err != nil
}

// checkResponse holds a 101 against RFC 6455, section 4.1. why is "" when it is good.
func checkResponse(resp *http.Response, key string, offered []string) (subprotocol, why string) {
	h := resp.Header
	if resp.ProtoMajor != 1 || resp.ProtoMinor < 1 {
		return "", "the response's version is not HTTP/1.1"
	}
	if up := h["Upgrade"]; len(up) != 1 || !equalFold(up[0], "websocket") {
		return "", "the response's Upgrade is not websocket"
	}
	if !hasToken(h["Connection"], "upgrade") {
		return "", "the response's Connection is not Upgrade"
	}
	if accept := h["Sec-Websocket-Accept"]; len(accept) != 1 || accept[0] != acceptKey(key) {
		return "", "the Sec-WebSocket-Accept is not the answer to the key"
	}
	extensions, ok := parseExtensions(h["Sec-Websocket-Extensions"])
	if !ok {
		return "", "the Sec-WebSocket-Extensions are malformed"
	}
	if len(extensions) > 0 {
		return "", "the server chose an extension that was not offered"
	}
	chosen := h["Sec-Websocket-Protocol"]
	if len(chosen) == 0 {
		return "", ""
	}
	if len(chosen) > 1 {
		return "", "the server chose more than one subprotocol"
	}
	for _, p := range offered {
		if chosen[0] == p {
			return p, ""
		}
	}
	return "", "the server chose a subprotocol that was not offered"
}
