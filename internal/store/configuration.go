package store

import "errors"

// Configuration is held in memory, and other processes may write to the same
// database. So a transaction that changes some of it says what it changed, in
// one way for all: after the commit this process forgets just that, and the
// others do when they hear of it. Each such transaction raises the generation
// of the configuration; each one that writes anything fails unless the
// generation is the one that it was made with (see pgEngine.agree). Where it
// fails, the writer learns what changed and makes it again. SQLite has one
// process, and none of this costs it anything.

// changeKind says what of the configuration changed. The numbers are kept.
type changeKind int16

const (
	changedProject  changeKind = 1  // made, changed or deleted
	changedVersion  changeKind = 2  // a project's: what events are matched with
	changedEndpoint changeKind = 3  // changed or deleted
	changedDeletion changeKind = 4  // whether an endpoint's deliveries are being cancelled
	changedSkip     changeKind = 5  // up to where they are
	changedKey      changeKind = 6  // revoked
	changedAccess   changeKind = 7  // portal sessions ended; they are in no memory, but what is asked for with them is to be judged again
	changedEars     changeKind = 8  // a project has an endpoint for operational events
	changedEmails   changeKind = 9  // who is told of failures; of everything
	changedIncident changeKind = 10 // by somebody else than the endpoint's attempts
	changedDialects changeKind = 11 // a revision was kept; of everything

	// changedHealth is what attempts change of their endpoint. Who makes them
	// alone holds it in memory: it is told to nobody.
	changedHealth changeKind = 0
)

// changed is one thing that a transaction changed.
type changed struct {
	kind     changeKind
	k        key
	set      func()  // takes it over after the commit; nil: it is read again when it is needed
	inFlight *flying // counts the attempts that are under way with what was before; nil: nobody asks
}

// changed notes that something of the configuration changes with this
// transaction. It is the one way: see [DB.forget].
func (b *batch) changed(kind changeKind, k key, set func()) {
	b.changes = append(b.changes, changed{kind: kind, k: k, set: set})
}

// endpointChanged notes that an endpoint changes; inFlight counts its attempts
// with what was before.
func (b *batch) endpointChanged(k key, inFlight *flying) {
	b.changes = append(b.changes, changed{kind: changedEndpoint, k: k, inFlight: inFlight})
}

// listened notes that a project has an endpoint for operational events now,
// also for what this same transaction announces.
func (b *batch) listened(project key) {
	delete(b.w.unheard, project)
	b.changed(changedEars, project, nil)
}

// told are the changes that others must hear of, each once.
func (b *batch) told() (kinds []int16, keys []int64) {
	type one struct {
		kind changeKind
		k    key
	}
	var seen map[one]bool
	for _, c := range b.changes {
		if c.kind == changedHealth || seen[one{c.kind, c.k}] {
			continue
		}
		if seen == nil {
			seen = map[one]bool{}
		}
		seen[one{c.kind, c.k}] = true
		kinds, keys = append(kinds, int16(c.kind)), append(keys, c.k)
	}
	return kinds, keys
}

// settleChanges takes over what a commit changed of the configuration.
func (b *batch) settleChanges() {
	if len(b.changes) == 0 {
		return
	}
	for i := range b.changes {
		if set := b.changes[i].set; set != nil {
			set()
		}
	}
	for i := range b.changes {
		b.db.forget(&b.changes[i])
	}
	clear(b.changes)
	if b.raised {
		b.w.generation++
		b.db.generation.Store(b.w.generation)
		b.db.bus.tell(toAll, message{kind: tellConfiguration})
	}
}

// forget drops what is in memory of something that changed, here or elsewhere.
func (db *DB) forget(c *changed) {
	id := db.keys.id(c.k)
	switch c.kind {
	case changedProject:
		gone := db.project(id) == nil
		db.cache.forget(func() {
			db.cache.lanes.clear()
			if gone {
				db.cache.keys.clear()
			}
		})
		if gone {
			db.cache.access.Add(1)
		}
	case changedEndpoint, changedHealth:
		db.cache.forget(func() { db.cache.lanes.drop(id) })
		db.tellEndpoint(c.k, c.inFlight)
	case changedKey:
		db.cache.forget(func() { db.cache.keys.dropAll(func(k *Key) bool { return k.ID == id }) })
		db.cache.access.Add(1) // last: who reads it now finds no key that ended
	case changedEars:
		delete(db.w.unheard, c.k)
	case changedEmails:
		clear(db.w.mute)
	case changedDialects:
		db.dialectsKept()
	case changedVersion, changedDeletion, changedSkip, changedAccess, changedIncident: // set says it all
	}
}

// forgetHealth drops what may be old of endpoints that another process sent to
// until now.
func (db *DB) forgetHealth(of func(endpoint key) bool) {
	db.cache.forget(func() {
		db.cache.lanes.dropAll(func(l *Lane) bool {
			k, _ := db.keys.key(l.Endpoint.ID)
			return of(k)
		})
	})
}

// errOutdated says that others changed the configuration since a transaction
// began. Nothing of it is kept; made again, it may be.
var errOutdated = errors.New("the configuration moved")
