package store

import (
	"encoding/binary"
	"time"
)

// sliceOutcome is what became of a slice.
type sliceOutcome int

const (
	sliceMoved sliceOutcome = iota
	sliceWaits              // nothing could be done now
	sliceStale              // the leg is not where memory thought
	sliceOver               // the leg has come to its end, or has none
)

// slice is a part of a leg on its way through the writer.
type slice struct {
	row  *replayRow
	leg  *leg
	most int

	n       int // candidates that were dealt with
	cursor  key
	took    time.Duration
	outcome sliceOutcome
}

// write puts candidates into the queue, as many as fit into its time, and
// says so in the replay's row: one transaction.
func (s *slice) write(b *batch) error {
	start, l := time.Now(), s.leg
	s.cursor, s.outcome = l.cursor, sliceMoved
	defer func() { s.took = time.Since(start) }()
	var state ReplayState
	var cursor, deleted key
	if !b.db.Chief() {
		s.outcome = sliceStale
		return nil
	}
	if err := b.lockReplay(l.replay); err != nil {
		return err
	}
	found, err := b.row(`SELECT r.state, l.cursor, e.deleted_at FROM replays r JOIN replay_legs l ON l.replay=r.k JOIN endpoints e ON e.k=l.endpoint
		WHERE r.k=? AND l.endpoint=?`, []any{l.replay, l.endpoint}, &state, &cursor, &deleted)
	switch {
	case err != nil:
		return err
	case !found || state != ReplayRunning || cursor != l.cursor:
		s.outcome = sliceStale
		return nil
	case deleted != 0:
		return s.withoutEndpoint(b)
	case b.db.skippedBefore(l.endpoint) != 0:
		s.outcome = sliceWaits
		return nil
	}
	if err := b.inBulk(func() error { return s.queue(b) }); err != nil {
		return err
	}
	s.cursor = l.read
	if s.n < len(l.found) {
		s.cursor = l.found[s.n-1].k
	} else if l.ended && len(l.ahead) == 0 {
		s.outcome = sliceOver
		return b.exec("DELETE FROM replay_legs WHERE replay=? AND endpoint=?", l.replay, l.endpoint)
	}
	return b.exec("UPDATE replay_legs SET cursor=? WHERE replay=? AND endpoint=?", s.cursor, l.replay, l.endpoint)
}

// withoutEndpoint ends a leg whose endpoint is gone, and a replay that was of
// that endpoint alone.
func (s *slice) withoutEndpoint(b *batch) error {
	s.outcome = sliceOver
	if s.row.endpoint != 0 {
		return b.endReplay(s.row.k, ReplayFailed, replayNoEndpoint)
	}
	return b.exec("DELETE FROM replay_legs WHERE replay=? AND endpoint=?", s.leg.replay, s.leg.endpoint)
}

func (s *slice) queue(b *batch) error {
	l, start, most := s.leg, time.Now(), sliceFor
	if b.db.engine.shared() {
		most = sliceShared
	}
	s.n = 0
	done, skipped, failed := 0, 0, 0
	lists := postings{}
	for _, d := range l.found[:min(s.most, len(l.found))] {
		if s.n > 0 && time.Since(start) > most {
			break
		}
		s.n++
		put, err := false, error(nil)
		switch {
		case d.changed:
		case d.event == 0:
			failed++
			continue
		case s.row.Kind == ReplayMissed:
			put, err = b.deliverLate(s.row, d, lists)
		case d.waiting:
			put, err = b.dueNow(l.endpoint, d)
		default:
			put, err = b.requeue(s.row.project, l.endpoint, d)
		}
		if err != nil {
			return err
		}
		if put {
			done++
		} else {
			skipped++
		}
	}
	if err := b.indexNow(lists); err != nil {
		return err
	}
	if done > 0 {
		b.after = append(b.after, b.queueGrew(l.endpoint))
	}
	if done+skipped+failed == 0 {
		return nil
	}
	return b.exec("UPDATE replays SET done=done+?, skipped=skipped+?, failed=failed+? WHERE k=?", done, skipped, failed, l.replay)
}

// queueGrew tells of deliveries that are due as of this batch.
func (b *batch) queueGrew(endpoint key) func() {
	from := b.now
	return func() { b.db.tellGrew(endpoint, from) }
}

// settle takes over a slice that was committed.
func (s *slice) settle(r *replayer) {
	l := s.leg
	switch s.outcome {
	case sliceWaits:
	case sliceMoved:
		l.cursor = s.cursor
		l.found = append(l.found[:0], l.found[s.n:]...)
	default:
		delete(r.legs, l.legID)
	}
}

// What replays do to deliveries.
const (
	keepInline  = "INSERT INTO attempts SELECT k, 1, attempt FROM deliveries WHERE k=? AND finished=? AND attempts=? AND attempt IS NOT NULL ON CONFLICT DO NOTHING"
	takeFinal   = "DELETE FROM deliveries WHERE k=? AND finished=? AND attempts=?"
	insertAgain = "INSERT INTO queue (k, event, endpoint, project, due, attempts, last_at, status, interrupted) VALUES (?,?,?,?,?,?,?,?,?)"
	makeDue     = "UPDATE queue SET due=?, interrupted=attempts WHERE k=? AND attempts=? AND due>?"
)

// requeue puts a delivery that is over back into the queue, with a schedule
// that begins anew: none of the attempts so far counts. It reports false where
// the delivery is not as it was read.
func (b *batch) requeue(project, endpoint key, d candidate) (bool, error) {
	as := []any{d.k, d.finished, d.attempts}
	if d.inline {
		if err := b.exec(keepInline, as...); err != nil {
			return false, err
		}
	}
	there, err := b.likely(takeFinal, as...)
	if err != nil || !there {
		return false, err
	}
	b.pending++
	b.back(endpoint, d.k, d.event)
	return true, b.exec(insertAgain, d.k, d.event, endpoint, project, b.us, d.attempts, d.lastAt, d.status, d.attempts)
}

// dueNow makes a delivery due that waits for a retry, with a schedule that
// begins anew. It reports false where the delivery is not as it was read.
func (b *batch) dueNow(endpoint key, d candidate) (bool, error) {
	there, err := b.likely(makeDue, b.us, d.k, d.attempts, b.us)
	if err != nil || !there {
		return false, err
	}
	b.after = append(b.after, b.deliveryChanged(endpoint, d.k, nil))
	return true, nil
}

// deliverLate makes a delivery of an event that was kept before, unless the
// event is gone, or the endpoint got it meanwhile.
func (b *batch) deliverLate(r *replayRow, d candidate, lists postings) (bool, error) {
	own := binary.BigEndian.AppendUint64(nil, uint64(r.endpoint))
	var there, got bool
	if err := b.lockEvent(d.event); err != nil {
		return false, err
	}
	if _, err := b.row("SELECT EXISTS (SELECT 1 FROM events WHERE k=?)", []any{d.event}, &there); err != nil || !there {
		return false, err
	}
	err := b.rows("SELECT targets FROM spans WHERE event=? AND first>?", []any{d.event, d.span}, func(scan func(...any) error) (bool, error) {
		var targets []byte
		err := scan(&targets)
		got = got || hasTarget(targets, own)
		return !got, err
	})
	if err != nil || got {
		return false, err
	}
	k, to := b.key(), []target{{r.endpoint, r.Consumer}}
	if err := b.exec("INSERT INTO spans (event, first, count, targets) VALUES (?,?,1,?)", d.event, k, own); err != nil {
		return false, err
	}
	lists.addDeliveries(r.project, k, d.eventType, to)
	b.pending++
	return true, b.exec("INSERT INTO queue (k, event, endpoint, project, due, attempts, last_at, status, interrupted) VALUES (?,?,?,?,?,0,0,0,0)",
		k, d.event, r.endpoint, r.project, b.us)
}
