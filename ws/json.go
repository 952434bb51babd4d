package ws

import (
	"context"
	"encoding/json"
)

// ReadJSON reads the next message as JSON. When it is something else, the error is that of encoding/json, the message
// is gone, and the connection lives on.
func ReadJSON[T any](ctx context.Context, c *Conn) (T, error) {
	var v T
	_, data, err := c.Read(ctx)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

// WriteJSON sends v as a text message.
func WriteJSON(ctx context.Context, c *Conn, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Write(ctx, Text, data)
}
