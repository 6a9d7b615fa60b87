package store

import (
	"context"
	"time"
)

// Filter narrows a list; zero fields do not. From is inclusive, Until not;
// both judge CreatedAt.
type Filter struct {
	EventID     ID
	EndpointID  ID
	Consumer    string
	Type        string
	State       State
	From, Until time.Time
	Before      ID  // cursor: strictly older than this id
	Limit       int // at most 250
}

// Page is one page of a list, newest first. A page may be shorter than the
// limit, even empty, with Next set: the scan behind it is bounded.
type Page[T any] struct {
	Items []T
	Next  ID // cursor for the next page; zero at the end
}

// Events lists a project's events.
func (db *DB) Events(ctx context.Context, project ID, f Filter) (Page[*Event], error) {
	panic("not built")
}

// Event reads one with its data. Errors: [ErrNotFound].
func (db *DB) Event(ctx context.Context, project, id ID) (*Event, error) { panic("not built") }

// Deliveries lists a project's deliveries, pending and final as one.
func (db *DB) Deliveries(ctx context.Context, project ID, f Filter) (Page[*Delivery], error) {
	panic("not built")
}

// Delivery reads one. Errors: [ErrNotFound].
func (db *DB) Delivery(ctx context.Context, project, id ID) (*Delivery, error) { panic("not built") }

// Attempts of a delivery, oldest first, after a number (0: from the first).
func (db *DB) Attempts(ctx context.Context, project, delivery ID, after, limit int) ([]*Attempt, error) {
	panic("not built")
}

// RetryDelivery makes a delivery due now: a pending one at once, a final one
// again with its attempt numbers going on and one more try than it had.
// Errors: [ErrNotFound], [ErrConflict] (its endpoint was deleted).
func (db *DB) RetryDelivery(ctx context.Context, project, id ID) (*Delivery, error) {
	panic("not built")
}

// CancelDelivery ends a pending delivery. Errors: [ErrNotFound], [ErrConflict] (already final).
func (db *DB) CancelDelivery(ctx context.Context, project, id ID) (d *Delivery, inFlight int, err error) {
	panic("not built")
}

// Health is what the store knows of itself, cheap enough for every scrape.
type Health struct {
	Pending   int64     // deliveries in the queue
	OldestDue time.Time // of the earliest that is due; zero: none is
	SizeBytes int64     // of the database on disk
	Err       error     // why a 2xx would lie now; nil: it would not
}

// Health reports; its cost does not grow with the queue.
func (db *DB) Health(ctx context.Context) Health { panic("not built") }

// Prune deletes history older than before: at most limit rows a call, in
// bounded transactions, never anything that is pending or that a pending
// delivery needs. It returns how many rows went.
func (db *DB) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	panic("not built")
}
