package ws

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Dial connects to a ws or wss URL (RFC 6455, section 4.1). http and https will do as well.
//
// A response other than a good 101 is a *HandshakeError, which has its status, header and a bounded part of its body.
// ctx is for Dial alone, not for the connection.
func Dial(ctx context.Context, rawURL string, opts *DialOptions) (*Conn, error) {
	var o DialOptions
	if opts != nil {
		o = *opts
	}
	c, err := dial(ctx, rawURL, &o)
	if err != nil {
		o.Observer.tellRefused(nil, err)
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	if timeout := orOff(o.HandshakeTimeout, defaultHandshakeTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, &HandshakeError{Reason: "the URL", Err: err, misuse: true}
	}
	header, err := requestHeader(o, u)
	if err != nil {
		return nil, &HandshakeError{Reason: "the request's header", Err: err, misuse: true}
	}
	for redirects := 0; ; redirects++ {
		c, e := dialOnce(ctx, u, header, o)
		if e == nil {
			return c, nil
		}
		next, err := e.redirect(u)
		if err != nil {
			e.Reason, e.Err = "the redirect can't be followed", err
			return nil, e
		}
		limit := int(orDefault(o.Redirects, 10))
		if next == nil || limit < 0 {
			return nil, e
		}
		if redirects == limit {
			e.Reason = "too many redirects"
			e.Err = &LimitError{Limit: "redirects", Max: int64(limit), Option: "Redirects"}
			return nil, e
		}
		if !sameHost(u, next) {
			for _, name := range []string{"Authorization", "Cookie", "Cookie2", "Proxy-Authorization", "Www-Authenticate", "Host"} {
				header.Del(name)
			}
		}
		u = next
	}
}

// parseURL gives the URL its scheme of HTTP, which the request, the proxy and the cookie jar know.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	return u, checkURL(u)
}

func checkURL(u *url.URL) error {
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return fmt.Errorf("ws: the scheme %q is neither ws nor wss", u.Scheme)
	}
	if u.Hostname() == "" || u.Opaque != "" {
		return errors.New("ws: there is no host")
	}
	if u.Fragment != "" || u.RawFragment != "" { // RFC 6455, section 3
		return errors.New("ws: there is a fragment")
	}
	return nil
}

// requestHeader is the user's part of the request's header, a copy, with the credentials of the URL.
func requestHeader(o *DialOptions, u *url.URL) (http.Header, error) {
	header := o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	for name, values := range header {
		for _, v := range values {
			if !isToken(name) || !isFieldValue(v) {
				return nil, fmt.Errorf("ws: field %q can't be sent: %q", name, v)
			}
		}
		switch http.CanonicalHeaderKey(name) {
		case "Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol",
			"Sec-Websocket-Extensions", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Expect":
			return nil, fmt.Errorf("ws: field %q is the handshake's own", name)
		}
	}
	for i, p := range o.Subprotocols {
		if !isToken(p) {
			return nil, fmt.Errorf("ws: subprotocol %q is not a token", p)
		}
		if slices.Contains(o.Subprotocols[:i], p) {
			return nil, fmt.Errorf("ws: subprotocol %q is offered twice", p)
		}
	}
	if u.User != nil && header.Get("Authorization") == "" {
		header.Set("Authorization", basicAuth(u.User))
	}
	return header, nil
}

func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// sameHost reports whether credentials for the one URL are for the other. From ws to wss, both on their own ports, the
// host is the same.
func sameHost(from, to *url.URL) bool {
	if !equalFold(from.Hostname(), to.Hostname()) {
		return false
	}
	return hostPort(from) == hostPort(to) || from.Scheme == "http" && from.Port() == "" && to.Scheme == "https" && to.Port() == ""
}

// redirect is where the response sends us, nil if it does not.
func (e *HandshakeError) redirect(from *url.URL) (*url.URL, error) {
	switch e.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := e.Header.Get("Location")
	if location == "" || e.Err != nil || e.fromProxy {
		return nil, nil
	}
	to, err := from.Parse(location)
	if err != nil {
		return nil, err
	}
	if to.Fragment != "" {
		to.Fragment, to.RawFragment = "", ""
	}
	if err := checkURL(to); err != nil {
		return nil, err
	}
	if from.Scheme == "https" && to.Scheme == "http" {
		return nil, errors.New("ws: it leads from wss to ws")
	}
	return to, nil
}

// dialOnce follows no redirects.
func dialOnce(ctx context.Context, u *url.URL, header http.Header, o *DialOptions) (*Conn, *HandshakeError) {
	req := (&http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Header: header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if host := header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	key := base64.StdEncoding.EncodeToString(nonce)
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Connection", "Upgrade")
	req.Header["Sec-WebSocket-Key"] = []string{key}
	req.Header["Sec-WebSocket-Version"] = []string{"13"}
	if len(o.Subprotocols) > 0 {
		req.Header["Sec-WebSocket-Protocol"] = []string{strings.Join(o.Subprotocols, ", ")}
	}
	if o.Jar != nil {
		for _, cookie := range o.Jar.Cookies(u) {
			req.AddCookie(cookie)
		}
	}

	nc, err := connect(ctx, req, o)
	if err != nil {
		if e, ok := errors.AsType[*HandshakeError](err); ok {
			return nil, e
		}
		return nil, &HandshakeError{Reason: "no connection", Err: because(ctx, err)}
	}
	// The context breaks into the handshake by way of the deadline; afterwards that must not be possible any more.
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(longAgo) }) // else Close will end it
	c, e := handshake(nc, req, key, o)
	if !stop() && e == nil {
		_ = c.CloseNow() // always nil
		e = &HandshakeError{Reason: "the handshake was cut off", Err: contextError(ctx, "dial")}
	}
	if e != nil {
		_ = nc.Close() // e says more
		if e.Err != nil {
			e.Err = because(ctx, e.Err)
		}
		return nil, e
	}
	return c, nil
}

// because is err, or the context's error if that is behind it.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return contextError(ctx, "dial")
	}
	return err
}

// handshake sends the request and reads the response.
func handshake(nc net.Conn, req *http.Request, key string, o *DialOptions) (*Conn, *HandshakeError) {
	if err := writeRequest(nc, req); err != nil {
		return nil, &HandshakeError{Reason: "the request could not be sent", Err: err}
	}
	limit := orDefault(o.HandshakeLimit, defaultClientHandshake)
	resp, br, err := readResponse(nc, req, limit)
	if err != nil {
		return nil, &HandshakeError{Reason: "no good response", Err: err}
	}
	if o.Jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			o.Jar.SetCookies(req.URL, cookies)
		}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		e := &HandshakeError{Reason: "refused by the server", StatusCode: resp.StatusCode, Header: resp.Header}
		e.Body, e.Truncated = readBody(resp.Body)
		return nil, e
	}
	subprotocol, why := checkResponse(resp, key, o.Subprotocols)
	if why != "" {
		return nil, &HandshakeError{Reason: why, StatusCode: resp.StatusCode, Header: resp.Header}
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, &HandshakeError{Reason: "the connection", Err: err}
	}
	return newConn(nc, false, subprotocol, buffered(br), o.config()), nil
}

func writeRequest(w io.Writer, req *http.Request) error {
	bw := bufio.NewWriter(w)
	if err := req.Write(bw); err != nil {
		return err
	}
	return bw.Flush()
}
