package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// NewEvent is an event to send.
type NewEvent struct {
	Type      string
	Consumer  string          // uid; "*": every consumer of the project
	Data      json.RawMessage // any JSON value, sent byte for byte
	Timestamp time.Time       // zero: now
	Channels  []string        // names that endpoints may choose events by, at most 10
	// IdempotencyKey makes a repeat safe: the same key with the same event
	// keeps nothing twice.
	IdempotencyKey string
}

// appendTo writes the event; data goes in as it is.
func (e *NewEvent) appendTo(b *bytes.Buffer, inBatch bool) error {
	if !json.Valid(e.Data) {
		return errors.New("malote: the event's data is not JSON")
	}
	head := struct {
		Type      string     `json:"type"`
		Consumer  string     `json:"consumer"`
		Timestamp *time.Time `json:"timestamp,omitempty"`
		Channels  []string   `json:"channels,omitempty"`
		Key       string     `json:"idempotency_key,omitempty"`
	}{Type: e.Type, Consumer: e.Consumer, Channels: e.Channels}
	if !e.Timestamp.IsZero() {
		head.Timestamp = &e.Timestamp
	}
	if inBatch {
		head.Key = e.IdempotencyKey
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	b.Write(text[:len(text)-1])
	b.WriteString(`,"data":`)
	b.Write(e.Data)
	b.WriteByte('}')
	return nil
}

// Accepted says that an event is kept.
type Accepted struct {
	ID         string `json:"id"`
	Deliveries int    `json:"deliveries"`
	Duplicate  bool   `json:"duplicate"` // the idempotency key was used before: this is the first answer
	Unreached  string `json:"unreached"` // why nobody gets it
	More       bool   `json:"more"`      // a broadcast goes on: more deliveries are being made
}

// Send sends an event. It returns after the event is kept durably.
func (c *Client) Send(ctx context.Context, e NewEvent) (*Accepted, error) {
	var b bytes.Buffer
	if err := e.appendTo(&b, false); err != nil {
		return nil, err
	}
	return do[Accepted](ctx, c, request{method: http.MethodPost, path: "/v1/events", body: b.Bytes(), idem: e.IdempotencyKey})
}

// BatchResult has one result for each event of a batch, in order.
type BatchResult struct {
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
	Results  []struct {
		Accepted
		Error *Error `json:"error"` // nil: it is kept
	} `json:"results"`
}

// SendBatch sends up to 1,000 events, kept in one durable commit. A key for
// the whole batch (empty: none) makes repeating the same batch safe; it serves
// for the events that have no key of their own. The error is for all of them:
// then nothing was kept.
func (c *Client) SendBatch(ctx context.Context, events []NewEvent, key string) (*BatchResult, error) {
	var b bytes.Buffer
	b.WriteString(`{"events":[`)
	for i := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := events[i].appendTo(&b, true); err != nil {
			return nil, err
		}
	}
	b.WriteString(`]}`)
	return do[BatchResult](ctx, c, request{method: http.MethodPost, path: "/v1/events/batch", body: b.Bytes(), idem: key})
}

// Event is something that happened, as it was kept.
type Event struct {
	ID             string          `json:"id"`
	Type           string          `json:"type"`
	Consumer       string          `json:"consumer"`
	Timestamp      time.Time       `json:"timestamp"`
	Channels       []string        `json:"channels"`
	IdempotencyKey string          `json:"idempotency_key"`
	Dialect        string          `json:"dialect"` // name/revision that its bodies are rendered with
	Test           bool            `json:"test"`
	Deliveries     int             `json:"deliveries"`
	Unreached      string          `json:"unreached"`
	CreatedAt      time.Time       `json:"created_at"`
	Data           json.RawMessage `json:"data"` // of a single read; lists leave it out
	// DeliveryList has the newest 50 at most, of a single read with a key that
	// may read deliveries.
	DeliveryList []Delivery `json:"delivery_list"`
}

// EventFilter narrows [Client.Events]; zero fields do not. From is inclusive,
// Until not.
type EventFilter struct {
	ID             string // also without its prefix, or as the UUID on the wire
	Consumer, Type string
	IdempotencyKey string
	Channel        string
	Search         string // text in the data, whatever the case of its letters A to Z
	From, Until    time.Time
	PageSize       int // at most 250
}

// Events lists events, newest first, without their data.
func (c *Client) Events(ctx context.Context, f EventFilter) iter.Seq2[*Event, error] {
	q := url.Values{}
	put(q, "id", f.ID)
	put(q, "consumer", f.Consumer)
	put(q, "type", f.Type)
	put(q, "idempotency_key", f.IdempotencyKey)
	put(q, "channel", f.Channel)
	put(q, "search", f.Search)
	putTime(q, "from", f.From)
	putTime(q, "until", f.Until)
	putInt(q, "limit", f.PageSize)
	return pages[Event](ctx, c, "/v1/events", q)
}

// Event reads one with its data.
func (c *Client) Event(ctx context.Context, id string) (*Event, error) {
	return do[Event](ctx, c, request{method: http.MethodGet, path: "/v1/events/" + url.PathEscape(id)})
}
