//go:build !linux

package sse_test

import "time"

var began = time.Now()

// threadTime is the time that has passed: what this thread has had of it is
// not known here.
func threadTime() time.Duration { return time.Since(began) }
