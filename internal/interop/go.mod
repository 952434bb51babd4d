module github.com/tidewire/tidewire/internal/interop

go 1.26

replace github.com/tidewire/tidewire => ../..

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.22.1
	github.com/coder/websocket v1.8.15
	github.com/google/go-cmp v0.7.0
	github.com/gorilla/websocket v1.5.3
	github.com/tidewire/tidewire v0.0.0-00010101000000-000000000000
	github.com/tmaxmax/go-sse v0.11.0
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
