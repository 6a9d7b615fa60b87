package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// nodes is this process among those that share a database. Each has a lease of
// its slot, and the slot has shards. Who lives gives shards up by himself, once
// nothing of them is under way; what is of a slot whose lease is over others
// take, and with the token that they raise all writes of its process fail.
//
// Each looks once a second at who lives, and gives up or takes what makes his
// share fair. The writer alone changes what is owned, between two commits.
type nodes struct {
	db     *DB
	engine *pgEngine
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	wake   chan struct{}

	owned [Shards / 64]atomic.Uint64 // bits
	seen  atomic.Int64               // the last key of all slots, as of the last look
	alive atomic.Int64               // processes, this one among them
	free  atomic.Int64               // shards that nobody has

	adoptions sync.WaitGroup

	mu       sync.Mutex
	died     [Shards]bool // of what is owned: who had it before did not hand it over
	left     []Shard      // the owner stopped sending for them, and they are still ours
	retiring bool
	company  time.Time // when another process served last, as far as was seen
	moved    moves

	// Of who looks alone.
	mine   map[Shard]hold
	others map[int]neighbour // by slot; nil: there was no look yet
	looked time.Time         // when a look succeeded last
	spares time.Time         // until then nobody is fenced for his silence
}

// hold is how a shard is held.
type hold int

const (
	holds  hold = iota
	leaves      // the owner is to stop sending for it
)

const roundEvery = time.Second

func newNodes(db *DB, e *pgEngine) *nodes {
	n := &nodes{db: db, engine: e, wake: make(chan struct{}, 1), mine: map[Shard]hold{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// begin takes what is this process's share, as far as it is free, and goes on
// looking.
func (n *nodes) begin(ctx context.Context) {
	err := n.inherit(ctx)
	if err == nil {
		err = n.round(ctx)
	}
	if err != nil {
		n.db.log.Warn("shards could not be taken, tried again", "error", err)
	}
	n.work.Go(n.loop)
	n.work.Go(n.watch)
}

// stop ends the looking, and gives all shards back: others need not wait until
// the writer ends.
func (n *nodes) stop() {
	n.cancel()
	n.work.Wait()
	n.adoptions.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), roundEvery)
	defer cancel()
	_ = n.db.tend(ctx, func(b *batch) error { // where it fails, the writer tries it, or the lease ends
		n.mu.Lock()
		died := n.untold(allShards())
		n.mu.Unlock()
		b.after = append(b.after, func() { n.disown(allShards()); n.tell() })
		return b.exec("UPDATE shards SET slot=NULL, died=shard=ANY(?::bigint[]) WHERE slot=?", died, n.engine.place)
	})
	n.report(true)
}

func (n *nodes) loop() {
	t := time.NewTicker(roundEvery)
	defer t.Stop()
	failed := false
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.wake:
		case <-t.C:
		}
		err := n.round(n.ctx)
		if err != nil && !failed && n.ctx.Err() == nil {
			n.db.log.Warn("who else serves cannot be seen to, tried again", "error", err)
		}
		failed = err != nil
		n.report(false)
	}
}

// look asks for a round without waiting for its time.
func (n *nodes) look() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// round gives back what the owner left, takes from who died, and keeps the
// share fair.
func (n *nodes) round(ctx context.Context) error {
	if err := n.giveBack(ctx); err != nil {
		return err
	}
	v, err := n.view(ctx)
	if err != nil {
		return err
	}
	n.follow(v.last)
	n.spare(&v, time.Now())
	n.alive.Store(int64(len(v.others) + 1))
	n.free.Store(int64(v.free))
	if err := n.notice(ctx, v.others); err != nil {
		return err
	}
	n.met(v.live > 1 || len(v.dead)+len(v.gone) > 0)
	for _, s := range v.gone {
		if err := n.db.tend(ctx, func(b *batch) error { return b.exec(endLease, s.slot, s.token) }); err != nil {
			return err
		}
		v.dead = append(v.dead, s.slot)
	}
	for _, slot := range v.dead {
		if err := n.fence(ctx, slot); err != nil {
			return err
		}
	}
	if len(v.dead) > 0 {
		if v, err = n.view(ctx); err != nil {
			return err
		}
	}
	share, held := v.share(), n.holding()
	switch {
	case n.isRetiring():
		n.leave(held)
	case held > share:
		n.leave(held - share)
	case held < share && v.free > 0:
		err = n.take(ctx, share-held)
	}
	if err != nil || !n.owns(chiefShard) {
		return err
	}
	return n.lead(ctx)
}

// spareFor is how long the others have to show themselves after this process
// saw nothing for a while. They are spared once, and then for a while not.
const (
	spareFor   = 3 * time.Second
	spareAgain = 10 * time.Second
)

// spare fences nobody for his silence where this process knows little of it:
// the database was away, and with it everybody's leases ended, or it stood
// still itself.
func (n *nodes) spare(v *nodesView, now time.Time) {
	blind := !n.looked.IsZero() && now.Sub(n.looked) > n.engine.lease*4/5
	if blind && now.After(n.spares.Add(spareAgain)) {
		n.spares = now.Add(spareFor)
	}
	if n.looked = now; now.Before(n.spares) {
		v.live, v.dead = v.live+len(v.dead), nil
	}
}

// nodesView is what a look shows.
type nodesView struct {
	live int    // processes that stay
	dead []int  // slots whose lease is over
	gone []seat // whose process ended all the same
	free int    // shards
	last key    // of all slots

	others []neighbour // that live
}

// share of the shards that is fair.
func (v *nodesView) share() int { return (Shards + v.live - 1) / max(v.live, 1) }

// seat is a slot as somebody holds it.
type seat struct {
	slot  int
	token int64
}

const viewNodes = `SELECT slot, token, until<now(), leaving, died, host, sign, (SELECT count(*) FROM shards WHERE shards.slot IS NULL), (SELECT max(last) FROM nodes)
	FROM nodes WHERE open`

func (n *nodes) view(ctx context.Context) (v nodesView, err error) {
	err = n.db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, viewNodes, nil, func(scan func(...any) error) (bool, error) {
			var s seat
			var dead, leaving, died bool
			var host, text string
			err := scan(&s.slot, &s.token, &dead, &leaving, &died, &host, &text, &v.free, &v.last)
			switch own := s.slot == n.engine.place; {
			case own:
				v.live++
			case died && !dead: // another sees to it
			case ended(text):
				v.gone = append(v.gone, s)
			case dead:
				v.dead = append(v.dead, s.slot)
			default:
				v.others = append(v.others, neighbour{s, host})
				if !leaving {
					v.live++
				}
			}
			return true, err
		})
	})
	return v, err
}

const aloneAfter = 10 * time.Minute

// met notes whether others were seen.
func (n *nodes) met(others bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if others {
		n.company = time.Now()
	}
}

// alone reports whether no other process served for a while.
func (n *nodes) alone() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Since(n.company) > aloneAfter
}

// holding counts shards that are not being left.
func (n *nodes) holding() (held int) {
	for _, h := range n.mine {
		if h == holds {
			held++
		}
	}
	return held
}

// newest is a key that those to come are to be greater than, so that the order of
// keys is that of events also where clocks differ a little. One that is far ahead
// is not followed.
func (n *nodes) newest(now time.Time) key { return min(n.seen.Load(), timeKey(now.Add(followFor))) }

// follow notes the last key of all.
func (n *nodes) follow(last key) {
	for seen := n.seen.Load(); last > seen && !n.seen.CompareAndSwap(seen, last); {
		seen = n.seen.Load()
	}
}

const followFor = 5 * time.Second

func (n *nodes) owns(s Shard) bool { return n.owned[s/64].Load()&(1<<(s%64)) != 0 }

// own sets what is owned; the writer alone calls it.
func (n *nodes) own(s Shard, yes bool) {
	word := &n.owned[s/64]
	if yes {
		word.Store(word.Load() | 1<<(s%64))
	} else {
		word.Store(word.Load() &^ (1 << (s % 64)))
	}
}

// retire begins to give everything up, and has others count on it.
func (n *nodes) retire(ctx context.Context) error {
	n.mu.Lock()
	n.retiring = true
	n.mu.Unlock()
	err := n.db.tend(ctx, func(b *batch) error { return b.exec("UPDATE nodes SET leaving=true WHERE slot=?", n.engine.place) })
	n.look()
	return err
}

// tell has the others look at who has what.
func (n *nodes) tell() { n.db.bus.tell(toAll, message{kind: tellNodes}) }

func (n *nodes) isRetiring() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.retiring
}

// lead looks for what a chief has to do, and others may have left.
func (n *nodes) lead(ctx context.Context) error {
	var waits, replays, notices bool
	err := n.db.read(ctx, false, func(c *conn) error {
		_, err := c.row(ctx, `SELECT EXISTS (SELECT 1 FROM fanouts) OR EXISTS (SELECT 1 FROM deletions) OR EXISTS (SELECT 1 FROM skips),
			EXISTS (SELECT 1 FROM replays WHERE state='running'), EXISTS (SELECT 1 FROM notices)`, nil, &waits, &replays, &notices)
		return err
	})
	if err != nil {
		return err
	}
	if replays {
		n.db.replays.wake()
	}
	if notices {
		n.db.mailsChanged()
	}
	if !waits {
		return nil
	}
	return n.db.tend(ctx, func(b *batch) error {
		if !n.owns(chiefShard) {
			return nil
		}
		return n.db.countChores(context.Background(), b.c, &b.chores)
	})
}

// Retire begins to hand what this process does to the others that serve with the
// database: it starts nothing any more, and what is under way ends. Call it when
// a stop begins.
func (db *DB) Retire(ctx context.Context) error {
	if db.nodes == nil {
		return nil
	}
	return db.nodes.retire(ctx)
}
