package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// connect makes the connection that the request goes out on: through a proxy if there is one, with TLS for https.
func connect(ctx context.Context, req *http.Request, o *DialOptions) (net.Conn, error) {
	proxyFor := o.Proxy
	if proxyFor == nil {
		proxyFor = http.ProxyFromEnvironment
	}
	proxy, err := proxyFor(req)
	if err != nil {
		return nil, fmt.Errorf("ws: proxy: %w", err)
	}
	dial := o.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	} else {
		dial = neverNil(dial)
	}
	var nc net.Conn
	if proxy == nil {
		nc, err = dial(ctx, "tcp", hostPort(req.URL))
	} else {
		nc, err = connectProxy(ctx, dial, proxy, req, o)
	}
	if err != nil || req.URL.Scheme != "https" {
		return nc, err
	}
	return secure(ctx, nc, o.TLS, req.URL.Hostname())
}

// neverNil makes an error of what is neither a connection nor an error.
func neverNil(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err == nil && nc == nil {
			err = errors.New("ws: NetDial returned no connection and no error")
		}
		return nc, err
	}
}

// secure does the TLS handshake. ALPN asks for HTTP/1.1 alone: there is no Upgrade in HTTP/2.
func secure(ctx context.Context, nc net.Conn, config *tls.Config, host string) (net.Conn, error) {
	if config == nil {
		config = &tls.Config{}
	} else {
		config = config.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close() // err says more
		return nil, err
	}
	return tc, nil
}

// connectProxy asks an HTTP proxy to CONNECT (RFC 9110, section 9.3.6).
func connectProxy(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), proxy *url.URL, req *http.Request, o *DialOptions) (net.Conn, error) {
	if proxy.Scheme != "http" && proxy.Scheme != "https" {
		return nil, fmt.Errorf("ws: proxy: the scheme %q is neither http nor https", proxy.Scheme)
	}
	nc, err := dial(ctx, "tcp", hostPort(proxy))
	if err != nil {
		return nil, fmt.Errorf("ws: proxy: %w", err)
	}
	if proxy.Scheme == "https" {
		if nc, err = secure(ctx, nc, nil, proxy.Hostname()); err != nil {
			return nil, fmt.Errorf("ws: proxy: %w", err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(longAgo) }) // else Close will end it
	err = tunnel(nc, proxy, hostPort(req.URL), o)
	if !stop() && err == nil {
		err = contextError(ctx, "dial")
	}
	if err != nil {
		_ = nc.Close() // err says more
		return nil, err
	}
	return nc, nil
}

func tunnel(nc net.Conn, proxy *url.URL, target string, o *DialOptions) error {
	req := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if proxy.User != nil {
		req.Header.Set("Proxy-Authorization", basicAuth(proxy.User))
	}
	if err := writeRequest(nc, req); err != nil {
		return fmt.Errorf("ws: proxy: %w", err)
	}
	resp, br, err := readResponse(nc, req, orDefault(o.HandshakeLimit, defaultClientHandshake))
	if err != nil {
		return fmt.Errorf("ws: proxy: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		e := &HandshakeError{Reason: "refused by the proxy", StatusCode: resp.StatusCode, Header: resp.Header, fromProxy: true}
		e.Body, e.Truncated = readBody(resp.Body)
		return e
	}
	if br.Buffered() > 0 { // neither TLS nor HTTP lets the server speak first
		return errors.New("ws: proxy: data before the tunnel was used")
	}
	return nil
}
