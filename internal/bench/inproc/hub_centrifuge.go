package inproc

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/centrifugal/centrifuge"
)

// centrifugeHub is a node of centrifuge with its default memory broker and default options. Its subscribers are clients
// that the server subscribes to one channel, without history, presence and recovery.
type centrifugeHub struct {
	node *centrifuge.Node
	want []byte // what is published
}

const centrifugeChannel = "news"

func newCentrifugeHub(want []byte) (*centrifugeHub, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{centrifugeChannel: {}},
		}, nil
	})
	if err := node.Run(); err != nil {
		return nil, err
	}
	return &centrifugeHub{node: node, want: want}, nil
}

func (h *centrifugeHub) publish(b []byte) error {
	_, err := h.node.Publish(centrifugeChannel, b)
	return err
}

// subscribe is refused: who does not read is disconnected, so there is no lagging subscriber to publish to.
func (h *centrifugeHub) subscribe() error {
	return errors.New("centrifuge disconnects subscribers who do not read")
}

func (h *centrifugeHub) follow(t *tally) error {
	c, _, err := centrifuge.NewClient(context.Background(), h.node, &centrifugeTransport{want: h.want, tally: t})
	if err != nil {
		return err
	}
	c.Connect(centrifuge.ConnectRequest{})
	if !c.IsSubscribed(centrifugeChannel) {
		return errors.New("centrifuge did not subscribe a client")
	}
	return nil
}

// centrifugeTransport is a connection in memory, in one direction and with centrifuge's binary protocol. Nothing but
// publications goes over it: it has no pings, and wants no other pushes.
type centrifugeTransport struct {
	want  []byte
	tally *tally
}

func (*centrifugeTransport) Name() string           { return "memory" }
func (*centrifugeTransport) AcceptProtocol() string { return "" }
func (*centrifugeTransport) Protocol() centrifuge.ProtocolType {
	return centrifuge.ProtocolTypeProtobuf
}
func (*centrifugeTransport) ProtocolVersion() centrifuge.ProtocolVersion {
	return centrifuge.ProtocolVersion2
}
func (*centrifugeTransport) Unidirectional() bool { return true }
func (*centrifugeTransport) Emulation() bool      { return false }

func (*centrifugeTransport) DisabledPushFlags() uint64 {
	return centrifuge.PushFlagConnect | centrifuge.PushFlagSubscribe | centrifuge.PushFlagDisconnect
}

func (*centrifugeTransport) PingPongConfig() centrifuge.PingPongConfig {
	return centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1}
}

func (t *centrifugeTransport) Write(b []byte) error {
	if err := t.check(b); err != nil {
		return err
	}
	t.tally.got(1)
	return nil
}

func (t *centrifugeTransport) WriteMany(bs ...[]byte) error {
	for _, b := range bs {
		if err := t.check(b); err != nil {
			return err
		}
	}
	t.tally.got(len(bs))
	return nil
}

// check compares the data, which is what a publication of this protocol ends with.
func (t *centrifugeTransport) check(b []byte) error {
	if bytes.HasSuffix(b, t.want) {
		return nil
	}
	err := fmt.Errorf("%.64q is not what was published", b)
	t.tally.fail(err)
	return err
}

func (t *centrifugeTransport) Close(d centrifuge.Disconnect) error {
	t.tally.fail(fmt.Errorf("centrifuge disconnects: %w", d))
	return nil
}
