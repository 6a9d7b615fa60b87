package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// timing is what receivers saw around the faults of a kind.
type timing struct {
	waits []time.Duration // of each fault: the longest that an event waited for its first arrival
	full  []time.Duration // of each fault: until arrivals were as many as before
}

// wait is how long a delivery waited.
type wait struct{ acked, first time.Time }

// waits are those of all deliveries, by the time of their first arrival.
func (e *evidence) waits() (out []wait) {
	for _, ev := range e.events {
		var first [endpoints]time.Time
		for _, a := range ev.arrivals {
			if first[a.endpoint].IsZero() || a.at.Before(first[a.endpoint]) {
				first[a.endpoint] = a.at
			}
		}
		for i := range perConsumer {
			if at := first[ev.consumer*perConsumer+i]; !at.IsZero() && !ev.ackedAt.IsZero() {
				out = append(out, wait{ev.ackedAt, at})
			}
		}
	}
	slices.SortFunc(out, func(a, b wait) int { return a.first.Compare(b.first) })
	return out
}

// timings measures what came after each fault, until the next one.
func (e *evidence) timings() map[*nodeFault]*timing {
	out := map[*nodeFault]*timing{}
	all := e.waits()
	if len(all) == 0 {
		return out
	}
	usual := rateOf(all, all[0].first, all[len(all)-1].first)
	for i, s := range e.struck {
		t := out[s.kind]
		if t == nil {
			t = &timing{}
			out[s.kind] = t
		}
		from, until := s.at, all[len(all)-1].first
		if s.kind.since == sinceOver {
			from = s.over
		}
		if i+1 < len(e.struck) {
			until = e.struck[i+1].at
		}
		if !s.calm {
			continue
		}
		t.waits = append(t.waits, longest(all, from, until))
		before := min(usual, rateOf(all, s.at.Add(-rateOver), s.at))
		if at, full := fullAgain(all, from, until, before); full {
			t.full = append(t.full, at)
		}
	}
	return out
}

// longest is how long an event waited in a time.
func longest(all []wait, from, until time.Time) (most time.Duration) {
	at, _ := slices.BinarySearchFunc(all, from, func(w wait, t time.Time) int { return w.first.Compare(t) })
	for _, w := range all[at:] {
		since, end := w.acked, w.first
		if since.Before(from) {
			since = from
		}
		if end.After(until) {
			end = until
		}
		most = max(most, end.Sub(since))
	}
	return most
}

const (
	rateOver = time.Second            // over which a rate before a fault is taken
	rateIn   = 250 * time.Millisecond // and after it
	fullRate = 0.7                    // of the rate before is as good as all of it: it varies as much by itself
)

// rateOf counts first arrivals for each second.
func rateOf(all []wait, from, until time.Time) float64 {
	cmpAt := func(w wait, t time.Time) int { return w.first.Compare(t) }
	a, _ := slices.BinarySearchFunc(all, from, cmpAt)
	b, _ := slices.BinarySearchFunc(all, until, cmpAt)
	return float64(b-a) / until.Sub(from).Seconds()
}

// fullAgain is when arrivals were as many as before a fault.
func fullAgain(all []wait, from, until time.Time, before float64) (time.Duration, bool) {
	for at := from; !at.Add(rateIn).After(until); at = at.Add(rateIn / 5) {
		if rateOf(all, at, at.Add(rateIn)) >= fullRate*before {
			return at.Add(rateIn).Sub(from), true
		}
	}
	return 0, false
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

func (c *cluster) printNodes(e *evidence, v *nodesVerdict) {
	arrivals, acked := 0, 0
	for _, ev := range e.events {
		arrivals += len(ev.arrivals)
		if ev.id != "" {
			acked++
		}
	}
	fencedLives := 0
	for _, l := range e.lives {
		if l.how == fenced && !l.ended.IsZero() {
			fencedLives++
		}
	}
	fmt.Printf("  %d processes at %d places, lease %s; %d of them ended because others had taken their place\n", len(e.lives), len(c.nodes), e.lease, fencedLives)
	fmt.Printf("  events acknowledged %d, answers that never came %d (all resolved by their key), refused and repeated %d, keys posted again %d\n",
		acked, c.ledger.unknown, c.ledger.rejected, c.ledger.repeated)
	fmt.Printf("  deliveries %d, arrivals %d, looks at the whole database %d\n", len(e.deliveries), arrivals, c.looks)
	fmt.Printf("  acknowledged events lost: %d\n", v.lost)
	c.writeFaults(e)
	fmt.Printf("  duplicates: %d (at most %d at one fault; limit %d in flight), of them after an attempt on record as without an answer: %d\n",
		v.duplicates, v.worst, inFlightLimit, v.excused)
	fmt.Printf("  arrivals held against who owned their endpoint: %d; not known who sent, or who owned: %d; two processes at once, one of them dead: %d\n", v.owned, v.unknown, v.overlaps)
	e.table(v)
}

// table has a line for each kind of fault.
func (e *evidence) table(v *nodesVerdict) {
	count := map[*nodeFault]int{}
	for _, s := range e.struck {
		count[s.kind]++
	}
	fmt.Printf("\n  %-24s %6s %10s   %-32s %-24s %s\n", "fault", "times", "duplicates", "longest wait (median, worst)", "full rate (median, worst)", "target")
	timings := e.timings()
	for _, k := range nodeFaults {
		t := cmp.Or(timings[k], &timing{})
		if count[k] == 0 {
			continue
		}
		worst, target := quantile(t.waits, 1), k.target(e.lease)
		met := "met"
		if late := slices.DeleteFunc(slices.Clone(t.waits), func(d time.Duration) bool { return d <= target }); len(late) > 0 {
			met = fmt.Sprintf("not met %d times", len(late))
		}
		fmt.Printf("  %-24s %6d %10d   %-32s %-24s wait ≤ %s from %s: %s\n", k.name, count[k], v.perKind[k],
			pair(quantile(t.waits, 0.5), worst), pair(quantile(t.full, 0.5), quantile(t.full, 1))+missed(len(t.waits)-len(t.full)), target, k.since, met)
	}
	fmt.Println(strings.TrimRight("", " "))
}

func missed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d: not before the next)", n)
}

func pair(a, b time.Duration) string {
	return fmt.Sprintf("%.2f s, %.2f s", a.Seconds(), b.Seconds())
}

// writeFaults keeps what struck, and when, beside the logs.
func (c *cluster) writeFaults(e *evidence) {
	var b strings.Builder
	all := e.waits()
	for i, s := range e.struck {
		until := s.over.Add(c.lease)
		if i+1 < len(e.struck) {
			until = e.struck[i+1].at
		}
		node := "all"
		if s.life > 0 {
			node = c.nodes[e.lives[s.life-1].node].name()
		}
		fmt.Fprintf(&b, "%d %s over %s %s %s calm=%t longest wait %s\n", i+1, s.at.Format(clock), s.over.Format(clock), s.kind.name, node, s.calm, longest(all, s.at, until))
	}
	_ = os.WriteFile(filepath.Join(c.h.dir, "faults.log"), []byte(b.String()), 0o600)
}
