package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Preview asks which events an endpoint would get. What is nil or empty is the
// endpoint's, where one is named; else all types, any channel, no filter.
type Preview struct {
	EndpointID string
	EventTypes []string
	Channels   []string // empty, but not nil: any
	Filter     *string  // of an empty text: none
	Consumer   string   // whose stored events; that of the endpoint, where one is named

	Events  []NewEvent // samples to judge; at most 100. Or
	EventID string     // one that is stored, or the newest,
	Type    string     // of this type,
	Limit   int        // at most 100 of them; 0: 50
}

// MarshalJSON writes what the API takes; data of samples goes in as it is.
func (p Preview) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		EndpointID string          `json:"endpoint_id,omitempty"`
		Consumer   string          `json:"consumer,omitempty"`
		EventTypes []string        `json:"event_types,omitempty"`
		Channels   []string        `json:"channels,omitzero"`
		Filter     *string         `json:"filter,omitempty"`
		Events     []previewSample `json:"events,omitempty"`
		EventID    string          `json:"event_id,omitempty"`
		Type       string          `json:"type,omitempty"`
		Limit      int             `json:"limit,omitempty"`
	}{p.EndpointID, p.Consumer, p.EventTypes, p.Channels, p.Filter, samplesOf(p.Events), p.EventID, p.Type, p.Limit})
}

type previewSample struct {
	Type      string          `json:"type"`
	Consumer  string          `json:"consumer,omitempty"`
	Channels  []string        `json:"channels,omitempty"`
	Timestamp time.Time       `json:"timestamp,omitzero"`
	Data      json.RawMessage `json:"data"`
}

func samplesOf(events []NewEvent) []previewSample {
	out := make([]previewSample, len(events))
	for i, e := range events {
		out[i] = previewSample{e.Type, e.Consumer, e.Channels, e.Timestamp, e.Data}
	}
	return out
}

// Previewed is what came of each event: stored ones newest first, samples in
// their order.
type Previewed struct {
	Judged  int             `json:"judged"`
	Matched int             `json:"matched"`
	More    bool            `json:"more"` // there may be older ones, or samples that were not judged
	Results []PreviewResult `json:"results"`
}

// PreviewResult is an event, and whether the endpoint would get it.
type PreviewResult struct {
	EventID    string    `json:"event_id"` // empty: a sample
	Type       string    `json:"type"`
	Channels   []string  `json:"channels"`
	Timestamp  time.Time `json:"timestamp"`
	Matched    bool      `json:"matched"`
	Reason     string    `json:"reason"`      // why not: "event_type", "channel" or "filter"
	Problem    string    `json:"problem"`     // why the filter could not be judged: the event matches then
	Detail     string    `json:"detail"`      // in words
	DeliveryID string    `json:"delivery_id"` // of one event to one endpoint: the delivery that it got
}

// PreviewEndpoint judges events as they would be when they are accepted, and
// changes nothing.
func (c *Client) PreviewEndpoint(ctx context.Context, p Preview) (*Previewed, error) {
	return do[Previewed](ctx, c, request{method: http.MethodPost, path: "/v1/endpoints/preview", body: p})
}
