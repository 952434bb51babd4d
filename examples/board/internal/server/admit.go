package server

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// admit answers requests that come from a foreign page or name no board.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (board string, ok bool) {
	if !s.allowed(r) {
		http.Error(w, "pages of another origin may not use this board", http.StatusForbidden)
		return "", false
	}
	board = r.PathValue("board")
	if !isBoard(board) {
		http.Error(w, "a board's name is 1 to 64 characters of a-z, 0-9 and -", http.StatusNotFound)
		return "", false
	}
	return board, true
}

// allowed reports whether a request may come from where its Origin says: from
// no page at all, from one of the same host, or from one that is listed. A
// browser sends Origin with every handshake, and with every event stream to
// another origin.
func (s *Server) allowed(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	origin := values[0]
	if len(values) > 1 {
		return false
	}
	if slices.ContainsFunc(s.opts.Origins, func(o string) bool { return strings.EqualFold(o, origin) }) {
		return true
	}
	u, err := url.Parse(origin) // "null", of a page without an origin, has no host
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// unavailable refuses a request for now. Those that are refused together do not
// come back together.
func (s *Server) unavailable(w http.ResponseWriter) {
	wait := time.Second + backoff.Moment(4*time.Second)
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Round(time.Second)/time.Second)))
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "the board takes no more visitors now", http.StatusServiceUnavailable)
}
