package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

func TestCloseFromThisSide(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		for _, reading := range []string{"nobody reads", "another goroutine reads"} {
			t.Run(reading, func(t *testing.T) {
				bubble(t, func(t *testing.T, start time.Time) {
					c, p := wire(t, server, nil)
					read := make(chan error, 1)
					if reading == "nobody reads" {
						close(read)
					} else {
						go func() {
							_, _, err := c.Read(t.Context())
							read <- err
						}()
						synctest.Wait()
					}
					go func() {
						if reason := p.expectClose(4321); reason != "bye" {
							t.Errorf("reason %q", reason)
						}
						p.Write(p.frame(opText, true, "too late")) // thrown away
						p.Write(p.frame(opPing, true, "too late")) // not answered
						p.Write(p.closeFrame(4321, ""))
						if server {
							p.expectEOF() // the server ends first
						}
						p.Close()
					}()
					if err := c.Close(4321, "bye"); err != nil {
						t.Errorf("Close: %v", err)
					}
					expectAfter(t, start, 0)
					want := CloseError{Code: 4321, Reason: "bye", Local: true}
					for i, err := range []error{<-read, c.Write(t.Context(), Text, nil), c.Ping(t.Context()), func() error { _, _, err := c.Read(t.Context()); return err }()} {
						if i == 0 && err == nil {
							continue
						}
						e, ok := errors.AsType[*CloseError](err)
						if !ok || e.Code != want.Code || e.Reason != want.Reason || e.Local != want.Local || !errors.Is(err, net.ErrClosed) {
							t.Errorf("call %d: %v", i, err)
						}
					}
					if err := c.Close(CloseNormal, ""); err != nil {
						t.Errorf("second Close: %v", err)
					}
				})
			})
		}
	})
}

func TestCloseFromThePeer(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		for _, test := range []struct {
			name    string
			payload string
			code    CloseCode
			reason  string
			reply   string
		}{
			{"without a code", "", CloseNoStatus, "", ""},
			{"code", "\x03\xe8", 1000, "", "\x03\xe8"},
			{"code and reason", "\x03\xe9gone é", 1001, "gone é", "\x03\xe9"},
			{"service restart", "\x03\xf4", 1012, "", "\x03\xf4"},
			{"bad gateway", "\x03\xf6", 1014, "", "\x03\xf6"},
			{"own code, longest reason", "\x0f\xa0" + strings.Repeat("x", 123), 4000, strings.Repeat("x", 123), "\x0f\xa0"},
		} {
			t.Run(test.name, func(t *testing.T) {
				bubble(t, func(t *testing.T, start time.Time) {
					c, p := wire(t, server, nil)
					p.send(p.frame(opText, true, "first"), p.frame(opClose, true, test.payload), p.frame(opText, true, "after the end"), []byte("garbage"))
					go func() {
						p.expect(opClose, true, test.reply)
						if server {
							p.expectEOF()
						}
						p.Close()
					}()
					expectRead(t, c, Text, "first")
					_, _, err := c.Read(t.Context())
					e, ok := errors.AsType[*CloseError](err)
					if !ok || e.Code != test.code || e.Reason != test.reason || e.Local || !errors.Is(err, io.EOF) {
						t.Fatalf("Read: %v", err)
					}
					if CloseStatus(err) != test.code {
						t.Errorf("CloseStatus: %v", CloseStatus(err))
					}
					if _, _, again := c.Read(t.Context()); again != err {
						t.Errorf("second Read: %v", again)
					}
					if err := c.Close(CloseNormal, ""); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
			})
		}
	})
}

func TestBadCloseFrames(t *testing.T) {
	for _, test := range []struct {
		name    string
		payload string
		code    CloseCode
	}{
		{"one byte", "\x03", 1002},
		{"code 0", "\x00\x00", 1002},
		{"code 999", "\x03\xe7", 1002},
		{"code 1004", "\x03\xec", 1002},
		{"code 1005", "\x03\xed", 1002},
		{"code 1006", "\x03\xee", 1002},
		{"code 1015", "\x03\xf7", 1002},
		{"code 1016", "\x03\xf8", 1002},
		{"code 2999", "\x0b\xb7", 1002},
		{"code 5000", "\x13\x88", 1002},
		{"code 65535", "\xff\xff", 1002},
		{"reason not UTF-8", "\x03\xe8\xff", 1007},
		{"reason ends in half a rune", "\x03\xe8\xe2\x82", 1007},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, start time.Time) {
				c, p := wire(t, true, nil)
				p.send(p.frame(opClose, true, test.payload))
				go func() {
					p.expectClose(test.code)
					p.expectEOF()
					p.Close()
				}()
				_, _, err := c.Read(t.Context())
				if e, ok := errors.AsType[*ProtocolError](err); !ok || e.Code != test.code || CloseStatus(err) != test.code {
					t.Errorf("Read: %v", err)
				}
			})
		})
	}
}

// What the peer does wrong is answered with one close frame, the network connection is half-closed, and what still
// comes is thrown away: a reset would take the close frame with it.
func TestViolationIsAnsweredAndDrained(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		for name, test := range map[string]struct {
			frame []byte
			code  CloseCode
		}{
			"reserved opcode": {[]byte("\x83\x80abcd"), CloseProtocolError},
			"too big":         {[]byte("\x82\xff\x00\x00\x00\x00\x00\x20\x00\x00abcd"), CloseMessageTooBig},
			"UTF-8":           {[]byte("\x81\x81\x00\x00\x00\x00\xff"), CloseInvalidPayload},
		} {
			t.Run(name, func(t *testing.T) {
				if !server {
					switch name {
					case "too big":
						test.frame = []byte("\x82\x7f\x00\x00\x00\x00\x00\x20\x00\x00")
					case "UTF-8":
						test.frame = []byte("\x81\x01\xff")
					}
				}
				bubble(t, func(t *testing.T, start time.Time) {
					c, p := wire(t, server, nil)
					p.send(test.frame)
					var sender sync.WaitGroup
					sender.Go(func() {
						for range 100 { // goes on sending, and only then looks
							if _, err := p.Write(make([]byte, 10_000)); err != nil {
								t.Errorf("the peer can't write: %v", err)
								break
							}
						}
						p.expectClose(test.code)
						p.expectEOF()
						p.Close()
					})
					_, _, err := c.Read(t.Context())
					if CloseStatus(err) != test.code {
						t.Errorf("Read: %v", err)
					}
					sender.Wait()
					expectAfter(t, start, 0)
					if err2 := c.Close(CloseNormal, ""); err2 != err {
						t.Errorf("Close: %v", err2)
					}
				})
			})
		}
	})
}

func TestPeerThatNeverEndsIsCutOff(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		for _, who := range []string{"does not answer our close frame", "answers and stays", "closes and stays", "breaks the protocol and stays", "never reads"} {
			t.Run(who, func(t *testing.T) {
				bubble(t, func(t *testing.T, start time.Time) {
					c, p := wireOver(t, server, func(o *AcceptOptions) { o.CloseTimeout = 3 * time.Second }, func() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(100) })
					var err error
					switch who {
					case "does not answer our close frame":
						err = c.Close(CloseNormal, "")
						expectLimit(t, err, "CloseTimeout")
					case "answers and stays":
						p.send(p.closeFrame(CloseNormal, ""))
						if err = c.Close(CloseNormal, ""); err != nil {
							t.Errorf("Close: %v", err)
						}
					case "closes and stays":
						p.send(p.closeFrame(CloseNormal, ""))
						if _, _, err = c.Read(t.Context()); CloseStatus(err) != CloseNormal {
							t.Errorf("Read: %v", err)
						}
					case "breaks the protocol and stays":
						p.send([]byte("\x83\x80abcd"))
						if _, _, err = c.Read(t.Context()); CloseStatus(err) != CloseProtocolError {
							t.Errorf("Read: %v", err)
						}
					case "never reads":
						written := make(chan error, 1)
						go func() { written <- c.Write(t.Context(), Binary, make([]byte, 1000)) }()
						synctest.Wait()
						expectLimit(t, c.Close(CloseNormal, ""), "CloseTimeout")
						if err := <-written; CloseStatus(err) != CloseNormal {
							t.Errorf("Write: %v", err)
						}
					}
					expectAfter(t, start, 3*time.Second)
				})
			})
		}
	})
}

// A Read whose context ends while the connection is closing comes back with the connection's error, and the closing
// goes on.
func TestClosingOutlivesTheContextOfTheRead(t *testing.T) {
	for _, how := range []string{"the peer closes", "the peer breaks the protocol", "this side closes"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, start time.Time) {
				c, p := wire(t, true, nil)
				code := CloseProtocolError
				switch how {
				case "the peer closes":
					code = CloseNormal
					p.send(p.closeFrame(code, ""))
				case "the peer breaks the protocol":
					p.send([]byte("\x83\x80abcd"))
				default:
					code = CloseGoingAway
					c.startClose(&CloseError{Code: code, Local: true, Err: net.ErrClosed}, code, "")
				}
				for range 2 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if _, _, err := c.Read(ctx); CloseStatus(err) != code {
						t.Errorf("Read: %v", err)
					}
					cancel()
				}
				expectAfter(t, start, 2*time.Second)
				p.expectClose(code)
				if how == "this side closes" {
					p.send(p.closeFrame(code, ""))
				}
				p.send(make([]byte, 10_000)) // is thrown away
				p.expectEOF()
				p.Close()
				<-c.whenDone()
				expectAfter(t, start, 2*time.Second)
			})
		})
	}
}

// Nobody reads and nobody waits: the timer ends it.
func TestAbandonedClosingEndsByItself(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		c.startClose(&CloseError{Code: CloseNormal, Local: true, Err: net.ErrClosed}, CloseNormal, "")
		p.expectClose(CloseNormal)
		<-c.whenDone()
		expectAfter(t, start, 5*time.Second)
	})
}

func TestBothSidesCloseAtOnce(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, server, nil)
			p.send(p.closeFrame(4001, "mine"))
			go p.answerClose(4000)
			if err := c.Close(4000, "ours"); err != nil {
				t.Errorf("Close: %v", err)
			}
			_, _, err := c.Read(t.Context())
			if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != 4000 || !e.Local {
				t.Errorf("Read: %v", err)
			}
		})
	})
}

// A hundred Closes at once: one close frame, and all return the same.
func TestManyClosesSendOneFrame(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		var closers sync.WaitGroup
		for range 100 {
			closers.Go(func() {
				if err := c.Close(CloseGoingAway, "bye"); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		p.expectClose(CloseGoingAway)
		p.send(p.closeFrame(CloseGoingAway, ""))
		p.expectEOF()
		p.Close()
		closers.Wait()
	})
}

func TestCodesThatMustNotBeSent(t *testing.T) {
	for _, code := range []CloseCode{0, 1, 999, 1004, 1006, 1015, 1016, 2999, 5000} {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, true, nil)
			go p.answerClose(CloseInternalError)
			if err := c.Close(code, "why"); err == nil {
				t.Errorf("Close(%d) returned nil", code)
			}
		})
	}
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		go func() {
			p.expect(opClose, true, "")
			p.Write(p.frame(opClose, true, ""))
			p.expectEOF()
			p.Close()
		}()
		if err := c.Close(CloseNoStatus, "there is no place for it"); err != nil {
			t.Errorf("Close(CloseNoStatus): %v", err)
		}
	})
}

func TestEndWithoutACloseFrame(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		for name, test := range map[string]struct {
			send func(p *peer) []byte
			want error
		}{
			"between messages":          {func(p *peer) []byte { return p.frame(opText, true, "a") }, io.EOF},
			"inside a header":           {func(p *peer) []byte { return p.frame(opText, true, "a")[:1] }, io.ErrUnexpectedEOF},
			"inside a payload":          {func(p *peer) []byte { return p.header(opText, true, 5) }, io.ErrUnexpectedEOF},
			"inside a large payload":    {func(p *peer) []byte { return append(p.header(opBinary, true, 50_000), make([]byte, 20_000)...) }, io.ErrUnexpectedEOF},
			"between fragments":         {func(p *peer) []byte { return p.frame(opText, false, "a") }, io.ErrUnexpectedEOF},
			"inside a control frame":    {func(p *peer) []byte { return p.header(opPing, true, 5) }, io.ErrUnexpectedEOF},
			"close between fragments":   {func(p *peer) []byte { return append(p.frame(opText, false, "a"), p.closeFrame(CloseNormal, "")...) }, io.ErrUnexpectedEOF},
			"reset":                     {nil, syscall.ECONNRESET},
			"end after a reset of ours": {func(p *peer) []byte { return nil }, io.EOF},
		} {
			t.Run(name, func(t *testing.T) {
				c, p := wire(t, server, nil)
				if test.send == nil {
					p.Conn.(*testnet.Conn).Reset()
				} else {
					p.send(test.send(p))
					p.Conn.(*testnet.Conn).CloseWrite()
				}
				var err error
				for err == nil {
					_, _, err = c.Read(t.Context())
				}
				code := CloseAbnormal
				if name == "close between fragments" {
					code = CloseNormal
				}
				if !errors.Is(err, test.want) || errors.Is(err, io.EOF) != (test.want == io.EOF) || CloseStatus(err) != code {
					t.Errorf("Read: %v; want %v", err, test.want)
				}
				if err2 := c.Write(t.Context(), Text, nil); err2 != err {
					t.Errorf("Write: %v", err2)
				}
				if err2 := c.Close(CloseNormal, ""); code == CloseAbnormal && err2 != err {
					t.Errorf("Close: %v", err2)
				}
			})
		}
	})
}

func TestCloseNowUnblocksEverybody(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, _ := wireOver(t, true, func(o *AcceptOptions) { o.QueueLimit = 1 }, func() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(10) })
		errs := make(chan error, 6)
		go func() { _, _, err := c.Read(t.Context()); errs <- err }()
		go func() { _, _, err := c.Reader(t.Context()); errs <- err }()
		go func() { errs <- c.Write(t.Context(), Text, make([]byte, 100)) }()
		go func() { errs <- c.Write(t.Context(), Text, make([]byte, 100)) }()
		go func() { errs <- c.Ping(t.Context()) }()
		go func() { errs <- c.Close(CloseNormal, "") }()
		synctest.Wait()
		if err := c.CloseNow(); err != nil {
			t.Errorf("CloseNow: %v", err)
		}
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		}
		c.CloseNow()
		expectAfter(t, start, 0)
	})
}

// A peer that has sent its close frame and is gone makes our write fail. What it said is the better error.
func TestFailedWriteFindsThePeersCloseFrame(t *testing.T) {
	for _, reading := range []string{"nobody reads", "somebody reads"} {
		t.Run(reading, func(t *testing.T) {
			bubble(t, func(t *testing.T, start time.Time) {
				near, far := testnet.Pipe()
				gate := testnet.Fault(near, testnet.Plan{FailWrite: 1, Err: syscall.EPIPE})
				c := newConn(gate, false, "", nil, (&DialOptions{}).config())
				defer c.CloseNow()
				p := &peer{t: t, Conn: far}
				if reading == "somebody reads" {
					go c.Read(t.Context())
					synctest.Wait()
				}
				p.send(p.frame(opText, true, "the last"), p.closeFrame(CloseServiceRestart, "back soon"))
				p.Conn.(*testnet.Conn).CloseWrite()
				if err := c.Write(t.Context(), Text, []byte("x")); CloseStatus(err) != CloseServiceRestart {
					t.Errorf("Write: %v", err)
				}
			})
		})
	}
}
