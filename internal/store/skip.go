package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// Skipped is how many deliveries a resume skipped.
type Skipped struct {
	Count int
	More  bool // and more: counting them would have taken too long
}

const skipCount = 10_000 // rows that are counted at most

// ResumeSkipping is [DB.UpdateEndpoint] with a change that makes a paused or
// disabled endpoint active. What it held until now is cancelled, "skipped",
// much of it in the background, also over a restart: nothing of it is sent
// after the return but what is in flight. An endpoint that was active held
// nothing, and nothing of it is skipped.
func (db *DB) ResumeSkipping(ctx context.Context, project, id ID, change func(*Endpoint) error) (_ *Endpoint, skipped Skipped, inFlight int, err error) {
	var n Skipped
	e, inFlight, _, err := db.update(ctx, project, id, change, func(b *batch, was *endpointRow, e *Endpoint) (diff, error) {
		n = Skipped{}
		if was.State == Active || e.State != Active {
			return nil, nil
		}
		err := b.skipHeld(was.k, &n)
		return diff{{Field: "skipped", After: strconv.Itoa(n.Count)}}, err
	}, nil)
	if err != nil {
		return nil, Skipped{}, 0, err
	}
	return e, n, inFlight, nil
}

// skipHeld bounds what is to be skipped: all that has a key by now.
func (b *batch) skipHeld(k key, out *Skipped) error {
	bound, id := b.key(), b.db.keys.id(k)
	_, err := b.row("SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint=? AND endpoint>0 AND k<? LIMIT ?) AS held", []any{k, bound, skipCount + 1}, &out.Count)
	if err != nil || out.Count == 0 {
		return err
	}
	if out.Count > skipCount {
		out.Count, out.More = skipCount, true
	}
	n, err := b.change("UPDATE skips SET bound=? WHERE endpoint=?", bound, k)
	if err == nil && n == 0 {
		b.addChore(&b.chores.skips)
		err = b.exec("INSERT INTO skips VALUES (?,?) ON CONFLICT (endpoint) DO UPDATE SET bound=excluded.bound", k, bound)
	}
	if err != nil {
		return err
	}
	// What this same commit accepted is not handed over any more.
	b.works = slices.DeleteFunc(slices.Clone(b.works), func(w *Work) bool { return w.EndpointID == id })
	b.changed(changedSkip, k, func() { b.db.setSkipping(k, bound) })
	return nil
}

// setSkipping notes up to which key an endpoint's deliveries are skipped; 0: none.
func (db *DB) setSkipping(endpoint, bound key) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if bound == 0 {
		delete(db.skipping, endpoint)
		return
	}
	db.skipping[endpoint] = bound
}

const selectSkip = "SELECT endpoint, bound FROM skips"

// skipsInto reads skips that go on into a map.
func skipsInto(m *map[key]key) func(func(...any) error) (bool, error) {
	*m = map[key]key{}
	return func(scan func(...any) error) (bool, error) {
		var k, bound key
		err := scan(&k, &bound)
		(*m)[k] = bound
		return true, err
	}
}

// skippedBefore is the key up to which an endpoint's deliveries are skipped.
func (db *DB) skippedBefore(endpoint key) key {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.skipping[endpoint]
}

// calledOff says why a delivery that still has a row in the queue is
// cancelled all the same; empty: it is not.
func (db *DB) calledOff(endpoint, delivery key) (reason string) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if reason = db.deleting[endpoint]; reason == "" && delivery < db.skipping[endpoint] {
		reason = reasonSkipped
	}
	return reason
}

// errSkipping refuses what would come in the way of a skip under way.
func errSkipping() error {
	return fmt.Errorf("what its endpoint held is being skipped right now; try again in a moment: %w", ErrConflict)
}

// cancelSkipped cancels the next slice of what is to be skipped.
func (b *batch) cancelSkipped() error {
	var endpoint, bound key
	found, err := b.row("SELECT endpoint, bound FROM skips ORDER BY endpoint LIMIT 1", nil, &endpoint, &bound)
	if err != nil {
		return err
	}
	if !found {
		b.chores.skips = 0
		return nil
	}
	rows, err := b.queuedOf(endpoint, bound, deleteSlice)
	if err != nil {
		return err
	}
	for _, q := range rows {
		if err := b.cancelQueued(q, reasonSkipped); err != nil {
			return err
		}
	}
	if len(rows) == deleteSlice {
		return nil
	}
	n, err := b.change("DELETE FROM skips WHERE endpoint=? AND bound=?", endpoint, bound)
	if err != nil || n == 0 {
		return err // there is more to skip since
	}
	b.chores.skips--
	b.changed(changedSkip, endpoint, func() { b.db.setSkipping(endpoint, 0) })
	return nil
}
