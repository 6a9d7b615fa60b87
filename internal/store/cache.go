package store

import (
	"container/list"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lru is a bounded map that forgets what was not used for longest. Values
// are shared: whoever gets one only reads it.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	max   int
	at    map[K]*list.Element
	order *list.List // newest use first
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	return &lru[K, V]{max: max, at: map[K]*list.Element{}, order: list.New()}
}

func (c *lru[K, V]) get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[k]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

func (c *lru[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.at[k]; ok {
		e.Value.(*lruEntry[K, V]).value = v
		c.order.MoveToFront(e)
		return
	}
	c.at[k] = c.order.PushFront(&lruEntry[K, V]{k, v})
	if c.order.Len() > c.max {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.at, last.Value.(*lruEntry[K, V]).key)
	}
}

func (c *lru[K, V]) drop(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.at[k]; ok {
		c.order.Remove(e)
		delete(c.at, k)
	}
}

// dropAll drops those that are meant.
func (c *lru[K, V]) dropAll(meant func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.at {
		if meant(e.Value.(*lruEntry[K, V]).value) {
			c.order.Remove(e)
			delete(c.at, k)
		}
	}
}

// all are the keys of what is there.
func (c *lru[K, V]) all() []K {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.at))
}

func (c *lru[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.at)
	c.order.Init()
}

const (
	cachedLanes     = 10_000
	cachedConsumers = 10_000
	cachedKeys      = 4_096
	cachedRules     = 256
)

type consumerOf struct {
	project ID
	uid     string
}

// caches hold configuration that was read. What a write changes is dropped
// from them right after its commit, before anybody is told of it; a read that
// began before the drop must not put back what it read (see gate).
type caches struct {
	subscriptions *lru[consumerOf, *Subscriptions]
	lanes         *lru[ID, *Lane]
	keys          *lru[[32]byte, *Key]
	rules         *lru[ID, *TypeRules] // by project; each says of which version it is

	mu   sync.Mutex
	gate uint64        // raised by every drop
	used map[key]int64 // keys' last use, not written yet

	access atomic.Uint64 // raised after keys were dropped

	touched time.Time // when they were written last, about
}

func newCaches() *caches {
	c := &caches{
		subscriptions: newLRU[consumerOf, *Subscriptions](cachedConsumers),
		lanes:         newLRU[ID, *Lane](cachedLanes),
		keys:          newLRU[[32]byte, *Key](cachedKeys),
		rules:         newLRU[ID, *TypeRules](cachedRules),
		used:          map[key]int64{},
	}
	c.access.Store(1)
	return c
}

// pass is taken before a read and shown at the put.
func (c *caches) pass() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gate
}

// keep runs put unless something was dropped since the pass.
func (c *caches) keep(pass uint64, put func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate == pass {
		put()
	}
}

// forget runs drop and turns back reads that are under way.
func (c *caches) forget(drop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gate++
	drop()
}

const touchEvery = time.Minute // how often keys' last use is written at least

// use notes that a key was used; it is written with the next flush. It
// reports whether that has not happened for long.
func (c *caches) use(k key, at time.Time) (overdue bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.used) == 0 && c.touched.IsZero() {
		c.touched = at
	}
	c.used[k] = micros(at)
	overdue = at.Sub(c.touched) >= touchEvery
	if overdue {
		c.touched = at
	}
	return overdue
}

func (c *caches) anyUsed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.used) > 0
}

// giveBack is for what was taken and could not be written.
func (c *caches) giveBack(used map[key]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, at := range used {
		c.used[k] = max(c.used[k], at)
	}
}

func (c *caches) takeUsed() map[key]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	used := c.used
	c.used = map[key]int64{}
	return used
}
