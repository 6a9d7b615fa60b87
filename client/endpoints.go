package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// NewEndpoint is what an endpoint is created from.
type NewEndpoint struct {
	Consumer    string            `json:"consumer,omitempty"` // a key of one consumer may leave it out
	Name        string            `json:"name,omitempty"`
	URL         string            `json:"url"`
	EventTypes  []string          `json:"event_types"` // exact names, "task.*", or "*"
	Description string            `json:"description,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Secret      string            `json:"secret,omitempty"`      // empty: the server makes one
	SecretType  string            `json:"secret_type,omitempty"` // of one that it makes: "symmetric" (default) or "ed25519"
	RateLimit   int               `json:"rate_limit,omitempty"`  // deliveries a minute; 0: the dialect's
	Concurrency int               `json:"concurrency,omitempty"` // attempts in flight at once; 0: the server's
	Timeout     int               `json:"timeout,omitempty"`     // seconds, once connected; 0: the dialect's
	// RetrySchedule is the seconds to wait before each further attempt; empty,
	// but not nil: one attempt alone; nil: the dialect's.
	RetrySchedule []int         `json:"retry_schedule,omitzero"`
	Channels      []string      `json:"channels,omitempty"`       // only events that carry one of them; empty: any
	Filter        string        `json:"filter,omitempty"`         // CEL, as in "data.amount > 100"; empty: none
	Auth          *EndpointAuth `json:"auth,omitempty"`           // nil: the signature alone
	WireID        string        `json:"wire_id,omitempty"`        // the id that it had elsewhere, and goes on under; empty: one of the server's
	InboundSecret string        `json:"inbound_secret,omitempty"` // of its address that takes events in; empty: one is made, where the contract has such addresses
	Emails        *[]string     `json:"emails,omitempty"`         // who is told by mail when it fails; nil: its consumer's, none at all: nobody
	Enabled       *bool         `json:"enabled,omitempty"`        // nil: true

	IdempotencyKey string `json:"-"` // see [NewProject]
}

// EndpointAuth is what requests to an endpoint are authenticated with beside
// their signature: a type with its members. As it is read, passwords, tokens
// and private keys are "[redacted]"; sent back like that they stay.
type EndpointAuth struct {
	Type        string `json:"type"`                  // "basic", "bearer" or "mtls"
	Username    string `json:"username,omitempty"`    // of basic
	Password    string `json:"password,omitempty"`    // of basic
	Token       string `json:"token,omitempty"`       // of bearer, without the word Bearer
	Certificate string `json:"certificate,omitempty"` // of mtls: PEM, the leaf first
	PrivateKey  string `json:"private_key,omitempty"` // of mtls: PEM
}

// MarshalJSON writes the members of the type, also those that are empty.
func (a EndpointAuth) MarshalJSON() ([]byte, error) {
	m := map[string]string{"type": a.Type}
	for name, value := range map[string]string{
		"username": a.Username, "password": a.Password, "token": a.Token, "certificate": a.Certificate, "private_key": a.PrivateKey,
	} {
		if value != "" || a.Type == "basic" && (name == "username" || name == "password") {
			m[name] = value
		}
	}
	return json.Marshal(m)
}

// ClientCertificate says of an endpoint's certificate what it says of itself.
type ClientCertificate struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Serial      string    `json:"serial"`      // hexadecimal
	Fingerprint string    `json:"fingerprint"` // SHA-256, hexadecimal
	NotBefore   time.Time `json:"not_before"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// Endpoint is a URL of a consumer.
type Endpoint struct {
	ID            string             `json:"id"`
	Consumer      string             `json:"consumer"`
	Name          string             `json:"name"`
	URL           string             `json:"url"`
	Description   string             `json:"description"`
	EventTypes    []string           `json:"event_types"`
	Headers       map[string]string  `json:"headers"`      // values are "[redacted]"
	Secret        string             `json:"secret"`       // where the dialect shows it: after a create, or always
	PublicKey     string             `json:"public_key"`   // what the receiver verifies with, where the secret is an Ed25519 key
	Secrets       []Secret           `json:"secrets"`      // in force, newest first
	WireID        string             `json:"wire_id"`      // what deliveries and the company's own API call it, where not by its id
	InboundPath   string             `json:"inbound_path"` // of the address that takes events in, where there is one; a secret
	RateLimit     *int               `json:"rate_limit"`
	Concurrency   *int               `json:"concurrency"`
	Timeout       *int               `json:"timeout"`        // seconds
	RetrySchedule []int              `json:"retry_schedule"` // seconds; nil: the dialect's
	Channels      []string           `json:"channels"`
	Filter        string             `json:"filter"`
	Auth          *EndpointAuth      `json:"auth"`
	Certificate   *ClientCertificate `json:"client_certificate"` // of auth, where it has one
	Emails        *[]string          `json:"emails"`             // who is told by mail when it fails; nil: its consumer's
	Enabled       bool               `json:"enabled"`
	State         string             `json:"state"` // "active", "paused" or "disabled"
	StateReason   string             `json:"state_reason"`
	StateSince    *time.Time         `json:"state_since"`
	Held          string             `json:"held"`       // active, and what is due does not go: why
	HeldUntil     *time.Time         `json:"held_until"` // until when at least; nil: not known
	FailureCount  int                `json:"failure_count"`
	FailedAt      *time.Time         `json:"failed_at"`
	CreatedAt     time.Time          `json:"created_at"`
	UpdatedAt     time.Time          `json:"updated_at"`
	InFlight      int                `json:"in_flight"`    // after a change: attempts with the configuration before it
	Skipped       int                `json:"skipped"`      // after a resume that skips: deliveries
	SkippedMore   bool               `json:"skipped_more"` // and more than that
}

// Secret is one of an endpoint's secrets, without its value.
type Secret struct {
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	SignsFrom *time.Time `json:"signs_from"` // an older one signs until then; nil: it signs
	PublicKey string     `json:"public_key"` // of an Ed25519 key
}

// Field is one member of a change: the zero value leaves things as they are.
type Field[T any] struct {
	set, null bool
	value     T
}

// Set changes a member to a value.
func Set[T any](v T) Field[T] { return Field[T]{set: true, value: v} }

// Null clears a member.
func Null[T any]() Field[T] { return Field[T]{set: true, null: true} }

// IsZero reports whether the member stays as it is.
func (f Field[T]) IsZero() bool { return !f.set }

// MarshalJSON writes the value, or null.
func (f Field[T]) MarshalJSON() ([]byte, error) {
	if f.null || !f.set {
		return []byte("null"), nil
	}
	return json.Marshal(f.value)
}

// EndpointChange changes an endpoint; what is not set stays as it is.
type EndpointChange struct {
	Name          Field[string]             `json:"name,omitzero"`
	URL           Field[string]             `json:"url,omitzero"`
	EventTypes    Field[[]string]           `json:"event_types,omitzero"`
	Description   Field[string]             `json:"description,omitzero"`
	Headers       Field[map[string]*string] `json:"headers,omitzero"`        // merged; a nil value removes one
	Secret        Field[string]             `json:"secret,omitzero"`         // null: the server makes one
	SecretType    Field[string]             `json:"secret_type,omitzero"`    // the server makes one: "symmetric" or "ed25519"
	SecretOverlap Field[int]                `json:"secret_overlap,omitzero"` // seconds that the old secret stays in force
	RateLimit     Field[int]                `json:"rate_limit,omitzero"`
	Concurrency   Field[int]                `json:"concurrency,omitzero"`
	Timeout       Field[int]                `json:"timeout,omitzero"`        // seconds
	RetrySchedule Field[[]int]              `json:"retry_schedule,omitzero"` // seconds; null: the dialect's
	Channels      Field[[]string]           `json:"channels,omitzero"`
	Filter        Field[string]             `json:"filter,omitzero"`
	Auth          Field[EndpointAuth]       `json:"auth,omitzero"`
	Emails        Field[[]string]           `json:"emails,omitzero"` // null: its consumer's
	Enabled       Field[bool]               `json:"enabled,omitzero"`
}

func endpointPath(id, action string) string { return "/v1/endpoints/" + url.PathEscape(id) + action }

func (c *Client) endpoint(ctx context.Context, method, path string, body any) (*Endpoint, error) {
	return do[Endpoint](ctx, c, request{method: method, path: path, body: body})
}

// CreateEndpoint creates an endpoint; the answer shows its secret, or its
// public key.
func (c *Client) CreateEndpoint(ctx context.Context, e NewEndpoint) (*Endpoint, error) {
	return do[Endpoint](ctx, c, request{method: http.MethodPost, path: "/v1/endpoints", body: e, idem: orRandom(e.IdempotencyKey)})
}

// EndpointFilter narrows [Client.Endpoints]; zero fields do not.
type EndpointFilter struct {
	Consumer  string
	States    []string // "active", "paused", "disabled"
	EventType string   // that they want, by name or pattern
	Search    string   // text in URL, name or description, whatever its case
	PageSize  int      // at most 250
}

// Endpoints lists endpoints, newest first.
func (c *Client) Endpoints(ctx context.Context, f EndpointFilter) iter.Seq2[*Endpoint, error] {
	q := url.Values{}
	put(q, "consumer", f.Consumer)
	put(q, "state", strings.Join(f.States, ","))
	put(q, "event_type", f.EventType)
	put(q, "search", f.Search)
	putInt(q, "limit", f.PageSize)
	return pages[Endpoint](ctx, c, "/v1/endpoints", q)
}

// Endpoint reads one.
func (c *Client) Endpoint(ctx context.Context, id string) (*Endpoint, error) {
	return c.endpoint(ctx, http.MethodGet, endpointPath(id, ""), nil)
}

// UpdateEndpoint changes one.
func (c *Client) UpdateEndpoint(ctx context.Context, id string, ch EndpointChange) (*Endpoint, error) {
	return c.endpoint(ctx, http.MethodPatch, endpointPath(id, ""), ch)
}

// Rotation of an endpoint's secret.
type Rotation struct {
	Secret  string `json:"secret,omitempty"`         // empty: the server makes one
	Type    string `json:"secret_type,omitempty"`    // of one that it makes: "symmetric" or "ed25519"; empty: as before
	Overlap *int   `json:"secret_overlap,omitempty"` // seconds that the old one stays in force; nil: a day; 0: it ends now

	IdempotencyKey string `json:"-"` // see [NewProject]
}

// RotateSecret gives an endpoint a new secret; the answer shows it, or its
// public key, unless it was chosen by the caller.
func (c *Client) RotateSecret(ctx context.Context, id string, r Rotation) (*Endpoint, error) {
	return do[Endpoint](ctx, c, request{method: http.MethodPost, path: endpointPath(id, "/secret/rotate"), body: r, idem: orRandom(r.IdempotencyKey)})
}

// DeleteEndpoint deletes one; what waits for it is cancelled.
func (c *Client) DeleteEndpoint(ctx context.Context, id string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: endpointPath(id, "")})
}

// PauseEndpoint stops sending; what waits is kept.
func (c *Client) PauseEndpoint(ctx context.Context, id string) (*Endpoint, error) {
	return c.endpoint(ctx, http.MethodPost, endpointPath(id, "/pause"), nil)
}

// ResumeEndpoint sends again, what was kept first; skip cancels what was kept instead.
func (c *Client) ResumeEndpoint(ctx context.Context, id string, skip bool) (*Endpoint, error) {
	var body any
	if skip {
		body = map[string]bool{"skip": true}
	}
	return c.endpoint(ctx, http.MethodPost, endpointPath(id, "/resume"), body)
}

// TestSent is a test event on its way.
type TestSent struct {
	EventID    string `json:"event_id"`
	DeliveryID string `json:"delivery_id"`
	Deliveries int    `json:"deliveries"`
	InFlight   int    `json:"in_flight"`
}

// TestEndpoint sends the dialect's test event to one endpoint alone.
func (c *Client) TestEndpoint(ctx context.Context, id string) (*TestSent, error) {
	return do[TestSent](ctx, c, request{method: http.MethodPost, path: endpointPath(id, "/test")})
}

// Probed is what came of a probe.
type Probed struct {
	Verdict string        `json:"verdict"` // "verifies", "accepts", "refuses", "missing", "fails" or "no_answer"
	Status  *int          `json:"status"`  // nil: no answer came
	Message string        `json:"message"`
	Error   *AttemptError `json:"error"`
	TookMS  float64       `json:"took_ms"`
}

// ProbeEndpoint sends a request whose signature is wrong to an endpoint, to see
// whether its receiver verifies.
func (c *Client) ProbeEndpoint(ctx context.Context, id string) (*Probed, error) {
	return do[Probed](ctx, c, request{method: http.MethodPost, path: endpointPath(id, "/probe")})
}

// Checkup is what a check-up of a receiver found.
type Checkup struct {
	Result string  `json:"result"` // the worst of the checks: "passed", "warning" or "failed"
	Checks []Check `json:"checks"`
}

// Check is one thing that a check-up looks at.
type Check struct {
	Check   string        `json:"check"`   // "accepts", "in_time", "verifies", "duplicate", "direct" or "encrypted"
	Result  string        `json:"result"`  // "passed", "warning", "failed" or "unknown"
	Status  *int          `json:"status"`  // of the answer that it is judged by; nil: of none
	TookMS  *float64      `json:"took_ms"` // likewise
	Message string        `json:"message"`
	Error   *AttemptError `json:"error"`
}

// CheckupEndpoint sends a receiver a test event that is signed rightly, one
// whose signature is wrong, and the first once more, and says what it made of
// them. It may take up to a minute.
func (c *Client) CheckupEndpoint(ctx context.Context, id string) (*Checkup, error) {
	return do[Checkup](ctx, c, request{method: http.MethodPost, path: endpointPath(id, "/checkup")})
}
