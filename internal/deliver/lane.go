package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// How far a lane looks ahead in memory.
const (
	laneItems  = 256
	laneBytes  = 1 << 20
	laneRefill = 64 // below this many a lane that is behind reads on
)

// lane is one endpoint's queue as far as memory holds it, and its gate.
//
// The table is the truth. A lane that is not behind holds every pending row
// of its endpoint. One that is behind holds every row up to its horizon; what
// lies past it is read later. A row that memory lets go of moves the horizon.
type lane struct {
	id      store.ID
	shard   *shard
	dropped bool    // nobody finds it any more: who still holds it leaves it alone
	config  *config // nil: to be read before anything is sent
	gate    gate
	queue   queue
	held    map[store.ID]*item // waiting, in flight, or settling

	behind  bool
	horizon store.Place
	rest    time.Time // behind: nothing past the horizon is due before

	loading bool // a read is queued or under way
	reads   bool // rows are being read right now: what follows is for the race with it
	discard bool // the rows of that read are worth nothing: something changed
	missed  store.Place
	misses  bool                  // rows from missed on are not in that read
	gone    map[store.ID]struct{} // left memory since that read began

	changes   int       // counts EndpointChanged
	last      *config   // the newest that was read, to see what a change changed
	inherited bool      // had pending work when its shard was gained
	suspects  int       // attempts that a crash may have interrupted, and nothing says so yet
	slow      bool      // its work waited for a restart or a resume: start slowly
	rated     bool      // the rate was seeded from what was sent before
	clears    bool      // the endpoint carries a failure mark that a success resets
	needs     int64     // bytes that the next row found no room for; 0: it did
	retryAt   time.Time // a read failed: not again before
	readFails int
	ours      int // faults of our own in a row
	oursSince time.Time
	answers   budget

	open  bool // its gate let through when last asked
	shut  bool // its gate waits for a time (counted as held)
	busy  time.Time
	turn  link // in the ready ring or in a line
	kin   link // among the lanes of its shard
	food  link // among those that wait for memory
	park  link // among those whose waiting items may be given back to the store
	wake  time.Time
	index int // in the timers; -1: none
}

func newLane(id store.ID, s *shard, slots int) *lane {
	l := &lane{id: id, shard: s, index: -1, open: true, held: map[store.ID]*item{}}
	l.gate.slots = slots
	l.turn.lane, l.park.lane, l.food.lane, l.kin.lane = l, l, l, l
	s.lanes.push(&l.kin)
	return l
}

// reaches reports whether memory has to hold a row at p, because it holds
// everything up to there.
func (l *lane) reaches(p store.Place) bool { return !l.behind || !before(l.horizon, p) }

// next is when something is due: zero and false where nothing is pending.
func (l *lane) next() (time.Time, bool) {
	switch {
	case l.queue.len() == 0 && !l.behind:
		return time.Time{}, false
	case l.queue.len() == 0:
		return l.rest, true
	case !l.behind || l.queue.first().work.DueAt.Before(l.rest):
		return l.queue.first().work.DueAt, true
	}
	return l.rest, true
}

// wantsRows reports whether it is time to read on.
func (l *lane) wantsRows(now time.Time) bool {
	if !l.behind || l.rest.After(now) {
		return false
	}
	return l.queue.len() < laneRefill || l.queue.first().work.DueAt.After(l.rest)
}

// head reports whether the next to be sent is known without reading on.
func (l *lane) head() bool { return l.queue.len() > 0 && !l.queue.first().work.DueAt.After(l.rest) }

// wantsOnlyRows reports whether a read is for rows alone.
func (l *lane) wantsOnlyRows() bool { return l.config != nil }

// forget notes that a row at p is in the store alone.
func (l *lane) forget(p store.Place) {
	if from := justBefore(p); !l.behind || before(from, l.horizon) {
		l.horizon = from
	}
	if !l.behind || p.DueAt.Before(l.rest) {
		l.rest = p.DueAt
	}
	l.behind = true
	if l.reads && (!l.misses || before(p, l.missed)) {
		l.misses, l.missed = true, p
	}
}

// caught takes in how far a read came: to its last row, or, where end, to the
// end of the rows. What was missed meanwhile bounds it.
func (l *lane) caught(last store.Place, end bool) {
	l.behind = !end
	l.horizon, l.rest = last, last.DueAt
	if end {
		l.horizon, l.rest = store.Place{}, time.Time{}
	}
	if l.misses {
		l.forgetMissed()
	}
}

func (l *lane) forgetMissed() {
	p := l.missed
	l.reads, l.misses = false, false
	l.forget(p)
}

// left notes that a delivery left memory, for a read that may have seen its
// row as it was before.
func (l *lane) left(id store.ID) {
	delete(l.held, id)
	if l.reads {
		if l.gone == nil {
			l.gone = map[store.ID]struct{}{}
		}
		l.gone[id] = struct{}{}
	}
}

// knows reports whether memory accounts for a row that is due then.
func (l *lane) knows(due time.Time) bool {
	if next, any := l.next(); any && !next.After(due) {
		return true
	}
	for _, it := range l.held {
		if !it.work.DueAt.After(due) {
			return true
		}
	}
	return false
}

// quiet reports whether the lane can be dropped: nothing held, nothing to
// read, nothing learnt that still matters.
func (l *lane) quiet(now time.Time) bool {
	return len(l.held) == 0 && !l.loading && (!l.behind || !l.gate.active && l.config != nil) && l.gate.quiet(now)
}

// budget bounds the bytes of failures' bodies that are kept for one endpoint:
// a megabyte at once, and as much again a minute. Past it, a kilobyte of each.
type budget struct {
	spent int
	at    time.Time
}

const (
	answerBudget = 1 << 20
	answerMax    = 64 << 10 // of one failure
	answerMin    = 1 << 10  // of one success, or past the budget
)

func (b *budget) allow(now time.Time) int {
	if back := now.Sub(b.at); back > 0 && b.spent > 0 {
		b.spent = max(0, b.spent-int(min(back, time.Minute)*answerBudget/time.Minute))
	}
	b.at = now
	return max(answerMin, min(answerMax, answerBudget-b.spent))
}
