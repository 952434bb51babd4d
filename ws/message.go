package ws

import "fmt"

// MessageType says whether a message's data is text (UTF-8) or binary. Its values are the opcodes of RFC 6455,
// section 11.8.
type MessageType int

const (
	Text   MessageType = 1
	Binary MessageType = 2
)

func (t MessageType) String() string {
	switch t {
	case Text:
		return "text"
	case Binary:
		return "binary"
	}
	return fmt.Sprintf("message type %d", int(t))
}

// Message is one whole message, as Conn.Messages yields it. Data belongs to the receiver.
type Message struct {
	Type MessageType
	Data []byte
}
