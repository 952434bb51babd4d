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
	return dialAttempt(ctx, rawURL, opts, 1, nil)
}

// dialAttempt is Dial for the n-th time, after last.
func dialAttempt(ctx context.Context, rawURL string, opts *DialOptions, n int, last error) (*Conn, error) {
	var o DialOptions
	if opts != nil {
		o = *opts
	}
	c, err := dial(ctx, rawURL, &o, n, last)
	if err != nil {
		o.Observer.tellRefused(nil, err)
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, rawURL string, o *DialOptions, n int, last error) (*Conn, error) {
	if ctx == nil {
		return nil, &HandshakeError{Reason: "no connection", Err: errNilContext, misuse: true}
	}
	if timeout := orOff(o.HandshakeTimeout, defaultHandshakeTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, &HandshakeError{Reason: "the URL", Err: err, misuse: true}
	}
	header := canonical(o.Header)
	if o.Prepare != nil {
		a := &Attempt{N: n, Last: last, URL: u, Header: header}
		if err := o.Prepare(ctx, a); err != nil {
			return nil, &HandshakeError{Reason: "Prepare", Err: err}
		}
		if a.URL == nil {
			return nil, &HandshakeError{Reason: "the URL", Err: errors.New("ws: Prepare has taken it away"), misuse: true}
		}
		copied := *a.URL // it may be a URL that the program keeps
		u, header = &copied, canonical(a.Header)
	}
	if err := checkURL(u); err != nil {
		return nil, &HandshakeError{Reason: "the URL", Err: err, misuse: true}
	}
	if err := checkRequest(header, o, u); err != nil {
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

// parseURL does not tell the URL in its error: there may be a password or a ticket in it.
func parseURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("ws: it is empty")
	}
	u, err := url.Parse(s)
	return u, withoutURL(err)
}

// withoutURL takes the URL and parts of it out of an error. A server may also have made it up, in a redirect.
func withoutURL(err error) error {
	e, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	if why := e.Err.Error(); !strings.Contains(why, `"`) { // without a part of the URL
		return errors.New("ws: it can't be parsed: " + why)
	}
	return errors.New("ws: it can't be parsed: its host, port or an escape is invalid")
}

// checkURL gives u its scheme of HTTP, which the request, the proxy and the cookie jar know.
func checkURL(u *url.URL) error {
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return errors.New("ws: it does not begin with ws:// or wss://")
	}
	if u.Hostname() == "" || u.Opaque != "" {
		return errors.New("ws: there is no host")
	}
	if u.Fragment != "" || u.RawFragment != "" { // RFC 6455, section 3
		return errors.New("ws: there is a fragment")
	}
	return nil
}

// canonical is a copy of the header with the names in their canonical form: what is to be left out, or not to be sent
// twice, must be found however it is written. It is never nil.
func canonical(h http.Header) http.Header {
	c := make(http.Header, len(h)+8)
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		c[name] = append(c[name], values...)
	}
	return c
}

// checkRequest holds the user's part of the request's header, which is canonical, against what may be sent, and adds the
// credentials of the URL.
func checkRequest(header http.Header, o *DialOptions, u *url.URL) error {
	for name, values := range header {
		if !isToken(name) {
			return fmt.Errorf("ws: field name %q can't be sent", name)
		}
		for _, v := range values {
			if !isFieldValue(v) { // v may be a secret
				return fmt.Errorf("ws: field %s can't be sent: there is a line break or a control character in its value", name)
			}
		}
		switch name {
		case "Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol",
			"Sec-Websocket-Extensions", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Expect":
			return fmt.Errorf("ws: field %q is the handshake's own", name)
		}
	}
	for i, p := range o.Subprotocols {
		if !isToken(p) {
			return fmt.Errorf("ws: subprotocol %q is not a token", p)
		}
		if slices.Contains(o.Subprotocols[:i], p) {
			return fmt.Errorf("ws: subprotocol %q is offered twice", p)
		}
	}
	if u.User != nil && header.Get("Authorization") == "" {
		header.Set("Authorization", basicAuth(u.User))
	}
	return nil
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
		return nil, withoutURL(err)
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
