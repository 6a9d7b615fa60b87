package api

import (
	"bytes"
	"context"
	"net/http"
	"slices"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// API is the handler of all routes. Pages of this server ask it too, for the
// person who looks at them: what a page shows and does is what a route does.
type API struct{ *server }

// Dialect finds one by its name.
func (a *API) Dialect(name string) (*webhook.Dialect, bool) { return a.dialects(name) }

// Dialects are all that this server knows, each in its newest revision, by name.
func (a *API) Dialects() []*webhook.Dialect { return a.newestDialects() }

// Question is a request that a page makes for its visitor: one who is signed
// in to the console, or has a portal session.
type Question struct {
	Visitor  *store.Visitor
	Token    secret.Text // of the portal session; then there is no Visitor and no Project
	Project  store.ID    // zero: what takes a root key
	Method   string
	Target   string // path and query, escaped
	Body     []byte
	Once     string // Idempotency-Key; empty: none
	Language lang.Language
}

// Reply is what a route answered.
type Reply struct {
	Status int
	Body   []byte
}

// Ask has a route answer a question. Roles give scopes: a viewer those that
// read, an operator all but keys:write, and an owner all, with what takes a
// root key. Whether the visitor is still signed in is judged by the store with
// every write, as keys are.
func (a *API) Ask(ctx context.Context, q *Question) (*Reply, error) {
	r, err := http.NewRequestWithContext(ctx, q.Method, q.Target, bytes.NewReader(q.Body))
	if err != nil {
		return nil, err
	}
	r.Header["Accept-Language"] = []string{q.Language.Tag()}
	if q.Once != "" {
		r.Header["Idempotency-Key"] = []string{q.Once}
	}
	if q.Token != "" { // no more than whoever else has it
		r.Header["Authorization"] = []string{"Bearer " + q.Token.Reveal()}
		w := &answered{header: http.Header{}}
		a.ServeHTTP(w, r)
		return &Reply{Status: w.status, Body: w.body.Bytes()}, nil
	}
	w := &asked{visitor: q.Visitor, answered: answered{header: http.Header{}}, key: &store.Key{
		ID: q.Visitor.Person.ID, ProjectID: q.Project, Prefix: q.Visitor.Person.Email, Scopes: roleScopes(q.Visitor.Person.Role), CreatedAt: q.Visitor.Person.CreatedAt,
	}}
	a.ServeHTTP(w, r)
	return &Reply{Status: w.status, Body: w.body.Bytes()}, nil
}

// asked takes the answer to a question, and so says who asks it.
type asked struct {
	visitor *store.Visitor
	key     *store.Key // that the visitor's role stands for
	answered
}

// answered takes an answer.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answered) Header() http.Header         { return w.header }
func (w *answered) WriteHeader(status int)      { w.status = status }
func (w *answered) Write(b []byte) (int, error) { return w.body.Write(b) }

// readScopes are those of a viewer: secrets and tokens are not among what they show.
func readScopes() []string {
	return []string{
		string(consumersRead), string(endpointsRead), string(eventsRead), string(deliveriesRead), string(auditRead), string(eventTypesRead),
		string(keysRead), string(portalRead), string(linksRead), string(inspectorsRead),
	}
}

func roleScopes(r store.Role) []string {
	switch r {
	case store.RoleOwner:
		return []string{allScopes, string(keysWrite)}
	case store.RoleOperator:
		return []string{allScopes}
	case store.RoleViewer:
		return readScopes()
	}
	return nil
}

// authorizeAsked is [authorize] for a visitor.
func (c *call) authorizeAsked() error {
	c.key = c.asked.key
	role := c.asked.visitor.Person.Role
	changes := c.route.method != http.MethodGet && !c.route.safe
	forRoot := c.key.ProjectID.IsZero()
	if !slices.Contains(store.Roles(), role) || forRoot && changes && role != store.RoleOwner || authorize(c.key, c.route) != nil {
		return kindForbidden.problemf("this is not for the role %s", string(role)).fixed("Ask an owner of this server to do it, or for another role.")
	}
	return nil
}
