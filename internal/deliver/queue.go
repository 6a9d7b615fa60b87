package deliver

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// item is a delivery that memory holds. It leaves its lane's set only after
// its finish has committed.
type item struct {
	work *store.Work
	lane *lane
	size int64 // bytes it is counted with

	stage       stage
	stale       bool            // its row was changed meanwhile: read it again instead of trusting memory
	config      *config         // in flight: what it was started with
	while       context.Context // in flight: as long as it may go on
	probe       bool            // in flight: an open breaker let it through
	answer      int             // in flight: bytes of a failure's body that may be kept
	interrupted *store.Attempt  // in flight: one before it that a crash may have interrupted
	outcome     *store.Outcome
	weight      int64 // settling: bytes that the outcome is counted with
	blocks      bool  // settling: nothing may start before it committed
	fails       int   // settling: commits that failed
}

// stage of an item.
type stage uint8

const (
	stageWaiting  stage = iota // in the queue
	stageInFlight              // an attempt is under way
	stageSettling              // its finish waits for the commit
)

func (it *item) place() store.Place { return store.Place{DueAt: it.work.DueAt, ID: it.work.ID} }

// before orders places as the store does.
func before(a, b store.Place) bool {
	if c := a.DueAt.Compare(b.DueAt); c != 0 {
		return c < 0
	}
	return bytes.Compare(a.ID[:], b.ID[:]) < 0
}

// justBefore is a place before p, and before every place of p's millisecond:
// whatever precision the store keeps, reading on from here finds p.
func justBefore(p store.Place) store.Place {
	if p.DueAt.IsZero() {
		return store.Place{}
	}
	return store.Place{DueAt: p.DueAt.Truncate(tick).Add(-tick)}
}

// queue holds waiting items in order of their places. It is short (a bounded
// look-ahead) and nearly always appended to and taken from the front, so a
// slice serves it.
type queue struct {
	items []*item
	head  int
	bytes int64
}

func (q *queue) len() int     { return len(q.items) - q.head }
func (q *queue) first() *item { return q.items[q.head] }
func (q *queue) last() *item  { return q.items[len(q.items)-1] }

func (q *queue) push(it *item) {
	it.stage = stageWaiting
	q.bytes += it.size
	if q.len() == 0 || before(q.last().place(), it.place()) {
		q.compact()
		q.items = append(q.items, it)
		return
	}
	i := q.find(it)
	q.items = slices.Insert(q.items, i, it)
}

// find returns the index of it, or where it belongs.
func (q *queue) find(it *item) int {
	p := it.place()
	i, _ := slices.BinarySearchFunc(q.items[q.head:], p, func(x *item, p store.Place) int {
		if before(x.place(), p) {
			return -1
		}
		return 1
	})
	return q.head + i
}

func (q *queue) popFirst() *item {
	it := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	q.bytes -= it.size
	if q.len() == 0 {
		q.items, q.head = q.items[:0], 0
	}
	return it
}

func (q *queue) popLast() *item {
	n := len(q.items) - 1
	it := q.items[n]
	q.items[n] = nil
	q.items = q.items[:n]
	q.bytes -= it.size
	return it
}

func (q *queue) remove(it *item) {
	if i := slices.Index(q.items[q.head:], it); i >= 0 {
		q.items = slices.Delete(q.items, q.head+i, q.head+i+1)
		q.bytes -= it.size
	}
}

// compact moves the items to the front of the slice where the free room there
// has grown larger than what is left.
func (q *queue) compact() {
	if q.head > 0 && q.head >= q.len() && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
}

// release gives back the room of an empty queue.
func (q *queue) release() {
	if q.len() == 0 {
		q.items, q.head = nil, 0
	}
}

// earlier returns the earlier of two times; a zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
