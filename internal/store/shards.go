package store

import "time"

// Shard is one of [Shards] parts that endpoints fall into. Of the processes
// that share a database, one alone sends for the endpoints of a shard.
type Shard = int

// Shards is how many there are.
const Shards = 256

// ShardOf is the shard that an endpoint falls into. It never changes.
func (db *DB) ShardOf(endpoint ID) Shard {
	k, _ := db.keys.key(endpoint)
	return shardOf(k)
}

// shardOf spreads keys that were made one after the other.
func shardOf(endpoint key) Shard { return int(uint64(endpoint) * 0x9e3779b97f4a7c15 >> 56) }

// Owns reports whether this process alone sends for an endpoint.
func (db *DB) Owns(endpoint ID) bool {
	return db.nodes == nil || db.nodes.owns(db.ShardOf(endpoint))
}

// Shared reports whether other processes may accept events, too.
func (db *DB) Shared() bool { return db.nodes != nil }

func (db *DB) ownsKey(endpoint key) bool { return db.nodes == nil || db.nodes.owns(shardOf(endpoint)) }

// LeaseEnds is until when what this process owns is its own; zero: for good.
func (db *DB) LeaseEnds() time.Time {
	if db.nodes == nil {
		return time.Time{}
	}
	return db.nodes.engine.leaseEnds()
}

// Chief reports whether this process does what one does for all: retention,
// statistics, mails, and whatever goes on in the background.
func (db *DB) Chief() bool {
	if db.nodes == nil {
		return db.engine.alone()
	}
	return db.nodes.owns(chiefShard)
}

// chiefShard is the one whose owner is the chief.
const chiefShard Shard = 0

// allShards are they in order.
func allShards() []Shard {
	all := make([]Shard, Shards)
	for i := range all {
		all[i] = i
	}
	return all
}
