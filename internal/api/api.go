// Package api is the door: routes, keys and scopes, problem+json. Handlers
// read a request, ask ingest or the store, and write the answer; no rule lives here.
package api

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Options of the API.
type Options struct {
	Store    *store.DB
	Ingest   *ingest.Ingester
	Policy   *egress.Policy // judges endpoint URLs at creation
	Dialects func(name string) (*webhook.Dialect, bool)
	Ready    func() error // nil: a 2xx would not lie
	Metrics  prometheus.Gatherer
	Logger   *slog.Logger
	Version  string
}

// New makes the handler of all routes.
func New(o Options) http.Handler { panic("not built") }
