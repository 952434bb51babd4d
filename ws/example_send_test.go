package ws_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/tidewire/tidewire/ws"
)

// One message to all connections: it is encoded once, and nobody waits for a slow peer, which is closed with 1013 when
// more than QueueLimit waits for it.
func ExampleConn_SendPrepared() {
	var group ws.Group
	srv := httptest.NewServer(ws.Handler(&ws.AcceptOptions{
		Group:        &group,
		MessageLimit: 64 << 10, // Send has no room for what is larger than the receiver's QueueLimit
	}, func(c *ws.Conn, r *http.Request) ws.Events {
		return ws.Events{
			Open: func(c *ws.Conn) { // it is in the group by now
				c.Send(ws.Text, []byte("welcome"))
			},
			Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
				m, err := ws.Prepare(typ, data)
				if err != nil {
					return
				}
				for c := range group.All() {
					c.SendPrepared(m) // an error has closed that connection
				}
			},
		}
	}))
	defer srv.Close()

	ctx := context.Background()
	var clients []*ws.Conn
	for range 3 {
		c, err := ws.Dial(ctx, "ws"+srv.URL[len("http"):], nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer c.CloseNow()
		_, data, err := c.Read(ctx)
		fmt.Println(string(data), err)
		clients = append(clients, c)
	}
	clients[0].Write(ctx, ws.Text, []byte("hello, all"))
	for i, c := range clients {
		_, data, err := c.Read(ctx)
		fmt.Println(i, string(data), err)
	}
	// Output:
	// welcome <nil>
	// welcome <nil>
	// welcome <nil>
	// 0 hello, all <nil>
	// 1 hello, all <nil>
	// 2 hello, all <nil>
}
