package server

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// A Note is a sticky note, as it goes over the wire.
type Note struct {
	ID      string  `json:"id"`
	X       float64 `json:"x"`
	Y       float64 `json:"y"`
	Z       int64   `json:"z"`
	Color   string  `json:"color"`
	Text    string  `json:"text"`
	TextRev uint64  `json:"textRev"`
	By      string  `json:"by"` // the user that touched it last
	At      int64   `json:"at"` // and when, in milliseconds since 1970
}

// A User is a person, however many connections they have.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Hue  int    `json:"hue"`
}

var colors = []string{"amber", "rose", "sky", "mint", "lilac", "stone"}

// sortNotes puts notes into the canonical order: as they are stacked, ties by
// id.
func sortNotes(notes []Note) {
	slices.SortFunc(notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.Z, b.Z), cmp.Compare(a.ID, b.ID))
	})
}

// A register is a part of a note that is written as one. The last writer of
// each wins.
type register string

const (
	place register = "place"
	color register = "color"
	text  register = "text"
	order register = "z"
)

// A record is what the board's topic keeps of a note: its value and the
// operation that made it. A deleted note stays as a record, so that it can be
// restored, until [Options.MaxDeleted] others were deleted after it.
type record struct {
	Note    Note       `json:"note"` // of a deleted note its last content
	Gone    bool       `json:"gone,omitempty"`
	Client  string     `json:"client"` // whose operation it was
	Seq     uint64     `json:"seq"`    // and its number
	By      string     `json:"by"`     // and its user
	At      int64      `json:"at"`     // and its time
	Kind    string     `json:"k"`
	Changed []register `json:"changed,omitempty"` // by a set or front
	Maker   string     `json:"maker"`             // the client that created the note
	Author  author     `json:"author"`            // of the text
	Lost    *lost      `json:"lost,omitempty"`    // the text that this operation replaced unseen
}

// An author names the operation that a note's text is from.
type author struct {
	Client string `json:"client"`
	Seq    uint64 `json:"seq"`
	User   string `json:"user"`
}

// lost is a text whose author has to be told that it was replaced by somebody
// who did not see it.
type lost struct {
	author
	Text string `json:"text"`
}

// mask is the name under which others see a client. Whoever knows a client's id
// can say hello as that client and take its place, so nobody else learns it.
func mask(client string) string {
	sum := sha256.Sum256([]byte(client))
	return "c_" + hex.EncodeToString(sum[:16])
}
