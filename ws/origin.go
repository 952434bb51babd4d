package ws

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// origin is a parsed Origin header field (RFC 6454, section 7): scheme, host and port, in lower case, the port of http
// and https always there, IPv6 addresses in their shortest form.
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

// parseOrigin accepts what browsers send for pages: "http://host", "https://host:port", and the like with a scheme of
// their own for extensions and apps. All else, "null" too, is not ok.
func parseOrigin(s string) (o origin, ok bool) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found || !isScheme(scheme) {
		return origin{}, false
	}
	scheme = strings.ToLower(scheme)
	host, port, ok := splitHostPort(rest, defaultPort(scheme))
	return origin{scheme, host, port}, ok
}

// isScheme follows RFC 3986, section 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		b := lower(s[i])
		if (b < 'a' || b > 'z') && (i == 0 || (b < '0' || b > '9') && strings.IndexByte("+-.", b) < 0) {
			return false
		}
	}
	return s != ""
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
	if n, _ := strconv.Atoi(port); n > 65535 {
		return "", "", false
	}
	return host, port, true
}

// checkOrigin says why the request's origin is refused, and how it would be allowed, or "". All that comes from the
// request is quoted.
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
	for _, entry := range opts.Origins {
		if p, why := parseOriginEntry(entry); why == "" && p.names(lines[0], o, ok) {
			return ""
		}
	}
	given := quote(lines[0])
	if !ok {
		if lines[0] == "null" {
			return `origin "null" (a sandboxed page, or a file) is not allowed; AcceptOptions.Origins would have to list it as "null"`
		}
		return "origin " + given + " is not an origin of the web"
	}
	host, from := r.Host, "the host asked for"
	if name := opts.ProxyHostHeader; name != "" {
		values := r.Header.Values(name)
		if len(values) != 1 {
			return fmt.Sprintf("origin %s has no host to be compared with: the request has %d fields %s (AcceptOptions.ProxyHostHeader)", given, len(values), name)
		}
		host, from = trimSpace(values[0]), "the host in "+name
	}
	h, port, hostOK := splitHostPort(host, defaultPort(o.scheme))
	switch {
	case !hostOK || h != o.host || port != o.port || defaultPort(o.scheme) == "":
		why := fmt.Sprintf("origin %s is not %s, %s; AcceptOptions.Origins would have to list it", given, from, quote(host))
		if opts.ProxyHostHeader == "" {
			why += ", or AcceptOptions.ProxyHostHeader to name the field in which a proxy tells the host that was asked"
		}
		return why
	case r.TLS != nil && o.scheme != "https":
		return fmt.Sprintf("origin %s is not https, which %s is; AcceptOptions.Origins would have to list it", given, quote(host))
	}
	return ""
}

// maxQuoted is how many bytes of a stranger's text are told in an error.
const maxQuoted = 200

// quote makes a stranger's text fit for an error and for the body of a response: bounded, in ASCII without control
// characters, and without what could begin something in HTML.
func quote(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "..."
	}
	return harmless.Replace(strconv.QuoteToASCII(s))
}

var harmless = strings.NewReplacer("<", `\x3c`, ">", `\x3e`, "&", `\x26`, "'", `\x27`)

// originEntry is a parsed entry of AcceptOptions.Origins.
type originEntry struct {
	null   bool // "null"
	below  bool // "https://*.example.com": the domains below origin's
	origin origin
}

// parseOriginEntry says in why what is wrong with an entry that no origin could ever match, and how to write it.
func parseOriginEntry(s string) (e originEntry, why string) {
	if s == "null" {
		return originEntry{null: true}, ""
	}
	scheme, rest, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	switch {
	case s == "":
		return originEntry{}, "it is empty"
	case s == "*":
		return originEntry{}, "there is no star for all origins: that is the option InsecureAnyOrigin"
	case !found:
		return originEntry{}, `there is no scheme: write "https://` + strings.TrimRight(s, "/") + `"`
	case scheme == "ws", scheme == "wss":
		return originEntry{}, `the origin is the page's: write "http` + scheme[2:] + "://" + rest + `"`
	}
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if path != "" {
		return originEntry{}, fmt.Sprintf(`an origin ends with the host or port, without %q: write "%s://%s"`, path, scheme, host)
	}
	host, e.below = strings.CutPrefix(host, "*.")
	if strings.Contains(host, "*") {
		return originEntry{}, `a star stands only for the first labels of the host, as in "https://*.example.com"`
	}
	o, ok := parseOrigin(scheme + "://" + host)
	if !ok {
		return originEntry{}, `it is not scheme, host (of letters beyond ASCII its xn-- form) and perhaps port, as in "https://example.com:8443"`
	}
	e.origin = o
	return e, ""
}

// names reports whether the entry stands for an Origin field, which was parsed as o if ok. In "https://*.example.com"
// the star stands for one label or more, never for none.
func (e originEntry) names(field string, o origin, ok bool) bool {
	switch {
	case e.null:
		return field == "null"
	case !ok:
		return false
	case e.below:
		label, below := strings.CutSuffix(o.host, "."+e.origin.host)
		return below && label != "" && o.scheme == e.origin.scheme && o.port == e.origin.port
	}
	return o == e.origin
}
