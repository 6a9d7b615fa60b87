package store

import (
	"slices"
	"testing"
	"time"
)

// TestTheSilentAreSparedWhereNobodyCouldSpeak: after the database was away for
// about a lease, everybody's is over; they have a moment to renew it, once.
func TestTheSilentAreSparedWhereNobodyCouldSpeak(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, c := range []struct {
		name  string
		looks []time.Duration // after the start; at each, slot 3 is silent
		spare []bool
	}{
		{"at the first look", []time.Duration{0}, []bool{false}},
		{"looked at all the time", []time.Duration{0, time.Second, 2 * time.Second}, []bool{false, false, false}},
		{"away for less than a lease", []time.Duration{0, 30 * time.Second}, []bool{false, false}},
		{"away", []time.Duration{0, time.Minute, time.Minute + time.Second, time.Minute + 2*spareFor}, []bool{false, true, true, false}},
		{"away again at once", []time.Duration{0, time.Minute, 100 * time.Second}, []bool{false, true, true}},
		{"slow for good", []time.Duration{0, 40 * time.Second, 80 * time.Second}, []bool{false, true, true}},
	} {
		n := &nodes{engine: &pgEngine{lease: 45 * time.Second}}
		for i, at := range c.looks {
			v := nodesView{live: 1, dead: []int{3}}
			n.spare(&v, start.Add(at))
			if spared := !slices.Contains(v.dead, 3); spared != c.spare[i] || spared != (v.live == 2) {
				t.Errorf("%s: at %s spared is %t, of %d that live", c.name, at, spared, v.live)
			}
		}
	}
	n := &nodes{engine: &pgEngine{lease: 2 * time.Second}}
	spared := 0
	for i := range 20 { // every look comes late
		v := nodesView{dead: []int{3}}
		n.spare(&v, start.Add(time.Duration(i)*1800*time.Millisecond))
		if len(v.dead) == 0 {
			spared++
		}
	}
	if spared == 0 || spared > 8 {
		t.Errorf("a process that always looks late spares the silent %d times of 20", spared)
	}
}

// TestUntold: what came from who died goes on as such, until somebody was told
// of it who could send.
func TestUntold(t *testing.T) {
	t.Parallel()
	n := &nodes{}
	n.died[1], n.died[2], n.died[4] = true, true, true
	n.own(2, true)
	n.own(3, true)
	if got := n.untold([]Shard{1, 2, 3, 5}); !slices.Equal(got, keyList{1}) {
		t.Errorf("%v", got)
	}
}
