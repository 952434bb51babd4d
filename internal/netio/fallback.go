//go:build !linux || !(amd64 || arm64)

package netio

import "errors"

// Elsewhere there is the portable twin alone. What follows stands in for the fast path in code that both share, and is
// never called: a Conn's wire is plain.

const (
	canFast  = false
	maxParts = 1
)

type faultFunc func()

var errNoFast = errors.New("netio: no fast path on this system")

var shutWrite, shutBoth = func(uintptr) {}, func(uintptr) {}

func (s *stay) bind() {}

func (c *Conn) receiveFast(s *stay) *stay       { s.err = errNoFast; return s }
func (c *Conn) receiveTLS(*stay) error          { return errNoFast }
func (c *Conn) try(_, _ []byte) (int, error)    { return 0, errNoFast }
func (c *Conn) tryFrames([][]byte) (int, error) { return 0, errNoFast }
func (c *Conn) writeFast([]byte) (int, error)   { return 0, errNoFast }
func (c *Conn) attend(*stay) bool               { return false }
func (c *Conn) canPark() bool                   { return false }
func (c *Conn) park() bool                      { return false }
func leaveLot(*Conn)                            {}
