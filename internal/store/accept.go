package store

import "github.com/malote-dev/malote/internal/match"

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
	// With Broadcast it may be zero: the store itself matches.
	Version int64
	// Access is what [DB.Access] said before the sender's key was looked up:
	// where it says something else by now, the item is stale, and the key is to
	// be looked up again. Zero: nobody's key.
	Access uint64
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
	Err        error // of this item: ErrConflict (key used with another request), ErrStale (configuration moved, or access was taken away: match again)
}

// Subscription is what matching needs to know of an endpoint.
type Subscription struct {
	EndpointID ID
	EventTypes []string
	Rules      *match.Rules // channels and filter; nil: neither
}

// Subscriptions are the endpoints of one consumer, with the version of the
// project's configuration that they were read at. Shared: read only.
type Subscriptions struct {
	Version   int64
	Project   *Project
	Endpoints []Subscription
	Rules     *TypeRules // nil: none
}
