package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Documented answers the management APIs that companies documented before they
// came here, under /api/. They keep the rules of the native API, which are
// lent to them here: what one makes, the other could have made.
type Documented interface {
	// Serve answers a request and returns the status. It takes every path
	// under /api/, also those that nobody documented.
	Serve(w http.ResponseWriter, r *http.Request) (status int)
	// TakesEvents reports whether endpoints of a dialect have an address of
	// their own under /api/ that takes events in.
	TakesEvents(dialect string) bool
}

// outside hands requests over to the documented APIs.
type outside struct {
	s      *server
	routes map[string]*route // by method
	other  *route
}

// newOutside prepares the metrics: one route for all of them, so that a path
// that is a secret is no label.
func newOutside(s *server) *outside {
	o := &outside{s: s, routes: map[string]*route{}, other: s.metrics.unknown}
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		rt := &route{method: m, pattern: "/api/", scope: public}
		s.metrics.prepare(rt)
		o.routes[m] = rt
	}
	return o
}

// isOutside reports whether a path is the documented APIs'.
func isOutside(p string) bool { return p == "/api" || strings.HasPrefix(p, "/api/") }

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := o.routes[r.Method]
	if rt == nil {
		rt = o.other
	}
	c := o.s.begin(rt, w, r)
	defer c.end()
	c.status = o.s.documented.Serve(w, r)
}

// KeyOf finds the project's key that a request carries; nil where it carries
// none that is in force. The error is of the store.
func KeyOf(ctx context.Context, db *store.DB, h http.Header) (*store.Key, error) {
	text, err := bearer(h["Authorization"])
	if err != nil || mistyped(text) {
		return nil, nil //nolint:nilerr // no key
	}
	k, err := db.KeyInForce(ctx, HashKey(text), time.Now())
	if errors.Is(err, store.ErrNotFound) || err == nil && k.ProjectID.IsZero() {
		return nil, nil
	}
	return k, err
}

// Allows reports whether a key has a scope.
func Allows(k *store.Key, s string) bool { return hasScope(k, scope(s)) }

// EndpointFields are the members of an endpoint that a documented API sets.
// What is nil stays as it is, or gets its default in a new endpoint.
type EndpointFields struct {
	Name        *string
	URL         *string
	EventTypes  *[]string
	Description *string
	Headers     *map[string]string // all of them: others go
	Secret      *string
	Enabled     *bool
}

// Rules are those of the native API for endpoints.
type Rules struct{ Policy egress.Policy }

// Endpoint checks fields for an endpoint of a project, a new one (create) or
// one that is there, and returns what applies them. A new secret takes the
// place of the old ones at once. Errors: [ingest.FieldErrors] with the
// pointers of the native API.
func (r Rules) Endpoint(f *EndpointFields, p *store.Project, d *webhook.Dialect, create bool) (func(*store.Endpoint) error, error) {
	in := &endpointInput{
		Name: lent(f.Name), URL: lent(f.URL), EventTypes: lent(f.EventTypes), Description: lent(f.Description),
		Secret: lent(f.Secret), Enabled: lent(f.Enabled),
	}
	if f.Secret != nil && !create {
		in.SecretOverlap = optional[int]{Set: true}
	}
	if f.Headers != nil {
		in.Headers.Set = true
		for name, value := range *f.Headers {
			in.Headers.Value = append(in.Headers.Value, headerValue{Name: name, Value: value})
		}
		slices.SortFunc(in.Headers.Value, func(a, b headerValue) int { return strings.Compare(a.Name, b.Name) })
	}
	var errs ingest.FieldErrors
	ch := (&server{policy: r.Policy, customers: true}).checkEndpoint(in, p, d, create, &errs)
	if len(errs) > 0 {
		return nil, errs
	}
	given := in.Headers.Value
	return func(e *store.Endpoint) error {
		if in.Headers.Set {
			in.Headers.Value = append(slices.Clone(given), gone(e.Headers, given)...)
		}
		return asFieldErrors(ch.apply(e))
	}, nil
}

// gone are removals of the headers that are not among those given.
func gone(had []store.Header, given []headerValue) (removals []headerValue) {
	for _, h := range had {
		if !slices.ContainsFunc(given, func(g headerValue) bool { return strings.EqualFold(g.Name, h.Name) }) {
			removals = append(removals, headerValue{Name: h.Name, Null: true})
		}
	}
	return removals
}

// asFieldErrors makes the problem of a field what other packages know.
func asFieldErrors(err error) error {
	var p *problem
	if !errors.As(err, &p) {
		return err
	}
	var errs ingest.FieldErrors
	for _, e := range p.Errors {
		if e.Pointer != nil {
			errs.AddText(*e.Pointer, e.detail)
		}
	}
	if len(errs) == 0 {
		errs.AddText("", p.detail)
	}
	return errs
}

func lent[T any](v *T) optional[T] {
	if v == nil {
		return optional[T]{}
	}
	return optional[T]{Set: true, Value: *v}
}

// Encode writes an answer as it goes out.
func Encode(v any) ([]byte, error) { return encode(v) }

// ClaimOf is what a request with an Idempotency-Key claims: its caller's key k,
// its own method, path and body.
func ClaimOf(k *store.Key, name string, r *http.Request, body []byte) *store.Claim {
	return &store.Claim{
		Project: k.ProjectID, Consumer: k.Consumer, Caller: k.ID, Key: name, Request: store.HashRequest(r.Method, r.URL.Path, body),
	}
}

// EndpointCap is how many endpoints a consumer may have.
func EndpointCap(d *webhook.Dialect) int { return endpointCap(d) }

// NewPathSecret makes the secret in the address of an endpoint that takes
// events in.
func NewPathSecret() secret.Text {
	text, _, _ := newKey("wh_")
	return text
}
