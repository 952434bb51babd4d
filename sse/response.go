package sse

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"
)

// stream is where the bytes of one event stream go. A Writer stands on it and
// makes sure that only one goroutine is in it at a time.
type stream interface {
	// write sends p at once. A zero deadline is none. An error is final.
	write(p []byte, deadline time.Time) error
	// finish prepares for the end of the response; no write follows.
	finish(deadline time.Time)
}

// httpStream writes into the response of a handler that is still running.
type httpStream struct {
	w          http.ResponseWriter
	rc         *http.ResponseController
	base       func() error // see flushers; nil if rc.Flush tells all
	noDeadline bool         // the connection has no write deadlines
	unbounded  bool         // the server's own deadline was lifted for good
	log        *slog.Logger
}

func newHTTPStream(w http.ResponseWriter, base func() error, log *slog.Logger) *httpStream {
	return &httpStream{w: w, rc: http.NewResponseController(w), base: base, log: log}
}

// write sets the deadline anew for each write, which overrides the one that
// http.Server.WriteTimeout set when the request came, and lifts it again: an
// HTTP/2 stream would be reset when a deadline passes in silence, and a TLS
// connection may have to answer its peer at any time.
func (h *httpStream) write(p []byte, deadline time.Time) error {
	if err := h.setDeadline(deadline); err != nil {
		return err
	}
	_, err := h.w.Write(p)
	if err == nil {
		err = h.flush()
	}
	if err != nil {
		// The deadline stays, so that net/http does not wait for the peer
		// once more when the handler returns.
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			err = fmt.Errorf("sse: the peer took no bytes in time (Options.WriteTimeout): %w (%w)", os.ErrDeadlineExceeded, err)
		}
		return err
	}
	if deadline.IsZero() {
		return nil
	}
	return h.setDeadline(time.Time{})
}

// flush sends what is buffered. Only the flush reports that the connection is
// dead: a small Write ends in net/http's buffer and succeeds.
func (h *httpStream) flush() error {
	if err := h.rc.Flush(); err != nil {
		return err
	}
	if h.base != nil {
		return h.base()
	}
	return nil
}

func (h *httpStream) setDeadline(t time.Time) error {
	if h.noDeadline || t.IsZero() && h.unbounded {
		return nil
	}
	err := h.rc.SetWriteDeadline(t)
	if errors.Is(err, http.ErrNotSupported) {
		h.noDeadline = true
		h.log.Warn("sse: response writer has no write deadlines; a client that stops reading can hold its handler")
		return nil
	}
	h.unbounded = t.IsZero()
	return err
}

// finish bounds the bytes that net/http sends after the handler has returned
// (the last chunk). It lifts the deadline itself before the next request.
func (h *httpStream) finish(deadline time.Time) {
	if !deadline.IsZero() {
		_ = h.setDeadline(deadline) // the stream is over; net/http sees the error itself
	}
}

// open sends the first bytes. A middleware whose Flush asserts that the writer
// below it is a Flusher would panic here; that becomes an error.
//
// On HTTP/1 the first bytes also wait for what the handler has left of the
// request's body, which net/http reads before it answers; so with a body reads
// have the same deadline. Lifting it takes ReadTimeout's away too, as net/http
// itself does at the body's end.
func (h *httpStream) open(p []byte, deadline time.Time, hasBody bool) (err error) {
	if hasBody && !deadline.IsZero() && h.rc.SetReadDeadline(deadline) == nil {
		defer func() {
			switch {
			case err != nil: // the deadlines stay, for the same reason as in write
			case time.Now().Before(deadline):
				err = h.rc.SetReadDeadline(time.Time{})
			default:
				h.finish(deadline)
				err = fmt.Errorf("sse: the rest of the request's body did not come in time (Options.WriteTimeout): %w", os.ErrDeadlineExceeded)
			}
		}()
	}
	defer func() {
		if v := recover(); v != nil {
			re, ok := v.(runtime.Error)
			if !ok {
				panic(v) // such as http.ErrAbortHandler
			}
			err = fmt.Errorf("%w: its Flush method failed: %w", ErrNoFlush, re)
		}
	}()
	h.w.WriteHeader(http.StatusOK)
	return h.write(p, deadline)
}

// flushers walks the chain of wrapped writers as http.ResponseController does
// and reports whether a flush can reach the connection. A wrapper with a plain
// Flush method hides the error of the one below; base, if not nil, is the
// innermost flush with an error, to be called after the outer one.
func flushers(w http.ResponseWriter) (ok bool, base func() error) {
	hidden := false
	for w != nil {
		switch t := w.(type) {
		case interface{ FlushError() error }:
			if hidden {
				base = t.FlushError
			}
			return true, base
		case interface {
			http.Flusher
			Unwrap() http.ResponseWriter
		}:
			hidden = true
			w = t.Unwrap()
		case http.Flusher:
			return true, nil
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false, nil
		}
	}
	return false, nil
}
