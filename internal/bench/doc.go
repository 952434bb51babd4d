// Command bench measures what the library costs, beside other libraries that do the same work in the same run. It needs
// Linux and two cores.
//
//	go run . list                 the rows, and how long each takes
//	go run . run [flags] [row...] takes samples, 7 rounds of them, into samples/ROW.jsonl
//	go run . run -smoke [row...]  tries the rows once, with tiny parameters, and keeps nothing
//	go run . render               writes RESULTS.md from the samples
//	go run . check                renders again and compares
//	go run . -h                   the flags
//
// # How it measures
//
// Server and load generator are two processes, the server on the first core with GOMAXPROCS=1, the load generator so on the
// second; both are this program again. What needs no network is one process on the first core, or on all where the row says
// so. Each sample is taken by new processes. A row is repeated for some rounds, in each of which every contestant has its
// turn, in an order that moves on by one from round to round. A figure is the median of the rounds, and [x–y] beside it are
// the least and the greatest of them; what is compared are the medians of the rounds' own ratios.
//
// A target is met, or not met, by the median, even where the range crosses it. It is not measured where there is no figure:
// no samples, or none but failures. A figure that is reported has no target. Where a target is not met, the document may say
// why.
//
// The load generator checks every byte. CPU is that of the server's process, all threads, user and system; the work
// that the kernel does for a socket in the other process's time is not in it, for anybody. Memory is the resident set
// after two collections and the return of what is free to the system, less that of the server before, divided by the
// connections; the kernel's own memory for a connection (some 4.6 KB) is not in it, for anybody.
//
// The library runs with its default options: keepalive, limits, and the check that text is UTF-8. The others run as
// their documentation shows and with their defaults; what they leave out by default counts for them.
//
// # To repeat a row
//
// Check out the commit that the row's section names, or commit all changes: samples name the commit, with "-dirty" behind
// it if anything but samples and results differs, and the tests refuse that. The machine should do nothing else meanwhile
// (go run . list tells for how long). Samples in a folder of their own can be held beside the committed ones; a commit that a
// section names is older than its samples, which are the next commit's.
//
//	go run . run -rounds 15 -samples /tmp/again ws-fanout
//	go run . render -samples /tmp/again -o /tmp/again.md
package main
