package deliver

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/malote-dev/malote/internal/store"
)

func sortedTimes(ts []time.Time) []time.Time {
	return slices.SortedFunc(slices.Values(ts), time.Time.Compare)
}

// TestQueue compares the queue with a sorted list under any sequence of
// pushes, pops and removals.
func TestQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []*item
		order := func(a, b *item) int {
			return cmp.Or(a.work.DueAt.Compare(b.work.DueAt), bytes.Compare(a.work.ID[:], b.work.ID[:]))
		}
		var n byte
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				n++
				w := &store.Work{ID: store.ID{rapid.Byte().Draw(t, "id"), n}, DueAt: noon.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "due")) * time.Second)}
				it := &item{work: w, size: int64(n)}
				q.push(it)
				model = append(model, it)
				slices.SortFunc(model, order)
			},
			"popFirst": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("empty")
				}
				if q.popFirst() != model[0] {
					t.Fatal("not the first")
				}
				model = model[1:]
			},
			"popLast": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("empty")
				}
				if q.popLast() != model[len(model)-1] {
					t.Fatal("not the last")
				}
				model = model[:len(model)-1]
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("empty")
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				q.remove(model[i])
				model = slices.Delete(slices.Clone(model), i, i+1)
			},
			"": func(t *rapid.T) {
				var size int64
				for _, it := range model {
					size += it.size
				}
				if q.len() != len(model) || q.bytes != size || !slices.Equal(q.items[q.head:], model) {
					t.Fatalf("%d items of %d bytes, want %d of %d", q.len(), q.bytes, len(model), size)
				}
				if len(model) > 0 && (q.first() != model[0] || q.last() != model[len(model)-1]) {
					t.Fatal("ends differ")
				}
			},
		})
	})
}

func TestTimers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var heap timers
		lanes := make([]*lane, 8)
		for i := range lanes {
			lanes[i] = newLane(store.ID{byte(i)}, &shard{}, 1)
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				l := lanes[rapid.IntRange(0, len(lanes)-1).Draw(t, "lane")]
				var at time.Time
				if s := rapid.IntRange(0, 9).Draw(t, "at"); s > 0 {
					at = noon.Add(time.Duration(s) * time.Second)
				}
				heap.set(l, at)
				if !l.wake.Equal(at) || at.IsZero() != (l.index < 0) {
					t.Fatalf("wake %v, index %d after %v", l.wake, l.index, at)
				}
			},
			"due": func(t *rapid.T) {
				now := noon.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "now")) * time.Second)
				var first *lane
				for _, l := range lanes {
					if !l.wake.IsZero() && !l.wake.After(now) && (first == nil || l.wake.Before(first.wake)) {
						first = l
					}
				}
				var want time.Time
				if first != nil {
					want = first.wake
				}
				at := time.Time{}
				if len(heap) > 0 {
					at = heap[0].wake
				}
				got := heap.due(now)
				if (got == nil) != (first == nil) || got != nil && !at.Equal(want) {
					t.Fatalf("due at %v: %v, want %v", now, at, want)
				}
			},
			"": func(t *rapid.T) {
				for i, l := range heap {
					if l.index != i {
						t.Fatal("index is wrong")
					}
				}
			},
		})
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	var s list
	a, b, c := newLane(store.ID{1}, &shard{}, 1), newLane(store.ID{2}, &shard{}, 1), newLane(store.ID{3}, &shard{}, 1)
	for _, l := range []*lane{a, b, c} {
		s.push(&l.turn)
	}
	b.turn.leave()
	b.turn.leave()
	if s.n != 2 || s.pop() != a || s.pop() != c || s.pop() != nil || s.n != 0 {
		t.Error("not first in first out")
	}
	s.push(&b.turn)
	if s.pop() != b {
		t.Error("lost")
	}
}

func TestAnswerBudget(t *testing.T) {
	t.Parallel()
	var b budget
	now, kept := noon, 0
	for range 1000 {
		n := b.allow(now)
		if n > answerMin {
			kept += n
			b.spent += n
		}
	}
	if kept < answerBudget-answerMax || kept > answerBudget+answerMax {
		t.Errorf("%d bytes at once", kept)
	}
	if n := b.allow(now.Add(time.Minute)); n != answerMax {
		t.Errorf("%d bytes after a minute", n)
	}
}
