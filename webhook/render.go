package webhook

import (
	"errors"
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
	WireID   string // what Endpoint is called on the wire, where not by its own id: up to 64 letters, digits, _, - and .
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

// DataError says why an event does not fit a dialect's envelope.
type DataError struct {
	Field  string // JSON pointer into the event, as in /data/id
	Reason string // the problem and the fix
}

func (e *DataError) Error() string { return e.Field + ": " + e.Reason }

var errNotParsed = errors.New("webhook: this Dialect comes from neither Builtin nor ParseDialect")

// AppendFields appends the headers of an attempt, the signature among them.
// secrets are those in force, newest first, as endpoints keep them. A sender
// of many keeps a [Signer] for each endpoint instead. Errors: [*DataError],
// [ErrNoSecret], [*SecretError].
func (d *Dialect) AppendFields(dst []Field, m *Message, t Try, body []byte, secrets []string) ([]Field, error) {
	keys, err := d.signingKeys(secrets)
	if err != nil {
		return dst, err
	}
	return d.plan.appendFields(dst, m, &t, body, keys)
}

// span is a value's place in the scratch buffer; a fixed value has a literal.
type span struct {
	name, lit string
	from, to  int
}

// scratch is the memory of one AppendFields.
type scratch struct {
	buf   []byte
	spans []span
	parts [][]byte
	sum   [64]byte
}

func (p *plan) appendFields(dst []Field, m *Message, t *Try, body []byte, keys []*key) ([]Field, error) {
	s := p.scratch.Get().(*scratch)
	defer s.release(p)
	for i := range p.headers {
		h := &p.headers[i]
		if h.retry && (t.Number <= 1 || h.previous && t.Previous.IsZero()) {
			continue
		}
		if h.fixed {
			s.spans = append(s.spans, span{name: h.name, lit: h.lit})
			continue
		}
		from := len(s.buf)
		for j := range h.parts {
			s.buf = p.appendText(s.buf, &h.parts[j], m, t)
		}
		if !validValue(s.buf[from:]) {
			return dst, &DataError{Field: h.blame, Reason: "cannot stand in the header " + h.name + ": use visible ASCII characters"}
		}
		s.spans = append(s.spans, span{name: h.name, from: from, to: len(s.buf)})
	}
	p.sign(s, t, body, keys)
	all := string(s.buf)
	for i := range s.spans {
		f := Field{Name: s.spans[i].name, Value: s.spans[i].lit}
		if s.spans[i].to > 0 {
			f.Value = all[s.spans[i].from:s.spans[i].to]
		}
		dst = append(dst, f)
	}
	return dst, nil
}

// release forgets what an attempt was made of.
func (s *scratch) release(p *plan) {
	clear(s.buf)
	clear(s.parts)
	clear(s.spans)
	s.sum = [64]byte{}
	s.buf, s.parts, s.spans = s.buf[:0], s.parts[:0], s.spans[:0]
	if cap(s.buf) <= 16<<10 {
		p.scratch.Put(s)
	}
}

// validValue says whether b may be a header's value: no control characters
// that would begin another line, nothing that proxies rewrite.
func validValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
