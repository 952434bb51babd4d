package server

import (
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/presence"
)

// What a board may hold in the hub, so that a full one takes nothing from the
// others: each topic has a bound, their sum is a board's share, and the hub has
// room for all shares. The hub counts an event's data, key and name and 200 bytes
// more; what is in the table and in the tail counts twice. With the defaults:
//
//	notes, table   3,001 rows × 1,200 B + texts 5 MiB   8.4 MiB
//	notes, tail                                         1 MiB
//	notices                                             0.5 MiB
//	people, table                                       1 MiB
//	people, tail                                        0.25 MiB
//	                                                   11.2 MiB × 60 boards         671 MiB
//
// A board that is forgotten has no notes and nobody on it, but its tails and its
// notices stay for tailAge. Of those there are at most as many as boards that
// could be made in that time, one allowance and its renewal:
//
//	tails and notices                                   1.75 MiB × 2 × 100 boards   350 MiB
//	                                                                               1021 MiB
//
// It is a bound, not a reservation: nothing is taken before somebody writes it.
const (
	tailBytes   = 1 << 20
	noticeBytes = 512 << 10 // of 1,000 notices each has 300 bytes for its text and names
	peopleBytes = 1 << 20   // some 2,000 connections
	comingBytes = 256 << 10

	// tailAge is how long a board's tail and notices stay: who was away for
	// longer gets a snapshot, and is told of a gap.
	tailAge = time.Hour

	// rowBytes bounds a note's row without its texts: ids of at most 34 bytes and
	// numbers of at most 24, with their names.
	rowBytes = 1200
)

// notesBytes bounds the table of a board's notes. It is not what refuses a note,
// for then a full board could not even be tidied up: the texts are counted, see
// board.room, and all the rest has its place.
func (o *Options) notesBytes() int64 {
	return int64(o.MaxNotes+o.MaxDeleted+1)*rowBytes + int64(o.MaxText)
}

// remainsBytes bounds what is left of a board that was forgotten.
func (o *Options) remainsBytes() int64 { return tailBytes + noticeBytes + comingBytes }

// hubBytes bounds all boards together.
func (o *Options) hubBytes() int64 {
	share := o.notesBytes() + peopleBytes + o.remainsBytes()
	return int64(o.MaxBoards)*share + 2*int64(o.NewBoards)*o.remainsBytes()
}

// configure says what the hub's topics are. All of them give back their memory
// in the end, so that names made up by a visitor can't fill it for ever.
func (o *Options) configure(topic string) (hub.TopicConfig, error) {
	if c, ok := presence.Config(topic); ok {
		c.MaxTableBytes, c.MaxBytes = peopleBytes, comingBytes
		return c, nil
	}
	if len(topic) > len(notesPrefix) && topic[:len(notesPrefix)] == notesPrefix {
		return hub.TopicConfig{
			Kind: hub.Keyed, MaxEvents: o.Tail, MaxAge: tailAge, MaxBytes: tailBytes,
			MaxKeys: o.MaxNotes + o.MaxDeleted + 1, MaxTableBytes: o.notesBytes(),
		}, nil
	}
	return hub.TopicConfig{Kind: hub.Log, MaxEvents: 1000, MaxAge: tailAge, MaxBytes: noticeBytes}, nil
}

// weight is what the texts of a record take in the table.
func (r *record) weight() int {
	if r == nil {
		return 0
	}
	n := encodedLen(r.Note.Text)
	if r.Lost != nil {
		n += encodedLen(r.Lost.Text)
	}
	return n
}

// encodedLen is how many bytes newEncoder writes for a text, quotes aside.
func encodedLen(s string) int {
	n := 0
	for _, c := range s {
		switch {
		case c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t':
			n += 2
		case c < ' ' || c == '\u2028' || c == '\u2029':
			n += 6
		default:
			n += utf8.RuneLen(c)
		}
	}
	return n
}

// recordCodec is JSON that leaves < as it is.
type recordCodec struct{ hub.JSON[record] }

func (recordCodec) Append(dst []byte, r record) ([]byte, error) {
	return append(dst, encode(r)...), nil
}
