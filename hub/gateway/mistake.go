package gateway

import (
	"errors"
	"net/http"
	"strings"
)

// A mistake is the programmer's: as it is set up, a Handler can't serve the
// request. Whoever asks is told which, with 500, for the text shows nothing else;
// the log has each once, for it is the same for every request.
type mistake uint8

const (
	noHub mistake = iota
	noAuthorize
	noTopic
	badPolicy
	badKind

	mistakes
)

// mistaken refuses the request.
func (g *Handler) mistaken(m mistake, text string) *RefusedError {
	if !g.told[m].Swap(true) {
		g.logger().Error("gateway: requests are refused: "+text, "status", http.StatusInternalServerError)
	}
	return &RefusedError{Status: http.StatusInternalServerError, Text: "gateway: " + text, Err: errors.New(text)}
}

// errNoTopic is pathTopic's.
var errNoTopic = errors.New("the request's path has no topic")

func pathTopic(r *http.Request) (string, error) {
	if name := r.PathValue("topic"); name != "" {
		return name, nil
	}
	return "", errNoTopic
}

// hasTopic reports whether the pattern under which the handler is registered has
// the topic: then it was empty.
func hasTopic(pattern string) bool {
	return strings.Contains(pattern, "{topic}") || strings.Contains(pattern, "{topic...}")
}
