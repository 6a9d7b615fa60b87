package store

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// How replays run. What a slice reads is read beside the writer; the writer
// only changes the rows, and has four times as long for everybody else.
const (
	legWindow  = 256                    // deliveries due at an active endpoint, from which on a replay waits
	legsAtOnce = 64                     // endpoints of a replay that are under way
	legAhead   = 4096                   // keys that are read ahead
	legWalked  = 4096                   // keys that one slice looks at
	sliceRows  = 128                    // deliveries of one slice
	sliceFor   = 2 * time.Millisecond   // and no more than this of the writer's time, but one
	sliceRest  = 4                      // times as long as the slice was the writer is left alone
	restLeast  = 5 * time.Millisecond   // at least
	waitLeast  = 100 * time.Millisecond // where all endpoints have enough to do
	waitAfter  = time.Second            // after a fault
	maxFaults  = 10                     // in a row, after which a replay fails
)

// Words for replays that could not go on.
var (
	replayNoEndpoint = lang.Keep("its endpoint was deleted")
	replayNoProject  = lang.Keep("its project was deleted")
	replayFaults     = lang.Keep("what it is of cannot be read; the server's log says why")
)

// replayer runs the replays, one slice after another, while there are any.
type replayer struct {
	db     *DB
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	active bool
	again  bool // something came while it ran
	closed bool
	wg     sync.WaitGroup

	// Of the running goroutine alone.
	legs   map[legID]*leg
	faults map[key]int // in a row, by replay
}

type legID struct{ replay, endpoint key }

// leg is a replay's way through one endpoint, as far as memory holds it.
type leg struct {
	legID
	cursor key // as the table has it
	read   key // up to here was read
	ahead  []key
	found  []candidate // read, and not in the queue yet
	ended  bool        // ahead is all
}

func newReplayer(db *DB) *replayer {
	r := &replayer{db: db, legs: map[legID]*leg{}, faults: map[key]int{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// wake makes sure that replays that run are looked at.
func (r *replayer) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
	case r.active:
		r.again = true
	default:
		r.active = true
		r.wg.Go(r.run)
	}
}

// stop ends the replayer; what runs goes on at the next start.
func (r *replayer) stop() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
}

// idle ends the goroutine where nothing came meanwhile.
func (r *replayer) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.again && !r.closed {
		r.again = false
		return false
	}
	r.active = false
	clear(r.legs)
	clear(r.faults)
	return true
}

func (r *replayer) run() {
	for r.ctx.Err() == nil {
		running, err := r.db.runningReplays(r.ctx)
		if err != nil {
			r.db.log.Error("replays cannot be read", "error", err)
			r.rest(waitAfter)
			continue
		}
		if len(running) == 0 {
			if r.idle() {
				return
			}
			continue
		}
		if !r.round(running) {
			r.rest(waitLeast)
		}
	}
	r.mu.Lock()
	r.active = false
	r.mu.Unlock()
}

// stopped reports whether the store closes.
func (r *replayer) stopped() bool { return r.ctx.Err() != nil }

// rest sleeps, unless the store closes.
func (r *replayer) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.ctx.Done():
	case <-t.C:
	}
}

// runningReplays reads all of them: there are few in each project.
func (db *DB) runningReplays(ctx context.Context) (out []*replayRow, err error) {
	err = db.read(ctx, true, func(c *conn) error {
		return c.rows(ctx, selectReplay+" WHERE state='running'", nil, func(scan func(...any) error) (bool, error) {
			r, err := db.scanReplay(scan)
			out = append(out, r)
			return true, err
		})
	})
	return out, err
}

// round takes each replay a step on, and reports whether any of them moved.
func (r *replayer) round(running []*replayRow) (moved bool) {
	for _, row := range running {
		if r.stopped() {
			return true
		}
		on, err := r.step(row)
		switch {
		case err == nil:
			delete(r.faults, row.k)
			moved = moved || on
		case errors.Is(err, ErrClosed) || r.stopped():
			r.cancel() // the writer goes first where the disk failed
			return true
		default:
			r.fault(row, err)
		}
	}
	return moved
}

// fault lets a replay try again, some times.
func (r *replayer) fault(row *replayRow, err error) {
	r.drop(row.k)
	r.db.log.Error("a replay cannot go on; tried again", "replay", ReplayName.Format(row.ID), "error", err)
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrFull) {
		r.rest(waitAfter)
		return
	}
	if r.faults[row.k]++; r.faults[row.k] >= maxFaults {
		delete(r.faults, row.k)
		if err := r.end(row, ReplayFailed, replayFaults); err != nil {
			r.db.log.Error("a replay cannot be ended", "replay", ReplayName.Format(row.ID), "error", err)
		}
	}
	r.rest(waitAfter)
}

// drop forgets what memory holds of a replay's legs.
func (r *replayer) drop(replay key) {
	for id := range r.legs {
		if id.replay == replay {
			delete(r.legs, id)
		}
	}
}

// end makes a replay final, if it still runs.
func (r *replayer) end(row *replayRow, s ReplayState, reason string) error {
	r.drop(row.k)
	return r.db.write(context.WithoutCancel(r.ctx), func(b *batch) error {
		now, err := b.db.loadReplay(context.Background(), b.c, row.k)
		if err != nil || now == nil || now.State != ReplayRunning {
			return err
		}
		return b.endReplay(row.k, s, reason)
	})
}

// step takes up endpoints, and puts a slice of each into the queue.
func (r *replayer) step(row *replayRow) (moved bool, err error) {
	if r.db.project(row.ProjectID) == nil {
		return true, r.end(row, ReplayFailed, replayNoProject)
	}
	legs, err := r.load(row)
	if err != nil {
		return false, err
	}
	if len(legs) < legsAtOnce && row.next != never {
		return true, r.discover(row, len(legs))
	}
	if len(legs) == 0 {
		return true, r.end(row, ReplayDone, "")
	}
	for _, l := range legs {
		if r.stopped() {
			return true, nil
		}
		on, err := r.walk(row, l)
		if err != nil {
			return moved, err
		}
		moved = moved || on
	}
	return moved, nil
}

// load finds the legs under way, those that memory knows and others.
func (r *replayer) load(row *replayRow) (legs []*leg, err error) {
	err = r.db.read(r.ctx, false, func(c *conn) error {
		return c.rows(r.ctx, "SELECT endpoint, cursor FROM replay_legs WHERE replay=? ORDER BY endpoint LIMIT ?", []any{row.k, legsAtOnce},
			func(scan func(...any) error) (bool, error) {
				id := legID{replay: row.k}
				var cursor key
				if err := scan(&id.endpoint, &cursor); err != nil {
					return false, err
				}
				l := r.legs[id]
				if l == nil || l.cursor != cursor {
					l = &leg{legID: id, cursor: cursor, read: cursor}
					r.legs[id] = l
				}
				legs = append(legs, l)
				return true, nil
			})
	})
	return legs, err
}

// discover finds the next endpoints of a replay that have something for it.
func (r *replayer) discover(row *replayRow, under int) error {
	const looked = 256
	if err := r.db.flushForList(r.ctx); err != nil {
		return err
	}
	after, bound := row.span()
	next := key(never)
	var found []key
	err := r.db.read(r.ctx, true, func(c *conn) error {
		q, args := "SELECT k FROM endpoints WHERE project=? AND deleted_at=0 AND k>? ORDER BY k LIMIT ?", []any{row.project, row.next, looked}
		if row.Consumer != "" {
			q, args = "SELECT k FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 AND k>? ORDER BY k LIMIT ?", []any{row.project, row.Consumer, row.next, looked}
		}
		var all []key
		err := c.rows(r.ctx, q, args, func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			all = append(all, k)
			return true, err
		})
		if err != nil {
			return err
		}
		if len(all) == looked {
			next = all[looked-1]
		}
		for _, k := range all {
			first, err := newClimber(c, row.terms(k), after, bound).next(r.ctx)
			if err != nil {
				return err
			}
			if first == 0 {
				continue
			}
			if found = append(found, k); under+len(found) == legsAtOnce {
				next = k
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.db.write(context.WithoutCancel(r.ctx), func(b *batch) error {
		n, err := b.change("UPDATE replays SET next=? WHERE k=? AND next=? AND state='running'", next, row.k, row.next)
		if err != nil || n == 0 {
			return err
		}
		for _, k := range found {
			if err := b.exec("INSERT INTO replay_legs VALUES (?,?,?)", row.k, k, after); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk puts one slice of a leg into the queue, if there is room, and reports
// whether the leg moved.
func (r *replayer) walk(row *replayRow, l *leg) (moved bool, err error) {
	room, err := r.room(l.endpoint)
	if err != nil || room == 0 {
		return false, err
	}
	if err := r.fill(row, l, min(room, sliceRows)); err != nil {
		return false, err
	}
	s := &slice{row: row, leg: l, most: min(room, sliceRows)}
	if err := r.db.write(context.WithoutCancel(r.ctx), s.write); err != nil {
		return false, err
	}
	s.settle(r)
	r.rest(max(restLeast, sliceRest*s.took))
	return s.outcome != sliceWaits, nil
}

// room is how many deliveries may be put into an endpoint's queue. An active
// endpoint gets no more than it can soon send: what comes in new is never
// behind more than a window of a replay's deliveries. One that is paused or
// disabled holds them as it does all others.
func (r *replayer) room(endpoint key) (room int, err error) {
	err = r.db.read(r.ctx, false, func(c *conn) error {
		var state EndpointState
		var due int
		_, err := c.row(r.ctx, "SELECT state FROM endpoints WHERE k=? AND deleted_at=0", []any{endpoint}, &state)
		if err == nil && state == Active {
			_, err = c.row(r.ctx, "SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint=? AND due<=? LIMIT ?)",
				[]any{endpoint, time.Now().UnixMicro(), legWindow}, &due)
		}
		room = legWindow - due
		return err
	})
	return room, err
}

// fill reads until a leg has so many candidates, or has seen enough for once.
func (r *replayer) fill(row *replayRow, l *leg, want int) error {
	db := r.db
	if len(l.found) >= want {
		return nil
	}
	var e *Endpoint
	if row.Kind == ReplayMissed {
		found, err := db.findEndpoint(r.ctx, row.EndpointID)
		if errors.Is(err, ErrNotFound) {
			return nil // the slice says so
		}
		if err != nil {
			return err
		}
		e = found.Endpoint
	}
	for walked := 0; len(l.found) < want && walked < legWalked; {
		if len(l.ahead) == 0 && l.ended {
			return nil
		}
		if len(l.ahead) == 0 {
			if err := r.readAhead(row, l); err != nil {
				return err
			}
			continue
		}
		keys := l.ahead[:min(legChunk, len(l.ahead))]
		err := db.read(r.ctx, true, func(c *conn) error {
			var found []candidate
			var err error
			if e != nil {
				found, err = db.missed(r.ctx, c, row, e, keys)
			} else {
				found, err = db.over(r.ctx, c, row, l.endpoint, keys)
			}
			l.found = append(l.found, found...)
			return err
		})
		if err != nil {
			return err
		}
		walked += len(keys)
		l.read, l.ahead = keys[len(keys)-1], l.ahead[len(keys):]
	}
	return nil
}

// readAhead reads the next keys of a leg's lists. What comes into them later
// ended after the replay was made, and is none of it.
func (r *replayer) readAhead(row *replayRow, l *leg) error {
	if err := r.db.flushForList(r.ctx); err != nil {
		return err
	}
	_, bound := row.span()
	return r.db.read(r.ctx, true, func(c *conn) error {
		keys, err := take(r.ctx, newClimber(c, row.terms(l.endpoint), l.read, bound), legAhead)
		l.ahead, l.ended = keys, len(keys) < legAhead
		return err
	})
}

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
	s.n, s.cursor, s.outcome = 0, l.cursor, sliceMoved
	defer func() { s.took = time.Since(start) }()
	var state ReplayState
	var cursor, deleted key
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
	if err := s.queue(b, start); err != nil {
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

func (s *slice) queue(b *batch, start time.Time) error {
	l := s.leg
	done, skipped, failed := 0, 0, 0
	lists := postings{}
	for _, d := range l.found[:min(s.most, len(l.found))] {
		if s.n > 0 && time.Since(start) > sliceFor {
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
	id, from := b.db.keys.id(endpoint), Place{DueAt: b.now}
	return func() { b.db.tell(func(o Owner) { o.QueueGrew(id, from) }) }
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

// requeue puts a delivery that is over back into the queue, with a schedule
// that begins anew: none of the attempts so far counts. It reports false where
// the delivery is not as it was read.
func (b *batch) requeue(project, endpoint key, d candidate) (bool, error) {
	as := []any{d.k, d.finished, d.attempts}
	if d.inline {
		err := b.exec("INSERT INTO attempts SELECT k, 1, attempt FROM deliveries WHERE k=? AND finished=? AND attempts=? AND attempt IS NOT NULL ON CONFLICT DO NOTHING", as...)
		if err != nil {
			return false, err
		}
	}
	n, err := b.change("DELETE FROM deliveries WHERE k=? AND finished=? AND attempts=?", as...)
	if err != nil || n == 0 {
		return false, err
	}
	b.pending++
	b.back(endpoint, d.k, d.event)
	return true, b.exec("INSERT INTO queue (k, event, endpoint, project, due, attempts, last_at, status, interrupted) VALUES (?,?,?,?,?,?,?,?,?)",
		d.k, d.event, endpoint, project, b.us, d.attempts, d.lastAt, d.status, d.attempts)
}

// deliverLate makes a delivery of an event that was kept before, unless the
// event is gone, or the endpoint got it meanwhile.
func (b *batch) deliverLate(r *replayRow, d candidate, lists postings) (bool, error) {
	own := binary.BigEndian.AppendUint64(nil, uint64(r.endpoint))
	var there, got bool
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
