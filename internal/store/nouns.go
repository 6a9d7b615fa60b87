package store

import (
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/webhook"
)

// ID is a UUIDv7 made by the store.
type ID = webhook.ID

// Environment of a project.
type Environment string

// The environments.
const (
	Production  Environment = "production"
	Development Environment = "development"
)

// SystemConsumer is the reserved consumer that operational events
// (endpoint.failing, delivery.failed, …) are addressed to. Its endpoints are
// the operator's own.
const SystemConsumer = "_system"

// Project is one product in one environment. Nothing crosses projects.
type Project struct {
	ID          ID
	Name        string
	Environment Environment
	Dialect     string // a dialect's name; deliveries pin the revision
	BodyID      bool   // adds a top-level id to bodies whose envelope has none
	Host        string // host name, lower case, that its own management API is called under; empty: none
	// KnownTypesOnly refuses events of types that neither the project's event
	// types nor its dialect's catalogue name.
	KnownTypesOnly bool
	Emails         []string // of the operator, who is told of all its endpoints that fail; at most [MaxEmails]
	Language       string   // of mails, a tag of package lang; empty: the server's
	Portal         Portal   // its customers' pages
	CreatedAt      time.Time
}

// Key is a bearer key. Only the hash of the key is kept.
type Key struct {
	ID        ID
	ProjectID ID     // zero: a root key
	Consumer  string // uid of the one consumer it acts for; empty: all of the project
	Name      string
	Prefix    string // the first characters, to recognise it by
	Scopes    []string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: in force
	// LastUsedAt is written with a delay of a second or so; zero: never used.
	LastUsedAt time.Time
	// Since is when a consumer of the same uid was last deleted, in whole
	// milliseconds rounded up: what is older was that one's. Zero: none was, or
	// nothing of it is kept any more.
	Since time.Time
	// Portal is set where this is no key but a portal session, seen as the key
	// that its token stands for: ID is the session's.
	Portal PortalAccess
}

// Consumer is a customer of the company that runs Malote.
type Consumer struct {
	ID        ID
	ProjectID ID
	UID       string // the caller's own id, unique in the project
	Name      string
	Emails    []string // who is told of its endpoints that fail; at most [MaxEmails]
	Language  string   // of mails, a tag of package lang; empty: the project's
	CreatedAt time.Time
}

// EndpointState says whether an endpoint is sent to.
type EndpointState string

// States of an endpoint. Paused and disabled endpoints keep their deliveries.
const (
	Active   EndpointState = "active"
	Paused   EndpointState = "paused"   // by a person
	Disabled EndpointState = "disabled" // by a rule or a 410
)

// Header is one header that the endpoint's owner configured. The value is a secret.
type Header struct {
	Name  string
	Value secret.Text
}

// SigningSecret is one of an endpoint's secrets.
type SigningSecret struct {
	Value     secret.Text
	CreatedAt time.Time
	ExpiresAt time.Time // zero: no end set; otherwise the end of a rotation's overlap
}

// Endpoint is a URL of a consumer.
type Endpoint struct {
	ID          ID
	ProjectID   ID
	Consumer    string // uid
	Name        string // where the company's own API names endpoints
	URL         string // canonical, as egress.Policy.CheckURL returned it
	Description string
	EventTypes  []string // exact names, "task.*", or "*"
	Headers     []Header
	Secrets     []SigningSecret // newest first; never empty
	RateLimit   int             // deliveries a minute; 0: the dialect's
	Settings    Settings
	Auth        Auth
	PathSecret  secret.Text // of the address that takes events in, where the company's own API has one

	State       EndpointState
	StateReason string // in words; empty when active
	StateSince  time.Time

	FailureCount int       // exhausted deliveries in a row
	FailedAt     time.Time // when the mark "failed" was set; zero: not marked

	CreatedAt, UpdatedAt time.Time
}

// Event is something that happened. It never changes once kept.
type Event struct {
	ID             ID
	ProjectID      ID
	Consumer       string // uid, or "*" for all consumers of the project
	Type           string
	Time           time.Time
	Data           []byte   // the JSON bytes as they came in
	Channels       []string // names that endpoints choose events by, sorted; mostly none
	IdempotencyKey string
	Dialect        string // name/revision that its bodies are rendered with, as in "tarefa/1"
	BodyID         bool   // its bodies have a top-level id: the project's setting when it was accepted; set by the store
	Test           bool   // made by a test send
	Deliveries     int    // made so far; a broadcast may go on after it was accepted
	Unreached      string // why it reached nobody, in words; empty if it reached somebody
	CreatedAt      time.Time
}

// State of a delivery.
type State string

// States of a delivery; all but Pending are final.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID         ID
	EventID    ID
	ProjectID  ID
	EndpointID ID
	Consumer   string // uid of the endpoint's consumer
	EventType  string
	State      State
	Reason     string    // failed or cancelled: why, as in "exhausted", "gone", "expired"
	Attempts   int       // made so far
	DueAt      time.Time // pending: when the next attempt is due
	CreatedAt  time.Time
	FinishedAt time.Time // zero while pending
	LastStatus int       // HTTP status of the last attempt; 0: none
	LastClass  Class     // why that failed; empty after a success, and without an attempt
	LastDetail string    // the same in words
	InFlight   int       // as RetryDelivery returns it: attempts that were under way
}

// Class is the cause of a failed attempt; empty after a success.
type Class string

// Classes of failure.
const (
	ClassStatus    Class = "status"          // an answer outside the success set
	ClassRedirect  Class = "redirect"        // a 3xx, never followed
	ClassTimeout   Class = "timeout"         // connected, no whole answer in time
	ClassConnect   Class = "connect"         // refused, unreachable, no connection in time
	ClassReset     Class = "connection_lost" // cut before an answer
	ClassDNS       Class = "dns"
	ClassTLS       Class = "tls"
	ClassProtocol  Class = "protocol"        // not HTTP
	ClassBlocked   Class = "blocked_address" // the guard refused
	ClassRender    Class = "render"          // the body or the signature could not be made
	ClassUnknown   Class = "unknown"         // a crash or a standstill of this server; may have arrived
	ClassCancelled Class = "cancelled"       // stopped by us: shutdown past its grace
)

// Timings of an attempt. Zero: did not happen (a reused connection has no DNS).
type Timings struct {
	DNS, Connect, TLS, FirstByte, Total time.Duration
	Reused                              bool
}

// Attempt is one HTTP request for a delivery and what came of it.
type Attempt struct {
	Number       int // from 1
	At           time.Time
	RequestHead  []byte // request line and headers as sent; values of configured headers are "[redacted]"
	Status       int    // 0: no answer
	ResponseHead []byte // status line and headers, at most 16 KiB
	ResponseBody []byte // 1 KiB after a 2xx, 64 KiB after a failure
	Truncated    bool   // the answer was longer than what is kept
	Class        Class
	Detail       string // the failure in words
	Timings      Timings
	Interrupted  bool // by a crash, noticed when the delivery was next taken; used up no try
}
