package main

import (
	"context"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/malote-dev/malote/bench/rig"
)

// watch looks all the time at who holds what, past the proxies.
type watch struct {
	c      *cluster
	cancel context.CancelFunc
	wg     sync.WaitGroup
	keys   [endpoints]int64 // of the endpoints

	mu      sync.Mutex
	samples []sample
	holders map[seat]int // lives
}

// seat is a slot as one process holds it.
type seat struct {
	slot  int
	token int64
}

// sample is what the tables of nodes and shards said at a time.
type sample struct {
	asked, answered time.Time
	owners          [shards]int    // lives; 0: nobody, or not known
	lapsed          [shards]bool   // the owner's lease was over
	commits         map[seat]int64 // of who holds a slot
}

const (
	shards      = 256
	sampleEvery = 40 * time.Millisecond
)

// shardOf is how the store spreads endpoints. Where it did it otherwise, nearly
// every arrival would be another's.
func shardOf(endpoint int64) int { return int(uint64(endpoint) * 0x9e3779b97f4a7c15 >> 56) }

func newWatch(ctx context.Context, c *cluster) (*watch, error) {
	w := &watch{c: c, holders: map[seat]int{}}
	conn, err := pgx.Connect(ctx, c.server.URL("torture"))
	if err != nil {
		return nil, err
	}
	rows, _ := conn.Query(ctx, "SELECT description::int, k FROM endpoints")
	var n int
	var k int64
	_, err = pgx.ForEachRow(rows, []any{&n, &k}, func() error { w.keys[n] = k; return nil })
	_ = conn.Close(ctx)
	if err != nil {
		return nil, err
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.wg.Go(func() { w.run(ctx) })
	return w, nil
}

func (w *watch) stop() {
	w.cancel()
	w.wg.Wait()
}

func (w *watch) run(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for pause(ctx, sampleEvery) {
		var err error
		if conn == nil || conn.IsClosed() {
			if conn, err = pgx.Connect(ctx, w.c.server.URL("torture")); err != nil {
				conn = nil
				continue // the server is down: nothing is known of that time
			}
		}
		if err = w.take(ctx, conn); err != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}
}

const selectSample = `SELECT array(SELECT coalesce(slot, -1)::int FROM shards ORDER BY shard), array_agg(slot::int), array_agg(token), array_agg(commits),
	array_agg(until<now()), array_agg(sign) FROM nodes WHERE open`

// take takes one sample.
func (w *watch) take(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s := sample{asked: time.Now(), commits: map[seat]int64{}}
	var owned, slots []int
	var tokens, commits []int64
	var lapsed []bool
	var signs []string
	if err := conn.QueryRow(ctx, selectSample).Scan(&owned, &slots, &tokens, &commits, &lapsed, &signs); err != nil {
		return err
	}
	s.answered = time.Now()
	at := map[int]int{} // of slots, in the lists
	for i, slot := range slots {
		at[slot] = i
		s.commits[seat{slot, tokens[i]}] = commits[i]
	}
	for shard, slot := range owned {
		if i, ok := at[slot]; ok && shard < shards {
			s.owners[shard], s.lapsed[shard] = w.holder(seat{slot, tokens[i]}, signs[i]), lapsed[i]
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, s)
	return nil
}

// holder is the process that holds a slot, by its sign.
func (w *watch) holder(s seat, sign string) int {
	if life, known := w.holders[s]; known {
		return life
	}
	_, name, _ := strings.Cut(sign, " ")
	pids, lives := w.c.serving()
	life := lives[rig.Holder("@malote-"+name, pids)]
	if life != 0 {
		w.holders[s] = life
	}
	return life
}

// lapsed reports whether somebody's lease was over in a time, or nobody knows.
func (w *watch) lapsed(from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := from
	for i := range w.samples {
		s := &w.samples[i]
		if s.answered.Before(from) {
			continue
		}
		if s.asked.Sub(last) > time.Second {
			return true
		}
		last = s.answered
		for _, over := range s.lapsed {
			if over {
				return true
			}
		}
	}
	return to.Sub(last) > time.Second
}

// Around an arrival, who is its endpoint's owner is judged by the samples
// before and after it.
const (
	sampleBefore = 4
	sampleAfter  = 2
	sampleGap    = 300 * time.Millisecond // a longer one says nothing
)

// owner says whose an endpoint was at a time; known is false where samples do
// not tell. Several are near a handover.
func ownersAt(samples []sample, shard int, at time.Time) (lives []int, known bool) {
	i := sort.Search(len(samples), func(i int) bool { return samples[i].asked.After(at) }) // the first that was asked for later
	from, to := i-sampleBefore, i+sampleAfter
	if from < 0 || to > len(samples) {
		return nil, false
	}
	for j := from; j < to; j++ {
		s := &samples[j]
		if j > from && s.answered.Sub(samples[j-1].asked) > sampleGap {
			return nil, false
		}
		if !s.lapsed[shard] {
			lives = append(lives, s.owners[shard])
		}
	}
	return lives, true
}
