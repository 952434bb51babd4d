package wstest

import (
	"crypto/tls"
	"strings"
	"time"
)

// Replies that a client must not take (RFC 6455, section 4.1).
var dialRefusalCases = []exercise{
	{
		Case: Case{
			ID: "dial/status", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "a status other than 101 is no connection, whatever else the reply has",
		},
		run: func(x *exam) {
			for _, status := range []string{"200 OK", "204 No Content", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "426 Upgrade Required", "500 Internal Server Error", "503 Service Unavailable"} {
				x.try(status, func() {
					l := x.visit()
					resp := l.switching()
					resp.start = "HTTP/1.1 " + status
					if !strings.HasPrefix(status, "204") { // which has no length
						resp.set("Content-Length", "0")
					}
					l.reply(resp)
					l.wantGone("the status is " + status)
				})
			}
		},
	},
	{
		Case: Case{
			ID: "dial/garbage", Side: ClientSide, Ref: "RFC 9112, 4",
			Text: "what is not HTTP, or stops before its end, is no connection",
		},
		run: func(x *exam) {
			for _, s := range []string{"", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso", "+OK hello\r\n\r\n", "\x00\x01\x02\x03\r\n\r\n", "HTTP/1.1 1O1 Switching Protocols\r\n\r\n"} {
				x.try(quote([]byte(s)), func() {
					l := x.visit()
					l.sendBytes([]byte(s), "%s", quote([]byte(s)))
					l.shut()
					if !l.dead() {
						l.wantSomeEnd()
					}
					x.wantError("the client to return an error")
				})
			}
		},
	},
	{
		Case: Case{
			ID: "dial/upgrade", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "a 101 whose Upgrade is missing or not websocket is no connection",
		},
		run: func(x *exam) {
			x.replies(false, "Upgrade", nil, []string{"xwebsocket"}, []string{"websocket2"}, []string{"h2c"}, []string{""}, []string{"web socket"})
		},
	},
	{
		Case: Case{
			ID: "dial/connection", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "a 101 whose Connection is missing or does not have the token upgrade is no connection",
		},
		run: func(x *exam) {
			x.replies(false, "Connection", nil, []string{"notupgrade"}, []string{"upgraded"}, []string{"keep-alive"}, []string{""}, []string{"up", "grade"})
		},
	},
	{
		Case: Case{
			ID: "dial/accept", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "a 101 whose Sec-WebSocket-Accept is missing or does not answer the key is no connection",
		},
		run: func(x *exam) {
			x.replies(false, "Sec-WebSocket-Accept", nil, []string{""}, []string{acceptFor(newKey())}, []string{"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="})
			x.try("the key itself", func() {
				l := x.visit()
				l.reply(l.switching().set("Sec-WebSocket-Accept", l.key()))
				l.wantGone("the answer to the key is the key")
			})
			x.try("in another case", func() {
				l := x.visit()
				l.reply(l.switching().set("Sec-WebSocket-Accept", strings.ToLower(acceptFor(l.key()))))
				l.wantGone("the answer to the key is in lower case")
			})
		},
	},
	{
		Case: Case{
			ID: "dial/subprotocol-unoffered", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "a 101 with a subprotocol that was not offered is no connection",
		},
		run: func(x *exam) {
			values := [][]string{{"x-wstest-unknown"}}
			for _, p := range x.client.opts.Subprotocols {
				values = append(values, []string{otherCase(p)}, []string{p + "x"})
			}
			x.replies(false, "Sec-WebSocket-Protocol", values...)
		},
	},
	{
		Case: Case{
			ID: "dial/subprotocol-two", Side: ClientSide, Ref: "RFC 6455, 4.2.2, 11.3.4", Needs: "Subprotocols",
			Text: "a 101 with two subprotocols is no connection, also when both were offered",
		},
		lacks: lacksOffer,
		run: func(x *exam) {
			offer := x.client.opts.Subprotocols
			first, last := offer[0], offer[len(offer)-1]
			x.replies(false, "Sec-WebSocket-Protocol", []string{first, last}, []string{first + ", " + last})
		},
	},
	{
		Case: Case{
			ID: "dial/extension-unoffered", Side: ClientSide, Ref: "RFC 6455, 4.1, 9.1",
			Text: "a 101 with an extension that was not offered is no connection",
		},
		run: func(x *exam) {
			x.replies(false, "Sec-WebSocket-Extensions", []string{"x-wstest-unknown"}, []string{"x-wstest-unknown; a=1, x-wstest-other"}, []string{"x-permessage-deflate"})
		},
	},
	{
		Case: Case{
			ID: "dial/endless-header", Side: ClientSide, Ref: "RFC 6455, 10.4; RFC 9110, 5.4",
			Text: "a response's header without an end is given up before 32 MB of it have come",
		},
		run: func(x *exam) {
			l := x.visit()
			b := l.switching().append(nil)
			x.flood(l, "header", b[:len(b)-2])
			x.wantError("the client to return an error")
		},
	},
	{
		Case: Case{
			ID: "dial/endless-body", Side: ClientSide, Ref: "RFC 9110, 15",
			Text: "a refusal whose body does not end is given up before 32 MB of it have come",
		},
		run: func(x *exam) {
			l := x.visit()
			x.flood(l, "body", []byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 1099511627776\r\n\r\n"))
			x.wantError("the client to return an error")
		},
	},
	{
		Case: Case{
			ID: "dial/stalled", Side: ClientSide, Ref: "RFC 6455, 10.4", Needs: "Stalls",
			Text: "a server that does not answer, or stops in the middle of its answer, does not hold the client for ever",
		},
		lacks: lacksStalls,
		run: func(x *exam) {
			for _, s := range []string{"", "HTTP/1.1 101 Switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n", "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nbecause"} {
				x.try(quote([]byte(s)), func() {
					l := x.visit()
					l.sendBytes([]byte(s), "%s", quote([]byte(s)))
					x.wantError("the client to return an error")
				})
			}
		},
	},
}

// Other places that a client is sent to, or believes to be at.
var dialRedirectCases = []exercise{
	{
		Case: Case{
			ID: "dial/redirect", Side: ClientSide, Ref: "RFC 6455, 4.1; RFC 9110, 15.4", Needs: "Redirects",
			Text: "a redirect is followed, be it to a path, to http or to ws",
		},
		lacks: lacksRedirects,
		run: func(x *exam) {
			for _, where := range []string{"", "http://", "ws://"} {
				x.try("to "+where, func() {
					l := x.visit()
					location := x.call.path
					if where != "" {
						location = where + x.host() + x.call.path
					}
					l = x.redirected(l, location)
					l.reply(l.switching())
					l.alive()
				})
			}
		},
	},
	{
		Case: Case{
			ID: "dial/redirect-loop", Side: ClientSide, Ref: "RFC 9110, 15.4", Needs: "Redirects",
			Text: "redirects that lead nowhere are given up before there have been a hundred",
		},
		lacks: lacksRedirects,
		run: func(x *exam) {
			l := x.visit()
			for range 100 {
				if x.failed() {
					return
				}
				x.redirect(l, x.call.path)
				if l = x.arrivalOrEnd(); l == nil {
					x.wantError("the client to return an error")
					return
				}
			}
			x.fail("the client to give up", "it has followed 100 redirects")
		},
	},
	{
		Case: Case{
			ID: "dial/redirect-authorization", Side: ClientSide, Ref: "RFC 9110, 15.4", Needs: "Redirects, Authorization",
			Text: "Authorization goes with a redirect on the same host, and not to another",
		},
		lacks: func(x *exam) string {
			if !x.client.opts.Authorization {
				return "Authorization is not set"
			}
			return lacksRedirects(x)
		},
		run: func(x *exam) {
			x.try("the same host", func() {
				l := x.redirected(x.visit(), x.callPath())
				if !x.failed() && len(l.req.values("Authorization")) == 0 {
					x.fail("Authorization in the request", "none")
				}
			})
			x.try("another host", func() {
				l := x.visit()
				if !x.failed() && len(l.req.values("Authorization")) == 0 {
					x.fail("Authorization in the first request", "none")
				}
				l = x.redirected(l, "http://"+x.localhost()+x.callPath())
				if got := l.req.values("Authorization"); len(got) > 0 {
					x.fail("no Authorization in the request to another host", "there is one")
				}
			})
		},
	},
	{
		Case: Case{
			ID: "dial/tls", Side: ClientSide, Ref: "RFC 6455, 4.1, 10.6", Needs: "Certificate",
			Text: "wss is WebSocket over TLS",
		},
		lacks: lacksCertificate,
		run: func(x *exam) {
			x.summon("wss", x.host())
			l := x.arrival()
			l.reply(l.switching())
			l.alive()
		},
	},
	{
		Case: Case{
			ID: "dial/tls-name", Side: ClientSide, Ref: "RFC 6455, 4.1, 10.6; RFC 9110, 4.3.4", Needs: "Certificate",
			Text: "a certificate for another host than the URL's is no connection, and no request is sent",
		},
		lacks: lacksCertificate,
		run: func(x *exam) {
			x.summon("wss", x.localhost())
			if x.failed() {
				return
			}
			if nc := x.knock(); nc != nil {
				l := x.newLink(nc)
				_ = nc.SetReadDeadline(time.Now().Add(x.patience))
				if req, err := readHead(l.br); err == nil {
					x.fail("the client to give up", "%q", req.start)
				}
			}
			x.wantError("the client to return an error")
		},
	},
	{
		Case: Case{
			ID: "dial/redirect-downgrade", Side: ClientSide, Ref: "RFC 6455, 10.6", Needs: "Redirects, Certificate",
			Text: "a redirect from wss does not lead to ws",
		},
		presumes: "dial/tls",
		lacks: func(x *exam) string {
			if why := lacksCertificate(x); why != "" {
				return why
			}
			return lacksRedirects(x)
		},
		run: func(x *exam) {
			for _, scheme := range []string{"http", "ws"} {
				x.try("to "+scheme, func() {
					x.summon("wss", x.host())
					x.redirect(x.arrival(), scheme+"://"+x.host()+x.callPath())
					if l := x.arrivalOrEnd(); l != nil {
						if _, secure := l.nc.(*tls.Conn); !secure {
							x.fail("the client to give up", "it has followed the redirect")
						}
					}
					x.wantError("the client to return an error")
				})
			}
		},
	},
}

func lacksRedirects(x *exam) string {
	if !x.client.opts.Redirects {
		return "Redirects is not set"
	}
	return ""
}

func lacksCertificate(x *exam) string {
	if x.client.opts.Certificate == nil {
		return "no Certificate is given"
	}
	return ""
}

func (x *exam) callPath() string {
	if x.call == nil {
		return "" // the exam has failed
	}
	return x.call.path
}

// redirect sends the client elsewhere.
func (x *exam) redirect(l *link, location string) {
	l.reply(&head{start: "HTTP/1.1 307 Temporary Redirect", fields: []field{
		{"Location", location}, {"Content-Length", "0"}, {"Connection", "close"},
	}})
}

// redirected sends the client elsewhere and waits until it has come there.
func (x *exam) redirected(l *link, location string) *link {
	x.redirect(l, location)
	return x.arrival()
}
