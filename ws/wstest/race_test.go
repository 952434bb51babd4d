//go:build race

package wstest_test

// raceEnabled makes tests do less: the race detector takes ten times as long, and has seen it all after a part of it.
const raceEnabled = true
