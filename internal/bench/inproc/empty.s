// Empty: it lets functions of this package be declared without a body, for go:linkname.
