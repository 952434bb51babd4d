package ws

import (
	"net/http"
	"net/netip"
	"strings"
)

// origin is a parsed Origin header field (RFC 6454, section 7): scheme, host and port, in lower case, the port always
// there, IPv6 addresses in their shortest form.
type origin struct{ scheme, host, port string }

// defaultPort is "" for schemes that have none here.
func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// parseOrigin accepts what browsers send for pages of the web: "http://host", "https://host:port". All else, "null"
// too, is not ok.
func parseOrigin(s string) (o origin, ok bool) {
	scheme, rest, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !found || defaultPort(scheme) == "" {
		return origin{}, false
	}
	host, port, ok := splitHostPort(rest, defaultPort(scheme))
	return origin{scheme, host, port}, ok
}

// splitHostPort takes a host with or without a port apart, for comparison. It refuses what is more or less than that.
func splitHostPort(s, defaultPort string) (host, port string, ok bool) {
	host, port = s, defaultPort
	if end := strings.IndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", false
		}
		if rest := s[end+1:]; strings.HasPrefix(rest, ":") {
			port = rest[1:]
		} else if rest != "" {
			return "", "", false
		}
		host = "[" + addr.String() + "]"
	} else {
		if h, p, found := strings.Cut(s, ":"); found {
			host, port = h, p
		}
		for i := range len(host) {
			b := host[i]
			if b <= ' ' || b >= 0x7f || strings.IndexByte("/?#@\\[]:%,", b) >= 0 {
				return "", "", false
			}
		}
		host = strings.ToLower(host)
	}
	if port == "" { // "example.com:"
		port = defaultPort
	}
	if host == "" || len(port) > 5 {
		return "", "", false
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return "", "", false
		}
	}
	return host, port, true
}

// checkOrigin says why the request's origin is refused, or "".
//
// A request without the field does not come from a browser. Same host means the host and port that the browser
// connected to; where this server does TLS itself an http page is another origin, and behind a proxy that does TLS
// the scheme can't be known here and either will do.
func checkOrigin(r *http.Request, opts *AcceptOptions) string {
	lines, sent := r.Header["Origin"]
	if !sent || opts.InsecureAnyOrigin {
		return ""
	}
	if len(lines) != 1 {
		return "more than one Origin"
	}
	o, ok := parseOrigin(lines[0])
	for _, pattern := range opts.Origins {
		if pattern == "null" && lines[0] == "null" || ok && o.matches(pattern) {
			return ""
		}
	}
	if !ok {
		return "origin is not allowed"
	}
	host := r.Host
	if opts.ProxyHostHeader != "" {
		given := r.Header.Values(opts.ProxyHostHeader)
		if len(given) != 1 {
			return "no host from the proxy to compare the origin with"
		}
		host = trimSpace(given[0])
	}
	h, port, hostOK := splitHostPort(host, defaultPort(o.scheme))
	if !hostOK || h != o.host || port != o.port || r.TLS != nil && o.scheme != "https" {
		return "origin is not allowed"
	}
	return ""
}

// matches reports whether the pattern, an entry of AcceptOptions.Origins, names o. In "https://*.example.com" the
// star stands for one label or more, never for none.
func (o origin) matches(pattern string) bool {
	scheme, rest, found := strings.Cut(pattern, "://")
	if !found {
		return false
	}
	if suffix, wild := strings.CutPrefix(rest, "*."); wild {
		p, ok := parseOrigin(scheme + "://" + suffix)
		label, below := strings.CutSuffix(o.host, "."+p.host)
		return ok && below && label != "" && o.scheme == p.scheme && o.port == p.port
	}
	p, ok := parseOrigin(pattern)
	return ok && o == p
}
