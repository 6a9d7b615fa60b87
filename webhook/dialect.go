package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Dialect is a wire contract as data. A revision of a dialect never changes
// once it has been used: deliveries pin name and revision, so that a retry
// days later sends the same body.
//
// Dialects come from [Builtin], [ParseDialect] or a [Catalog]; treat them as
// read-only. docs/dialects.md describes the file, field by field.
type Dialect struct {
	Name        string `json:"name"`
	Revision    int    `json:"revision"`
	Title       string `json:"title"`
	Description string `json:"description"`

	Envelope    Envelope     `json:"envelope"`
	ContentType string       `json:"content_type"`
	Headers     []HeaderRule `json:"headers"`
	Signature   Signature    `json:"signature"`
	IDs         IDFormats    `json:"ids"`
	Secret      SecretRule   `json:"secret"`
	Delivery    DeliveryRule `json:"delivery"`
	Limits      Limits       `json:"limits"`
	Test        TestEvent    `json:"test"`
	Probe       *Probe       `json:"probe,omitempty"` // nil: the test event, signed with a secret of nobody's
	Events      []EventType  `json:"events,omitempty"`

	plan *plan // nil in a Dialect that was not parsed
}

// Envelope is the shape of the body.
type Envelope struct {
	// Shape is JSON whose strings have holes, as in {"event": "{type}",
	// "data": "{data}"}. The key "..." with the value "{data}" splices the
	// event's own fields in beside the others (a flat envelope).
	Shape json.RawMessage `json:"shape"`
}

// HeaderRule is one header of every attempt; the value may have holes.
type HeaderRule struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	When  When   `json:"when,omitempty"` // empty: always
}

// When a header is sent.
type When string

// WhenRetry restricts a header to the attempts after the first.
const WhenRetry When = "retry"

// Signature says how a delivery is signed and how that is verified.
type Signature struct {
	Header    string     `json:"header"`              // the carrier
	Message   string     `json:"message,omitempty"`   // the signed bytes, as in "{header:webhook-id}.{timestamp}.{body}"
	Separator string     `json:"separator,omitempty"` // the carrier holds a list of items; empty: one value
	Schemes   []Scheme   `json:"schemes"`
	Timestamp *Timestamp `json:"timestamp,omitempty"`
	Rotation  Rotation   `json:"rotation"`
}

// Scheme is one way to sign; a secret picks its scheme by its prefix.
type Scheme struct {
	Algorithm Algorithm `json:"algorithm"`
	Encoding  Encoding  `json:"encoding,omitempty"`
	Prefix    string    `json:"prefix,omitempty"` // before the encoded signature, as in "sha256=" or "v1,"
	Key       KeyRule   `json:"key"`
}

// KeyRule says how a secret's text becomes the key.
type KeyRule struct {
	Decoding     Encoding `json:"decoding"`                // of what is left of the secret without the prefix
	Prefix       string   `json:"prefix,omitempty"`        // required and stripped before decoding; empty: the whole text
	PublicPrefix string   `json:"public_prefix,omitempty"` // ed25519: of the public key, as in "whpk_"
	MinBytes     int      `json:"min_bytes,omitempty"`     // of the decoded key; 0: 1
	MaxBytes     int      `json:"max_bytes,omitempty"`     // 0: no bound but the secret's length
}

// Algorithm of a signature.
type Algorithm string

// The algorithms. Token sends the secret itself: that authenticates the
// sender and proves nothing about the body.
const (
	HMACSHA256 Algorithm = "hmac-sha256"
	HMACSHA512 Algorithm = "hmac-sha512"
	HMACSHA1   Algorithm = "hmac-sha1"
	SHA256     Algorithm = "sha256" // a plain hash; the message holds {secret}
	Ed25519    Algorithm = "ed25519"
	Token      Algorithm = "token"
)

// Encoding of bytes as text.
type Encoding string

// The encodings; Verbatim takes a text's own UTF-8 bytes.
const (
	Verbatim  Encoding = "verbatim"
	Hex       Encoding = "hex" // lower case
	Base64    Encoding = "base64"
	Base64URL Encoding = "base64url" // without padding
)

// Timestamp says where an attempt's time stands; the signature must cover it.
type Timestamp struct {
	Header    string     `json:"header,omitempty"` // in a header of its own,
	Item      string     `json:"item,omitempty"`   // or in the carrier's list behind this prefix, as in "t="
	Format    TimeFormat `json:"format"`
	Tolerance Duration   `json:"tolerance"` // how far it may be from the receiver's clock, either way
}

// TimeFormat of a time, always UTC.
type TimeFormat string

// The formats of times. Unix times are whole numbers.
const (
	RFC3339       TimeFormat = "rfc3339"        // 2006-01-02T15:04:05Z
	RFC3339Millis TimeFormat = "rfc3339_millis" // 2006-01-02T15:04:05.000Z
	Unix          TimeFormat = "unix"
	UnixMillis    TimeFormat = "unix_millis"
)

// Rotation says which of several secrets in force sign.
type Rotation string

// Rotations. Where the carrier holds one signature, the oldest secret signs
// until it expires: its receiver may not know the new one yet.
const (
	RotateAll    Rotation = "all"
	RotateOldest Rotation = "oldest"
)

// IDFormats says how the dialect writes ids.
type IDFormats struct {
	Event    IDFormat `json:"event"`
	Endpoint IDFormat `json:"endpoint"`
	Delivery IDFormat `json:"delivery"`
	Request  IDFormat `json:"request"` // of a delivery, the same over its attempts
	Test     IDFormat `json:"test"`    // of a test event
}

// SecretRule says what the dialect's secrets look like.
type SecretRule struct {
	Generate  SecretFormat `json:"generate"`
	Chosen    bool         `json:"chosen_by_caller"` // the contract lets its API's callers choose
	MinLength int          `json:"min_length"`       // bytes
	MaxLength int          `json:"max_length"`       // bytes
	Visible   Visibility   `json:"visible"`
}

// SecretFormat says how a secret is generated: prefix, then random bytes.
type SecretFormat struct {
	Prefix   string   `json:"prefix,omitempty"`
	Bytes    int      `json:"bytes"`
	Encoding Encoding `json:"encoding"`
}

// Visibility says when a secret is shown.
type Visibility string

// The visibilities.
const (
	VisibleOnce   Visibility = "once"   // at creation
	VisibleAlways Visibility = "always" // in every list
)

// DeliveryRule says how the dialect's deliveries are tried.
type DeliveryRule struct {
	// Success lists the statuses that acknowledge, each as "200", "200-204"
	// or "2xx". Empty: 2xx.
	Success []string `json:"success,omitempty"`
	// Schedule holds the wait after each failed attempt; a delivery has
	// len(Schedule)+1 attempts.
	Schedule []Duration `json:"schedule"`
	// Jitter widens each wait by a random share up to this one (0.1: up to
	// 10 % later). 0 means that the waits are exact.
	Jitter float64 `json:"jitter"`
	// Connect limits DNS, TCP and TLS together; Response runs from the
	// connection to the answer's last byte that is read.
	Connect  Duration `json:"connect_timeout"`
	Response Duration `json:"response_timeout"`
	// Total limits both together; 0: their sum.
	Total Duration `json:"total_timeout,omitempty"`

	Gone       bool `json:"gone_disables"`       // 410 disables the endpoint
	RetryAfter bool `json:"honours_retry_after"` // Retry-After delays the next attempt
	Breaker    bool `json:"breaker"`             // the circuit breaker applies

	// MarkExhausted marks the endpoint failed, with a time, when a delivery
	// has used up its schedule; the next success clears the mark.
	MarkExhausted bool `json:"mark_exhausted"`
	// DisableAfter disables the endpoint when its failure counter (one per
	// exhausted delivery, cleared by a success) reaches it; 0: never.
	DisableAfter int `json:"disable_after_exhausted"`
}

// Limits are the dialect's defaults and caps.
type Limits struct {
	RatePerMinute        int  `json:"rate_per_minute"`        // for each endpoint; 0: none
	EndpointsPerConsumer int  `json:"endpoints_per_consumer"` // 0: the server's own limit
	HTTPSInProduction    bool `json:"https_in_production"`
	NumericConsumer      bool `json:"numeric_consumer"` // a consumer's uid is digits
}

// TestEvent is what a test send carries; the hole {test} in its data is an id
// of the test.
type TestEvent struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// EventType is one entry of the dialect's catalogue.
type EventType struct {
	Type        string          `json:"type"`
	Description Text            `json:"description"`
	Example     json.RawMessage `json:"example,omitempty"` // data as the contract shows it
}

// Text in the languages of the catalogues.
type Text struct {
	English    string `json:"en"`
	Portuguese string `json:"pt-BR"`
}

// Duration is a time.Duration that reads and writes "1m30s" in JSON.
type Duration time.Duration

// MarshalJSON writes the duration as time.Duration prints it.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, time.Duration(d).String()), nil
}

// UnmarshalJSON reads what time.ParseDuration does.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is a string such as \"1m30s\"")
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration such as \"1m30s\"", s)
	}
	*d = Duration(v)
	return nil
}

// Ref is name and revision, as deliveries pin them: "tarefa/1".
func (d *Dialect) Ref() string { return d.Name + "/" + strconv.Itoa(d.Revision) }

// Attempts is how many attempts a delivery of the dialect has at most.
func (d *Dialect) Attempts() int { return len(d.Delivery.Schedule) + 1 }

// Source is the file that the dialect was read from, byte for byte.
func (d *Dialect) Source() []byte {
	if d.plan == nil {
		return nil
	}
	return bytes.Clone(d.plan.reader.data)
}

// Acknowledged says whether an HTTP status is a success in this dialect.
func (d *Dialect) Acknowledged(status int) bool {
	if d.plan == nil {
		return status >= 200 && status <= 299
	}
	for _, r := range d.plan.success {
		if status >= r.from && status <= r.to {
			return true
		}
	}
	return false
}

// NewTest makes a test event: its type, and data in which id stands as the
// dialect writes ids of tests.
func (d *Dialect) NewTest(id ID) (eventType string, data []byte) {
	if d.plan == nil {
		return d.Test.Type, d.Test.Data
	}
	m := Message{ID: id}
	for _, p := range d.plan.test {
		data = d.plan.appendText(data, &p, &m, nil)
	}
	return d.Test.Type, data
}
