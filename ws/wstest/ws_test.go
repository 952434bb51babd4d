package wstest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// echoHandler echoes with package ws, behind a middleware that sets a cookie.
func echoHandler(opts ws.AcceptOptions) http.Handler {
	opts.Subprotocols = twinSubprotocols
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "twin=1")
		c, err := ws.Accept(w, r, &opts)
		if err != nil {
			return // it has been answered
		}
		_ = echoMessages(r.Context(), c) // the peer's affair
	})
}

func echoMessages(ctx context.Context, c *ws.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// echoClient echoes with package ws.
func echoClient(opts ws.DialOptions) func(ctx context.Context, url string) error {
	opts.Subprotocols = twinSubprotocols
	opts.Header = http.Header{"Authorization": {"Bearer secret"}}
	return func(ctx context.Context, url string) error {
		c, err := ws.Dial(ctx, url, &opts)
		if err != nil {
			return err
		}
		defer c.CloseNow()
		return echoMessages(ctx, c)
	}
}

func wsServerOptions(peer wstest.Peer) *wstest.ServerOptions {
	return &wstest.ServerOptions{Peer: peer, Subprotocols: twinSubprotocols, ReplyHeader: http.Header{"Set-Cookie": {"twin=1"}}}
}

func wsClientOptions(peer wstest.Peer) *wstest.ClientOptions {
	return &wstest.ClientOptions{Peer: peer, Subprotocols: twinSubprotocols, Redirects: true, Authorization: true}
}

// wsPeer is what package ws does by default.
var wsPeer = wstest.Peer{MessageLimit: 1 << 20, FrameLimit: 10_000, Skip: stalling, Flood: flood()}

func TestAcceptConformsOverTCP(t *testing.T) {
	srv := httptest.NewServer(echoHandler(ws.AcceptOptions{HandshakeLimit: -1}))
	defer srv.Close()
	wstest.Server(t, srv.URL, wsServerOptions(wsPeer))
}

func TestAcceptConformsOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(echoHandler(ws.AcceptOptions{}))
	defer srv.Close()
	opts := wsServerOptions(wsPeer)
	opts.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	opts.TLS.RootCAs.AddCert(srv.Certificate())
	wstest.Server(t, srv.URL, opts)
}

func TestDialConforms(t *testing.T) {
	cert, roots := certificate()
	opts := wsClientOptions(wsPeer)
	opts.Certificate = cert
	wstest.Client(t, echoClient(ws.DialOptions{TLS: &tls.Config{RootCAs: roots}}), opts)
}

// wsPeerFake is wsPeer on fake time.
var wsPeerFake = wstest.Peer{MessageLimit: 1 << 20, FrameLimit: 10_000, Stalls: true, Patience: time.Minute, Flood: flood()}

// On fake time also the cases run in which the suite keeps the peer waiting.
func TestConformsOnFakeTime(t *testing.T) {
	t.Run("Accept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ln := testnet.Listen()
			srv := &http.Server{Handler: echoHandler(ws.AcceptOptions{})}
			served := make(chan struct{})
			go func() { srv.Serve(ln); close(served) }()
			defer func() { srv.Close(); <-served }()
			opts := wsServerOptions(wsPeerFake)
			opts.Dial = ln.DialContext
			results, err := wstest.RunServer(t.Context(), "ws://wstest.example/", opts)
			if err != nil {
				t.Error(err)
			}
			judge(t, results, "")
		})
	})
	t.Run("Dial", func(t *testing.T) {
		cert, roots := certificate()
		synctest.Test(t, func(t *testing.T) {
			ln := testnet.Listen()
			opts := wsClientOptions(wsPeerFake)
			opts.Listener, opts.Certificate = ln, cert
			results, err := wstest.RunClient(t.Context(), echoClient(ws.DialOptions{TLS: &tls.Config{RootCAs: roots}, NetDial: ln.DialContext}), opts)
			if err != nil {
				t.Error(err)
			}
			judge(t, results, "")
		})
	})
}
