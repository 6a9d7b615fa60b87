package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// DialectPreview names an event that is to be seen in every dialect: one that
// is stored, or a sample. Nothing at all is the test event of the project's
// dialect.
type DialectPreview struct {
	EventID string          `json:"event_id,omitempty"`
	Type    string          `json:"type,omitempty"` // of a sample: its first example is its data where none is given
	Data    json.RawMessage `json:"data,omitempty"`
}

// DialectPreviewed is an event as its receivers would see it.
type DialectPreviewed struct {
	EventID  string           `json:"event_id"` // empty: a sample
	Type     string           `json:"type"`
	Consumer string           `json:"consumer"`
	Dialects []DialectRequest `json:"dialects"`
}

// DialectRequest is the request of a first attempt in one dialect, signed with
// a secret of nobody's.
type DialectRequest struct {
	Dialect  string   `json:"dialect"` // with its revision
	Title    string   `json:"title"`
	Headers  []Header `json:"headers"`
	Body     string   `json:"body"`
	Encoding string   `json:"body_encoding"` // "text", "base64", or "none" where it cannot be made
	Secret   string   `json:"secret"`
	Problem  string   `json:"problem"` // why the dialect cannot carry the event, in words
}

// PreviewDialects shows what each dialect makes of one event; nothing is kept
// or sent.
func (c *Client) PreviewDialects(ctx context.Context, p DialectPreview) (*DialectPreviewed, error) {
	return do[DialectPreviewed](ctx, c, request{method: http.MethodPost, path: "/v1/dialects/preview", body: p})
}
