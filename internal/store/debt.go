package store

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
)

// debt is what was accepted and is in no list on disk yet. The writer alone
// changes it, and never what a reader holds: it appends, or begins anew.
type debt struct {
	mu      sync.Mutex
	entries []indexEntry
}

// now is what is owed at the moment.
func (d *debt) now() []indexEntry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries
}

// settle takes away what was written, and adds what was accepted.
func (d *debt) settle(written int, accepted []indexEntry) (left int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if written > 0 { // room for as much again
		d.entries = append(make([]indexEntry, 0, max(written, len(d.entries)-written+len(accepted))), d.entries[written:]...)
	}
	d.entries = append(d.entries, accepted...)
	return len(d.entries)
}

// view is how lists are read: a snapshot of the disk, and what was not written
// into its lists when it was taken. So a list is complete and waits for no
// write.
type view struct {
	c     *conn
	owing []indexEntry
}

// readLists is [DB.read] with a snapshot, for lists.
func (db *DB) readLists(ctx context.Context, f func(v *view) error) error {
	owing := db.w.debt.now() // before the snapshot: what is written in between is in both
	return db.read(ctx, true, func(c *conn) error { return f(&view{c: c, owing: owing}) })
}

// walk gives the keys of a list, newest first: not older than floor, strictly
// older than before.
func (v *view) walk(t string, floor, before key) source {
	w := newWalker(v.c, t, floor, before)
	list, of, text := t[0], key(binary.BigEndian.Uint64([]byte(t[1:9]))), t[9:]
	var keys []key
	for i := range v.owing {
		keys = v.owing[i].in(keys, list, of, text)
	}
	keys = slices.DeleteFunc(keys, func(k key) bool { return k < floor || k >= before })
	if len(keys) == 0 {
		return w
	}
	slices.SortFunc(keys, func(x, y key) int { return int(min(1, max(-1, y-x))) })
	return &merged{sources: []source{&given{keys: keys}, w}}
}

// in appends the keys that an event has in a list.
func (e *indexEntry) in(keys []key, list byte, of key, text string) []key {
	if list != listDeliveriesEndpoint && e.project != of {
		return keys
	}
	own := false
	switch list {
	case listEvents:
		own = true
	case listEventsConsumer:
		own = e.consumer == text
	case listEventsType:
		own = e.eventType == text
	}
	if own {
		return append(keys, e.k)
	}
	for i, t := range e.targets {
		switch list {
		case listDeliveries:
			own = true
		case listDeliveriesEndpoint:
			own = t.endpoint == of
		case listDeliveriesConsumer:
			own = t.consumer == text
		case listDeliveriesType:
			own = e.eventType == text
		default:
			return keys
		}
		if own {
			keys = append(keys, e.k+1+key(i))
		}
	}
	return keys
}
