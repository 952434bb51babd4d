package sse

import "time"

// appendOpening appends what each stream begins with.
func (o *Options) appendOpening(dst []byte, window *time.Duration) []byte {
	return append(o.appendRetry(append(dst, ": stream\n"...), window), '\n')
}

// appendRetry appends a retry field with a stream's own random time: the
// group's clients have to come back over its window, also when the server ends
// without a word. window is set to the group's as of now.
func (o *Options) appendRetry(dst []byte, window *time.Duration) []byte {
	if o.Retry == 0 {
		return dst
	}
	*window = o.Group.window()
	base := randomIn(o.Retry/2, o.Retry+o.Retry/2)
	return appendRetry(dst, base+randomIn(0, *window))
}

// grown reports whether the group has grown much since a client was told its
// time, with the window that was then.
func (o *Options) grown(window time.Duration) bool {
	w := o.Group.window()
	return w > 2*window && w > o.Retry
}
