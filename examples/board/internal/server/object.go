package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// An object is a JSON object, read strictly: each name once, exactly as it is
// spelled. (encoding/json takes "T" for "t" and the last of two.)
type object map[string]json.RawMessage

func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o := object{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, errors.New("bad JSON")
		}
		name := tok.(string) // between { and } a token at this place is a name
		if _, twice := o[name]; twice {
			return nil, fmt.Errorf("field %.32q is given twice", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("bad JSON")
		}
		o[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("bad JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

// only refuses fields that are not among names.
func (o object) only(names ...string) error {
	for name := range o {
		if !slices.Contains(names, name) {
			return fmt.Errorf("unknown field %.32q", name)
		}
	}
	return nil
}

func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

// str returns a field that must be a string.
func (o object) str(name string) (string, error) {
	raw := o[name]
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return s, nil
}

// num returns a field that must be a number between -limit and limit.
func (o object) num(name string, limit float64) (float64, error) {
	raw := o[name]
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, fmt.Errorf("%s is not a number", name)
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || v < -limit || v > limit {
		return 0, fmt.Errorf("%s is out of range", name)
	}
	return v + 0, nil // no negative zero, which browsers tell from zero
}

// count returns a field that must be a whole number between low and high.
func (o object) count(name string, low, high uint64) (uint64, error) {
	v, err := strconv.ParseUint(string(o[name]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number", name)
	}
	if v < low || v > high {
		return 0, fmt.Errorf("%s is out of range", name)
	}
	return v, nil
}

// isID reports whether s is prefix and between low and high characters of
// [0-9A-Za-z].
func isID(s, prefix string, low, high int) bool {
	if len(s) < len(prefix)+low || len(s) > len(prefix)+high || s[:len(prefix)] != prefix {
		return false
	}
	for _, c := range []byte(s[len(prefix):]) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// isClient reports whether s is "c_" and 32 hexadecimal digits, in lower case:
// two spellings of one id would be two clients.
func isClient(s string) bool {
	if !isID(s, "c_", 32, 32) {
		return false
	}
	for _, c := range []byte(s[2:]) {
		if c > 'f' || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// isBoard reports whether s can be a board's name.
func isBoard(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 64
}
