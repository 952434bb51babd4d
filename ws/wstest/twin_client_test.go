package wstest_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
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

// twinClient connects twins.
type twinClient struct {
	fault string
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	roots *x509.CertPool
}

func (c *twinClient) has(fault string) bool { return c.fault == fault }

// echo is what the suite calls.
func (c *twinClient) echo(ctx context.Context, rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:secret"))
	for range 10 {
		for again := true; again; {
			nc, br, next, err := c.connect(ctx, u, auth)
			if err != nil {
				if c.has("garbage-is-fine") && strings.Contains(err.Error(), "malformed") {
					return nil
				}
				return err
			}
			if next == nil {
				stop := context.AfterFunc(ctx, func() { nc.Close() })
				defer stop()
				t := &twin{fault: c.fault, nc: nc, br: br, quit: ctx.Done()}
				return t.echo()
			}
			if !strings.EqualFold(next.Host, u.Host) && !c.has("keeps-authorization") {
				auth = ""
			}
			u, again = next, c.has("redirects-without-end")
		}
	}
	return errors.New("too many redirects")
}

func (c *twinClient) connect(ctx context.Context, u *url.URL, auth string) (nc net.Conn, br *bufio.Reader, next *url.URL, err error) {
	raw, err := c.dial(ctx, "tcp", u.Host)
	if err != nil {
		return nil, nil, nil, err
	}
	nc = raw
	defer func() {
		if err != nil || next != nil {
			raw.Close()
		}
	}()
	if !c.has("waits-for-answer") {
		nc.SetDeadline(time.Now().Add(twinPatience))
	}
	if u.Scheme == "wss" || u.Scheme == "https" {
		config := &tls.Config{ServerName: u.Hostname(), RootCAs: c.roots, InsecureSkipVerify: c.has("any-certificate")}
		if c.has("certificate-unread") && u.Hostname() != "localhost" {
			config.ServerName = "unknown.example"
		}
		nc = tls.Client(nc, config)
	}
	key := make([]byte, 16)
	if !c.has("key-constant") {
		rand.Read(key)
	}
	encoded := base64.StdEncoding.EncodeToString(key)
	version := "13"
	if c.has("version-wrong") {
		version = "8"
	}
	offer := strings.Join(twinSubprotocols, ", ")
	if c.has("offers-backwards") {
		offer = twinSubprotocols[1] + ", " + twinSubprotocols[0]
	}
	fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: %s\r\nSec-WebSocket-Protocol: %s\r\n",
		u.RequestURI(), u.Host, encoded, version, offer)
	if auth != "" {
		fmt.Fprintf(nc, "Authorization: %s\r\n", auth)
	}
	fmt.Fprint(nc, "\r\n")

	limited := &io.LimitedReader{R: nc, N: 64 << 10}
	if c.has("endless-header") {
		limited.N = 1 << 40
	}
	br = bufio.NewReaderSize(limited, 16<<10)
	resp, err := c.response(br)
	if err != nil {
		return nil, nil, nil, err
	}
	if location := resp.Header.Get("Location"); resp.StatusCode == 307 {
		if next, err = u.Parse(location); err != nil {
			return nil, nil, nil, err
		}
		secure := u.Scheme == "wss" || u.Scheme == "https"
		if secure && next.Scheme != "wss" && next.Scheme != "https" && !c.has("downgrades") {
			return nil, nil, nil, errors.New("a redirect from wss to ws")
		}
		if strings.HasPrefix(location, "ws:") && c.has("redirects-to-http-only") {
			return nil, nil, nil, errors.New("a redirect to ws")
		}
		return nc, nil, next, nil
	}
	if resp.StatusCode != 101 && !(c.has("any-status") && resp.StatusCode == 200) {
		most := int64(64 << 10)
		if c.has("endless-body") {
			most = 1 << 40
		}
		limited.N = most
		io.Copy(io.Discard, io.LimitReader(resp.Body, most))
		return nil, nil, nil, fmt.Errorf("refused: %s", resp.Status)
	}
	if err := c.check(resp, encoded); err != nil {
		return nil, nil, nil, err
	}
	limited.N = 1 << 40
	if c.has("drops-glued") {
		br.Discard(br.Buffered())
	}
	nc.SetDeadline(time.Time{})
	return nc, br, nil, nil
}

// response reads up to the one that counts.
func (c *twinClient) response(br *bufio.Reader) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == 101 || c.has("interim-counts") {
			return resp, nil
		}
	}
}

// check judges a 101.
func (c *twinClient) check(resp *http.Response, key string) error {
	h := resp.Header
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	accept := base64.StdEncoding.EncodeToString(sum[:])
	chosen := h["Sec-Websocket-Protocol"]
	switch {
	case !strings.EqualFold(h.Get("Upgrade"), "websocket") && !c.has("any-upgrade"):
		return errors.New("the Upgrade is wrong")
	case c.has("connection-exact") && h.Get("Connection") != "Upgrade" && hasToken(h["Connection"], "upgrade"),
		!hasToken(h["Connection"], "upgrade") && !c.has("any-connection"):
		return errors.New("the Connection is wrong")
	case !slices.Equal(h["Sec-Websocket-Accept"], []string{accept}) && !c.has("any-accept"):
		return errors.New("the Sec-WebSocket-Accept is wrong")
	case h["Sec-Websocket-Extensions"] != nil && !c.has("any-extension"):
		return errors.New("an extension that was not offered")
	case len(chosen) > 1 && !c.has("many-subprotocols"):
		return errors.New("more than one subprotocol")
	case len(chosen) == 1 && !slices.Contains(twinSubprotocols, chosen[0]) && !(c.has("any-subprotocol") && !strings.Contains(chosen[0], ",")):
		return errors.New("a subprotocol that was not offered")
	}
	return nil
}
