package interop

import (
	"context"
	"fmt"
	"sync"
)

// inbox is what came on a connection and, at last, how it ended, which is an E. Its length is what the case lets the
// other side send.
type inbox[E any] struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced with every change
	got     []digest
	ended   bool
	ending  E
}

func newInbox[E any]() *inbox[E] { return &inbox[E]{changed: make(chan struct{})} }

func (b *inbox[E]) put(d digest) { b.change(func() { b.got = append(b.got, d) }) }

// end tells how the connection ended. Only the first time counts.
func (b *inbox[E]) end(e E) {
	b.change(func() {
		if !b.ended {
			b.ended, b.ending = true, e
		}
	})
}

func (b *inbox[E]) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// receive waits for the next message.
func (b *inbox[E]) receive(ctx context.Context) (digest, error) {
	for {
		b.mu.Lock()
		if len(b.got) > 0 {
			d := b.got[0]
			b.got = b.got[1:]
			b.mu.Unlock()
			return d, nil
		}
		ended, ending, changed := b.ended, b.ending, b.changed
		b.mu.Unlock()
		if ended {
			return digest{}, fmt.Errorf("no message: the connection has ended: %v", ending)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return digest{}, fmt.Errorf("waiting for a message: %w", ctx.Err())
		}
	}
}

// wait waits for the end.
func (b *inbox[E]) wait(ctx context.Context) (E, error) {
	for {
		b.mu.Lock()
		ended, ending, changed := b.ended, b.ending, b.changed
		b.mu.Unlock()
		if ended {
			return ending, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ending, fmt.Errorf("waiting for the end of the connection: %w", ctx.Err())
		}
	}
}

// state says in words how it stands, for failures.
func (b *inbox[E]) state() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		return "connected"
	}
	return fmt.Sprintf("ended: %v", b.ending)
}
