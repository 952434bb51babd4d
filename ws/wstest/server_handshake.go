package wstest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// The handshake as a server must take it (RFC 6455, section 4.2).
var serverHandshakeCases = []exercise{
	{
		Case: Case{
			ID: "handshake/reply", Side: ServerSide, Ref: "RFC 6455, 4.2.2",
			Text: "a good request gets a 101 with Upgrade: websocket, Connection: Upgrade and the answer to its key",
		},
		run: func(x *exam) {
			req := x.upgrade()
			l, resp := x.accepted(req)
			if x.failed() {
				return
			}
			switch up := resp.values("Upgrade"); {
			case !strings.HasPrefix(resp.start, "HTTP/1.1 "):
				x.fail("a response of HTTP/1.1", "%q", resp.start)
			case len(up) != 1 || !strings.EqualFold(up[0], "websocket"):
				x.fail("one Upgrade field: websocket", "%q", up)
			case !resp.hasToken("Connection", "upgrade"):
				x.fail("Connection: Upgrade", "%q", resp.values("Connection"))
			}
			want := acceptFor(req.values("Sec-WebSocket-Key")[0])
			if got := resp.values("Sec-WebSocket-Accept"); len(got) != 1 || got[0] != want {
				x.fail("Sec-WebSocket-Accept: "+want, "%q", got)
			}
			l.alive()
		},
	},
	{
		Case: Case{
			ID: "handshake/reply-framing", Side: ServerSide, Ref: "RFC 9110, 8.6; RFC 9112, 6.1",
			Text: "a 101 has neither Content-Length nor Transfer-Encoding",
		},
		run: func(x *exam) {
			_, resp := x.accepted(x.upgrade())
			for _, name := range []string{"Content-Length", "Transfer-Encoding"} {
				if got := resp.values(name); len(got) > 0 {
					x.fail("no "+name, "%q", got)
				}
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/reply-header", Side: ServerSide, Ref: "RFC 6455, 4.2.2", Needs: "ReplyHeader",
			Text: "what middleware puts into the response's header, cookies among it, reaches the 101",
		},
		lacks: func(x *exam) string {
			if len(x.server.opts.ReplyHeader) == 0 {
				return "no ReplyHeader is told"
			}
			return ""
		},
		run: func(x *exam) {
			_, resp := x.accepted(x.upgrade())
			for name, values := range x.server.opts.ReplyHeader {
				for _, v := range values {
					if got := resp.values(name); !slices.Contains(got, v) {
						x.fail(name+": "+v, "%q", got)
					}
				}
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/http-1.0", Side: ServerSide, Ref: "RFC 6455, 4.1, 4.2.1",
			Text: "an upgrade in HTTP/1.0 is refused, with 4xx or 505",
		},
		run: func(x *exam) {
			resp := x.connect().ask(x.start("GET", "HTTP/1.0"), nil)
			if resp.status() != 505 {
				x.wantStatus(resp)
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/method", Side: ServerSide, Ref: "RFC 6455, 4.1; RFC 9110, 15.5.6",
			Text: "another method than GET gets a 405, whose Allow names GET",
		},
		run: func(x *exam) {
			for _, method := range []string{"POST", "PUT", "DELETE"} {
				x.try(method, func() {
					resp := x.refused(x.start(method, "HTTP/1.1").set("Content-Length", "0"), 405)
					if !x.failed() && !slices.Contains(resp.tokens("Allow"), "GET") {
						x.fail("Allow: GET", "%q", resp.values("Allow"))
					}
				})
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/connection-tokens", Side: ServerSide, Ref: "RFC 6455, 4.2.1; RFC 9110, 5.6.1",
			Text: "Connection is a list: in several fields, with spaces, tabs, empty elements, in any case",
		},
		run: func(x *exam) { x.acceptedFields("Connection", goodConnections) },
	},
	{
		Case: Case{
			ID: "handshake/connection-substring", Side: ServerSide, Ref: "RFC 6455, 4.2.1",
			Text: "a Connection without the token upgrade is refused; a part of another token is not the token",
		},
		run: func(x *exam) { x.refusedFields("Connection", badConnections) },
	},
	{
		Case: Case{
			ID: "handshake/upgrade-tokens", Side: ServerSide, Ref: "RFC 6455, 4.2.1; RFC 9110, 7.8",
			Text: "Upgrade is a list in any case, and websocket may stand beside other protocols",
		},
		run: func(x *exam) { x.acceptedFields("Upgrade", goodUpgrades) },
	},
	{
		Case: Case{
			ID: "handshake/upgrade-substring", Side: ServerSide, Ref: "RFC 6455, 4.2.1",
			Text: "an Upgrade without the token websocket is refused; a part of another token is not the token",
		},
		run: func(x *exam) { x.refusedFields("Upgrade", badUpgrades) },
	},
	{
		Case: Case{
			ID: "handshake/body", Side: ServerSide, Ref: "RFC 9110, 7.8, 9.3.1",
			Text: "the body of a request is refused or passed over: its bytes are not frames",
		},
		run: func(x *exam) {
			bait := appendFrame(nil, text("body"), true, 0x01020304)
			chunked := fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(bait), bait)
			for _, body := range []struct {
				name, value string
				bytes       []byte
			}{{"Content-Length", fmt.Sprint(len(bait)), bait}, {"Transfer-Encoding", "chunked", chunked}} {
				x.try(body.name, func() {
					l := x.connect()
					if resp := l.ask(x.upgrade().set(body.name, body.value), body.bytes, "a body that looks like a frame"); resp.status() != 101 {
						x.wantStatus(resp)
						return
					}
					l.alive()
				})
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/pipelined", Side: ServerSide, Ref: "RFC 6455, 4.1",
			Text: "bytes that come in one piece with the request are the first frames",
		},
		run: func(x *exam) {
			l := x.connect()
			b := l.encode(nil, text("first"))
			b = l.encode(b, text("second"))
			resp := l.ask(x.upgrade(), b[:len(b)-3], `text "first"`, `text "second" but for 3 bytes`)
			if resp.status() != 101 {
				x.fail("a response with status 101", "%q", resp.start)
			}
			l.wantEcho(opText, []byte("first"))
			l.sendBytes(b[len(b)-3:], "3 bytes")
			l.wantEcho(opText, []byte("second"))
			l.alive()
		},
	},
	{
		Case: Case{
			ID: "handshake/refusal", Side: ServerSide, Ref: "RFC 6455, 4.2.2; RFC 9112, 6.3",
			Text: "a refusal is an ordinary HTTP response: complete, and the connection goes on unless it says close",
		},
		run: func(x *exam) {
			l := x.connect()
			resp := l.ask(x.upgrade().set("Upgrade", "x-wstest").set("Connection").set("Sec-WebSocket-Key", "bad"), nil)
			x.wantStatus(resp)
			if x.failed() {
				return
			}
			_, last, err := resp.readBody(l.br)
			switch {
			case err != nil:
				x.fail("a response with a body that ends where its head says", "%s", l.describe(err))
			case last || resp.hasToken("Connection", "close"):
				return
			}
			if resp := l.ask(x.upgrade(), nil); resp.status() != 101 {
				x.fail("a response with status 101 to the next request", "%q", resp.start)
			}
			l.alive()
		},
	},
	{
		Case: Case{
			ID: "handshake/extension", Side: ServerSide, Ref: "RFC 6455, 9.1",
			Text: "an extension that is not known is passed over, and the response names none that was not offered",
		},
		run: func(x *exam) {
			for _, offer := range []string{"", "x-wstest-unknown", `x-wstest-unknown; a; b=1; c="2", x-wstest-other`} {
				x.try("offer "+offer, func() {
					req := x.upgrade()
					if offer != "" {
						req.set("Sec-WebSocket-Extensions", offer)
					}
					l, resp := x.accepted(req)
					if got := resp.values("Sec-WebSocket-Extensions"); len(got) > 0 {
						x.fail("no Sec-WebSocket-Extensions", "%q", got)
					}
					l.alive()
				})
			}
		},
	},
}

// Values of fields, each a list of the values of several fields of the name.
var (
	goodConnections = [][]string{
		{"upgrade"},
		{"UPGRADE"},
		{"keep-alive, Upgrade"},
		{"keep-alive,\tUpgrade\t"},
		{",, ,Upgrade,"},
		{"keep-alive", "Upgrade"},
		{"Upgrade", "keep-alive"},
		{"x , \t upGrade , y"},
	}
	badConnections = [][]string{
		nil, {"notupgrade"}, {"upgrade-insecure"}, {"keep-alive"}, {"keep-alive, upgraded"}, {"up grade"}, {""}, {"up", "grade"},
	}
	goodUpgrades = [][]string{
		{"WebSocket"}, {"WEBSOCKET"}, {"h2c, websocket"}, {"websocket, h2c"}, {"h2c", "websocket"}, {",\twebsocket ,"},
	}
	badUpgrades = [][]string{
		nil, {"xwebsocket"}, {"websocket2"}, {"h2c"}, {"web socket"}, {"websockets, h2c"}, {""}, {"web", "socket"},
	}
)

func describeFields(name string, values []string) string {
	if len(values) == 0 {
		return "no " + name
	}
	return fmt.Sprintf("%s: %q", name, values)
}

func (x *exam) acceptedFields(name string, all [][]string) {
	for _, values := range all {
		x.try(describeFields(name, values), func() { x.accepted(x.upgrade().set(name, values...)) })
	}
}

func (x *exam) refusedFields(name string, all [][]string, statuses ...int) {
	for _, values := range all {
		x.try(describeFields(name, values), func() { x.refused(x.upgrade().set(name, values...), statuses...) })
	}
}

// What a server looks at in Sec-WebSocket-Key and Sec-WebSocket-Version.
var serverKeyCases = []exercise{
	{
		Case: Case{
			ID: "handshake/key-missing", Side: ServerSide, Ref: "RFC 6455, 4.2.1",
			Text: "a request without a key gets a 400",
		},
		run: func(x *exam) { x.refusedFields("Sec-WebSocket-Key", [][]string{nil}, 400) },
	},
	{
		Case: Case{
			ID: "handshake/key-twice", Side: ServerSide, Ref: "RFC 6455, 11.3.1",
			Text: "a request with two keys gets a 400, also when they are the same",
		},
		run: func(x *exam) {
			k := newKey()
			x.refusedFields("Sec-WebSocket-Key", [][]string{{newKey(), newKey()}, {k, k}}, 400)
		},
	},
	{
		Case: Case{
			ID: "handshake/key-base64", Side: ServerSide, Ref: "RFC 6455, 4.2.1; RFC 4648, 4",
			Text: "a key that is not base64 gets a 400",
		},
		run: func(x *exam) {
			x.refusedFields("Sec-WebSocket-Key", [][]string{
				{"!!!!!!!!!!!!!!!!!!!!!!=="},
				{"AAAAAAAAAAAAAAAAAAAAAA"},
				{"AAAAAAAAAAAAAAAAAAAAAA="},
				{"AAAAAAAAAAAAAAAA-_AAAA=="},
				{"AAAAAAAAAAA AAAAAAAAAA=="},
				{"AAAAAAAAAAAAAAAAAAAAA==="},
				{newKey() + ", " + newKey()},
			}, 400)
		},
	},
	{
		Case: Case{
			ID: "handshake/key-length", Side: ServerSide, Ref: "RFC 6455, 4.2.1",
			Text: "a key of another length than 16 bytes gets a 400",
		},
		run: func(x *exam) {
			for _, n := range []int{0, 1, 12, 15, 17, 18, 20, 32} {
				x.try(fmt.Sprintf("%d bytes", n), func() {
					key := base64.StdEncoding.EncodeToString(make([]byte, n))
					x.refused(x.upgrade().set("Sec-WebSocket-Key", key), 400)
				})
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/key-trailing-bits", Side: ServerSide, Ref: "RFC 4648, 3.5",
			Text: "a key whose last digit has bits set that belong to no byte gets a 400",
		},
		run: func(x *exam) {
			x.refusedFields("Sec-WebSocket-Key", [][]string{{"AAAAAAAAAAAAAAAAAAAAAB=="}, {"AAAAAAAAAAAAAAAAAAAAAP=="}}, 400)
		},
	},
	{
		Case: Case{
			ID: "handshake/version-missing", Side: ServerSide, Ref: "RFC 6455, 4.2.1",
			Text: "a request without a version gets a 400",
		},
		run: func(x *exam) { x.refusedFields("Sec-WebSocket-Version", [][]string{nil}, 400) },
	},
	{
		Case: Case{
			ID: "handshake/version-other", Side: ServerSide, Ref: "RFC 6455, 4.2.2, 4.4",
			Text: "another version than 13 gets a 426, whose Sec-WebSocket-Version names 13",
		},
		run: func(x *exam) {
			for _, version := range []string{"8", "7", "0", "14", "113", "255"} {
				x.try("version "+version, func() {
					resp := x.refused(x.upgrade().set("Sec-WebSocket-Version", version), 426)
					if !x.failed() && !slices.Contains(resp.tokens("Sec-WebSocket-Version"), "13") {
						x.fail("Sec-WebSocket-Version: 13", "%q", resp.values("Sec-WebSocket-Version"))
					}
				})
			}
		},
	},
}
