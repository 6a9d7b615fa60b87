package webhook

import (
	"net/http"
	"time"
)

// Message is one event on its way to one endpoint. The body is a function of
// it and of the dialect's revision: every attempt sends the same bytes.
type Message struct {
	ID       ID
	Type     string
	Time     time.Time
	Data     []byte // JSON, spliced into the body as it is
	Endpoint ID
	Delivery ID
	Consumer string // the consumer's uid
	BodyID   bool   // add a top-level id where the envelope has none
	Test     bool
}

// Try is one attempt: what changes between the attempts of a delivery.
type Try struct {
	Number   int       // from 1
	At       time.Time // now
	Previous time.Time // of the attempt before; zero on the first
}

// Field is one header line, name as the dialect spells it.
type Field struct{ Name, Value string }

// AppendBody appends the body to dst. Errors: [*DataError].
func (d *Dialect) AppendBody(dst []byte, m *Message) ([]byte, error) { panic("not built") }

// AppendFields appends the headers of an attempt, the signature among them.
// secrets are those in force, newest first, as endpoints keep them.
func (d *Dialect) AppendFields(dst []Field, m *Message, t Try, body []byte, secrets []string) ([]Field, error) {
	panic("not built")
}

// CheckEvent says whether an event can be rendered: a flat envelope needs an
// object without the reserved names, a numeric consumer digits. data is valid
// JSON. Errors: [*DataError].
func (d *Dialect) CheckEvent(consumer string, data []byte) error { panic("not built") }

// DataError says why an event does not fit a dialect's envelope.
type DataError struct {
	Field  string // JSON pointer into the event, as in /data/id
	Reason string // the problem and the fix
}

func (e *DataError) Error() string { return e.Field + ": " + e.Reason }

// NewSecret makes a secret in the dialect's format.
func (d *Dialect) NewSecret() string { panic("not built") }

// CheckSecret says whether a secret chosen by a caller can sign in this
// dialect; the error never repeats it.
func (d *Dialect) CheckSecret(s string) error { panic("not built") }

// Verdict is what verification found. A zero Verdict is a failure.
type Verdict struct {
	OK     bool
	Cause  Cause  // when not OK
	Detail string // the probable cause in words
}

// Cause of a failed verification.
type Cause string

// Verify judges a request's raw body against the secrets in force.
func (d *Dialect) Verify(h http.Header, body []byte, secrets []string, now time.Time) Verdict {
	panic("not built")
}
