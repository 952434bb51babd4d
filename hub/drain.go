package hub

// refusal says why the hub takes no new subscriptions.
func (h *Hub) refusal() error {
	if h.closed.Load() {
		return ErrClosed
	}
	return nil
}
