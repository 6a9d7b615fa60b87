// Package deliver sends what is kept: it takes due deliveries in fair turns,
// asks the gate, makes one attempt, and writes back what came of it. First
// try and retry are one path; the only way back to the rest is a row.
package deliver

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Store is what the engine asks of the store; [store.DB] has it.
type Store interface {
	PendingEndpoints(ctx context.Context, after store.ID, limit int) ([]store.PendingEndpoint, error)
	LoadDue(ctx context.Context, endpoint store.ID, after store.Place, limit, maxBytes int) ([]*store.Work, error)
	Lane(ctx context.Context, endpoint store.ID) (*store.Lane, error)
	RecentSends(ctx context.Context, endpoint store.ID, since time.Time, limit int) ([]time.Time, error)
	Finish(o *store.Outcome, done func(error))
}

// Sender makes one request; [egress.Client] does.
type Sender interface {
	Send(ctx context.Context, r *egress.Request) (*egress.Response, error)
}

// Limits protect this process and the receivers. Zero fields mean the defaults.
type Limits struct {
	PerEndpoint int           // attempts in flight for each endpoint (default 16)
	PerHost     int           // for each host and port (default 64)
	Global      int           // in all (default 512)
	Memory      int64         // bytes of deliveries held in memory (default 64 MiB)
	Grace       time.Duration // to finish what is in flight at a stop (default 30 s)
}

// Options of an engine.
type Options struct {
	Store    Store
	Sender   Sender
	Dialects func(name string) (*webhook.Dialect, bool) // "tarefa/1" or "tarefa" (newest revision)
	Limits   Limits
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

// Engine is a [store.Owner].
type Engine struct{}

// New makes an engine; nothing runs yet.
func New(o Options) *Engine { panic("not built") }

// Run sends until ctx ends, then stops claiming, finishes what is in flight
// within the grace, and returns. What is left stays in the store.
func (e *Engine) Run(ctx context.Context) error { panic("not built") }

// Accepted, EndpointChanged and DeliveryChanged: see [store.Owner].
func (e *Engine) Accepted(w []*store.Work)                  { panic("not built") }
func (e *Engine) EndpointChanged(id store.ID) int           { panic("not built") }
func (e *Engine) DeliveryChanged(endpoint, id store.ID) int { panic("not built") }

var _ store.Owner = (*Engine)(nil)
var _ Sender = (*egress.Client)(nil)
var _ Store = (*store.DB)(nil)
