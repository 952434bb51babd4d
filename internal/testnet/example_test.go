package testnet_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/tidewire/tidewire/internal/testnet"
)

func ExamplePipe() {
	client, server := testnet.Pipe()
	go func() {
		io.WriteString(server, "hello")
		server.CloseWrite()
	}()
	b, err := io.ReadAll(client)
	fmt.Printf("%s, %v\n", b, err)
	// Output: hello, <nil>
}

func ExampleListen() {
	ln := testnet.Listen()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "you asked ", r.Host)
	})}
	go srv.Serve(ln)
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: ln.DialContext}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://any.host/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	fmt.Println(string(b))
	// Output: you asked any.host
}

// Every Read that the code under test makes fails once.
func ExampleFault() {
	for k := 1; ; k++ {
		client, server := testnet.Pipe()
		io.WriteString(client, "abc")
		client.Close()
		conn := testnet.Fault(server, testnet.Plan{FailRead: k, ReadSize: 1})
		b, err := io.ReadAll(conn)
		conn.Close()
		if !conn.Fired() {
			fmt.Printf("%q, %v\n", b, err)
			break
		}
		fmt.Printf("%q, injected: %v\n", b, errors.Is(err, testnet.ErrInjected))
	}
	// Output:
	// "", injected: true
	// "a", injected: true
	// "ab", injected: true
	// "abc", injected: true
	// "abc", <nil>
}

func ExampleProxy() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	p, err := testnet.NewProxy(nil, srv.Listener.Addr().String()) // in a test: its t, which closes the proxy
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	p.Cut()
	_, err = conn.Read(make([]byte, 1))
	fmt.Println("broken:", err != nil && err != io.EOF, "open:", p.Connections())
	// Output: broken: true open: 0
}
