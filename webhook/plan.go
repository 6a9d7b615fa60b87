package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// plan is a dialect compiled to what rendering and verifying need.
type plan struct {
	reader *fileReader // what was read, and where its fields stand

	body, bodyWithID *shape
	reserved         []string // names that a flat envelope's data may not use
	numeric          bool     // the consumer stands in the body as a number
	test             []part

	headers     []headerPlan
	signature   *Signature
	message     []part
	messageLits [][]byte // the literals of message, as bytes

	success []statusRange

	event, endpoint, delivery, request, testID func(dst []byte, id ID) []byte

	scratch sync.Pool // of *scratch
}

type headerPlan struct {
	name     string
	fixed    bool
	lit      string // of a fixed one
	parts    []part
	retry    bool   // only after the first attempt
	previous bool   // needs the time of the attempt before
	blame    string // the event's field that can make the value invalid
}

type statusRange struct{ from, to int }

// compile checks a dialect and gives it its plan. Errors: [*DialectError].
func compile(d *Dialect, r *fileReader) error {
	p := &plan{reader: r, signature: &d.Signature}
	p.scratch.New = func() any { return &scratch{buf: make([]byte, 0, 512), spans: make([]span, 0, 16)} }
	steps := []func(*Dialect, *fileReader, *plan) error{
		compileNames, compileIDs, compileEnvelope, compileHeaders, compileSignature, compileSchemes,
		compileDelivery, compileLimits,
	}
	for _, step := range steps {
		if err := step(d, r, p); err != nil {
			return err
		}
	}
	d.plan = p
	for _, step := range []func(*Dialect, *fileReader) error{checkSecretRule, checkCatalogue} {
		if err := step(d, r); err != nil {
			d.plan = nil
			return err
		}
	}
	return nil
}

func compileNames(d *Dialect, r *fileReader, _ *plan) error {
	if !validName(d.Name) {
		return r.failAt("/name", "use 1 to 32 lower-case letters, digits and hyphens, beginning with a letter")
	}
	if d.Revision < 1 {
		return r.failAt("/revision", "must be 1 or more")
	}
	if d.Title == "" {
		return r.failAt("/title", "is missing")
	}
	if d.ContentType == "" || !validValue([]byte(d.ContentType)) {
		return r.failAt("/content_type", "must be a media type, as in application/json")
	}
	return nil
}

func validName(s string) bool {
	return len(s) >= 1 && len(s) <= 32 && s[0] >= 'a' && s[0] <= 'z' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func compileIDs(d *Dialect, r *fileReader, p *plan) error {
	for _, k := range []struct {
		name   string
		format IDFormat
		to     *func([]byte, ID) []byte
	}{
		{"event", d.IDs.Event, &p.event},
		{"endpoint", d.IDs.Endpoint, &p.endpoint},
		{"delivery", d.IDs.Delivery, &p.delivery},
		{"request", d.IDs.Request, &p.request},
		{"test", d.IDs.Test, &p.testID},
	} {
		path := "/ids/" + k.name
		if f := k.format.Form; f != FormUUID && f != FormBase32 && f != FormAlnum16 {
			return r.failAt(path+"/form", "must be uuid, base32 or alnum16")
		}
		if len(k.format.Prefix) > 32 || strings.Trim(strings.ToLower(k.format.Prefix), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return r.failAt(path+"/prefix", "use up to 32 letters, digits, hyphens and underscores")
		}
		*k.to = k.format.Append
	}
	return nil
}

func compileEnvelope(d *Dialect, r *fileReader, p *plan) error {
	if len(d.Envelope.Shape) == 0 {
		return r.failAt("/envelope/shape", "is missing")
	}
	var err error
	if p.body, err = compileShape(d.Envelope.Shape, bodyHoles, false); err != nil {
		return r.failShape("/envelope/shape", err)
	}
	hasData := func(x part) bool { return x.hole == holeData || x.hole == holeSplice }
	if !slices.ContainsFunc(p.body.parts, hasData) {
		return r.failAt("/envelope/shape", "has no {data}: the event's data would be lost")
	}
	p.numeric = slices.ContainsFunc(p.body.parts, func(x part) bool { return x.number })
	if p.numeric && !d.Limits.NumericConsumer {
		return r.failAt("/limits/numeric_consumer", "must be true, because the envelope writes {consumer:number}")
	}
	p.reserved = p.body.keys
	if p.body.flat && !slices.Contains(p.reserved, "id") {
		p.reserved = append(slices.Clone(p.reserved), "id") // a project may ask for a top-level id
	}
	p.bodyWithID = p.body
	if !slices.Contains(p.body.keys, "id") {
		if p.bodyWithID, err = compileShape(d.Envelope.Shape, bodyHoles, true); err != nil {
			return r.failShape("/envelope/shape", err)
		}
	}
	raw := d.Test.Data
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	test, err := compileShape(raw, testHoles, false)
	if err != nil {
		return r.failShape("/test/data", err)
	}
	p.test = test.parts
	return nil
}

func (r *fileReader) failShape(path string, err error) error {
	var s *shapeError
	if errors.As(err, &s) {
		e := r.fail(r.at[path+"/"]+max(s.offset-1, 0), "%s", s.reason)
		e.Reason = strings.ReplaceAll(path[1:], "/", ".") + ": " + e.Reason
		return e
	}
	return r.failAt(path, "%s", err)
}

func compileHeaders(d *Dialect, r *fileReader, p *plan) error {
	p.headers = []headerPlan{{name: "Content-Type", fixed: true, lit: d.ContentType}}
	if len(d.Headers) > 32 {
		return r.failAt("/headers", "has more than 32 entries")
	}
	for i, h := range d.Headers {
		path := "/headers/" + strconv.Itoa(i)
		if err := p.newHeader(r, path+"/name", h.Name); err != nil {
			return err
		}
		parts, err := parseTemplate(h.Value, headerHoles)
		if err != nil {
			return r.failAt(path+"/value", "%s", err)
		}
		if h.When != "" && h.When != WhenRetry {
			return r.failAt(path+"/when", "must be retry, or left out")
		}
		hp := headerPlan{name: h.Name, parts: parts, retry: h.When == WhenRetry, blame: "/type"}
		for _, x := range parts {
			if !validValue([]byte(x.lit)) {
				return r.failAt(path+"/value", "use visible ASCII characters")
			}
			if x.hole == holePrevious {
				hp.previous = true
			}
			if x.hole == holeConsumer {
				hp.blame = "/consumer"
			}
		}
		if hp.previous && !hp.retry {
			return r.failAt(path+"/value", "{previous} stands in a header with \"when\": \"retry\": the first attempt has none before it")
		}
		switch {
		case len(parts) == 0:
			return r.failAt(path+"/value", "is missing")
		case len(parts) == 1 && parts[0].hole == holeNone:
			hp.fixed, hp.lit = true, parts[0].lit
		}
		p.headers = append(p.headers, hp)
	}
	return nil
}

// newHeader checks a header's name against those that the dialect has so far.
func (p *plan) newHeader(r *fileReader, path, name string) error {
	if !ValidHeaderName(name) || len(name) > 64 {
		return r.failAt(path, "%q is not a header's name", name)
	}
	if ForbiddenHeader(name) {
		return r.failAt(path, "%s is not the dialect's to set", name)
	}
	for _, h := range p.headers {
		if strings.EqualFold(h.name, name) {
			return r.failAt(path, "the header %s is sent already", name)
		}
	}
	return nil
}

func compileDelivery(d *Dialect, r *fileReader, p *plan) error {
	c := &d.Delivery
	if len(c.Schedule) > 100 {
		return r.failAt("/delivery/schedule", "has more than 100 waits")
	}
	for i, w := range c.Schedule {
		if w <= 0 || time.Duration(w) > 30*24*time.Hour {
			return r.failAt("/delivery/schedule/"+strconv.Itoa(i), "must be longer than 0 and at most 720h")
		}
	}
	if c.Jitter < 0 || c.Jitter > 1 {
		return r.failAt("/delivery/jitter", "must be from 0 to 1")
	}
	for _, t := range []struct {
		name    string
		d       Duration
		missing bool // allowed
	}{{"connect_timeout", c.Connect, false}, {"response_timeout", c.Response, false}, {"total_timeout", c.Total, true}} {
		if t.d < 0 || t.d == 0 && !t.missing || time.Duration(t.d) > 5*time.Minute {
			return r.failAt("/delivery/"+t.name, "must be longer than 0 and at most 5m")
		}
	}
	if c.DisableAfter < 0 {
		return r.failAt("/delivery/disable_after_exhausted", "must not be negative")
	}
	if len(c.Success) == 0 {
		p.success = []statusRange{{200, 299}}
	}
	for i, s := range c.Success {
		x, err := parseStatuses(s)
		if err != nil {
			return r.failAt("/delivery/success/"+strconv.Itoa(i), "%s", err)
		}
		p.success = append(p.success, x)
	}
	return nil
}

func parseStatuses(s string) (statusRange, error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	if len(s) == 3 && s[1:] == "xx" {
		from, to = s[:1]+"00", s[:1]+"99"
	}
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	if errA != nil || errB != nil || a < 200 || b > 599 || a > b {
		return statusRange{}, fmt.Errorf("%q is not a status from 200 to 599, as in \"200\", \"200-204\" or \"2xx\"", s)
	}
	return statusRange{a, b}, nil
}

func compileLimits(d *Dialect, r *fileReader, _ *plan) error {
	if d.Limits.RatePerMinute < 0 {
		return r.failAt("/limits/rate_per_minute", "must not be negative")
	}
	if d.Limits.EndpointsPerConsumer < 0 {
		return r.failAt("/limits/endpoints_per_consumer", "must not be negative")
	}
	return nil
}
