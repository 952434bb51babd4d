package load

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/internal/bench/proc"
)

// stalledBuffer is the receive buffer of connections that are not read, so that they are full soon.
const stalledBuffer = 4096

// receiver is a connection that is published to.
type receiver struct {
	fd   int
	sse  *sseParser // or
	ws   *wsParser
	next uint64 // the number of the message that must come; 0 before the first
}

// fanout has bursts of messages published to all connections, each burst when the one before has arrived everywhere.
func fanout(j Job) (map[string]float64, error) {
	ctl, err := newControl(j.Control)
	if err != nil {
		return nil, err
	}
	defer ctl.close()
	f, err := newCrowd(j, ctl)
	if err != nil {
		return nil, err
	}
	defer f.close()
	for range j.Warmup {
		if err := f.burst(); err != nil {
			return nil, err
		}
	}
	f.latency = make([]int64, 0, 1<<20)
	before, err := look(j.PID, ctl)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	n := 0
	for end := start.Add(ms(j.DurationMS)); n == 0 || time.Now().Before(end); n++ {
		if err := f.burst(); err != nil {
			return nil, err
		}
	}
	took := time.Since(start)
	after, err := look(j.PID, ctl)
	if err != nil {
		return nil, err
	}
	deliveries := float64(n * j.Burst * f.reading)
	m := after.since(before, deliveries)
	m["per_s"] = deliveries / took.Seconds()
	slices.Sort(f.latency)
	m["p50_ms"] = float64(f.latency[len(f.latency)/2]) / 1e6
	m["p99_ms"] = float64(f.latency[len(f.latency)*99/100]) / 1e6
	return m, nil
}

// crowd is all receivers of a server.
type crowd struct {
	job     Job
	ctl     *control
	p       *poller
	check   *payloads
	conns   []receiver
	reading int // connections that read
	opened  int
	seq     uint64 // of the next message
	missing int    // deliveries that are to come
	quiet   bool   // until all take part: what comes is not counted
	latency []int64
	buf     []byte
	now     int64
	cur     *receiver
	deliver func([]byte) error // a method value, made once
}

// newCrowd connects and waits until everybody receives what is published.
func newCrowd(j Job, ctl *control) (_ *crowd, err error) {
	c := &crowd{job: j, ctl: ctl, check: newPayloads(j.Size), conns: make([]receiver, j.Conns), seq: 1, buf: make([]byte, 256<<10)}
	c.deliver = c.delivered
	c.reading = j.Conns - j.Stalled
	if c.p, err = newPoller(); err != nil {
		return nil, err
	}
	for i := range c.conns {
		c.conns[i].fd = -1
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	for i := range c.conns {
		if err := c.open(i); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		if c.opened++; c.opened == len(c.conns) || j.Proto == "sse" && c.opened%gathering == 0 {
			if err := c.gather(); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// gathering is how many subscribers of event streams come at once. Some servers do not answer before the first event, so
// one can't wait for the answers, and the kernel's queue of new connections must not overflow.
const gathering = 500

// stalled connections are spread among the others.
func (c *crowd) stalled(i int) bool {
	return c.job.Stalled > 0 && i%(c.job.Conns/c.job.Stalled) == 0 && i/(c.job.Conns/c.job.Stalled) < c.job.Stalled
}

// open makes a connection. The answer of an event stream comes with its first event.
func (c *crowd) open(i int) (err error) {
	r := &c.conns[i]
	rcvbuf := 0
	if c.stalled(i) {
		rcvbuf = stalledBuffer
	}
	if r.fd, err = connect(c.job.Addr, i, rcvbuf); err != nil {
		return err
	}
	var rest []byte
	if c.job.Proto == "sse" {
		r.sse = &sseParser{}
		if err := sendAll(r.fd, sseRequest); err != nil {
			return err
		}
	} else {
		r.ws = &wsParser{}
		if err := sendAll(r.fd, handshakeRequest); err != nil {
			return err
		}
		var h []byte
		if h, rest, err = head(r.fd); err != nil {
			return err
		}
		if err := checkHandshake(h); err != nil {
			return err
		}
	}
	if c.stalled(i) {
		return nil
	}
	if err := c.p.add(r.fd, i); err != nil {
		return err
	}
	c.cur = r
	return r.feed(rest, c.deliver)
}

func (r *receiver) feed(b []byte, data func([]byte) error) error {
	if r.sse != nil {
		return r.sse.feed(b, data)
	}
	return r.ws.feed(b, data)
}

// gather publishes until everybody has received something, since libraries answer before they subscribe, and then all
// that was published.
func (c *crowd) gather() error {
	c.quiet = true
	last := c.opened
	again := 100*time.Millisecond + time.Duration(c.opened)*100*time.Microsecond
	var w watchdog
	for w.fed(); ; {
		if w.bites() {
			return fmt.Errorf("%d of %d connections receive nothing", last, c.opened)
		}
		if err := c.ctl.publish(c.seq, 1, c.job.Size); err != nil {
			return err
		}
		c.seq++
		for end := time.Now().Add(again); ; {
			absent, behind := c.behind()
			if absent < last {
				last = absent
				w.fed()
			}
			if behind == 0 {
				c.quiet = false
				return nil
			}
			if absent > 0 && time.Now().After(end) {
				break
			}
			if w.bites() {
				return fmt.Errorf("%d of %d connections do not receive what was published last", behind, c.opened)
			}
			if err := c.receive(); err != nil {
				return err
			}
		}
	}
}

// behind counts those who have received nothing, and those who have not received all.
func (c *crowd) behind() (absent, behind int) {
	for i := range c.conns[:c.opened] {
		if c.stalled(i) {
			continue
		}
		if c.conns[i].next == 0 {
			absent++
		}
		if c.conns[i].next != c.seq {
			behind++
		}
	}
	return absent, behind
}

// burst publishes and receives all of it.
func (c *crowd) burst() error {
	c.missing = c.job.Burst * c.reading
	if err := c.ctl.publish(c.seq, c.job.Burst, c.job.Size); err != nil {
		return err
	}
	c.seq += uint64(c.job.Burst)
	var w watchdog
	w.fed()
	for was := c.missing; c.missing > 0; was = c.missing {
		if err := c.receive(); err != nil {
			return err
		}
		if c.missing < was {
			w.fed()
		} else if w.bites() {
			return fmt.Errorf("%d of %d deliveries are lost", c.missing, c.job.Burst*c.reading)
		}
	}
	return nil
}

func (c *crowd) receive() error {
	events, err := c.p.wait()
	if err != nil {
		return err
	}
	for i := range events {
		c.cur = &c.conns[events[i].Fd]
		n, e := recv(c.cur.fd, c.buf)
		switch {
		case e == unix.EAGAIN || e == unix.EINTR:
			continue
		case e != 0:
			return fmt.Errorf("receive: %w", e)
		case n == 0:
			return errors.New("the server has closed a connection")
		}
		c.now = proc.Monotonic()
		if err := c.cur.feed(c.buf[:n], c.deliver); err != nil {
			return err
		}
		if w := c.cur.ws; w != nil && w.pong != nil {
			if err := sendAll(c.cur.fd, w.pong); err != nil {
				return err
			}
			w.pong = nil
		}
	}
	return nil
}

func (c *crowd) delivered(b []byte) error {
	at, seq, err := c.check.check(b)
	if err != nil {
		return err
	}
	r := c.cur
	if r.next != 0 && seq != r.next {
		return fmt.Errorf("message %d came where %d was due", seq, r.next)
	}
	r.next = seq + 1
	if c.quiet {
		return nil
	}
	c.missing--
	if len(c.latency) < cap(c.latency) {
		c.latency = append(c.latency, c.now-at)
	}
	return nil
}

func (c *crowd) close() {
	for i := range c.conns {
		if c.conns[i].fd >= 0 {
			abort(c.conns[i].fd)
		}
	}
	c.p.close()
}
