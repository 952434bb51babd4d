// Package netio is the connection core that ws and sse stand on: it moves bytes between a net.Conn and a Protocol, in a
// callback and in a blocking form, so that an idle connection costs neither goroutine nor buffer and a message costs one
// receive and one send.
package netio
