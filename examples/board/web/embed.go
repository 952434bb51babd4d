// Package web holds the board's page: the static export of the Next.js
// application in this folder, embedded, so that the board starts on a machine
// with Go alone.
//
// The export below out/ is committed. After a change to the sources run
// "npm run build" in this folder and commit both; a test compares them.
package web

import (
	"embed"
	"io/fs"
)

// "all:" takes the names that begin with "_" or "." too: without it the page
// would lack /_next, and answer 200 but be dead.
//
//go:embed all:out
var out embed.FS

// Files returns the exported page: index.html and what it loads, with the paths
// of their URLs. Embedded files have no modification time; whoever serves them
// makes its own ETags.
func Files() fs.FS {
	files, err := fs.Sub(out, "out")
	if err != nil {
		panic(err) // The name is a valid path: cannot happen.
	}
	return files
}
