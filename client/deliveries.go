package client

import (
	"context"
	"encoding/base64"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID         string     `json:"id"`
	EventID    string     `json:"event_id"`
	Type       string     `json:"type"`
	EndpointID string     `json:"endpoint_id"`
	Consumer   string     `json:"consumer"`
	State      string     `json:"state"` // "pending", "delivered", "failed" or "cancelled"
	Reason     string     `json:"reason"`
	Held       string     `json:"held"`       // pending, and not sent whatever is due, or though it is due: why, as in "endpoint paused"
	HeldUntil  *time.Time `json:"held_until"` // until when at least; nil: not known
	Attempts   int        `json:"attempts"`
	LastStatus int        `json:"last_status"` // HTTP status of the last attempt; 0: none

	LastError *AttemptError `json:"last_error"` // why the last attempt failed; nil: it succeeded, or there was none

	NextDueAt  *time.Time `json:"next_due_at"`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
	InFlight   int        `json:"in_flight"` // after a retry or cancel: attempts that may still arrive
}

// DeliveryFilter narrows [Client.Deliveries]; zero fields do not. From is
// inclusive, Until not.
type DeliveryFilter struct {
	EventID, EndpointID string
	Consumer, Type      string
	State               string // one, or several with a comma between
	LastStatus          string // of the last attempt: "503", "5xx", or "none" where it got no answer
	From, Until         time.Time
	PageSize            int // at most 250
}

// Deliveries lists deliveries, newest first, pending and final as one.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter) iter.Seq2[*Delivery, error] {
	q := url.Values{}
	put(q, "event_id", f.EventID)
	put(q, "endpoint_id", f.EndpointID)
	put(q, "consumer", f.Consumer)
	put(q, "type", f.Type)
	put(q, "state", f.State)
	put(q, "last_status", f.LastStatus)
	putTime(q, "from", f.From)
	putTime(q, "until", f.Until)
	putInt(q, "limit", f.PageSize)
	return pages[Delivery](ctx, c, "/v1/deliveries", q)
}

func deliveryPath(id, action string) string { return "/v1/deliveries/" + url.PathEscape(id) + action }

// Delivery reads one.
func (c *Client) Delivery(ctx context.Context, id string) (*Delivery, error) {
	return do[Delivery](ctx, c, request{method: http.MethodGet, path: deliveryPath(id, "")})
}

// RetryDelivery makes a delivery due now, also one that is over.
func (c *Client) RetryDelivery(ctx context.Context, id string) (*Delivery, error) {
	return do[Delivery](ctx, c, request{method: http.MethodPost, path: deliveryPath(id, "/retry")})
}

// SignedRequest is the request of a delivery's next attempt, signed when it was
// asked for. Values of the headers that Redacted names are not shown.
type SignedRequest struct {
	Method       string   `json:"method"`
	URL          string   `json:"url"`
	Headers      []Header `json:"headers"`
	Body         string   `json:"body"`
	BodyEncoding string   `json:"body_encoding"` // text, or base64 where it is not UTF-8
	Redacted     []string `json:"redacted"`
	Curl         string   `json:"curl"` // the same as a command line
}

// SignDelivery makes the request of a delivery's next attempt, signed now;
// nothing is sent.
func (c *Client) SignDelivery(ctx context.Context, id string) (*SignedRequest, error) {
	return do[SignedRequest](ctx, c, request{method: http.MethodPost, path: deliveryPath(id, "/sign")})
}

// CancelDelivery ends a pending delivery.
func (c *Client) CancelDelivery(ctx context.Context, id string) (*Delivery, error) {
	return do[Delivery](ctx, c, request{method: http.MethodPost, path: deliveryPath(id, "/cancel")})
}

// Attempt is one HTTP request for a delivery and what came of it.
type Attempt struct {
	Number    int           `json:"number"`
	At        time.Time     `json:"at"`
	Request   Request       `json:"request"`
	Response  *Response     `json:"response"` // nil: no answer came
	Error     *AttemptError `json:"error"`    // nil: it succeeded
	Timings   Timings       `json:"timings"`
	NextDueAt *time.Time    `json:"next_due_at"` // of the attempt that follows the last one
}

// Message is a request or an answer as it stood on the wire; values of
// configured headers are "[redacted]".
type Message struct {
	Line         string   `json:"line"` // the first line
	Headers      []Header `json:"headers"`
	Body         string   `json:"body"`
	BodyEncoding string   `json:"body_encoding"` // "text", "base64", or "none": not known any more
}

// Header is one header line.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`         // bytes that are not UTF-8 are U+FFFD
	Raw   string `json:"raw,omitempty"` // the same in base64; empty: Value is exact
}

// Exact is the value byte for byte.
func (h Header) Exact() string {
	if raw, err := base64.StdEncoding.DecodeString(h.Raw); err == nil && h.Raw != "" {
		return string(raw)
	}
	return h.Value
}

// Request is what was sent, or would have been.
type Request struct {
	Sent bool `json:"sent"` // false: nothing of it reached the receiver
	Message
}

// Response is a receiver's answer.
type Response struct {
	Status int `json:"status"`
	Message
	Truncated bool `json:"truncated"` // it was longer than what is kept
}

// AttemptError says why an attempt failed.
type AttemptError struct {
	Class  string `json:"class"`
	Detail string `json:"detail"`
}

// Timings of an attempt in milliseconds; nil: did not happen.
type Timings struct {
	DNS       *float64 `json:"dns_ms"`
	Connect   *float64 `json:"connect_ms"`
	TLS       *float64 `json:"tls_ms"`
	FirstByte *float64 `json:"first_byte_ms"`
	Total     *float64 `json:"total_ms"`
	Reused    bool     `json:"reused_connection"`
}

// Attempts lists a delivery's attempts, oldest first.
func (c *Client) Attempts(ctx context.Context, delivery string) iter.Seq2[*Attempt, error] {
	return pages[Attempt](ctx, c, deliveryPath(delivery, "/attempts"), nil)
}
