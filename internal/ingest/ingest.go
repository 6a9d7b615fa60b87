// Package ingest accepts events: it validates, matches them with the
// endpoints that want them, and has the store keep event and deliveries in one
// commit. It never calls deliver.
package ingest

import (
	"context"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Request is an event as a caller hands it in.
type Request struct {
	Project        store.ID
	Type           string
	Consumer       string    // uid; "*": all, needs Broadcast
	Data           []byte    // raw JSON
	Timestamp      time.Time // zero: now
	IdempotencyKey string
	Broadcast      bool // the key has the scope events:broadcast
}

// Result of one request.
type Result struct {
	EventID    store.ID
	Deliveries int
	Unreached  string
	Duplicate  bool
	More       bool
	Err        error // *FieldError, store.ErrConflict, …
}

// FieldError names a field of the event, its problem and the fix.
type FieldError struct{ Pointer, Detail string }

func (e *FieldError) Error() string { return e.Pointer + ": " + e.Detail }

// Options of an Ingester.
type Options struct {
	Store    *store.DB
	Dialects func(name string) (*webhook.Dialect, bool)
	MaxData  int // bytes of data (default 256 KiB)
}

// Ingester accepts events.
type Ingester struct{}

// New makes one.
func New(o Options) *Ingester { panic("not built") }

// Accept keeps events in one durable commit: one result each, in order. The
// error is for all of them: then nothing was kept.
func (i *Ingester) Accept(ctx context.Context, rs []Request) ([]Result, error) { panic("not built") }

// Test makes the dialect's test event for one endpoint alone and returns its delivery.
func (i *Ingester) Test(ctx context.Context, project, endpoint store.ID) (Result, error) {
	panic("not built")
}
