package tidewire_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidewire/tidewire"

// arrows is the map of the house: which package may import which others of this module. What is not named here may
// import none. internal/testnet serves tests only, so it is allowed nowhere in this table.
var arrows = map[string][]string{
	"":                               {},
	"backoff":                        {},
	"ws":                             {"backoff", "internal/netio"},
	"ws/wstest":                      {"ws", "internal/testnet"},
	"sse":                            {"backoff", "internal/netio"},
	"hub":                            {},
	"hub/hubtest":                    {"hub"},
	"hub/redis":                      {"hub"},
	"hub/gateway":                    {"presence", "hub", "ws", "sse", "backoff"},
	"presence":                       {"hub"},
	"internal/netio":                 {},
	"internal/testnet":               {},
	"examples/echo":                  {"ws"},
	"examples/live":                  {"sse"},
	"examples/tokens":                {"sse"},
	"examples/board":                 {"examples/board/internal/server", "examples/board/web"},
	"examples/board/internal/server": {"backoff", "ws", "sse", "hub", "presence"},
	"examples/board/web":             {},
}

// outside is what the public packages may depend on beyond the standard library.
var outside = map[string][]string{
	"ws":        {"github.com/klauspost/compress/"},
	"hub/redis": {"github.com/redis/rueidis", "golang.org/x/sys/"},
}

// list runs go list from the module's root and returns its lines.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		msg := ""
		if ee, ok := err.(*exec.ExitError); ok {
			msg = string(ee.Stderr)
		}
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, msg)
	}
	return strings.Fields(string(out))
}

func TestImportsFollowTheArrows(t *testing.T) {
	seen := 0
	for _, line := range list(t, "-f", `{{.ImportPath}}{{range .Imports}},{{.}}{{end}}`, "./...") {
		path, rest, _ := strings.Cut(line, ",")
		pkg := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		allowed, ok := arrows[pkg]
		if !ok {
			t.Errorf("package %q is not in the table of arrows: add it with what it may import", pkg)
			continue
		}
		seen++
		for imp := range strings.SplitSeq(rest, ",") {
			dep, inside := strings.CutPrefix(imp, module+"/")
			if inside && !slices.Contains(allowed, dep) {
				t.Errorf("%s imports %s; the arrows allow it only %v", pkg, dep, allowed)
			}
		}
	}
	if seen < 6 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

func TestPublicPackagesDependOnTheStandardLibraryAlone(t *testing.T) {
	std := list(t, "std")
	for _, pkg := range []string{"backoff", "ws", "sse", "hub", "presence"} {
		for _, dep := range list(t, "-deps", "./"+filepath.ToSlash(pkg)) {
			switch {
			case strings.HasPrefix(dep, module), slices.Contains(std, dep), strings.HasPrefix(dep, "vendor/"):
			case slices.ContainsFunc(outside[pkg], func(p string) bool { return strings.HasPrefix(dep, p) }):
			default:
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
}
