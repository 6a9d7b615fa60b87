package api

import (
	"context"
	"errors"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// endpointInput is a create, or (absent members stay as they are) an update.
type endpointInput struct {
	Consumer      optional[string]        `json:"consumer"`
	Name          optional[string]        `json:"name"`
	URL           optional[string]        `json:"url"`
	EventTypes    optional[[]string]      `json:"event_types"`
	Description   optional[string]        `json:"description"`
	Headers       optional[[]headerValue] `json:"headers"`
	Secret        optional[string]        `json:"secret"`
	SecretType    optional[string]        `json:"secret_type"`
	SecretOverlap optional[int]           `json:"secret_overlap"`
	RateLimit     optional[int]           `json:"rate_limit"`
	Concurrency   optional[int]           `json:"concurrency"`
	Timeout       optional[int]           `json:"timeout"`
	RetrySchedule optional[[]int]         `json:"retry_schedule"`
	Channels      optional[[]string]      `json:"channels"`
	Filter        optional[string]        `json:"filter"`
	Auth          optional[authInput]     `json:"auth"`
	Emails        optional[[]string]      `json:"emails"`
	InboundSecret optional[string]        `json:"inbound_secret"`
	WireID        optional[string]        `json:"wire_id"`
	Enabled       optional[bool]          `json:"enabled"`
}

type endpointView struct {
	ID          string            `json:"id"`
	Consumer    string            `json:"consumer"`
	Name        string            `json:"name"`
	URL         string            `json:"url"`
	Description string            `json:"description"`
	EventTypes  []string          `json:"event_types"`
	Headers     map[string]string `json:"headers"`              // values are "[redacted]"
	Secret      *string           `json:"secret,omitempty"`     // where the contract shows it; never a private key
	PublicKey   *string           `json:"public_key,omitempty"` // of the newest secret, where it is a private key
	Secrets     []secretView      `json:"secrets"`
	WireID      *string           `json:"wire_id,omitempty"`      // what deliveries and the company's own API call it, where not by its id
	InboundPath *string           `json:"inbound_path,omitempty"` // of the address that takes events in: its last part is a secret
	RateLimit   *int              `json:"rate_limit"`             // null: the dialect's
	settingsView
	Auth         *authView        `json:"auth"`                         // null: the signature alone
	Certificate  *certificateView `json:"client_certificate,omitempty"` // where auth has one
	Emails       *[]string        `json:"emails"`                       // null: the consumer's
	Enabled      bool             `json:"enabled"`
	State        string           `json:"state"`
	StateReason  string           `json:"state_reason" lang:"kept"`
	StateSince   stamp            `json:"state_since"`
	Held         string           `json:"held,omitempty" lang:"kept"` // active, and what is due does not go: why
	HeldUntil    *stamp           `json:"held_until,omitempty"`       // until when at least, where that is known
	FailureCount int              `json:"failure_count"`
	FailedAt     stamp            `json:"failed_at"`
	CreatedAt    stamp            `json:"created_at"`
	UpdatedAt    stamp            `json:"updated_at"`
	InFlight     *int             `json:"in_flight,omitempty"` // of attempts with the configuration before a change
	Skipped      *int             `json:"skipped,omitempty"`   // after a resume that skips: deliveries
	SkippedMore  bool             `json:"skipped_more,omitempty"`
}

// secretView is a secret in force, without its value.
type secretView struct {
	CreatedAt stamp   `json:"created_at"`
	ExpiresAt stamp   `json:"expires_at"`
	SignsFrom *stamp  `json:"signs_from,omitempty"` // where an older one signs until then: the contract's header holds one signature
	PublicKey *string `json:"public_key,omitempty"` // where it is a private key
}

// viewEndpoint shows an endpoint; the secret only where the dialect always
// shows it, or where reveal says that this answer is the one that does. Of a
// private key only the public one is shown: nobody else needs the other.
func viewEndpoint(e *store.Endpoint, d *webhook.Dialect, reveal bool) endpointView {
	d = dialectFor(e.Consumer, d)
	v := endpointView{
		ID: endpointID.Format(e.ID), Consumer: e.Consumer, Name: e.Name, URL: e.URL, Description: e.Description,
		EventTypes: e.EventTypes, Headers: map[string]string{}, Secrets: []secretView{},
		settingsView: viewSettings(&e.Settings), Auth: viewAuth(&e.Auth), Certificate: viewCertificate(&e.Auth),
		Enabled: e.State == store.Active, State: string(e.State), StateReason: e.StateReason, StateSince: stamp(e.StateSince),
		FailureCount: e.FailureCount, FailedAt: stamp(e.FailedAt), CreatedAt: stamp(e.CreatedAt), UpdatedAt: stamp(e.UpdatedAt),
	}
	for _, h := range e.Headers {
		v.Headers[h.Name] = h.Value.String()
	}
	now := time.Now()
	for _, s := range e.Secrets {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(now) {
			v.Secrets = append(v.Secrets, secretView{CreatedAt: stamp(s.CreatedAt), ExpiresAt: stamp(s.ExpiresAt), PublicKey: publicKey(d, s)})
		}
	}
	if d != nil && d.Signature.Rotation == webhook.RotateOldest {
		for i := len(v.Secrets) - 2; i >= 0; i-- {
			from := v.Secrets[i+1].ExpiresAt
			if later := v.Secrets[i+1].SignsFrom; later != nil && time.Time(*later).After(time.Time(from)) {
				from = *later
			}
			v.Secrets[i].SignsFrom = &from
		}
	}
	if e.Settings.WireID != "" {
		v.WireID = &e.Settings.WireID
	}
	if e.PathSecret != "" {
		path := "/api/webhooks/" + e.Consumer + "/" + e.PathSecret.Reveal()
		v.InboundPath = &path
	}
	if e.RateLimit > 0 {
		v.RateLimit = &e.RateLimit
	}
	if e.Settings.Emails != nil {
		v.Emails = &e.Settings.Emails
	}
	if len(e.Secrets) == 0 {
		return v
	}
	v.PublicKey = publicKey(d, e.Secrets[0])
	if v.PublicKey == nil && (reveal || d != nil && d.Secret.Visible == webhook.VisibleAlways) {
		text := e.Secrets[0].Value.Reveal()
		v.Secret = &text
	}
	return v
}

// publicKey of a secret that is a private key, else nil.
func publicKey(d *webhook.Dialect, s store.SigningSecret) *string {
	if d == nil {
		return nil
	}
	if public, ok := d.PublicKey(s.Value.Reveal()); ok {
		return &public
	}
	return nil
}

// project of the key, with its dialect. Errors: [ingest.ErrDialect].
func (s *server) project(c *call) (*store.Project, *webhook.Dialect, error) {
	p, err := s.store.Project(c.r.Context(), c.key.ProjectID)
	if err != nil {
		return nil, nil, err
	}
	d, ok := s.dialects(p.Dialect)
	if !ok {
		return p, nil, ingest.ErrDialect
	}
	return p, d, nil
}

// dialectFor is what the endpoints of a consumer are spoken to in: the
// project's dialect d, but for the server's own events, which have one for
// all projects.
func dialectFor(consumer string, d *webhook.Dialect) *webhook.Dialect {
	if consumer == store.SystemConsumer {
		return webhook.Standard()
	}
	return d
}

func (s *server) createEndpoint(c *call, in *endpointInput) (endpointView, error) {
	project, d, err := s.project(c)
	if err != nil {
		return endpointView{}, err
	}
	if c.key.Consumer != "" && !in.Consumer.given() {
		in.Consumer = optional[string]{Set: true, Value: c.key.Consumer}
	}
	if !mayAct(c.key, in.Consumer.Value) {
		return endpointView{}, otherConsumer()
	}
	d = dialectFor(in.Consumer.Value, d)
	var errs ingest.FieldErrors
	errs.AddText("/consumer", s.checkConsumer(project, in.Consumer.Value))
	ch := s.checkEndpoint(in, project, d, true, &errs)
	checkOperational(in.Consumer.Value, in.EventTypes.Value, &errs)
	path := s.inboundSecret(c.key, in, d, &errs)
	checkWireID(c.key, in, d, &errs)
	if len(errs) > 0 {
		return endpointView{}, errs
	}
	e := &store.Endpoint{ProjectID: project.ID, Consumer: in.Consumer.Value, PathSecret: path}
	e.Settings.WireID = in.WireID.Value
	if err := ch.apply(e); err != nil {
		return endpointView{}, err
	}
	limit := endpointCap(d)
	c.before, err = s.store.CreateEndpointOnce(c.r.Context(), e, limit, onceOf(c, func(e *store.Endpoint) any { return viewEndpoint(e, d, true) }))
	switch {
	case errors.Is(err, store.ErrAddress):
		return endpointView{}, kindConflict.say(lang.Text("inbound_secret is of another endpoint's address, one that was deleted perhaps")).
			fixed("Leave it out: a new one is made. An address is of one endpoint for good.")
	case errors.Is(err, store.ErrWireID):
		return endpointView{}, kindConflict.say(lang.Text("wire_id is another endpoint's of consumer %s", e.Consumer)).
			fixed("Delete that endpoint first, or send the id that this one had.")
	case errors.Is(err, store.ErrLimit):
		return endpointView{}, kindConflict.say(lang.Count(limit, "consumer %[2]s has %[1]d endpoint already, the most that %[3]s allows",
			"consumer %[2]s has %[1]d endpoints already, the most that %[3]s allows", e.Consumer, d.Name)).
			fixed("Delete an endpoint that is no longer needed, or change one.")
	case err != nil:
		return endpointView{}, err
	}
	return viewEndpoint(e, d, true), nil
}

// maxEndpoints of a consumer where the dialect sets no cap.
const maxEndpoints = 1000

func endpointCap(d *webhook.Dialect) int {
	if n := d.Limits.EndpointsPerConsumer; n > 0 {
		return n
	}
	return maxEndpoints
}

type endpointsQuery struct {
	Consumer  string `query:"consumer"`
	State     string `query:"state"`
	EventType string `query:"event_type"`
	Search    string `query:"search"`
	Limit     int    `query:"limit"`
	Cursor    string `query:"cursor"`
}

func (s *server) listEndpoints(c *call, q *endpointsQuery) (list[endpointView], error) {
	_, d, err := s.project(c)
	if err != nil && !errors.Is(err, ingest.ErrDialect) {
		return list[endpointView]{}, err
	}
	f := store.EndpointFilter{EventType: q.EventType, Search: q.Search, Limit: limitOf(q.Limit)}
	if f.States, err = statesOf[store.EndpointState](q.State, endpointStates()); err != nil {
		return list[endpointView]{}, err
	}
	if what := ingest.CheckType(f.EventType); f.EventType != "" && !what.IsZero() {
		return list[endpointView]{}, parameter("event_type", "%s", what)
	}
	if f.Before, err = c.after(q.Cursor); err != nil {
		return list[endpointView]{}, err
	}
	var ok bool
	if f.Consumer, ok = ownConsumer(c.key, q.Consumer); !ok {
		return list[endpointView]{Data: []endpointView{}}, nil
	}
	page, err := s.store.EndpointList(c.r.Context(), c.key.ProjectID, f)
	if err != nil {
		return list[endpointView]{}, err
	}
	show := func(e *store.Endpoint) endpointView { return s.seenEndpoint(c.r.Context(), e, d) }
	return list[endpointView]{Data: views(page.Items, show), NextCursor: c.cursor(page.Next)}, nil
}

func endpointStates() []string {
	return []string{string(store.Active), string(store.Paused), string(store.Disabled)}
}

// ownConsumer narrows a list to the key's consumer; false: it asked for
// another, and there is nothing to see.
func ownConsumer(k *store.Key, asked string) (string, bool) {
	if k.Consumer == "" {
		return asked, true
	}
	return k.Consumer, asked == "" || asked == k.Consumer
}

// endpoint reads the endpoint of the path, if it is the key's to see.
func (s *server) endpoint(c *call) (*store.Endpoint, error) {
	id, err := pathID(c, endpointID)
	if err != nil {
		return nil, err
	}
	e, err := s.store.Endpoint(c.r.Context(), c.key.ProjectID, id)
	if err != nil {
		return nil, err
	}
	if !mayAct(c.key, e.Consumer) {
		return nil, store.ErrNotFound
	}
	return e, nil
}

func (s *server) getEndpoint(c *call) (endpointView, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return endpointView{}, err
	}
	_, d, err := s.project(c)
	if err != nil && !errors.Is(err, ingest.ErrDialect) {
		return endpointView{}, err
	}
	return s.seenEndpoint(c.r.Context(), e, d), nil
}

// seenEndpoint shows an endpoint, and what keeps its deliveries.
func (s *server) seenEndpoint(ctx context.Context, e *store.Endpoint, d *webhook.Dialect) endpointView {
	v := viewEndpoint(e, d, false)
	v.Held, v.HeldUntil = s.waiting(ctx, e.ID, store.ID{})
	return v
}

func (s *server) patchEndpoint(c *call, in *endpointInput) (endpointView, error) {
	project, e, d, err := s.endpointToChange(c)
	if err != nil {
		return endpointView{}, err
	}
	var errs ingest.FieldErrors
	if in.Consumer.Set {
		addError(&errs, "/consumer", "cannot be changed; make an endpoint for the other consumer")
	}
	if in.WireID.Set {
		addError(&errs, "/wire_id", "cannot be changed; its receiver knows it by that")
	}
	if in.InboundSecret.Set {
		addError(&errs, "/inbound_secret", "cannot be changed; make another endpoint, with an address of its own")
	}
	in.keepKind(e, d)
	ch := s.checkEndpoint(in, project, d, false, &errs)
	checkOperational(e.Consumer, in.EventTypes.Value, &errs)
	if len(errs) > 0 {
		return endpointView{}, errs
	}
	return s.changeEndpoint(c, d, ch.generated, s.store.UpdateEndpoint, ch.apply)
}

// endpointToChange reads the endpoint of the path, its project and its dialect.
func (s *server) endpointToChange(c *call) (*store.Project, *store.Endpoint, *webhook.Dialect, error) {
	project, d, err := s.project(c)
	if err != nil {
		return nil, nil, nil, err
	}
	e, err := s.endpoint(c)
	if err != nil {
		return nil, nil, nil, err
	}
	return project, e, dialectFor(e.Consumer, d), nil
}

// keepKind has a secret that the server makes be of the kind that the
// endpoint's receiver verifies.
func (in *endpointInput) keepKind(e *store.Endpoint, d *webhook.Dialect) {
	if in.Secret.Null && !in.SecretType.given() && len(e.Secrets) > 0 && publicKey(d, e.Secrets[0]) != nil {
		in.SecretType = optional[string]{Set: true, Value: typeEd25519}
	}
}

// keeper is the store's way to change an endpoint.
type keeper func(ctx context.Context, project, id store.ID, change func(*store.Endpoint) error) (e *store.Endpoint, inFlight int, err error)

// changeEndpoint changes the endpoint of the path and shows what was kept.
func (s *server) changeEndpoint(c *call, d *webhook.Dialect, reveal bool, keep keeper, change func(*store.Endpoint) error) (endpointView, error) {
	id, err := pathID(c, endpointID)
	if err != nil {
		return endpointView{}, err
	}
	e, inFlight, err := keep(c.r.Context(), c.key.ProjectID, id, func(e *store.Endpoint) error {
		if !mayAct(c.key, e.Consumer) {
			return store.ErrNotFound
		}
		return change(e)
	})
	if err != nil {
		return endpointView{}, err
	}
	v := viewEndpoint(e, d, reveal)
	v.InFlight = flying(inFlight)
	return v, nil
}

func (s *server) deleteEndpoint(c *call, _ *none) (deleted, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return deleted{}, err
	}
	n, err := s.store.DeleteEndpoint(c.r.Context(), c.key.ProjectID, e.ID)
	return deleted{Deleted: true, InFlight: flying(n)}, err
}

func (s *server) pauseEndpoint(c *call, _ *none) (endpointView, error) {
	return s.switchEndpoint(c, s.store.UpdateEndpoint, false)
}

type resumeInput struct {
	// Skip ends what waits instead of sending it.
	Skip optional[bool] `json:"skip" body:"optional"`
}

func (s *server) resumeEndpoint(c *call, in *resumeInput) (endpointView, error) {
	if !in.Skip.or(false) {
		return s.switchEndpoint(c, s.store.UpdateEndpoint, true)
	}
	var skipped store.Skipped
	v, err := s.switchEndpoint(c, func(ctx context.Context, project, id store.ID, change func(*store.Endpoint) error) (e *store.Endpoint, inFlight int, err error) {
		e, skipped, inFlight, err = s.store.ResumeSkipping(ctx, project, id, change)
		return e, inFlight, err
	}, true)
	v.Skipped, v.SkippedMore = &skipped.Count, skipped.More
	return v, err
}

func (s *server) switchEndpoint(c *call, keep keeper, on bool) (endpointView, error) {
	_, d, err := s.project(c)
	if err != nil && !errors.Is(err, ingest.ErrDialect) {
		return endpointView{}, err
	}
	return s.changeEndpoint(c, d, false, keep, func(e *store.Endpoint) error {
		setEnabled(e, on)
		return nil
	})
}

// setEnabled pauses an active endpoint, or makes one active again. One that a
// rule disabled stays disabled until somebody enables it.
func setEnabled(e *store.Endpoint, on bool) {
	switch {
	case on:
		e.State, e.StateReason = store.Active, ""
	case e.State != store.Disabled:
		e.State, e.StateReason = store.Paused, lang.Keep("paused through the API")
	}
}

// newSecret is a secret from now on.
func newSecret(text string, now time.Time) store.SigningSecret {
	return store.SigningSecret{Value: secret.Text(text), CreatedAt: now}
}
