package client

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// EventType is one entry of a project's catalogue.
type EventType struct {
	ID            string            `json:"id"` // empty: it comes with the dialect
	Name          string            `json:"name"`
	Source        string            `json:"source"` // "project", "dialect" or "server"
	Description   string            `json:"description"`
	DescriptionPT string            `json:"description_pt"`
	Tags          []string          `json:"tags"`
	Validate      bool              `json:"validate"` // events whose data does not match the schema are refused
	Deprecated    bool              `json:"deprecated"`
	Deprecation   string            `json:"deprecation"` // why, in words
	ReplacedBy    string            `json:"replaced_by"`
	CreatedAt     time.Time         `json:"created_at"`
	UpdatedAt     time.Time         `json:"updated_at"`
	Schema        json.RawMessage   `json:"schema"`   // of a single read; lists leave it out
	Examples      []json.RawMessage `json:"examples"` // likewise
}

// EventTypeChange changes an event type, or says what a new one is; what is
// not set stays as it is.
type EventTypeChange struct {
	Description   Field[string]            `json:"description,omitzero"`
	DescriptionPT Field[string]            `json:"description_pt,omitzero"`
	Tags          Field[[]string]          `json:"tags,omitzero"`     // at most 10
	Schema        Field[json.RawMessage]   `json:"schema,omitzero"`   // JSON Schema 2020-12, at most 64 KiB; null: none
	Examples      Field[[]json.RawMessage] `json:"examples,omitzero"` // at most 10; each has to match the schema
	Validate      Field[bool]              `json:"validate,omitzero"`
	Deprecated    Field[bool]              `json:"deprecated,omitzero"`
	Deprecation   Field[string]            `json:"deprecation,omitzero"`
	ReplacedBy    Field[string]            `json:"replaced_by,omitzero"` // null: nothing replaces it
}

// NewEventType is what an event type is created from.
type NewEventType struct {
	Name string `json:"name"` // cannot be changed
	EventTypeChange

	IdempotencyKey string `json:"-"` // see [NewProject]
}

func eventTypePath(name string) string { return "/v1/event-types/" + url.PathEscape(name) }

// CreateEventType adds one to the project's catalogue.
func (c *Client) CreateEventType(ctx context.Context, t NewEventType) (*EventType, error) {
	return do[EventType](ctx, c, request{method: http.MethodPost, path: "/v1/event-types", body: t, idem: orRandom(t.IdempotencyKey)})
}

// EventTypeFilter narrows [Client.EventTypes]; zero fields do not.
type EventTypeFilter struct {
	Tag        string
	Source     string // "project", "dialect" or "server"
	Deprecated string // "show", "hide" or "only"
	PageSize   int    // at most 250
}

// EventTypes lists the catalogue by name, without schemas and examples.
func (c *Client) EventTypes(ctx context.Context, f EventTypeFilter) iter.Seq2[*EventType, error] {
	q := url.Values{}
	put(q, "tag", f.Tag)
	put(q, "source", f.Source)
	put(q, "deprecated", f.Deprecated)
	putInt(q, "limit", f.PageSize)
	return pages[EventType](ctx, c, "/v1/event-types", q)
}

// EventType reads one with its schema and examples.
func (c *Client) EventType(ctx context.Context, name string) (*EventType, error) {
	return do[EventType](ctx, c, request{method: http.MethodGet, path: eventTypePath(name)})
}

// UpdateEventType changes one; the first change of a dialect's type makes it
// the project's.
func (c *Client) UpdateEventType(ctx context.Context, name string, ch EventTypeChange) (*EventType, error) {
	return do[EventType](ctx, c, request{method: http.MethodPatch, path: eventTypePath(name), body: ch})
}

// DeleteEventType deletes one of the project's; the dialect's of the same name
// is back.
func (c *Client) DeleteEventType(ctx context.Context, name string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: eventTypePath(name)})
}

// Import is an OpenAPI document whose webhooks become event types.
type Import struct {
	OpenAPI  json.RawMessage `json:"openapi"`           // 3.1, at most 2 MiB of JSON
	DryRun   bool            `json:"dry_run,omitempty"` // say what would be done, and do nothing
	Validate *bool           `json:"validate,omitempty"`
	DataAt   string          `json:"data_at,omitempty"` // where the data stands in the bodies, as in "/data"; empty: the whole body
}

// Imported is what became of a document.
type Imported struct {
	DryRun    bool `json:"dry_run"`
	Created   int  `json:"created"`
	Updated   int  `json:"updated"`
	Unchanged int  `json:"unchanged"`
	Skipped   int  `json:"skipped"`
	Results   []struct {
		Name    string `json:"name"`
		Outcome string `json:"outcome"` // "created", "updated", "unchanged" or "skipped"
		Reason  string `json:"reason"`  // of one that was skipped
		Remark  string `json:"remark"`  // of one that was not: what of it could not be taken over
	} `json:"results"`
}

// ImportEventTypes reads event types from an OpenAPI document. To repeat it is
// safe: what is there already is left as it is.
func (c *Client) ImportEventTypes(ctx context.Context, in Import) (*Imported, error) {
	return do[Imported](ctx, c, request{method: http.MethodPost, path: "/v1/event-types/import", body: in})
}

// TestEndpointWith sends a test event of a type of the catalogue to one
// endpoint alone: with data (byte for byte), or where that is nil with the
// type's first example.
func (c *Client) TestEndpointWith(ctx context.Context, id, eventType string, data json.RawMessage) (*TestSent, error) {
	name, err := json.Marshal(eventType)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteByte('{')
	if eventType != "" {
		b.WriteString(`"type":`)
		b.Write(name)
	}
	if data != nil {
		if eventType != "" {
			b.WriteByte(',')
		}
		b.WriteString(`"data":`)
		b.Write(data)
	}
	b.WriteByte('}')
	return do[TestSent](ctx, c, request{method: http.MethodPost, path: endpointPath(id, "/test"), body: b.Bytes()})
}
