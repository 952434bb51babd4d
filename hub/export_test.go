package hub

// For the model test, which is outside because hubtest imports this package.

// SetHook forces something between two steps; see hookPoints.
func SetHook(h *Hub, f func(point string)) {
	if f == nil {
		h.hook.Store(nil)
		return
	}
	h.hook.Store(&f)
}

// Pause stops an owner's sign of life.
func Pause(o *Owner) { o.pause() }

// Show writes events as words.
func Show(events []*Event[string]) string { return show(events) }
