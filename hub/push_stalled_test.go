package hub

import (
	"errors"
	"testing"
	"testing/synctest"
)

// A sink that is full and then ends is told so once: with its own error, or with a
// *SlowError if the log has left it behind, and not before. Whoever has closed the
// Conn is told nothing.
func TestStalledSinkIsToldAtItsEnd(t *testing.T) {
	errDead := errors.New("cable cut")
	for _, tt := range []struct {
		name   string
		policy Policy
		events int
		closed bool
		want   func(error) bool
	}{
		{"within the log", Disconnect, 1, false, func(err error) bool { return errors.Is(err, errDead) }},
		{"behind it", Disconnect, 5, false, func(err error) bool { _, ok := errors.AsType[*SlowError](err); return ok }},
		{"behind it, with a gap", SkipWithGap, 5, false, func(err error) bool { return errors.Is(err, errDead) }},
		{"closed before", Disconnect, 5, true, nil},
	} {
		bubble(t, TopicConfig{MaxEvents: 2}, func(t *testing.T, h *Hub) {
			topic := TopicOf[string](h, "log", nil)
			s := &fakeSink{room: -1}
			var ends []error
			c := connect(t, h, s, ConnOptions{Ended: func(_ string, _ Position, err error) { ends = append(ends, err) }})
			follow(t, c, "log", &FollowOptions{Policy: tt.policy})
			wantText(t, tt.name, s, "live")
			s.grant(0)
			for range tt.events {
				publish(t, topic, "x")
				synctest.Wait()
			}
			if len(ends) != 0 || h.Stats().Slow != 0 || h.Stats().Full == 0 {
				t.Errorf("%s: told too early: %v, %+v", tt.name, ends, h.Stats())
			}
			if tt.closed {
				c.Close()
			}
			s.mu.Lock()
			s.err = errDead
			s.mu.Unlock()
			s.grant(0)
			synctest.Wait()
			switch {
			case tt.want == nil && len(ends) != 0:
				t.Errorf("%s: told %v", tt.name, ends)
			case tt.want != nil && (len(ends) != 1 || !tt.want(ends[0])):
				t.Errorf("%s: told %v", tt.name, ends)
			}
		})
	}
}
