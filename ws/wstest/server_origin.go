package wstest

import "strings"

func (x *exam) scheme() string {
	if x.server.tls != nil {
		return "https"
	}
	return "http"
}

func lacksOrigin(x *exam) string {
	if x.server.opts.AnyOrigin {
		return "AnyOrigin is set"
	}
	return ""
}

// otherHost makes a host that begins with prefix out of a host with or without a port.
func otherHost(prefix, host, suffix string) string {
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i:]
	}
	return prefix + name + suffix + port
}

func (x *exam) foreign(name string, origins ...string) {
	x.try(name, func() { x.refused(x.upgrade().set("Origin", origins...), 403) })
}

// Which pages a server lets connect: those of its own host (RFC 6455, section 10.2).
var serverOriginCases = []exercise{
	{
		Case: Case{
			ID: "handshake/origin-same", Side: ServerSide, Ref: "RFC 6455, 4.2.2, 10.2; RFC 6454, 4",
			Text: "pages of the same host may connect, in whatever case it is written, and so may who sends no Origin",
		},
		lacks: lacksOrigin,
		run: func(x *exam) {
			origin := x.scheme() + "://" + x.server.host
			x.try("no Origin", func() { x.accepted(x.upgrade().set("Origin")) })
			x.try(origin, func() { x.accepted(x.upgrade().set("Origin", origin)) })
			upper := strings.ToUpper(origin)
			x.try(upper, func() { x.accepted(x.upgrade().set("Origin", upper)) })
			x.try("Host in upper case", func() {
				x.accepted(x.upgrade().set("Host", strings.ToUpper(x.server.host)).set("Origin", origin))
			})
		},
	},
	{
		Case: Case{
			ID: "handshake/origin-host", Side: ServerSide, Ref: "RFC 6455, 4.2.2, 10.2",
			Text: "pages of another host get a 403, however much its name looks like the server's",
		},
		lacks: lacksOrigin,
		run: func(x *exam) {
			scheme, host := x.scheme()+"://", x.server.host
			for _, other := range []string{
				"wstest-other.example", otherHost("", host, ".evil.example"), otherHost("evil-", host, ""), host + ".evil.example",
				host + "@evil.example", "evil.example/" + host, "evil.example#" + host, "evil.example?" + host,
			} {
				x.foreign(scheme+other, scheme+other)
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/origin-null", Side: ServerSide, Ref: "RFC 6454, 6.1, 7.1",
			Text: "pages without an origin of their own, which browsers call null, get a 403",
		},
		lacks: lacksOrigin,
		run:   func(x *exam) { x.foreign("null", "null") },
	},
	{
		Case: Case{
			ID: "handshake/origin-port", Side: ServerSide, Ref: "RFC 6454, 4",
			Text: "pages from another port of the same host get a 403",
		},
		lacks: lacksOrigin,
		run: func(x *exam) {
			name := otherHost("", x.server.host, "")
			if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
				name = name[:i]
			}
			for _, port := range []string{":1", ":65535"} {
				x.foreign(x.scheme()+"://"+name+port, x.scheme()+"://"+name+port)
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/origin-scheme", Side: ServerSide, Ref: "RFC 6454, 4",
			Text: "pages of a scheme that is not of the web get a 403, and over TLS those of http too",
		},
		lacks: lacksOrigin,
		run: func(x *exam) {
			x.foreign("ftp", "ftp://"+x.server.host)
			x.foreign("no scheme", x.server.host)
			x.foreign("an extension of the browser", "chrome-extension://"+x.server.host)
			if x.server.tls != nil {
				x.foreign("http", "http://"+x.server.host)
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/origin-ipv6", Side: ServerSide, Ref: "RFC 6454, 4; RFC 3986, 3.2.2",
			Text: "IPv6 addresses are hosts like others",
		},
		lacks: lacksOrigin,
		run: func(x *exam) {
			const ours, other = "[2001:db8::7]:8080", "[2001:db8::8]:8080"
			scheme := x.scheme() + "://"
			x.try("the same", func() { x.accepted(x.upgrade().set("Host", ours).set("Origin", scheme+ours)) })
			for _, o := range []string{other, "[2001:db8::7]:8081", "[2001:db8::7]", "[2001"} {
				x.try(o, func() { x.refused(x.upgrade().set("Host", ours).set("Origin", scheme+o), 403) })
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/origin-twice", Side: ServerSide, Ref: "RFC 6454, 7.1",
			Text: "a request with two Origin fields is refused, with 400 or 403",
		},
		lacks: lacksOrigin,
		run: func(x *exam) {
			own := x.scheme() + "://" + x.server.host
			x.refusedFields("Origin", [][]string{{own, "http://wstest-other.example"}, {"http://wstest-other.example", own}}, 400, 403)
		},
	},
}

func lacksSubprotocols(x *exam) string {
	if len(x.server.opts.Subprotocols) < 2 {
		return "fewer than two Subprotocols are told"
	}
	return ""
}

// chosen asks with an offer and wants the server to choose.
func (x *exam) chosen(want string, offer ...string) {
	x.try(describeFields("Sec-WebSocket-Protocol", offer), func() {
		_, resp := x.accepted(x.upgrade().set("Sec-WebSocket-Protocol", offer...))
		if x.failed() {
			return
		}
		got := resp.values("Sec-WebSocket-Protocol")
		switch {
		case want == "" && len(got) > 0:
			x.fail("no Sec-WebSocket-Protocol", "%q", got)
		case want != "" && (len(got) != 1 || got[0] != want):
			x.fail("Sec-WebSocket-Protocol: "+want, "%q", got)
		}
	})
}

// otherCase turns the first letter into its other case.
func otherCase(s string) string {
	for i, c := range s {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			return s[:i] + string(c^0x20) + s[i+1:]
		}
	}
	return s + "x"
}

// Which subprotocol a server chooses (RFC 6455, section 4.2.2).
var serverSubprotocolCases = []exercise{
	{
		Case: Case{
			ID: "handshake/subprotocol-none", Side: ServerSide, Ref: "RFC 6455, 4.2.2",
			Text: "where none is offered, or none that is known, the connection is made without a subprotocol",
		},
		run: func(x *exam) {
			x.chosen("")
			x.chosen("", "x-wstest-unknown")
			x.chosen("", "x-wstest-unknown, x-wstest-other")
		},
	},
	{
		Case: Case{
			ID: "handshake/subprotocol-order", Side: ServerSide, Ref: "RFC 6455, 4.2.2", Needs: "Subprotocols",
			Text: "of the offered subprotocols the one is chosen that the server prefers",
		},
		lacks: lacksSubprotocols,
		run: func(x *exam) {
			first, second := x.server.opts.Subprotocols[0], x.server.opts.Subprotocols[1]
			x.chosen(first, first)
			x.chosen(second, second)
			x.chosen(first, first+", "+second)
			x.chosen(first, second+", "+first)
			x.chosen(second, "x-wstest-unknown, "+second)
		},
	},
	{
		Case: Case{
			ID: "handshake/subprotocol-list", Side: ServerSide, Ref: "RFC 6455, 11.3.4; RFC 9110, 5.6.1", Needs: "Subprotocols",
			Text: "the offer is a list, and may come in several fields, with spaces, tabs and empty elements",
		},
		lacks: lacksSubprotocols,
		run: func(x *exam) {
			known := x.server.opts.Subprotocols[0]
			x.chosen(known, "x-wstest-unknown", known)
			x.chosen(known, "x-wstest-unknown ,\t"+known+" ,, x-wstest-other")
		},
	},
	{
		Case: Case{
			ID: "handshake/subprotocol-case", Side: ServerSide, Ref: "RFC 6455, 4.2.2", Needs: "Subprotocols",
			Text: "names of subprotocols are compared with regard to case, and whole",
		},
		lacks: lacksSubprotocols,
		run: func(x *exam) {
			known := x.server.opts.Subprotocols[0]
			x.chosen("", otherCase(known))
			x.chosen("", known+"x")
			x.chosen("", "x"+known)
		},
	},
}
