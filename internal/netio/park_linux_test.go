//go:build linux && (amd64 || arm64)

package netio

func lotUsers() int {
	lot.mu.Lock()
	defer lot.mu.Unlock()
	return lot.users
}
