package netio

import "io"

// place says where the next bytes are to be received. The buffer is c.in, or one that becomes it if bytes come.
func (s *stay) place(size int) (b *buffer, p []byte) {
	c := s.c
	b = c.in
	switch {
	case b != nil:
		// Space doubles with what has been received, so a peer pays for the memory that it makes us take.
		b = b.withSpace(max(2<<10, b.len()))
		c.in = b
	case s.discard:
		b = newBuffer(size)
	default:
		// A small rest of a message is better received together with what follows it.
		if room := c.proto.Room(); len(room) >= readSize/2 {
			s.room = room
			return newBuffer(waitSize), room
		}
		b = newBuffer(size)
	}
	return b, b.space()
}

// placed takes over what was received into the place that place gave.
func (s *stay) placed(b *buffer, n int) {
	c := s.c
	if n <= 0 || s.discard || s.room != nil {
		if b != c.in {
			b.free()
		}
		if n <= 0 {
			s.room = nil
			return
		}
	} else {
		b.w += n
		c.in = b
	}
	if s.room != nil {
		s.room = s.room[:n]
	}
	c.seen.Add(1)
}

// feed gives the protocol what there is.
func (s *stay) feed() {
	c := s.c
	if s.discard {
		return
	}
	s.fed = true
	c.flags.Or(flagFeeding)
	if s.room != nil {
		room := s.room
		s.room = nil
		n, next := c.proto.Data(room)
		s.next = next
		if n < len(room) {
			c.in = appended(nil, room[max(n, 0):], nil)
		}
	} else if b := c.in; b != nil {
		n, next := c.proto.Data(b.bytes())
		s.next = next
		b.r += min(max(n, 0), b.len())
		if b.len() == 0 {
			b.free()
			c.in = nil
		}
	}
	c.flags.And(^flagFeeding)
	if s.next != Quiet {
		s.quiet = false
	}
	if s.next != Pause && c.in != nil && c.in.len() > c.cfg.inputLimit() {
		c.CloseNow(ErrInput)
	}
}

// settle prepares for a wait: what is left over moves to a buffer that it does not waste.
func (s *stay) settle() {
	if c := s.c; c.in != nil {
		c.in = c.in.fitted()
	}
}

// receive waits until bytes have come, over a wire that is not fast.
func (c *Conn) receive(s *stay) error {
	if c.wire == overTLS {
		return c.receiveTLS(s)
	}
	s.settle()
	return c.receivePlain(s)
}

// receivePlain can't wait without a buffer, so it waits with a small one, and takes a large one when that was filled.
func (c *Conn) receivePlain(s *stay) error {
	size := waitSize
	if s.more {
		size = readSize
	}
	for {
		b, p := s.place(size)
		n, err := c.nc.Read(p)
		s.more = n == len(p)
		s.placed(b, n)
		if n > 0 {
			return nil // an error will come again
		}
		if err != nil {
			return plainErr(err)
		}
	}
}

// plainErr makes the end of input bare, as the other wires say it.
func plainErr(err error) error {
	if err == io.ErrUnexpectedEOF { // tls.Conn's, for a peer that ended without saying so
		return io.EOF
	}
	return err
}
