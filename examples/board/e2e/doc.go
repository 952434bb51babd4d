// Package e2e holds the board's browser tests: two people, each in a browser context of their own, in one headless
// Chromium, against the real program behind a proxy that can cut the cable.
//
// They need Chromium (CHROMIUM names it, else chromium or google-chrome on PATH). Without it they are skipped with a line
// that says so, unless BOARD_E2E=required, which makes that a failure. With BOARD_SHOTS=DIR the tests leave screenshots there;
// a failing test leaves its own in the test's log folder named by its last lines.
//
// Rules: ports are random, nothing sleeps for a fixed time, every wait is for a condition, the program is a child process
// that the test starts and ends by its process id.
package e2e
