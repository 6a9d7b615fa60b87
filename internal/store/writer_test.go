package store

import (
	"slices"
	"testing"
)

// TestACommitIsBounded: a flood of large requests delays a small one by one
// commit at most, and nothing is lost or starved on the way.
func TestACommitIsBounded(t *testing.T) {
	t.Parallel()
	w := &writer{}
	var flood, small []*acceptOp
	for range 40 {
		flood = append(flood, &acceptOp{items: make([]*Acceptance, 100), size: commitBytes / 3})
	}
	for range 5 {
		small = append(small, &acceptOp{items: make([]*Acceptance, 1), size: 1 << 10})
	}
	for _, a := range slices.Concat(flood, small) {
		w.in.add(a)
	}
	first := w.take()
	for _, a := range small {
		if !slices.Contains(first.accepts, a) {
			t.Error("a small request waits for the flood")
		}
	}
	taken := first.accepts
	for rounds := 1; w.in.size() > 0; rounds++ {
		if rounds > len(flood) {
			t.Fatal("it does not end")
		}
		in := w.take()
		if in.bytes > 2*commitBytes {
			t.Errorf("%d bytes in one commit", in.bytes)
		}
		items, bytes := 0, 0
		for _, a := range in.accepts {
			items, bytes = items+len(a.items), bytes+a.size
		}
		if items != in.items || bytes != in.bytes {
			t.Errorf("counted %d items of %d bytes, there are %d of %d", in.items, in.bytes, items, bytes)
		}
		taken = append(taken, in.accepts...)
	}
	if len(taken) != len(flood)+len(small) || w.in.bytes != 0 {
		t.Errorf("%d requests taken, %d bytes left", len(taken), w.in.bytes)
	}
	large := slices.DeleteFunc(taken, func(a *acceptOp) bool { return a.size <= smallBytes })
	if !slices.Equal(large, flood) {
		t.Error("the flood's order changed")
	}
	huge := &acceptOp{items: make([]*Acceptance, 1000), size: 5 * commitBytes}
	w.in.add(huge)
	if in := w.take(); len(in.accepts) != 1 {
		t.Error("a request over the bound is never taken")
	}
}
