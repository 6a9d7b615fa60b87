package store

import "time"

// Work is a pending delivery with what is needed to send it.
type Work struct {
	endpoint   key // of those that were accepted; others have none
	ID         ID
	EndpointID ID
	Event      *Event // shared between the deliveries of one event; read only
	Attempts   int    // made so far
	// Interrupted: those of the Attempts that used up no try of the schedule:
	// a crash may have interrupted them, or a replay began it anew after them.
	Interrupted int
	LastAt      time.Time // of the last attempt; zero before the first
	DueAt       time.Time
	CreatedAt   time.Time
}

// Size is what the work costs in memory, in bytes.
func (w *Work) Size() int { return len(w.Event.Data) + 512 }

// Outcome is what came of one attempt, decided by the engine and kept by
// [DB.Finish] in one transaction.
type Outcome struct {
	Work    *Work
	Attempt Attempt
	// Interrupted is kept before Attempt, with the number before it: an
	// attempt that may have been under way when a crash ended the process
	// before this one. nil: none.
	Interrupted *Attempt
	State       State     // Pending: try again at DueAt
	DueAt       time.Time // with Pending
	Reason      string    // with Failed and Cancelled
	Effect      Effect
}

// Effect is what an outcome does to its endpoint beside the delivery itself.
type Effect struct {
	Exhausted    bool   // a schedule was used up: count it
	Mark         bool   // set FailedAt
	Clear        bool   // a success after failures: reset FailureCount and FailedAt
	Disable      string // why; empty: no
	DisableAfter int    // disable when FailureCount reaches it; 0: never
}

// Owner is told, after the commit, what changed in rows it may hold in
// memory. Its methods return at once and never call the store.
type Owner interface {
	// Accepted hands over new pending deliveries that this process committed.
	Accepted([]*Work)
	// QueueGrew says that an endpoint's queue has more deliveries, from a place
	// on, than it was handed: they are to be read.
	QueueGrew(endpoint ID, from Place)
	// EndpointChanged says that an endpoint was changed or deleted. It returns
	// how many of its attempts are in flight; no attempt started after the
	// return uses the old configuration.
	EndpointChanged(endpoint ID) (inFlight int)
	// DeliveryChanged says that a delivery was cancelled or made due now.
	// It returns 1 if an attempt of it is in flight, else 0.
	DeliveryChanged(endpoint, delivery ID) (inFlight int)
	// RecoveryAsked says that somebody takes an endpoint's receiver to be back.
	RecoveryAsked(endpoint ID)
	// Missed says that any of this may have happened without a word: what is in
	// memory is to be read again.
	Missed()
	// Gained says that this process alone sends for these shards from now on.
	// died: the one before did not hand them over, and its attempts may have
	// been under way.
	Gained(shards []Shard, died bool)
	// Leave asks to stop sending for shards. done is called, from any
	// goroutine, once nothing of them is in flight nor waits for its commit;
	// from then on they are not this process's until they are gained again.
	Leave(shards []Shard, done func())
}

// PendingEndpoint is an endpoint that has pending deliveries.
type PendingEndpoint struct {
	EndpointID ID
	DueAt      time.Time // of the earliest
}

// Place is a position in an endpoint's queue, ordered by DueAt, then ID.
type Place struct {
	DueAt time.Time
	ID    ID
}

// Lane is what the engine needs to know of an endpoint.
type Lane struct {
	Endpoint *Endpoint
	Project  *Project
}

// SetOwner names who is told of changes, and tells it what this process owns.
// Call it once, before the first write.
func (db *DB) SetOwner(o Owner) {
	if db.nodes != nil {
		db.nodes.introduce(o)
		return
	}
	db.owner.Store(&o)
	o.Gained(allShards(), db.unclean)
}
