package store

import (
	"context"
	"time"
)

// CreateProject keeps a project; ID and CreatedAt are set. Errors: [ErrConflict] (same name and environment).
func (db *DB) CreateProject(ctx context.Context, p *Project) error { panic("not built") }

// Projects lists projects by id, after the one given.
func (db *DB) Projects(ctx context.Context, after ID, limit int) ([]*Project, error) {
	panic("not built")
}

// Project reads one. Errors: [ErrNotFound].
func (db *DB) Project(ctx context.Context, id ID) (*Project, error) { panic("not built") }

// CreateKey keeps a key by the SHA-256 of its text; ID and CreatedAt are set.
func (db *DB) CreateKey(ctx context.Context, k *Key, hash [32]byte) error { panic("not built") }

// KeyByHash finds a key in force at now, from memory where possible.
// Errors: [ErrNotFound] (unknown, expired, revoked).
func (db *DB) KeyByHash(ctx context.Context, hash [32]byte, now time.Time) (*Key, error) {
	panic("not built")
}

// RevokeKey ends a key at once.
func (db *DB) RevokeKey(ctx context.Context, id ID) error { panic("not built") }

// PutConsumer creates or renames a consumer. created says which.
func (db *DB) PutConsumer(ctx context.Context, c *Consumer) (created bool, err error) {
	panic("not built")
}

// Consumer reads one by uid. Errors: [ErrNotFound].
func (db *DB) Consumer(ctx context.Context, project ID, uid string) (*Consumer, error) {
	panic("not built")
}

// DeleteConsumer deletes a consumer with its endpoints; their pending
// deliveries are cancelled. It returns how many attempts are in flight.
func (db *DB) DeleteConsumer(ctx context.Context, project ID, uid string) (inFlight int, err error) {
	panic("not built")
}

// CreateEndpoint keeps an endpoint; ID, times and State are set, and its
// consumer is created on first mention. cap limits the consumer's endpoints
// (0: none), counted in the same transaction. Errors: [ErrLimit].
func (db *DB) CreateEndpoint(ctx context.Context, e *Endpoint, cap int) error { panic("not built") }

// Endpoint reads one of a project. Errors: [ErrNotFound], also for a foreign one.
func (db *DB) Endpoint(ctx context.Context, project, id ID) (*Endpoint, error) { panic("not built") }

// Endpoints lists a project's endpoints by id, newest first, before the one
// given (zero: from the newest); consumer "" lists all.
func (db *DB) Endpoints(ctx context.Context, project ID, consumer string, before ID, limit int) ([]*Endpoint, error) {
	panic("not built")
}

// UpdateEndpoint reads, lets change alter, and keeps, in one transaction.
// It returns what was kept and how many attempts with the old configuration
// are still in flight. Errors: [ErrNotFound], and whatever change returns.
func (db *DB) UpdateEndpoint(ctx context.Context, project, id ID, change func(*Endpoint) error) (e *Endpoint, inFlight int, err error) {
	panic("not built")
}

// DeleteEndpoint deletes; pending deliveries are cancelled. Errors: [ErrNotFound].
func (db *DB) DeleteEndpoint(ctx context.Context, project, id ID) (inFlight int, err error) {
	panic("not built")
}
