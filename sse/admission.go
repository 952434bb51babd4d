package sse

import "net/http"

// admit answers a request that can't have an event stream, and says why. base
// is what flushers says of w.
func admit(w http.ResponseWriter, r *http.Request, o *Options) (base func() error, err error) {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodHead, "":
	default:
		return nil, refuse(w, http.StatusMethodNotAllowed, 0, ErrMethod)
	}
	if !o.IgnoreAccept && !accepts(r.Header) {
		return nil, refuse(w, http.StatusNotAcceptable, 0, ErrNotAcceptable)
	}
	if w.Header().Get("Content-Encoding") != "" {
		return nil, refuse(w, http.StatusInternalServerError, 0, ErrContentEncoding)
	}
	ok, base := flushers(w)
	if !ok {
		return nil, refuse(w, http.StatusInternalServerError, 0, ErrNoFlush)
	}
	if r.Method == http.MethodHead {
		setHeaders(w.Header(), r)
		w.WriteHeader(http.StatusOK)
		return nil, ErrHead
	}
	return base, nil
}

func setHeaders(h http.Header, r *http.Request) {
	h.Set("Content-Type", "text/event-stream")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store, no-transform")
	}
	h.Set("X-Accel-Buffering", "no")
	h.Del("Content-Length")
	if r.ProtoMajor >= 2 {
		h.Del("Connection") // RFC 9113, section 8.2.2
	}
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }
