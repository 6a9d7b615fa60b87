package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// Of the processes that share a database, one alone sends for the endpoints of
// a shard: only so is what a gate counts exact. A shard comes with
// [Engine.Gained], and what is pending in it is read then, as at a start. One
// that is to be left starts nothing any more, and goes when its last attempt
// is kept.

// shard is what the engine knows of one.
type shard struct {
	mine    bool
	gain    int       // number of the time that it was gained
	crashed time.Time // when it was gained from a process that died; zero: from none
	fed     bool      // every endpoint of it with pending work was seen since
	lanes   list      // of its endpoints
	busy    int       // attempts under way, and finishes that wait for their commit
	leaving *leave    // nil: it stays
}

// leave is one call of [Engine.Leave].
type leave struct {
	shards int // that are not quiet yet
	done   func()
}

// Gained says that this process sends for shards: see [store.Owner].
func (e *Engine) Gained(shards []store.Shard, died bool) {
	e.mu.Lock()
	defer e.unlock()
	now, gained := time.Now(), 0
	for _, n := range shards {
		s := &e.shards[n]
		if s.mine {
			continue
		}
		e.gains++
		*s = shard{mine: true, gain: e.gains}
		if died {
			s.crashed = now
		}
		gained++
	}
	if gained == 0 {
		return
	}
	e.owned += gained
	e.metrics.gained[died].Add(float64(gained))
	select {
	case e.gained <- struct{}{}:
	default:
	}
}

// Leave stops sending for shards: see [store.Owner].
func (e *Engine) Leave(shards []store.Shard, done func()) {
	e.mu.Lock()
	defer e.unlock()
	now := time.Now()
	to := &leave{shards: 1, done: done} // one for this call: it ends below
	for _, n := range shards {
		s := &e.shards[n]
		if !s.mine || s.leaving != nil {
			continue
		}
		s.leaving = to
		to.shards++
		for k := s.lanes.first; k != nil; k = k.next {
			e.empties(k.lane, now)
		}
		e.vacated(s)
	}
	e.freed(0, now)
	e.pump(now)
	to.one()
}

// empties lets go of everything that a lane has in hand, but for its attempts.
func (e *Engine) empties(l *lane, now time.Time) {
	e.letGo(l, now)
	e.evict(l)
	for _, it := range l.held {
		it.stale = true
	}
	l.food.leave()
	e.place(l, now)
}

// vacated lets a shard go that is to be left, if nothing of it is under way.
func (e *Engine) vacated(s *shard) {
	if s.leaving == nil || s.busy > 0 {
		return
	}
	now := time.Now()
	for l := s.lanes.first; l != nil; l = s.lanes.first {
		e.remove(l.lane.id, l.lane, now)
	}
	to := s.leaving
	*s = shard{}
	e.owned--
	e.metrics.left.Inc()
	to.one()
}

// one of what a leave waits for is over. Its end may write to the store, and
// is told without the mutex.
func (v *leave) one() {
	if v.shards--; v.shards == 0 {
		go v.done()
	}
}

// sends reports whether this process sends for the shard, and goes on to.
func (s *shard) sends() bool { return s.mine && s.leaving == nil }
