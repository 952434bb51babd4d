// Package inproc holds what is measured inside one process, without a network: masking, encoding, parsing and the hub.
// Each measurement runs in a process of its own all the same, so that none inherits another's heap.
package inproc
