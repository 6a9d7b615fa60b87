package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"
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
	return db.read(ctx, true, func(c *conn) error {
		others, err := db.owedByOthers(ctx, c)
		if err != nil {
			return err
		}
		return f(&view{c: c, owing: append(slices.Clip(owing), others...)})
	})
}

// owing is how far the events of a slot are in the lists.
type owing struct {
	slot          int
	indexed, last key
}

// debtors are the other slots of which events are in no list.
func (db *DB) debtors(ctx context.Context, c *conn) (out []owing, err error) {
	if db.nodes == nil {
		return nil, nil
	}
	err = c.rows(ctx, "SELECT slot, indexed, last FROM nodes WHERE slot<>? AND indexed<last", []any{db.engine.slot()}, func(scan func(...any) error) (bool, error) {
		var o owing
		err := scan(&o.slot, &o.indexed, &o.last)
		out = append(out, o)
		return true, err
	})
	return out, err
}

// owedByOthers are the events of other processes that are in no list yet.
func (db *DB) owedByOthers(ctx context.Context, c *conn) (out []indexEntry, err error) {
	debtors, err := db.debtors(ctx, c)
	for i := 0; i < len(debtors) && err == nil; i++ {
		var entries []indexEntry
		o := debtors[i]
		entries, err = unindexed(ctx, c, o.indexed, o.last, db.ofSlot(o.slot))
		out = append(out, entries...)
	}
	return out, err
}

// flushAll puts everything that was accepted so far into the lists, also what
// others accepted: they do it within a second or so. Errors: [ErrBusy], where one
// does not.
func (db *DB) flushAll(ctx context.Context) error {
	if err := db.flushForList(ctx); err != nil || db.nodes == nil {
		return err
	}
	upto := map[int]key{} // of the slots that are waited for
	for end := time.Now().Add(3 * flushAfter); ; {
		var now []owing
		err := db.read(ctx, false, func(c *conn) (err error) {
			now, err = db.debtors(ctx, c)
			return err
		})
		left := map[int]key{}
		for _, o := range now {
			if len(upto) == 0 {
				left[o.slot] = o.last
			} else if at, ok := upto[o.slot]; ok && o.indexed < at {
				left[o.slot] = at
			}
		}
		switch {
		case err != nil || len(left) == 0:
			return err
		case time.Now().After(end):
			return fmt.Errorf("events of another process are in no list yet: %w", ErrBusy)
		}
		if upto = left; !pauseFor(ctx, flushAfter/10) {
			return ctx.Err()
		}
	}
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
