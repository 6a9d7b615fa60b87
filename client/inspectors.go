package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Inspector is a throw-away address that keeps what arrives there.
type Inspector struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	URL       string          `json:"url"` // its address; whatever stands behind it arrives, too
	Answer    InspectorAnswer `json:"answer"`
	Dialect   string          `json:"dialect"`    // by which requests are verified; empty: they are not
	HasSecret bool            `json:"has_secret"` // to verify with
	Retention int             `json:"retention"`  // seconds that a request is kept
	Requests  int             `json:"requests"`   // that are kept
	Bytes     int64           `json:"bytes"`      // that these take, about
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt *time.Time      `json:"expires_at"` // nil: it does not end
}

// InspectorAnswer is what an inspector answers; zero fields are the default,
// which is 200 and nothing more.
type InspectorAnswer struct {
	Status       int               `json:"status,omitempty"`
	Headers      map[string]string `json:"headers,omitempty"`
	Body         string            `json:"body,omitempty"`
	BodyEncoding string            `json:"body_encoding,omitempty"` // "text", or "base64"
	DelayMS      int               `json:"delay_ms,omitempty"`
	FailRate     int               `json:"fail_rate,omitempty"` // percent of requests that get FailStatus
	FailStatus   int               `json:"fail_status,omitempty"`
}

// NewInspector is what an inspector is created from; zero fields are the
// defaults.
type NewInspector struct {
	Name      string           `json:"name,omitempty"`
	Answer    *InspectorAnswer `json:"answer,omitempty"`
	Dialect   string           `json:"dialect,omitempty"`    // by which requests are verified
	Secret    string           `json:"secret,omitempty"`     // what they are verified with
	Retention int              `json:"retention,omitempty"`  // seconds that a request is kept
	ExpiresIn int              `json:"expires_in,omitempty"` // seconds until it ends; 0: it does not

	IdempotencyKey string `json:"-"` // see [NewProject]
}

// InspectorChange is what to change of one; nil fields stay.
type InspectorChange struct {
	Name      *string          `json:"name,omitempty"`
	Answer    *InspectorAnswer `json:"answer,omitempty"` // takes the place of the one before
	Dialect   *string          `json:"dialect,omitempty"`
	Secret    *string          `json:"secret,omitempty"`
	Retention *int             `json:"retention,omitempty"`
	ExpiresIn *int             `json:"expires_in,omitempty"`
}

// InspectedRequest is one that arrived at an inspector. Lists leave Headers,
// Body, Text and Verdict out.
type InspectedRequest struct {
	ID            string     `json:"id"`
	InspectorID   string     `json:"inspector_id"`
	ReceivedAt    time.Time  `json:"received_at"` // its first byte
	Method        string     `json:"method"`
	Path          string     `json:"path"` // behind the address, as it was sent
	Query         string     `json:"query"`
	Host          string     `json:"host"`
	Remote        string     `json:"remote"`       // IP address and port
	HTTPVersion   string     `json:"http_version"` // as in "HTTP/1.1"
	TLS           string     `json:"tls"`          // as in "TLS 1.3"; empty: none
	ContentType   string     `json:"content_type"`
	BodyBytes     int64      `json:"body_bytes"`     // of the whole body
	BodyTruncated bool       `json:"body_truncated"` // Body is not all of it
	BodyComplete  bool       `json:"body_complete"`  // false: it broke off
	ReadMS        float64    `json:"read_ms"`        // from its first byte to its last
	Status        int        `json:"status"`         // that it was answered with
	Failed        bool       `json:"failed"`         // with fail_status, by chance
	DelayMS       int        `json:"delay_ms"`
	Ignored       []string   `json:"ignored"`     // parameters of the address that could not be used
	AnsweredAt    *time.Time `json:"answered_at"` // nil: not yet, or the sender was gone
	Verdict       *Verdict   `json:"verdict"`     // nil: the inspector has no dialect or no secret, the body is not all there, or a list did not look at it

	HeadersExact bool     `json:"headers_exact"` // order and spelling are those of the wire
	Headers      []Header `json:"headers"`
	Body         []byte   `json:"body"`
	Text         *string  `json:"text"` // the same; nil: it is not UTF-8
}

// Verdict is what an inspector's dialect and secret say of a request.
type Verdict struct {
	Outcome string `json:"outcome"` // "verified", "authenticated" or "failed"
	Cause   string `json:"cause"`   // of a failure
	Detail  string `json:"detail"`
}

// InspectedReplay is what came of sending a request once more.
type InspectedReplay struct {
	Method   string        `json:"method"`
	URL      string        `json:"url"`
	LeftOut  []string      `json:"left_out"` // headers that were not sent
	Response *Response     `json:"response"` // nil: nothing came back
	Error    *AttemptError `json:"error"`    // nil: something did
	Timings  Timings       `json:"timings"`
}

// Cleared says how many requests were deleted.
type Cleared struct {
	Requests int `json:"requests"`
}

func inspectorPath(id, rest string) string { return "/v1/inspectors/" + url.PathEscape(id) + rest }

func inspectedPath(inspector, id, rest string) string {
	return inspectorPath(inspector, "/requests/"+url.PathEscape(id)+rest)
}

// CreateInspector makes an inspector.
func (c *Client) CreateInspector(ctx context.Context, i NewInspector) (*Inspector, error) {
	return do[Inspector](ctx, c, request{method: http.MethodPost, path: "/v1/inspectors", body: i, idem: orRandom(i.IdempotencyKey)})
}

// Inspectors lists those of the key's project, newest first.
func (c *Client) Inspectors(ctx context.Context) iter.Seq2[*Inspector, error] {
	return pages[Inspector](ctx, c, "/v1/inspectors", nil)
}

// Inspector reads one.
func (c *Client) Inspector(ctx context.Context, id string) (*Inspector, error) {
	return do[Inspector](ctx, c, request{method: http.MethodGet, path: inspectorPath(id, "")})
}

// UpdateInspector changes one; its address stays.
func (c *Client) UpdateInspector(ctx context.Context, id string, i InspectorChange) (*Inspector, error) {
	return do[Inspector](ctx, c, request{method: http.MethodPatch, path: inspectorPath(id, ""), body: i})
}

// DeleteInspector deletes one with its requests.
func (c *Client) DeleteInspector(ctx context.Context, id string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: inspectorPath(id, "")})
}

// InspectedRequests lists what arrived at an inspector, newest first, where a
// text stands in method, path, query, headers or body (empty: all).
func (c *Client) InspectedRequests(ctx context.Context, inspector, search string) iter.Seq2[*InspectedRequest, error] {
	q := url.Values{}
	put(q, "search", search)
	return pages[InspectedRequest](ctx, c, inspectorPath(inspector, "/requests"), q)
}

// InspectedRequest reads one with its headers and its body.
func (c *Client) InspectedRequest(ctx context.Context, inspector, id string) (*InspectedRequest, error) {
	return do[InspectedRequest](ctx, c, request{method: http.MethodGet, path: inspectedPath(inspector, id, "")})
}

// NextInspectedRequest waits, up to 30 s, for the request after another one
// (empty: the oldest that is kept). It is nil where none came in time. With the
// last one's id each time, none is missed.
func (c *Client) NextInspectedRequest(ctx context.Context, inspector, after string, wait time.Duration) (*InspectedRequest, error) {
	q := url.Values{"wait": {strconv.Itoa(int(wait/time.Second)) + "s"}}
	put(q, "after", after)
	r, err := do[InspectedRequest](ctx, c, request{method: http.MethodGet, path: inspectorPath(inspector, "/requests/next"), query: q})
	if err != nil || r.ID == "" {
		return nil, err
	}
	return r, nil
}

// ExplainInspectedRequest says how the inspector's verdict on one came about.
// Errors: 409 where the inspector has no dialect or no secret.
func (c *Client) ExplainInspectedRequest(ctx context.Context, inspector, id string) (*Explanation, error) {
	return do[Explanation](ctx, c, request{method: http.MethodGet, path: inspectedPath(inspector, id, "/explanation")})
}

// DeleteInspectedRequest deletes one.
func (c *Client) DeleteInspectedRequest(ctx context.Context, inspector, id string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: inspectedPath(inspector, id, "")})
}

// ClearInspector deletes all requests of an inspector.
func (c *Client) ClearInspector(ctx context.Context, inspector string) (*Cleared, error) {
	return do[Cleared](ctx, c, request{method: http.MethodDelete, path: inspectorPath(inspector, "/requests")})
}

// ReplayInspectedRequest has the server send one to a URL, once more, as it
// came.
func (c *Client) ReplayInspectedRequest(ctx context.Context, inspector, id, to string) (*InspectedReplay, error) {
	body := map[string]string{"url": to}
	return do[InspectedReplay](ctx, c, request{method: http.MethodPost, path: inspectedPath(inspector, id, "/replay"), body: body})
}
