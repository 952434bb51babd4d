package ws

import "context"

// AppendFrame appends a message to dst as a server sends it: one frame, not masked. It is for TrySend. Text that is not
// UTF-8 is refused with ErrInvalidUTF8.
func AppendFrame(dst []byte, typ MessageType, p []byte) ([]byte, error) {
	if err := checkMessage(typ, p); err != nil {
		return dst, err
	}
	return appendFrame(dst, header{opcode: opcode(typ), fin: true}, p), nil
}

// Prepared is a message that was encoded once by Prepare, to be sent on many connections. It never changes. One that
// Prepare has not made, such as the nil that it returns with an error, is refused.
type Prepared struct {
	typ   MessageType
	frame []byte // as a server sends it
	head  int    // bytes of header
}

// Prepare encodes a message. p is copied.
func Prepare(typ MessageType, p []byte) (*Prepared, error) {
	frame, err := AppendFrame(make([]byte, 0, maxHeader+len(p)), typ, p)
	if err != nil {
		return nil, err
	}
	return &Prepared{typ: typ, frame: frame, head: len(frame) - len(p)}, nil
}

// payload is the message's data.
func (m *Prepared) payload() []byte { return m.frame[m.head:] }

// checkPrepared refuses a Prepared that nobody prepared.
func (c *Conn) checkPrepared(m *Prepared) error {
	if m != nil && len(m.frame) > 0 {
		return nil
	}
	if err := c.ended(); err != nil {
		return err
	}
	return errNotPrepared
}

// WritePrepared is Write of a prepared message. The connections of a server share its memory; a client has to mask, so
// it makes a copy.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	if err := c.checkPrepared(m); err != nil {
		return err
	}
	if err := c.beginWrite(ctx, false); err != nil {
		return err
	}
	var err error
	if !c.server {
		err = c.writeFrame(ctx, opcode(m.typ), true, m.payload())
	} else if err = c.net.Write(ctx, nil, m.frame); err != nil {
		err = c.writeFailed(ctx, err)
	}
	c.endWrite()
	if err == nil {
		c.tellSent(m.typ, int64(len(m.payload())))
	}
	return err
}

// SendPrepared is Send of a prepared message.
func (c *Conn) SendPrepared(m *Prepared) error {
	if err := c.checkPrepared(m); err != nil {
		return err
	}
	if ok, err := c.tryWrite(); err != nil {
		return err
	} else if !ok {
		return c.drop()
	}
	var err error
	if c.server {
		err = c.net.Send(nil, m.frame)
	} else {
		b := appendFrame(getBuffer(len(m.frame)+maxHeader), c.frameHeader(opcode(m.typ), true), m.payload())
		err = c.net.Send(nil, b)
		putBuffer(b)
	}
	return c.sent(m.typ, len(m.payload()), err)
}
