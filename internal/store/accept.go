package store

import "context"

// Acceptance is an event to keep with its deliveries.
type Acceptance struct {
	// Event without ID, CreatedAt, Deliveries: the store sets them.
	Event *Event
	// RequestHash is the hash of what the caller sent, compared when the
	// event's IdempotencyKey was used before.
	RequestHash [32]byte
	// Endpoints that get it, of one project. Ignored with Broadcast.
	Endpoints []ID
	// Version of the project's configuration that Endpoints was matched with.
	Version int64
	// Broadcast: all active subscriptions of the project whose types match;
	// matched by the store in the same transaction. Above 1,000 deliveries
	// the rest is made later, from a durable cursor.
	Broadcast bool
}

// Accepted is the answer to one Acceptance.
type Accepted struct {
	EventID    ID
	Deliveries int
	Unreached  string
	Duplicate  bool  // the key was used before with the same request: this is the first answer
	More       bool  // a broadcast goes on in the background
	Err        error // of this item: ErrConflict (key used with another request), ErrStale (configuration moved: match again)
}

// Subscription is what matching needs to know of an endpoint.
type Subscription struct {
	EndpointID ID
	EventTypes []string
}

// Subscriptions are the endpoints of one consumer, with the version of the
// project's configuration that they were read at.
type Subscriptions struct {
	Version   int64
	Project   *Project
	Endpoints []Subscription
}

// Subscriptions of a consumer, from memory where possible. An unknown
// consumer has none. Errors: [ErrNotFound] (no such project).
func (db *DB) Subscriptions(ctx context.Context, project ID, consumer string) (*Subscriptions, error) {
	panic("not built")
}

// Accept keeps events and their deliveries in one durable commit, shared with
// whatever else waits to be written, and returns after it. One bad item never
// fails the others; the error is for all of them (full disk, closed store):
// then nothing was kept. Where ctx ends first the outcome is unknown.
func (db *DB) Accept(ctx context.Context, items []*Acceptance) ([]Accepted, error) {
	panic("not built")
}

// MatchType reports whether an event type is one of the patterns: an exact
// name, a prefix with ".*" ("task.*" matches task.created and task.a.b), or "*".
func MatchType(patterns []string, eventType string) bool { panic("not built") }
