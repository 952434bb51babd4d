package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/sse"
)

// errCutOff says that the stream ended without "done": what was printed is not the whole answer.
var errCutOff = errors.New("the answer was cut off")

// ask asks a server and prints the answer as it comes. When ctx ends it hangs up, which stops the server's work.
func ask(ctx context.Context, url, prompt string, stdout io.Writer) error {
	body, err := json.Marshal(question{prompt})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // hangs up
	if t := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(t, "text/event-stream") {
		return fmt.Errorf("%s, with %q", resp.Status, t)
	}
	for e, err := range sse.Read(resp.Body, &sse.ReadOptions{MaxEvent: 1 << 20}) {
		if err != nil {
			return err
		}
		switch e.Name {
		case "token":
			var t token
			if err := json.Unmarshal(e.Data, &t); err != nil {
				return fmt.Errorf("token %q: %w", e.Data, err)
			}
			if _, err := io.WriteString(stdout, t.Text); err != nil {
				return err
			}
		case "done":
			var f finish
			if err := json.Unmarshal(e.Data, &f); err != nil {
				return fmt.Errorf("done %q: %w", e.Data, err)
			}
			if _, err := fmt.Fprintf(stdout, "\n[%s after %d tokens]\n", f.Reason, f.Tokens); err != nil {
				return err
			}
			return nil
		}
	}
	return errCutOff
}
