// Package presence tells who is here: who is in a topic of a hub, with a small
// state each, and how that changes.
package presence
