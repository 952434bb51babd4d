// Package wstest tests WebSocket code: an in-memory connected pair, and a conformance suite for any server and client.
package wstest
