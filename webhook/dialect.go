package webhook

import "time"

// Dialect is a wire contract as data. A revision of a dialect never changes
// once it has been used: deliveries pin name and revision, so that a retry
// days later sends the same body.
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
}

// DeliveryRule says how the dialect's deliveries are tried.
type DeliveryRule struct {
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

	Gone       bool `json:"gone_disables"`       // 410 disables the endpoint
	RetryAfter bool `json:"honours_retry_after"` // Retry-After delays the next attempt
	Breaker    bool `json:"breaker"`             // the circuit breaker applies

	// MarkExhausted marks the endpoint failed, with a time, when a delivery
	// has used up its schedule; the next success clears the mark.
	MarkExhausted bool `json:"mark_exhausted"`
	// PauseAfter disables the endpoint when its failure counter (one per
	// exhausted delivery, cleared by a success) reaches it; 0: never.
	PauseAfter int `json:"pause_after_exhausted"`
}

// Limits are the dialect's defaults and caps.
type Limits struct {
	RatePerMinute        int  `json:"rate_per_minute"`        // for each endpoint; 0: none
	EndpointsPerConsumer int  `json:"endpoints_per_consumer"` // 0: the server's own limit
	HTTPSInProduction    bool `json:"https_in_production"`
	NumericConsumer      bool `json:"numeric_consumer"` // a consumer's uid is digits
}

// Duration is a time.Duration that reads and writes "1m30s" in JSON.
type Duration time.Duration

// Attempts is how many attempts a delivery of the dialect has at most.
func (d *Dialect) Attempts() int { return len(d.Delivery.Schedule) + 1 }

// Placeholders until the dialect schema is built.
type (
	Envelope   struct{}
	HeaderRule struct{}
	Signature  struct{}
	IDFormats  struct{}
	SecretRule struct{}
	TestEvent  struct{}
)
