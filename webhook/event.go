package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Event is a delivery as its receiver reads it. Fields that the dialect does
// not send are empty.
type Event struct {
	// ID is the same for every delivery of the event, so that a receiver can
	// take each once. It stands in the body, or else in a header: of the
	// built-in dialects, only standard signs that header.
	ID       string
	Type     string
	Time     time.Time
	Data     json.RawMessage // as sent; of a flat envelope the event's own fields, each as sent
	Endpoint string
	Consumer string
	Attempt  int // from 1; 0: not told

	Body   []byte // all of it
	Header http.Header
}

// ParseEvent takes a body apart. It does not verify: call [Dialect.Verify]
// first, or use a [Receiver]. Errors: [*DataError].
func (d *Dialect) ParseEvent(h http.Header, body []byte) (*Event, error) {
	if d.plan == nil {
		return nil, errNotParsed
	}
	if !json.Valid(body) {
		return nil, &DataError{Field: "", Reason: "the body is not valid JSON"}
	}
	e := &Event{Body: body, Header: h}
	for _, f := range d.plan.bodyWithID.fields {
		if slices.Contains(f.path, "[]") {
			continue
		}
		if f.part.hole == holeSplice {
			e.Data = unsplice(body, d.plan.body.keys)
			continue
		}
		raw, ok := find(body, f.path)
		if !ok {
			if f.part.hole == holeID && len(f.path) == 1 && f.path[0] == "id" && !slices.Contains(d.plan.body.keys, "id") {
				continue // the id that only some projects add
			}
			return nil, &DataError{Field: pointer(f.path), Reason: "is missing in the body"}
		}
		if !e.set(&f.part, raw) {
			return nil, &DataError{Field: pointer(f.path), Reason: "is not what the dialect writes there"}
		}
	}
	for i := range d.plan.headers {
		hp := &d.plan.headers[i]
		if len(hp.parts) == 1 && hp.parts[0].hole != holeNone {
			if vs := headerValues(h, hp.name); len(vs) == 1 {
				e.setHeader(&hp.parts[0], vs[0])
			}
		}
	}
	return e, nil
}

func pointer(path []string) string {
	var b []byte
	for _, p := range path {
		b = append(append(b, '/'), p...)
	}
	return string(b)
}

// find is the last value at a path, as most JSON parsers have it.
func find(body []byte, path []string) (raw []byte, ok bool) {
	raw = bytes.TrimSpace(body)
	for _, name := range path {
		object := raw
		ok = false
		if eachMember(object, func(m *member) bool {
			if m.name() == name {
				raw, ok = m.value, true
			}
			return true
		}) != nil || !ok {
			return nil, false
		}
	}
	return raw, true
}

// unsplice is a flat body without the envelope's own fields.
func unsplice(body []byte, own []string) []byte {
	data := []byte{'{'}
	_ = eachMember(body, func(m *member) bool {
		if name := m.name(); name == "id" || slices.Contains(own, name) {
			return true
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(append(append(data, m.key...), ':'), m.value...)
		return true
	})
	return append(data, '}')
}

// set takes a value of the body.
func (e *Event) set(p *part, raw []byte) bool {
	if p.hole == holeData {
		e.Data = raw
		return true
	}
	s := string(raw)
	if !p.bare() {
		if json.Unmarshal(raw, &s) != nil {
			return false
		}
	}
	switch p.hole {
	case holeID:
		e.ID = s
	case holeType:
		e.Type = s
	case holeEndpoint:
		e.Endpoint = s
	case holeConsumer:
		e.Consumer = s
	case holeTime:
		var ok bool
		e.Time, ok = p.format.parse(s)
		return ok
	}
	return true
}

// setHeader takes what the body did not say.
func (e *Event) setHeader(p *part, s string) {
	switch {
	case p.hole == holeID && e.ID == "":
		e.ID = s
	case p.hole == holeType && e.Type == "":
		e.Type = s
	case p.hole == holeEndpoint && e.Endpoint == "":
		e.Endpoint = s
	case p.hole == holeConsumer && e.Consumer == "":
		e.Consumer = s
	case p.hole == holeTime && e.Time.IsZero():
		e.Time, _ = p.format.parse(s)
	case p.hole == holeAttempt:
		e.Attempt, _ = strconv.Atoi(s)
	}
}
