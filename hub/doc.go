// Package hub holds topics: ordered sequences of events that are published once
// and followed by any number of readers, each from a position of its own.
//
// The log is the queue. A topic is a ring of events and a subscriber a cursor in
// it: replay and live are one read, memory is bounded by the rings and not by
// the slowest reader, and publishing costs the same whoever lags.
package hub
