package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/tidewire/tidewire/ws"
)

// message is what one side is told to send. Each part is a fragment, where there are several.
type message struct {
	Type  string `json:"type"` // text or binary
	Parts []part `json:"parts"`
	// PingBetween sends a ping behind the first part and waits for its answer before the second.
	PingBetween bool `json:"pingBetween,omitempty"`
}

// part is Unit, Times times. Large messages travel to the peers as this description, not as bytes.
type part struct {
	Unit  []byte `json:"unit"`
	Times int    `json:"times"`
}

func (p part) bytes() []byte { return bytes.Repeat(p.Unit, p.Times) }

// digest is what one side tells of a message it received.
type digest struct {
	Type string `json:"type"`
	Size int    `json:"size"`
	Sum  string `json:"sum"`  // SHA-256, in hexadecimal
	Head []byte `json:"head"` // the first 32 bytes
}

func digestOf(typ ws.MessageType, data []byte) digest {
	sum := sha256.Sum256(data)
	return digest{Type: typ.String(), Size: len(data), Sum: hex.EncodeToString(sum[:]), Head: append([]byte{}, data[:min(len(data), 32)]...)}
}

// digest is what the receiver of m must tell.
func (m message) digest() digest {
	var all []byte
	for _, p := range m.Parts {
		all = append(all, p.bytes()...)
	}
	return digestOf(m.typ(), all)
}

func (m message) typ() ws.MessageType {
	if m.Type == ws.Binary.String() {
		return ws.Binary
	}
	return ws.Text
}

func textOf(unit string, times int) message {
	return message{Type: ws.Text.String(), Parts: []part{{[]byte(unit), times}}}
}

func binaryOf(unit string, times int) message {
	return message{Type: ws.Binary.String(), Parts: []part{{[]byte(unit), times}}}
}

// fragmented is a text whose fragments begin and end in the middle of a character, also where the sender cuts the parts
// into smaller ones, as our writer and gorilla's do.
func fragmented() message {
	return message{Type: ws.Text.String(), PingBetween: true, Parts: []part{
		{[]byte("€"), 20000}, {[]byte("\xf0\x9f"), 1}, {[]byte("\xa6\x89"), 1}, {[]byte("ö"), 1500},
	}}
}
