package wstest

import (
	"encoding/base64"
	"slices"
	"strings"
)

// What a client sends, and which replies it must take (RFC 6455, section 4.1).
var dialCases = []exercise{
	{
		Case: Case{
			ID: "dial/request", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "the request is a GET of HTTP/1.1 with Host, Upgrade, Connection, version 13 and one key of 16 bytes, without a body",
		},
		run: func(x *exam) {
			l := x.visit()
			l.judgeRequest()
			l.reply(l.switching())
			l.alive()
		},
	},
	{
		Case: Case{
			ID: "dial/key-fresh", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "each connection has a key of its own",
		},
		run: func(x *exam) {
			keys := map[string]bool{}
			for range 4 {
				x.try("", func() {
					l := x.visit()
					if keys[l.key()] {
						x.fail("a key that was not used before", "%s", l.key())
					}
					keys[l.key()] = true
					l.reply(l.switching())
				})
			}
		},
	},
	{
		Case: Case{
			ID: "dial/reply-tokens", Side: ClientSide, Ref: "RFC 6455, 4.1; RFC 9110, 5.5, 5.6.1",
			Text: "a good 101 is taken, in whatever case, with whatever spaces and other fields",
		},
		run: func(x *exam) {
			x.replies(true, "Upgrade", []string{"WebSocket"}, []string{"WEBSOCKET"}, []string{" websocket\t"})
			x.replies(true, "Connection", []string{"upgrade"}, []string{"keep-alive, Upgrade"}, []string{"keep-alive", "UPGRADE"}, []string{",\tUpgrade ,"})
			x.replies(true, "X-Other", []string{"1", "2"}, []string{""})
			x.try("other words in the status line", func() {
				l := x.visit()
				resp := l.switching()
				resp.start = "HTTP/1.1 101 Off You Go"
				l.reply(resp)
				l.alive()
			})
			x.try("spaces around the answer to the key", func() {
				l := x.visit()
				l.reply(l.switching().set("Sec-WebSocket-Accept", "\t"+acceptFor(l.key())+"  "))
				l.alive()
			})
		},
	},
	{
		Case: Case{
			ID: "dial/glued", Side: ClientSide, Ref: "RFC 6455, 4.1",
			Text: "frames that come in one piece with the 101 are the first",
		},
		run: func(x *exam) {
			l := x.visit()
			l.reply(l.switching(), text("first"), ping("p"), text("second"))
			l.wantEcho(opText, []byte("first"))
			l.wantPongAndEcho("second")
			l.alive()
		},
	},
	{
		Case: Case{
			ID: "dial/interim", Side: ClientSide, Ref: "RFC 9110, 15.2; RFC 8297",
			Text: "interim responses before the 101 are passed over",
		},
		run: func(x *exam) {
			for _, interim := range [][]string{{"100 Continue"}, {"103 Early Hints"}, {"102 Processing", "103 Early Hints", "199 Whatever"}} {
				x.try(strings.Join(interim, ", "), func() {
					l := x.visit()
					for _, status := range interim {
						l.reply(&head{start: "HTTP/1.1 " + status, fields: []field{{"Link", "</x>; rel=preload"}}})
						l.pause()
					}
					l.reply(l.switching())
					l.alive()
				})
			}
		},
	},
	{
		Case: Case{
			ID: "dial/subprotocol", Side: ClientSide, Ref: "RFC 6455, 4.1", Needs: "Subprotocols",
			Text: "what is offered are the subprotocols in the client's order, and each of them may be chosen",
		},
		lacks: lacksOffer,
		run: func(x *exam) {
			offer := x.client.opts.Subprotocols
			for _, chosen := range offer {
				x.try(chosen, func() {
					l := x.visit()
					if got := l.req.tokens("Sec-WebSocket-Protocol"); !slices.Equal(got, offer) {
						x.fail("Sec-WebSocket-Protocol: "+strings.Join(offer, ", "), "%q", got)
					}
					l.reply(l.switching().set("Sec-WebSocket-Protocol", chosen))
					l.alive()
				})
			}
		},
	},
}

// wantPongAndEcho wants both, in either order: a pong may overtake a message.
func (l *link) wantPongAndEcho(message string) {
	const want = "the pong and the message back"
	pong, echo := false, false
	for !l.dead() && !(pong && echo) {
		f, what := l.next()
		switch {
		case what != "":
			l.x.fail(want, "%s", what)
		case !pong && f.op == opPong:
			pong = true
		case !echo && f.op == opText && string(f.payload) == message && !f.more:
			echo = true
		default:
			l.x.fail(want, "%v", f)
		}
	}
}

// judgeRequest looks at the client's request.
func (l *link) judgeRequest() {
	x, req := l.x, l.req
	if x.failed() {
		return
	}
	for _, must := range []struct {
		ok   bool
		want string
	}{
		{req.start == "GET "+requestPath(req)+" HTTP/1.1", "GET " + x.call.path + " HTTP/1.1"},
		{slices.Equal(req.values("Host"), []string{x.host()}), "one Host: " + x.host()},
		{req.hasToken("Upgrade", "websocket"), "Upgrade: websocket"},
		{req.hasToken("Connection", "upgrade"), "Connection: Upgrade"},
		{slices.Equal(req.values("Sec-WebSocket-Version"), []string{"13"}), "one Sec-WebSocket-Version: 13"},
		{len(req.values("Sec-WebSocket-Key")) == 1, "one Sec-WebSocket-Key"},
		{goodKey(l.key()), "a Sec-WebSocket-Key of 16 bytes in base64"},
		{len(req.values("Transfer-Encoding")) == 0, "no Transfer-Encoding"},
		{len(req.values("Content-Length")) == 0 || req.values("Content-Length")[0] == "0", "no Content-Length"},
		{len(req.values("Sec-WebSocket-Protocol")) == 0 || len(x.client.opts.Subprotocols) > 0, "no Sec-WebSocket-Protocol"},
	} {
		if !must.ok {
			x.fail(must.want, "%s", describeHead(req))
		}
	}
}

func goodKey(key string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(key)
	return err == nil && len(b) == 16
}

func lacksOffer(x *exam) string {
	if len(x.client.opts.Subprotocols) == 0 {
		return "no Subprotocols are told"
	}
	return ""
}

// replies sends 101s in which a field has other values, and wants the client to take them or to give up.
func (x *exam) replies(good bool, name string, all ...[]string) {
	for _, values := range all {
		x.try(describeFields(name, values), func() {
			l := x.visit()
			l.reply(l.switching().set(name, values...))
			if good {
				l.alive()
			} else {
				l.wantGone("the reply has " + describeFields(name, values))
			}
		})
	}
}
