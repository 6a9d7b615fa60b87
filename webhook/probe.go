package webhook

import (
	"encoding/json"
	"strings"
)

// Probe is a request that shows whether a receiver verifies: its signature is
// no secret's, so that whoever verifies answers 401.
type Probe struct {
	Signature string          `json:"signature"` // value of the signature's header
	Body      json.RawMessage `json:"body"`
}

// NewProbe makes a probe: the one that the contract documents, else its test
// event, signed with a secret that nobody has. m names the endpoint, and is a
// test; its ID, Type, Time and Data are the probe's.
// Errors: [*DataError], [*SecretError].
func (d *Dialect) NewProbe(m *Message, t Try) (fields []Field, body []byte, err error) {
	m.Type, m.Data = d.NewTest(m.ID)
	if body, err = d.AppendBody(nil, m); err != nil {
		return nil, nil, err
	}
	if fields, err = d.AppendFields(nil, m, t, body, []string{d.NewSecret()}); err != nil {
		return nil, nil, err
	}
	if d.Probe == nil {
		return fields, body, nil
	}
	for i := range fields {
		if strings.EqualFold(fields[i].Name, d.Signature.Header) {
			fields[i].Value = d.Probe.Signature
		}
	}
	return fields, d.Probe.Body, nil
}
