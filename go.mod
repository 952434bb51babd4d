module github.com/tidewire/tidewire

go 1.26

ignore (
	./examples/board/web/.next
	./examples/board/web/node_modules
)

require github.com/google/go-cmp v0.7.0
