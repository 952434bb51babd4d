// Package testnet holds the networks that this module's tests run on: in memory, where time can be fake, and on
// loopback, where it is real and the cable can be cut. It imports the standard library only.
//
// # In memory
//
// [Pipe] gives the two ends of a connection that behaves as TCP does (see [Conn] for the fine print), [PipeSize]
// one whose buffers are small enough to fill. Inside a testing/synctest bubble everything that blocks does so
// durably, so deadlines, keepalives and timeouts of minutes pass in microseconds:
//
//	synctest.Test(t, func(t *testing.T) {
//		client, server := testnet.PipeSize(16)
//		defer client.Close()
//		defer server.Close()
//		client.SetReadDeadline(time.Now().Add(time.Minute))
//		_, err := client.Read(make([]byte, 1)) // os.ErrDeadlineExceeded, one fake minute later
//	})
//
// [Listen] runs a whole server in the bubble. Whoever starts it there also ends it there, or the bubble never ends:
//
//	synctest.Test(t, func(t *testing.T) {
//		ln := testnet.Listen()
//		srv := &http.Server{Handler: h}
//		go srv.Serve(ln)
//		defer srv.Close()
//		tr := &http.Transport{DialContext: ln.DialContext}
//		defer tr.CloseIdleConnections()
//		resp, err := (&http.Client{Transport: tr}).Get("http://any.host/")
//	})
//
// # Faults of one connection
//
// [Fault] wraps any net.Conn, in memory or not, and does what its [Plan] says: the k-th Read or Write fails, a
// Write is short, a call stalls, bytes come one by one. To try every place where an error can strike:
//
//	for k := 1; ; k++ {
//		client, server := testnet.Pipe()
//		conn := testnet.Fault(server, testnet.Plan{FailRead: k})
//		exercise(conn, client) // must return, and leave nothing behind
//		if !conn.Fired() {
//			break // fewer than k Reads: all places were tried
//		}
//	}
//
// [FaultListener] does the same for the connections a server accepts.
//
// # Faults of a network
//
// [NewProxy] puts a real TCP proxy in front of a server. Tests that use it wait for conditions, never for a time:
//
//	p, err := testnet.NewProxy(t, server.Listener.Addr().String())
//	dial(p.Addr())
//	p.Cut()            // every connection is reset, new ones are refused
//	p.SetTarget(other) // the server has moved
//	p.Heal()           // all is well
//	dial(p.Addr())
//	p.DropServerBytesAfter(0) // requests arrive, answers get lost
//	p.Cut()
//	p.Heal()
//	p.Wait(ctx, func(open, accepted int) bool { return accepted >= 3 }) // the client has come back
//
// # Contract
//
//  1. All methods of all types may be called concurrently.
//  2. Every buffer is bounded: pipes by their size, a listener's backlog by 128 connections, a proxy by 512 KiB a
//     direction and 4096 connections. A full one blocks its writer; a full proxy resets.
//  3. Conn, Listener and FaultConn own no goroutine. A Proxy's have ended when Close returns.
//  4. Channels and timers are made where Pipe and Listen are called: for a bubble, call them inside it.
package testnet
