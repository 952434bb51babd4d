package server

import (
	"io/fs"
	"log/slog"
	"time"
)

// Protocol is the WebSocket subprotocol of the board.
const Protocol = "board.v1"

// Limits of the protocol that no option moves.
const (
	version    = 1
	maxMessage = 16 << 10 // bytes of a client's message
	maxText    = 2000     // code points of a note's text
	maxName    = 40       // code points of a user's name
	maxPlace   = 100_000  // either way of the origin, on both axes
	maxSeq     = 1<<53 - 1
)

// Options of a [Server]. The zero value is good. In durations and limits 0 is
// the default, which stands behind each.
type Options struct {
	// Files is the built front end, index.html at its root. Without one the
	// start page says how to build it; everything else works.
	Files fs.FS

	// Logger is told what an operator should know; nil discards it.
	Logger *slog.Logger

	// Origins are pages of other servers that may use this one, such as
	// "http://localhost:3000". Pages of the same host always may.
	Origins []string

	HeartBeat    time.Duration // how often the server asks for a sign of life; 15 s
	HelloTimeout time.Duration // from the connection to the hello; 5 s
	Grace        time.Duration // how long somebody whose connection broke stays; 3 s, negative: not at all
	Burst        time.Duration // edits of one note by one user within it are one notice; 30 s
	ClientMemory time.Duration // how long a client that is away may resume its numbers; 24 h

	MaxNotes       int // on a board; 2,000
	MaxDeleted     int // deleted notes of a board that can be restored; 1,000
	MaxText        int // bytes of JSON that the texts of a board take, of deleted notes too; 5 MiB
	MaxClients     int // clients of a board whose numbers are remembered; 10,000
	OpsPerSecond   int // of one connection, beyond which it is read more slowly; 60
	Tail           int // operations of a board that a client may have missed and still gets as a delta, up to 1 MiB and an hour; 1,024
	Queue          int // answers that wait for a connection to take them, beyond which it is too slow; 256
	MaxBoards      int // each may hold some 11 MiB, see share.go; 60
	NewBoards      int // boards that are made in an hour, for what was said on one that is forgotten stays as long; 100
	MaxConnections int // 10,000
	MaxStreams     int // 10,000
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	or(&o.HeartBeat, 15*time.Second)
	or(&o.HelloTimeout, 5*time.Second)
	or(&o.Burst, 30*time.Second)
	or(&o.ClientMemory, 24*time.Hour)
	if o.Grace == 0 {
		o.Grace = 3 * time.Second
	}
	or(&o.MaxNotes, 2000)
	or(&o.MaxDeleted, 1000)
	or(&o.MaxText, 5<<20)
	or(&o.MaxClients, 10_000)
	or(&o.OpsPerSecond, 60)
	or(&o.Tail, 1024)
	or(&o.Queue, 256)
	or(&o.MaxBoards, 60)
	or(&o.NewBoards, 100)
	or(&o.MaxConnections, 10_000)
	or(&o.MaxStreams, 10_000)
	return o
}

func or[N int | time.Duration](v *N, def N) {
	if *v <= 0 {
		*v = def
	}
}
