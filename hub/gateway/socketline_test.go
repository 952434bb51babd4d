package gateway

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// A fakeSocket notes what it is told.
type fakeSocket struct{ said []string }

func (s *fakeSocket) TrySend(frames [][]byte) (int, error) {
	s.said = append(s.said, "frames")
	return len(frames), nil
}

func (s *fakeSocket) NotifyWritable(func()) {}

func (s *fakeSocket) Send(_ ws.MessageType, p []byte) error {
	if strings.Contains(string(p), `"name":"bye"`) {
		s.said = append(s.said, "bye")
	}
	return errors.New("no room")
}

func (s *fakeSocket) Close(code ws.CloseCode, reason string) error {
	s.said = append(s.said, code.String()+" "+reason)
	return nil
}

func TestNothingComesBehindTheLastWord(t *testing.T) {
	s := &fakeSocket{}
	l := &socketLine{socket: s}
	if n, err := l.TrySend([][]byte{{0x81, 1, 'a'}}); n != 1 || err != nil {
		t.Errorf("TrySend: %d, %v", n, err)
	}
	l.bye("t", &Bye{Reason: ByeSlow, Retry: time.Second})
	l.bye("t", &Bye{Reason: ByeDrain})
	if n, err := l.TrySend([][]byte{{0x81, 1, 'a'}}); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("TrySend after the last word: %d, %v", n, err)
	}
	if got, want := strings.Join(s.said, ", "), "frames, bye, 1013 (try again later) slow"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
