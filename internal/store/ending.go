package store

import (
	"context"
	"fmt"
	"time"
)

const deleteSlice = 200 // pending deliveries that one transaction cancels

// deleteEndpoint marks an endpoint deleted and forgets its secrets. Its
// pending deliveries are cancelled by and by; from the commit on none is sent.
func (b *batch) deleteEndpoint(project ID, k key, reason string, inFlight *flying) error {
	if err := b.announceDeleted(project, k, reason); err != nil {
		return err
	}
	n, err := b.change("UPDATE endpoints SET deleted_at=?, headers=NULL, secrets=NULL, path=NULL, auth=NULL, revision=revision+1 WHERE k=? AND deleted_at=0", b.us, k)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := b.exec("DELETE FROM secret_links WHERE endpoint=?", k); err != nil {
		return err
	}
	if err := b.exec("INSERT INTO deletions VALUES (?,?)", k, reason); err != nil {
		return err
	}
	if err := b.forgetIncident(k); err != nil {
		return err
	}
	b.addChore(&b.chores.deletions)
	b.changed(changedDeletion, k, func() { b.db.setDeleting(k, reason) })
	b.endpointChanged(k, inFlight)
	return nil
}

func (db *DB) setDeleting(k key, reason string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if reason == "" {
		delete(db.deleting, k)
		return
	}
	db.deleting[k] = reason
}

const selectDeletion = "SELECT endpoint, reason FROM deletions"

// deletionsInto reads deletions that go on into a map.
func deletionsInto(m *map[key]string) func(func(...any) error) (bool, error) {
	*m = map[key]string{}
	return func(scan func(...any) error) (bool, error) {
		var k key
		var reason string
		err := scan(&k, &reason)
		(*m)[k] = reason
		return true, err
	}
}

func (db *DB) isDeleting(k key) bool { return db.deletingReason(k) != "" }

func (db *DB) deletingReason(k key) string {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.deleting[k]
}

// cancelDeleted cancels the next slice of what a deleted endpoint had pending.
func (b *batch) cancelDeleted() error {
	var endpoint key
	var reason string
	found, err := b.row("SELECT endpoint, reason FROM deletions ORDER BY endpoint LIMIT 1", nil, &endpoint, &reason)
	if err != nil {
		return err
	}
	if !found {
		b.chores.deletions = 0
		return nil
	}
	rows, err := b.queuedOf(endpoint, never, deleteSlice)
	if err != nil {
		return err
	}
	for _, q := range rows {
		if err := b.cancelQueued(q, reason); err != nil {
			return err
		}
	}
	if len(rows) == deleteSlice {
		return nil
	}
	b.chores.deletions--
	b.changed(changedDeletion, endpoint, func() { b.db.setDeleting(endpoint, "") })
	return b.exec("DELETE FROM deletions WHERE endpoint=?", endpoint)
}

// queuedOf reads an endpoint's pending deliveries that are older than a key,
// oldest first.
func (b *batch) queuedOf(endpoint, before key, limit int) (out []*queued, err error) {
	err = b.rows("SELECT k, event, endpoint, project, due, attempts, last_at, status FROM queue WHERE endpoint=? AND endpoint>0 AND k<? ORDER BY k LIMIT ?",
		[]any{endpoint, before, limit}, func(scan func(...any) error) (bool, error) {
			q := &queued{}
			out = append(out, q)
			return true, scan(&q.k, &q.event, &q.endpoint, &q.project, &q.due, &q.attempts, &q.lastAt, &q.status)
		})
	return out, err
}

// CancelDelivery ends a pending delivery. Errors: [ErrNotFound], [ErrConflict] (already final).
func (db *DB) CancelDelivery(ctx context.Context, project, id ID) (d *Delivery, inFlight int, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, 0, ErrNotFound
	}
	var found flying
	err = db.write(ctx, func(b *batch) error {
		if err := b.lockDelivery(k); err != nil {
			return err
		}
		q, err := b.queued(k)
		if err != nil {
			return err
		}
		if q == nil {
			return b.notPending(project, k)
		}
		if db.keys.id(q.project) != project {
			return ErrNotFound
		}
		if db.calledOff(q.endpoint, k) != "" {
			return b.notPending(project, k)
		}
		b.after = append(b.after, b.deliveryChanged(q.endpoint, k, &found))
		if err := b.cancelQueued(q, reasonCancelled); err != nil {
			return err
		}
		return b.noteDelivery(q.project, q.endpoint, ActionDeliveryCancel, id, Pending)
	})
	if err != nil {
		return nil, 0, err
	}
	d, err = db.Delivery(ctx, project, id)
	return d, found.inFlight(ctx), err
}

// notPending says why a delivery that is not in the queue cannot be cancelled.
func (b *batch) notPending(project ID, k key) error {
	d, err := b.db.delivery(context.Background(), b.c, k)
	switch {
	case err != nil:
		return err
	case d == nil || d.ProjectID != project:
		return ErrNotFound
	}
	return fmt.Errorf("the delivery is already %s: %w", d.State, ErrConflict)
}

// deliveryChanged tells of a change after its commit.
func (b *batch) deliveryChanged(endpoint, delivery key, found *flying) func() {
	return func() { b.db.tellDelivery(endpoint, delivery, found) }
}

// RetryDelivery makes a delivery due now: a pending one at once, a final one
// again with its attempt numbers going on and one more try than it had. The
// delivery's InFlight is set.
// Errors: [ErrNotFound], [ErrConflict] (its endpoint was deleted).
func (db *DB) RetryDelivery(ctx context.Context, project, id ID) (*Delivery, error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	var found flying
	err := db.write(ctx, func(b *batch) error {
		if err := b.lockDelivery(k); err != nil {
			return err
		}
		d, err := db.delivery(ctx, b.c, k)
		if err != nil {
			return err
		}
		if d == nil || d.ProjectID != project {
			return ErrNotFound
		}
		endpoint, _ := db.keys.key(d.EndpointID)
		if e, err := b.loadEndpoint(endpoint); err != nil {
			return err
		} else if e == nil {
			return fmt.Errorf("its endpoint was deleted: %w", ErrConflict)
		}
		if k < db.skippedBefore(endpoint) {
			return errSkipping()
		}
		of, _ := db.keys.key(project)
		if err := b.noteDelivery(of, endpoint, ActionDeliveryRetry, id, d.State); err != nil {
			return err
		}
		if d.State != Pending {
			return b.reopen(k, endpoint, d)
		}
		b.after = append(b.after, b.deliveryChanged(endpoint, k, &found))
		return b.exec("UPDATE queue SET due=? WHERE k=?", b.us, k)
	})
	if err != nil {
		return nil, err
	}
	d, err := db.Delivery(ctx, project, id)
	if d != nil {
		d.InFlight = found.inFlight(ctx)
	}
	return d, err
}

// reopen puts a final delivery back into the queue.
func (b *batch) reopen(k, endpoint key, d *Delivery) error {
	event, _ := b.db.keys.key(d.EventID)
	var project key
	e, err := b.loadEvent(event, &project)
	if err != nil {
		return err
	}
	if e == nil {
		return fmt.Errorf("its event is gone: %w", ErrConflict)
	}
	var inline []byte
	if _, err := b.row("SELECT attempt FROM deliveries WHERE k=?", []any{k}, &inline); err != nil {
		return err
	}
	var lastAt time.Time
	if inline != nil {
		if a, err := readAttempt(inline); err == nil {
			lastAt = a.At
		}
		if err := b.exec("INSERT INTO attempts VALUES (?,1,?) ON CONFLICT DO NOTHING", k, inline); err != nil {
			return err
		}
	} else if lastAt, err = b.lastAttempt(k); err != nil {
		return err
	}
	var interrupted int // marked by the second byte of what is kept, see appendAttempt
	if _, err := b.row("SELECT count(*) FROM attempts WHERE delivery=? AND substr(data,2,1)=?",
		[]any{k, []byte{attemptInterrupted}}, &interrupted); err != nil {
		return err
	}
	if err := b.exec("DELETE FROM deliveries WHERE k=?", k); err != nil {
		return err
	}
	b.pending++
	b.back(endpoint, k, event)
	b.works = append(b.works, &Work{
		endpoint: endpoint, ID: d.ID, EndpointID: d.EndpointID, Event: e, Attempts: d.Attempts, Interrupted: interrupted,
		LastAt: lastAt, DueAt: b.now, CreatedAt: d.CreatedAt,
	})
	return b.exec("INSERT INTO queue VALUES (?,?,?,?,?,?,?,?,?)",
		k, event, endpoint, project, b.us, d.Attempts, micros(lastAt), d.LastStatus, interrupted)
}

func (b *batch) lastAttempt(k key) (time.Time, error) {
	var data []byte
	found, err := b.row("SELECT data FROM attempts WHERE delivery=? ORDER BY number DESC LIMIT 1", []any{k}, &data)
	if err != nil || !found {
		return time.Time{}, err
	}
	a, err := readAttempt(data)
	if err != nil {
		return time.Time{}, nil //nolint:nilerr // an old attempt that does not decode keeps nothing from being sent
	}
	return a.At, nil
}

// ExpireHeld ends deliveries of paused and disabled endpoints that are older
// than a time as failed, "expired": at most limit of them, in one
// transaction. It returns how many; call again until fewer than limit.
func (db *DB) ExpireHeld(ctx context.Context, olderThan time.Time, limit int) (int, error) {
	ended := 0
	err := db.lead(ctx, func(b *batch) error {
		var held []key
		err := b.rows("SELECT k FROM endpoints WHERE deleted_at=0 AND state<>'active'", nil, func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			held = append(held, k)
			return true, err
		})
		if err != nil {
			return err
		}
		n := 0
		for _, endpoint := range held {
			rows, err := b.queuedOf(endpoint, timeKey(olderThan), limit-n)
			if err != nil {
				return err
			}
			for _, q := range rows {
				if err := b.expire(q); err != nil {
					return err
				}
			}
			if n += len(rows); n >= limit {
				break
			}
		}
		ended = n
		return nil
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

func (b *batch) expire(q *queued) error {
	b.after = append(b.after, b.deliveryChanged(q.endpoint, q.k, nil))
	return b.failQueued(q, reasonExpired)
}

// failQueued ends a pending delivery as failed, without an attempt.
func (b *batch) failQueued(q *queued, reason string) error {
	if ended, err := b.endQueued(q, Failed, reason); err != nil || !ended {
		return err
	}
	if !b.heard(b.db.keys.id(q.project)) {
		return nil
	}
	e, err := b.loadEndpoint(q.endpoint)
	if err != nil || e == nil {
		return err
	}
	var eventType string
	if _, err := b.row("SELECT type FROM events WHERE k=?", []any{q.event}, &eventType); err != nil && faultOf(err) != faultCorrupt {
		return err
	}
	return b.announceFailed(e, &Outcome{
		Work:   &Work{ID: b.db.keys.id(q.k), Event: &Event{ID: b.db.keys.id(q.event), Type: eventType}, Attempts: q.attempts},
		Reason: reason,
	})
}
