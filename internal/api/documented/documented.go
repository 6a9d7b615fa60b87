// Package documented answers the management APIs that companies had published
// before they came to Malote: gabinete360's channels, placaflow's and tarefa's
// webhooks, with their paths, fields, statuses and errors. A channel or a
// webhook is an endpoint of the native API, under the same rules.
//
// Two companies share a path. The project of the request's key decides whose
// API it speaks; without a key that is in force, the project that its host
// name is bound to; else the answer is a plain 401.
package documented

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Options of the documented APIs.
type Options struct {
	Store    *store.DB
	Ingest   *ingest.Ingester
	Policy   *egress.Policy // judges endpoint URLs
	Dialects func(name string) (*webhook.Dialect, bool)
	Logger   *slog.Logger
}

// Door is where requests in the companies' own APIs come in.
type Door struct {
	store     *store.DB
	ingest    *ingest.Ingester
	rules     api.Rules
	dialects  func(name string) (*webhook.Dialect, bool)
	log       *slog.Logger
	contracts map[string]*contract // by the name of the dialect
	unspoken  *contract            // of projects whose company documents no API

	in     pacer // requests of the addresses that take events in
	tests  pacer
	bodies atomic.Int64 // bytes of events being read
}

var _ api.Documented = (*Door)(nil)

// New makes the handler.
func New(o Options) *Door {
	d := &Door{store: o.Store, ingest: o.Ingest, dialects: o.Dialects, log: o.Logger}
	if o.Policy != nil {
		d.rules.Policy = *o.Policy
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.tests = pacer{window: time.Second, limit: 1}
	d.in = pacer{window: time.Minute, limit: inboundRate}
	d.unspoken = newContract(d, "", plain, nil)
	d.contracts = map[string]*contract{}
	for _, c := range []*contract{gabinete360(d), placaflow(d), tarefa(d)} {
		d.contracts[c.name] = c
	}
	return d
}

// TakesEvents reports whether webhooks of a dialect have an address of their
// own that takes events in.
func (d *Door) TakesEvents(dialect string) bool { return dialect == tarefaName }

// Serve answers one request.
//
// As in the companies' own servers, one slash at the end of a path changes
// nothing.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request) int {
	r = withoutLastSlash(r)
	c := &call{ResponseWriter: w, d: d, r: r, contract: d.unspoken}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { // as net/http compares it
				panic(v)
			}
			d.log.Error("panic in a handler", "request_id", w.Header().Get("X-Request-Id"), "method", r.Method,
				"contract", c.contract.name, "panic", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			c.fail(internal())
		}
	}()
	if err := c.resolve(); err != nil {
		c.fail(err)
		return c.status
	}
	if p := r.URL.EscapedPath(); path.Clean(p) != p {
		(&resource{}).ServeHTTP(c, r) // ServeMux would redirect
		return c.status
	}
	c.contract.mux.ServeHTTP(c, r)
	return c.status
}

func withoutLastSlash(r *http.Request) *http.Request {
	escaped, ok := strings.CutSuffix(r.URL.EscapedPath(), "/")
	if !ok {
		return r
	}
	out, u := *r, *r.URL
	u.Path, _ = strings.CutSuffix(u.Path, "/")
	u.RawPath = escaped // where it is the default form of Path, it is not used
	out.URL = &u
	return &out
}

// resolve finds out whose API the request speaks, and for whom.
func (c *call) resolve() error {
	ctx := c.r.Context()
	if path, ok := pathSecret(c.r.URL.Path); ok {
		a, err := c.d.store.EndpointByPath(ctx, path)
		if err == nil {
			c.address = a
			return c.speak(a.Project)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	key, err := api.KeyOf(ctx, c.d.store, c.r.Header)
	if err != nil {
		return err
	}
	if key != nil {
		p, err := c.d.store.Project(ctx, key.ProjectID)
		if err != nil {
			return err
		}
		c.key = key
		return c.speak(p)
	}
	p, err := c.d.store.ProjectByHost(ctx, hostOf(c.r.Host))
	if errors.Is(err, store.ErrNotFound) {
		return unauthorized()
	}
	if err != nil {
		return err
	}
	return c.speak(p)
}

// speak chooses the contract of a project.
func (c *call) speak(p *store.Project) error {
	c.project = p
	if own := c.d.contracts[p.Dialect]; own != nil {
		c.contract = own
	}
	d, ok := c.d.dialects(p.Dialect)
	if !ok {
		return ingest.ErrDialect
	}
	c.dialect = d
	return nil
}

// hostOf is the host name of a request, without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// pathSecret is the secret in /api/webhooks/{userId}/{secret}.
func pathSecret(path string) (secret.Text, bool) {
	rest, ok := strings.CutPrefix(path, "/api/webhooks/")
	if !ok {
		return "", false
	}
	_, last, ok := strings.Cut(rest, "/")
	if !ok || !strings.HasPrefix(last, "wh_") || strings.Contains(last, "/") {
		return "", false
	}
	return secret.Text(last), true
}
