package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Limits of an endpoint.
const (
	maxURL         = 2048
	maxEventTypes  = 100
	maxHeaders     = 32
	maxHeaderBytes = 8 << 10
	maxRate        = 6000
	maxOverlap     = 30 * 24 * 60 * 60
	defaultOverlap = 24 * 60 * 60 // seconds
	maxSecrets     = 4            // in force at once
)

// redactedValue of a header means "as it was": what a caller read, he may send back.
var redactedValue = secret.Text("").String()

// endpointChange is a checked input, ready to be applied to an endpoint.
type endpointChange struct {
	in        *endpointInput
	url       string // canonical
	secret    string // the new one; empty: none
	generated bool   // it was made here, and this answer has to show it
	emails    []string
	now       time.Time
}

// checkEndpoint judges all that can be judged without the endpoint's row.
func (s *server) checkEndpoint(in *endpointInput, p *store.Project, d *webhook.Dialect, create bool, errs *ingest.FieldErrors) *endpointChange {
	ch := &endpointChange{in: in, now: time.Now()}
	if create || in.URL.Set {
		ch.url = s.checkURL(in.URL.Value, p, d, errs)
	}
	if create || in.EventTypes.Set {
		checkEventTypes(in.EventTypes.Value, errs)
	}
	errs.AddText("/name", checkText(in.Name.Value, maxName, false))
	errs.AddText("/description", checkText(in.Description.Value, maxDescription, false))
	checkHeaders(in.Headers.Value, d, create, errs)
	ch.emails = checkEmails(in.Emails.Value, errs)
	if r := in.RateLimit.or(1); r < 0 || r > maxRate {
		addError(errs, "/rate_limit", "is deliveries a minute, from 1 to %d; 0 or null means the dialect's", maxRate)
	}
	if o := in.SecretOverlap.or(0); o < 0 || o > maxOverlap {
		addError(errs, "/secret_overlap", "is seconds, from 0 to %d", maxOverlap)
	} else if create && in.SecretOverlap.given() {
		addError(errs, "/secret_overlap", "has no meaning for a new endpoint; it says how long the old secret stays in force when secret changes")
	}
	checkSettings(in, errs)
	checkAuth(in.Auth, d, errs)
	ch.checkSecret(d, create, errs)
	return ch
}

// Types of secrets that the server makes.
const (
	typeSymmetric = "symmetric" // sender and receiver have the same
	typeEd25519   = "ed25519"   // the receiver has a public key
)

// secretForm says which texts are secrets in a dialect whose secrets are keys
// in an encoding.
func secretForm(d *webhook.Dialect) lang.Message {
	if len(d.Signature.Schemes) == 0 {
		return lang.Message{}
	}
	k := &d.Signature.Schemes[0].Key
	if k.Decoding != webhook.Base64 || k.MaxBytes == 0 {
		return lang.Message{}
	}
	return lang.Text("; a secret is %s and %d to %d bytes in base64 behind it; leave it out to have one made", k.Prefix, max(1, k.MinBytes), k.MaxBytes)
}

// checkSecret judges a secret that was sent, or makes one.
func (ch *endpointChange) checkSecret(d *webhook.Dialect, create bool, errs *ingest.FieldErrors) {
	in := ch.in
	var bad *webhook.SecretError
	switch kind := in.SecretType.or(typeSymmetric); {
	case in.Secret.given() && in.SecretType.given():
		addError(errs, "/secret_type", "is for a secret that the server makes; leave it out, or secret")
	case in.Secret.given():
		ch.secret = in.Secret.Value
		if err := d.CheckSecret(ch.secret); errors.As(err, &bad) {
			addError(errs, "/secret", "%s%s", lang.Recall(bad.Reason), secretForm(d))
		} else if err != nil {
			addError(errs, "/secret", "cannot sign in this dialect")
		}
	case !create && !in.Secret.Null && !in.SecretType.given(): // it stays
	case kind == typeSymmetric:
		ch.secret, ch.generated = d.NewSecret(), true
	case kind == typeEd25519:
		var ok bool
		if ch.secret, _, ok = d.NewKeyPair(); !ok {
			addError(errs, "/secret_type", "the dialect %s has no Ed25519 signatures", d.Name)
		}
		ch.generated = true
	default:
		addError(errs, "/secret_type", `must be "symmetric" or "ed25519"`)
	}
}

// checkURL judges a URL and returns its canonical form. Plain http passes
// where the operator's policy lets it, but never in production under a dialect
// that asks for https.
func (s *server) checkURL(raw string, p *store.Project, d *webhook.Dialect, errs *ingest.FieldErrors) string {
	switch {
	case raw == "":
		addError(errs, "/url", "is missing; send the URL that deliveries are POSTed to, as in https://example.com/webhooks")
		return ""
	case len(raw) > maxURL:
		addError(errs, "/url", "has more than %d characters", maxURL)
		return ""
	}
	policy := s.policy
	onlyHTTPS := p.Environment == store.Production && d.Limits.HTTPSInProduction
	policy.AllowHTTP = policy.AllowHTTP && !onlyHTTPS
	u, err := policy.CheckURL(raw)
	if err == nil {
		return u.String()
	}
	var bad *egress.URLError
	if !errors.As(err, &bad) {
		addError(errs, "/url", "cannot be used")
		return ""
	}
	words := func() lang.Message {
		if s.customers {
			return lang.Text("cannot be used: %s", bad.Customer())
		}
		return bad.Words()
	}
	if bad.PlainHTTP && s.policy.AllowHTTP && !s.customers {
		addError(errs, "/url", "is http, and in projects of the environment production the dialect %s takes https only; use https, or a project of the environment development, which takes http", d.Name)
	} else {
		errs.AddText("/url", words())
	}
	if bad.PlainHTTP { // is that all?
		policy.AllowHTTP = true
		if _, err := policy.CheckURL(raw); errors.As(err, &bad) {
			errs.AddText("/url", words())
		}
	}
	return ""
}

func checkEventTypes(types []string, errs *ingest.FieldErrors) {
	switch {
	case len(types) == 0:
		addError(errs, "/event_types", `is missing; name the types that the endpoint wants: exact ones, "task.*", or "*" for all`)
	case len(types) > maxEventTypes:
		addError(errs, "/event_types", `has more than %d entries; use patterns such as "task.*"`, maxEventTypes)
	default:
		for i, t := range types {
			errs.AddText(fmt.Sprintf("/event_types/%d", i), ingest.CheckPattern(t))
		}
	}
}

// checkOperational refuses what the server's own endpoints would never get.
func checkOperational(consumer string, types []string, errs *ingest.FieldErrors) {
	if consumer != store.SystemConsumer || len(types) > maxEventTypes {
		return
	}
	var names []string
	for _, t := range store.OperationalTypes() {
		names = append(names, t.Name)
	}
	for i, pattern := range types {
		prefix, wild := strings.CutSuffix(pattern, "*")
		there := func(name string) bool { return name == pattern || wild && strings.HasPrefix(name, prefix) }
		if ingest.CheckPattern(pattern).IsZero() && !slices.ContainsFunc(names, there) {
			addError(errs, fmt.Sprintf("/event_types/%d", i), "is none of the server's own events, and this consumer gets no others: %s", strings.Join(names, ", "))
		}
	}
}

// apply alters an endpoint (a new one has no row behind it). Errors: a problem.
func (ch *endpointChange) apply(e *store.Endpoint) error {
	in := ch.in
	if ch.url != "" {
		e.URL = ch.url
	}
	if in.EventTypes.given() {
		e.EventTypes = distinct(in.EventTypes.Value)
	}
	if in.Name.Set {
		e.Name = in.Name.Value
	}
	if in.Description.Set {
		e.Description = in.Description.Value
	}
	if in.RateLimit.Set {
		e.RateLimit = in.RateLimit.Value
	}
	if in.Emails.Set {
		if e.Settings.Emails = ch.emails; in.Emails.Null {
			e.Settings.Emails = nil
		}
	}
	if in.Enabled.given() {
		setEnabled(e, in.Enabled.Value)
	}
	ch.applySettings(&e.Settings)
	for _, apply := range []func(*store.Endpoint) error{ch.applyHeaders, ch.applyAuth, ch.checkTogether, ch.applySecret} {
		if err := apply(e); err != nil {
			return err
		}
	}
	return nil
}

// distinct is a list as it was sent, with each entry at its first place only.
func distinct(list []string) []string {
	out := make([]string, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// applyHeaders merges: a value sets, null removes one, null for all removes all.
func (ch *endpointChange) applyHeaders(e *store.Endpoint) error {
	if ch.in.Headers.Null {
		e.Headers = nil
		return nil
	}
	headers := slices.Clone(e.Headers)
	for _, h := range ch.in.Headers.Value {
		at := slices.IndexFunc(headers, func(o store.Header) bool { return strings.EqualFold(o.Name, h.Name) })
		switch {
		case h.Null && at >= 0:
			headers = slices.Delete(headers, at, at+1)
		case h.Null:
		case h.Value == redactedValue && at >= 0: // as it was
		case h.Value == redactedValue:
			return field("/headers/"+rawjson.PointerToken(h.Name), "is [redacted], which stands for a value that is kept; send the value itself")
		case at >= 0:
			headers[at] = store.Header{Name: h.Name, Value: secret.Text(h.Value)}
		default:
			headers = append(headers, store.Header{Name: h.Name, Value: secret.Text(h.Value)})
		}
	}
	size := 0
	for _, h := range headers {
		size += len(h.Name) + len(h.Value.Reveal())
	}
	if len(headers) > maxHeaders || size > maxHeaderBytes {
		return field("/headers", "would be %s of %s; at most %d headers of %d bytes in all", lang.Count(len(headers), "%d header", "%d headers"),
			lang.Count(size, "%d byte", "%d bytes"), maxHeaders, maxHeaderBytes)
	}
	e.Headers = headers
	return nil
}

// applySecret rotates: the old secrets stay in force for the overlap, or as
// long as they would have, whichever ends first.
func (ch *endpointChange) applySecret(e *store.Endpoint) error {
	overlap := ch.in.SecretOverlap
	if ch.secret == "" && !overlap.given() {
		return nil
	}
	end := ch.now.Add(time.Duration(overlap.or(defaultOverlap)) * time.Second)
	var kept []store.SigningSecret
	for i, s := range e.Secrets {
		if ch.secret == "" && i == 0 {
			kept = append(kept, s) // only the overlap of the older ones changes
			continue
		}
		if s.Value.Reveal() == ch.secret {
			continue // it is the new one now
		}
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(end) {
			s.ExpiresAt = end
		}
		if s.ExpiresAt.After(ch.now) {
			kept = append(kept, s)
		}
	}
	if ch.secret != "" {
		kept = append([]store.SigningSecret{newSecret(ch.secret, ch.now)}, kept...)
	}
	if len(kept) > maxSecrets {
		return kindConflict.problemf("%d secrets are in force already, the most that may overlap", maxSecrets).
			fixed(`Wait until the oldest has expired, or end the overlap: PATCH with {"secret_overlap": 0}.`)
	}
	e.Secrets = kept
	return nil
}
