// Package server holds the contestants: small servers, one file for each library, that do the same work behind the same
// harness. A server lives in a process of its own. It prints where it listens, obeys the load generator's commands on a
// second connection, and ends when its standard input does.
//
// Each library is used in the way its documentation shows, with its default options; where Spec.Frugal asks for it, with
// those of its documented options that save memory for idle connections. What is chosen is said in each file. Where a
// library does not limit, ping or check by itself, it is not made to: what its defaults save counts for it.
package server
