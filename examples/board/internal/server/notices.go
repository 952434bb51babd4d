package server

import (
	"context"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
)

const (
	maxExcerpt = 80   // code points of a note's text in a notice
	maxBursts  = 4096 // bursts of edits that are remembered; without room the oldest ends early
)

// A Notice tells people about something on their board.
type Notice struct {
	Kind string  `json:"kind"` // created, edited, deleted, restored, joined, left
	By   User    `json:"by"`
	Note string  `json:"note,omitempty"` // for what was done to one
	Text *string `json:"text,omitempty"` // the start of the note's
	At   int64   `json:"at"`
}

// notices publishes a board's notifications.
type notices struct {
	// Immutable.
	srv   *Server
	topic *hub.Topic[Notice]
	burst time.Duration

	// Guarded by mu.
	mu     sync.Mutex
	bursts map[burst]time.Time // when the notice of it was given
	order  []burst             // the oldest first
}

// A burst is somebody's series of edits of one note.
type burst struct{ user, note string }

func newNotices(s *Server, board string) *notices {
	return &notices{
		srv:    s,
		topic:  hub.TopicOf[Notice](s.hub, noticesPrefix+board, nil),
		burst:  s.opts.Burst,
		bursts: make(map[burst]time.Time),
	}
}

// operation gives notice of what an operation did. Where a note lies is not
// worth one.
func (n *notices) operation(ctx context.Context, by User, r *record) {
	kind := ""
	switch r.Kind {
	case "create":
		kind = "created"
	case "delete":
		kind = "deleted"
	case "restore":
		kind = "restored"
	case "set":
		for _, reg := range r.Changed {
			if reg == text || reg == color {
				kind = "edited"
			}
		}
		if kind != "" && !n.first(burst{by.ID, r.Note.ID}) {
			return
		}
	}
	if kind != "" {
		text := excerpt(r.Note.Text)
		n.publish(ctx, Notice{Kind: kind, By: by, Note: r.Note.ID, Text: &text, At: r.At})
	}
}

func (n *notices) person(ctx context.Context, kind string, who User) {
	n.publish(ctx, Notice{Kind: kind, By: who, At: time.Now().UnixMilli()})
}

// publish gives a notice. One that can't be given stops nobody's work.
func (n *notices) publish(ctx context.Context, notice Notice) {
	if _, err := n.topic.Publish(ctx, notice); err != nil && ctx.Err() == nil {
		n.srv.opts.Logger.Warn("a notice is lost", "kind", notice.Kind, "err", err)
	}
}

// first reports whether no edit of the burst was told of lately.
func (n *notices) first(b burst) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for len(n.order) > 0 && (len(n.order) >= maxBursts || now.Sub(n.bursts[n.order[0]]) >= n.burst) {
		delete(n.bursts, n.order[0])
		n.order = n.order[1:]
	}
	if _, known := n.bursts[b]; known {
		return false
	}
	n.bursts[b] = now
	n.order = append(n.order, b)
	return true
}

func excerpt(s string) string {
	n := 0
	for i := range s {
		if n == maxExcerpt {
			return s[:i]
		}
		n++
	}
	return s
}
