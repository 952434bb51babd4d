package hub

import (
	"encoding/json"
	"reflect"
)

// A Codec turns values into the bytes that a hub carries, and back. Its methods
// are called from several goroutines at once, never under a lock of the hub but
// for one: readers of one event wait for the first of them to decode it.
//
// Decode may keep data but not modify it.
type Codec[T any] interface {
	Append(dst []byte, v T) ([]byte, error)
	Decode(data []byte) (T, error)
}

// JSON is the codec of encoding/json, the default of TopicOf.
type JSON[T any] struct{}

// Append implements [Codec].
func (JSON[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	if len(dst) == 0 {
		return b, nil
	}
	return append(dst, b...), nil
}

// Decode implements [Codec].
func (JSON[T]) Decode(data []byte) (T, error) {
	var v T
	err := json.Unmarshal(data, &v)
	return v, err
}

// raw is the codec of Hub.Topic.
type raw struct{}

func (raw) Append(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (raw) Decode(data []byte) ([]byte, error)   { return data, nil }

// identity returns a comparable value that stands for the codec, so that views
// of one topic with equal codecs share what they decode.
func identity[T any](c Codec[T]) any {
	if reflect.ValueOf(c).Comparable() {
		return c
	}
	return new(byte) // equal to nothing else: this view decodes for itself
}
