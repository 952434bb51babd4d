package ws

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
)

func TestOriginPolicy(t *testing.T) {
	type want = bool
	const allowed, refused = true, false
	for _, test := range []struct {
		name    string
		host    string
		tls     bool
		origins []string // nil: no Origin field
		opts    AcceptOptions
		proxy   []string // X-Forwarded-Host
		want    want
	}{
		{name: "none: not a browser", host: "example.com", want: allowed},
		{name: "same host", host: "example.com", origins: []string{"http://example.com"}, want: allowed},
		{name: "same host and port", host: "example.com:8080", origins: []string{"http://example.com:8080"}, want: allowed},
		{name: "upper case", host: "Example.COM", origins: []string{"HTTP://EXAMPLE.com"}, want: allowed},
		{name: "default port spelled out", host: "example.com:80", origins: []string{"http://example.com"}, want: allowed},
		{name: "TLS", host: "example.com", tls: true, origins: []string{"https://example.com"}, want: allowed},
		{name: "TLS ends at a proxy", host: "example.com", origins: []string{"https://example.com"}, want: allowed},
		{name: "IPv6", host: "[::1]:8080", origins: []string{"http://[::1]:8080"}, want: allowed},
		{name: "IPv6 written otherwise", host: "[0:0:0:0:0:0:0:1]", origins: []string{"http://[::1]"}, want: allowed},

		{name: "other host", host: "example.com", origins: []string{"http://evil.com"}, want: refused},
		{name: "null", host: "example.com", origins: []string{"null"}, want: refused},
		{name: "empty", host: "example.com", origins: []string{""}, want: refused},
		{name: "other port", host: "example.com", origins: []string{"http://example.com:8080"}, want: refused},
		{name: "port of the other scheme", host: "example.com:443", origins: []string{"http://example.com"}, want: refused},
		{name: "other scheme under TLS", host: "example.com", tls: true, origins: []string{"http://example.com"}, want: refused},
		{name: "scheme of no web page", host: "example.com", origins: []string{"ftp://example.com"}, want: refused},
		{name: "extension", host: "example.com", origins: []string{"chrome-extension://example.com"}, want: refused},
		{name: "longer host", host: "example.com", origins: []string{"http://example.com.evil"}, want: refused},
		{name: "host as prefix", host: "example.com", origins: []string{"http://evil-example.com"}, want: refused},
		{name: "subdomain", host: "example.com", origins: []string{"http://a.example.com"}, want: refused},
		{name: "other IPv6", host: "[::1]", origins: []string{"http://[::2]"}, want: refused},
		{name: "IPv6 with a zone", host: "[fe80::1%25eth0]", origins: []string{"http://[fe80::1%25eth0]"}, want: refused},
		{name: "two Origin fields", host: "example.com", origins: []string{"http://example.com", "http://example.com"}, want: refused},
		{name: "two origins in one field", host: "example.com", origins: []string{"http://example.com http://example.com"}, want: refused},
		{name: "a list", host: "example.com", origins: []string{"http://example.com, http://evil.com"}, want: refused},
		{name: "user info", host: "example.com", origins: []string{"http://evil.com@example.com"}, want: refused},
		{name: "path", host: "example.com", origins: []string{"http://example.com/"}, want: refused},
		{name: "query", host: "example.com", origins: []string{"http://example.com?x"}, want: refused},
		{name: "no scheme", host: "example.com", origins: []string{"example.com"}, want: refused},
		{name: "no host", host: "", origins: []string{"http://"}, want: refused},
		{name: "port that is no number", host: "example.com:x", origins: []string{"http://example.com:x"}, want: refused},
		{name: "backslash", host: "example.com", origins: []string{`http://example.com\.evil.com`}, want: refused},

		{name: "listed", host: "example.com", origins: []string{"https://app.example.org"}, opts: AcceptOptions{Origins: []string{"https://app.example.org"}}, want: allowed},
		{name: "listed, upper case", host: "example.com", origins: []string{"https://APP.example.org"}, opts: AcceptOptions{Origins: []string{"https://app.Example.org:443"}}, want: allowed},
		{name: "listed with another scheme", host: "example.com", origins: []string{"http://app.example.org"}, opts: AcceptOptions{Origins: []string{"https://app.example.org"}}, want: refused},
		{name: "listed with another port", host: "example.com", origins: []string{"https://app.example.org:8443"}, opts: AcceptOptions{Origins: []string{"https://app.example.org"}}, want: refused},
		{name: "null listed", host: "example.com", origins: []string{"null"}, opts: AcceptOptions{Origins: []string{"null"}}, want: allowed},
		{name: "wildcard", host: "example.com", origins: []string{"https://a.b.example.org"}, opts: AcceptOptions{Origins: []string{"https://*.example.org"}}, want: allowed},
		{name: "wildcard is not the domain itself", host: "example.com", origins: []string{"https://example.org"}, opts: AcceptOptions{Origins: []string{"https://*.example.org"}}, want: refused},
		{name: "wildcard with an empty label", host: "example.com", origins: []string{"https://.example.org"}, opts: AcceptOptions{Origins: []string{"https://*.example.org"}}, want: refused},
		{name: "wildcard is no suffix", host: "example.com", origins: []string{"https://evilexample.org"}, opts: AcceptOptions{Origins: []string{"https://*.example.org"}}, want: refused},
		{name: "a star alone is no pattern", host: "example.com", origins: []string{"https://evil.com"}, opts: AcceptOptions{Origins: []string{"*"}}, want: refused},
		{name: "app listed", host: "example.com", origins: []string{"chrome-extension://abcdef"}, opts: AcceptOptions{Origins: []string{"chrome-extension://abcdef"}}, want: allowed},
		{name: "another app", host: "example.com", origins: []string{"chrome-extension://abcdeg"}, opts: AcceptOptions{Origins: []string{"chrome-extension://abcdef"}}, want: refused},
		{name: "app listed with a port", host: "example.com", origins: []string{"capacitor://localhost:1"}, opts: AcceptOptions{Origins: []string{"capacitor://localhost"}}, want: refused},
		{name: "wildcard with a port", host: "example.com", origins: []string{"https://a.example.org:8443"}, opts: AcceptOptions{Origins: []string{"https://*.example.org:8443"}}, want: allowed},
		{name: "any", host: "example.com", origins: []string{"null"}, opts: AcceptOptions{InsecureAnyOrigin: true}, want: allowed},

		{name: "proxy's host", host: "10.0.0.1:8080", origins: []string{"https://example.com"}, opts: AcceptOptions{ProxyHostHeader: "X-Forwarded-Host"}, proxy: []string{"example.com"}, want: allowed},
		{name: "proxy's host, not trusted", host: "10.0.0.1:8080", origins: []string{"https://example.com"}, proxy: []string{"example.com"}, want: refused},
		{name: "proxy's host missing", host: "example.com", origins: []string{"https://example.com"}, opts: AcceptOptions{ProxyHostHeader: "X-Forwarded-Host"}, want: refused},
		{name: "proxy's host twice", host: "example.com", origins: []string{"https://example.com"}, opts: AcceptOptions{ProxyHostHeader: "X-Forwarded-Host"}, proxy: []string{"example.com", "example.com"}, want: refused},
		{name: "proxy's host appended to the client's", host: "10.0.0.1", origins: []string{"https://evil.com"}, opts: AcceptOptions{ProxyHostHeader: "X-Forwarded-Host"}, proxy: []string{"evil.com, example.com"}, want: refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{Host: test.host, Header: http.Header{}}
			if test.origins != nil {
				r.Header["Origin"] = test.origins
			}
			if test.proxy != nil {
				r.Header["X-Forwarded-Host"] = test.proxy
			}
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			why := checkOrigin(r, &test.opts)
			if got := why == ""; got != test.want {
				t.Errorf("origin %q at host %q: allowed = %v (%s)", test.origins, test.host, got, why)
			}
		})
	}
}

// An entry that no page could ever match is refused, with a word on how to write it.
func TestOriginsThatCouldNeverMatchAreRefused(t *testing.T) {
	for entry, hint := range map[string]string{
		"":                              "empty",
		"*":                             "InsecureAnyOrigin",
		"example.com":                   `"https://example.com"`,
		"example.com/":                  `"https://example.com"`,
		"//example.com":                 "no scheme",
		"localhost:3000":                "no scheme",
		"https://example.com/":          `"https://example.com"`,
		"https://*.example.com/app?x":   `"https://*.example.com"`,
		"https://*":                     "first labels",
		"*://example.com":               "scheme",
		"https://a.*.example.com":       "first labels",
		"https://example.*":             "first labels",
		"https://example.com:*":         "first labels",
		"https://*.*.example.com":       "first labels",
		"https://*.":                    "scheme, host",
		"https://":                      "scheme, host",
		"https://example.com:99999":     "scheme, host",
		"https://user@example.com":      "scheme, host",
		"https://a.com,https://b.com":   `"https://a.com,https:"`,
		"https://exämple.com":           "xn--",
		" https://example.com":          "scheme, host",
		"wss://example.com":             `"https://example.com"`,
		"WS://example.com:8080":         `"http://example.com:8080"`,
		"null ":                         "no scheme",
		"https://a.com https://b.com":   `"https://a.com https:"`,
		"https://<script>.example.com/": "https",
	} {
		o := AcceptOptions{Origins: []string{"https://good.example.com", entry}}
		why := o.check()
		if !strings.Contains(why, "AcceptOptions.Origins") || !strings.Contains(why, hint) {
			t.Errorf("%q: %q; want it to name the option and %s", entry, why, hint)
		}
	}
	o := AcceptOptions{Origins: []string{"null", "http://localhost:3000", "HTTPS://Example.COM", "https://*.example.com:8443", "http://[::1]:80", "chrome-extension://abcdef", "app://x"}}
	if why := o.check(); why != "" {
		t.Errorf("good entries: %s", why)
	}
}

// The refusal names the origin, the host and the options that would let it in, and nothing of it is HTML.
func TestForeignOriginIsToldWhatWouldAllowIt(t *testing.T) {
	for _, test := range []struct {
		name   string
		origin string
		opts   AcceptOptions
		want   []string
	}{
		{"foreign", "https://evil.test", AcceptOptions{}, []string{`"https://evil.test"`, `"tidewire.test"`, "AcceptOptions.Origins", "AcceptOptions.ProxyHostHeader"}},
		{"behind a proxy", "https://evil.test", AcceptOptions{ProxyHostHeader: "X-Forwarded-Host"}, []string{`"https://evil.test"`, `"outer.test"`, "X-Forwarded-Host", "AcceptOptions.Origins"}},
		{"proxy without the field", "https://evil.test", AcceptOptions{ProxyHostHeader: "X-Host"}, []string{"0 fields X-Host", "AcceptOptions.ProxyHostHeader"}},
		{"null", "null", AcceptOptions{}, []string{`"null"`, "AcceptOptions.Origins"}},
		{"app", "chrome-extension://abc", AcceptOptions{}, []string{`"chrome-extension://abc"`, "AcceptOptions.Origins"}},
		{"markup", "https://<img/src=x>\"'&amp;", AcceptOptions{}, []string{"\\x3cimg", "not an origin"}},
		{"markup as host", "https://<b>", AcceptOptions{}, []string{"\\x3cb", "AcceptOptions.Origins"}},
		{"long", "https://" + strings.Repeat("x", 10_000), AcceptOptions{}, []string{"xxx..."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{Host: "tidewire.test", Header: http.Header{"Origin": {test.origin}, "X-Forwarded-Host": {"outer.test"}}}
			why := checkOrigin(r, &test.opts)
			for _, want := range test.want {
				if !strings.Contains(why, want) {
					t.Errorf("%s: it does not say %s", why, want)
				}
			}
			if strings.ContainsAny(why, "<>&'") || len(why) > 2*maxQuoted+300 {
				t.Errorf("not fit for a response: %s", why)
			}
		})
	}
}

func TestAcceptOptionsThatCouldNeverWorkAreRefused(t *testing.T) {
	for name, o := range map[string]AcceptOptions{
		"Subprotocols":    {Subprotocols: []string{"chat", "chat v2"}},
		"ProxyHostHeader": {ProxyHostHeader: "X-Forwarded-Host:"},
		"X-Forwarded":     {ProxyHostHeader: "host"},
		"leave":           {ProxyHostHeader: "Forwarded"},
	} {
		if why := o.check(); !strings.Contains(why, "AcceptOptions.") || !strings.Contains(why, name) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// An entry that passes can match: the very origin it names, or one below. And whatever the origin, what is told of it is
// harmless text.
func FuzzOrigins(f *testing.F) {
	for _, entry := range []string{"https://example.com", "https://*.example.com:8443", "null", "*", "http://[::1]:80", "app://x", "HTTPS://A.b.", "https://a:0"} {
		f.Add(entry, "https://evil.test")
	}
	f.Fuzz(func(t *testing.T, entry, field string) {
		if e, why := parseOriginEntry(entry); why == "" {
			own := strings.Replace(entry, "://*.", "://a.", 1)
			if o, ok := parseOrigin(own); !e.names(own, o, ok) {
				t.Errorf("entry %q passes, and %q does not match", entry, own)
			}
		}
		r := &http.Request{Host: "example.com", Header: http.Header{"Origin": {field}}}
		why := checkOrigin(r, &AcceptOptions{Origins: []string{entry}})
		for i := range len(why) {
			if b := why[i]; b < ' ' || b > '~' || strings.IndexByte("<>&'", b) >= 0 {
				t.Fatalf("not fit for a response: %q", why)
			}
		}
		if len(why) > 10*maxQuoted {
			t.Errorf("%d bytes are told", len(why))
		}
	})
}
