package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// How replays run. What a slice reads is read beside the writer; the writer
// only changes the rows, and has four times as long for everybody else.
const (
	legWindow   = 256                    // deliveries due at an active endpoint, from which on a replay waits
	legRoom     = 64                     // and until there is room for so many
	legsAtOnce  = 64                     // endpoints of a replay that have their turns in a round
	legsKept    = 512                    // legs that memory holds
	legAhead    = 1024                   // keys that are read ahead
	legWalked   = 4096                   // keys that one slice looks at
	sliceRows   = 128                    // deliveries of one slice
	sliceFor    = 2 * time.Millisecond   // and no more than this of the writer's time, but one
	sliceShared = 10 * time.Millisecond  // where each question is a round trip
	sliceRest   = 4                      // times as long as the slice was the writer is left alone
	restLeast   = 5 * time.Millisecond   // at least
	waitLeast   = 100 * time.Millisecond // where all endpoints have enough to do
	waitShare   = 10                     // and so many times as long as it took to find that out
	waitAfter   = time.Second            // after a fault
	maxFaults   = 10                     // in a row, after which a replay fails
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

	counting *turns

	// Of the running goroutine alone.
	legs   map[legID]*leg // as far as memory holds them; the table has them all
	turn   map[key]key    // of a replay, the endpoint that had its turn last
	faults map[key]int    // in a row, by replay
}

func newReplayer(db *DB) *replayer {
	r := &replayer{db: db, counting: newTurns(countsOnce, countQueue), legs: map[legID]*leg{}, turn: map[key]key{}, faults: map[key]int{}}
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
	clear(r.turn)
	clear(r.faults)
	return true
}

func (r *replayer) run() {
	for r.ctx.Err() == nil {
		if !r.db.Chief() { // who is goes on
			if r.idle() {
				return
			}
			continue
		}
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
		start := time.Now()
		if !r.round(running) {
			r.rest(max(waitLeast, waitShare*time.Since(start)))
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
	delete(r.turn, row.k)
	return r.db.write(context.WithoutCancel(r.ctx), func(b *batch) error {
		if err := b.lockReplay(row.k); err != nil {
			return err
		}
		now, err := b.db.loadReplay(context.Background(), b.c, row.k)
		if err != nil || now == nil || now.State != ReplayRunning {
			return err
		}
		return b.endReplay(row.k, s, reason)
	})
}

// step gives a replay's endpoints their turns: a slice of each is put into the
// queue. Those that have enough to do keep no others from theirs.
func (r *replayer) step(row *replayRow) (moved bool, err error) {
	switch _, err := r.db.knownProject(r.ctx, row.ProjectID); {
	case err != nil && !errors.Is(err, ErrNotFound):
		return false, err
	case err != nil:
		return true, r.end(row, ReplayFailed, replayNoProject)
	}
	after := r.turn[row.k]
	legs, err := r.load(row, after)
	if err != nil {
		return false, err
	}
	last := len(legs) < legsAtOnce
	if r.turn[row.k] = 0; !last {
		r.turn[row.k] = legs[len(legs)-1].endpoint
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
	switch all := last && after == 0; {
	case row.next == never && all && len(legs) == 0:
		return true, r.end(row, ReplayDone, "")
	case row.next != never && all:
		return true, r.discover(row, legsAtOnce-len(legs))
	case row.next != never && !moved:
		return true, r.discover(row, legsAtOnce)
	}
	return moved || len(legs) == 0, nil
}
