package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// at is a time of the made-up evidence.
func at(ms int) time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(ms) * time.Millisecond)
}

// sane is evidence in which nothing is wrong: one event, acknowledged and
// delivered to both of its endpoints by process 1, who owns them all the time.
func sane() *evidence {
	e := &evidence{
		lease:      3 * time.Second,
		lives:      []life{{node: 0}, {node: 1}},
		events:     []*entry{{n: 0, id: "evt_1", key: "k-0", ackedAt: at(0), arrivals: []arrival{came(0, 1, 10), came(1, 1, 20)}}},
		deliveries: map[placed]delivery{},
		timedOut:   func(string) (int, error) { return 0, nil },
	}
	for i := range perConsumer {
		e.deliveries[placed{"evt_1", i}] = delivery{ID: fmt.Sprint("dlv_", i), EventID: "evt_1", State: "delivered", Attempts: 1, FinishedAt: at(60_000)}
	}
	e.owned(1, -1000, 60_000)
	return e
}

// came is an arrival that was answered with 200 ten milliseconds later.
func came(endpoint, life, ms int) arrival {
	return arrival{endpoint: endpoint, id: "evt_1", life: life, at: at(ms), until: at(ms + 10), answered: http.StatusOK}
}

// owned has every shard be of a process in a time.
func (e *evidence) owned(life, from, until int) {
	for ms := from; ms < until; ms += 40 {
		s := sample{asked: at(ms), answered: at(ms + 2)}
		for i := range s.owners {
			s.owners[i] = life
		}
		e.samples = append(e.samples, s)
	}
}

// strikes lets a fault strike process 1.
func (e *evidence) strikes(kind int, ms int) *struck {
	s := &struck{kind: nodeFaults[kind], life: 1, at: at(ms)}
	e.struck = append(e.struck, s)
	return s
}

func (e *evidence) again(endpoint, life, ms int) {
	e.events[0].arrivals = append(e.events[0].arrivals, came(endpoint, life, ms))
}

const (
	kindKill  = 0
	kindPause = 1
)

// TestNodesAreJudged: nothing is said of what is right, and of what is wrong it
// is.
func TestNodesAreJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*evidence)
		want  string // empty: nothing is wrong
	}{
		{"as it is to be", func(*evidence) {}, ""},
		{"never acknowledged", func(e *evidence) { e.events[0].id = "" }, "never acknowledged"},
		{"no delivery", func(e *evidence) { delete(e.deliveries, placed{"evt_1", 1}) }, "has no delivery for endpoint 1"},
		{"never arrived", func(e *evidence) { e.events[0].arrivals = e.events[0].arrivals[:1] }, "never arrived at endpoint 1"},
		{"never answered", func(e *evidence) { e.events[0].arrivals[0].answered = 500 }, "never was answered with 200"},
		{"failed", func(e *evidence) { e.deliveries[placed{"evt_1", 0}] = delivery{ID: "dlv_0", State: "failed"} }, "ended failed"},
		{"two ids", func(e *evidence) {
			e.events[0].arrivals = append(e.events[0].arrivals, arrival{endpoint: 0, id: "evt_2", life: 1, at: at(5)})
		}, "two webhook-ids"},
		{"tried again", func(e *evidence) { e.events[0].arrivals[0].answered = 500; e.again(0, 1, 1000) }, ""},
		{"twice", func(e *evidence) { e.again(0, 1, 1000) }, "no process was killed"},
		{"twice, the first without an answer", func(e *evidence) {
			e.again(0, 1, 1000)
			e.timedOut = func(string) (int, error) { return 1, nil }
		}, ""},
		{"three times, one without an answer", func(e *evidence) {
			e.again(0, 1, 1000)
			e.again(0, 1, 2000)
			e.timedOut = func(string) (int, error) { return 1, nil }
		}, "no process was killed"},
		{"twice, with a kill between", func(e *evidence) {
			e.strikes(kindKill, 500)
			e.lives[0].ended, e.lives[0].how = at(500), killed
			e.samples = nil
			e.owned(1, -1000, 500)
			e.owned(2, 500, 60_000)
			e.again(0, 2, 1000)
		}, ""},
		{"twice, with a kill after both", func(e *evidence) {
			e.strikes(kindKill, 2000)
			e.lives[0].ended, e.lives[0].how = at(2000), killed
			e.again(0, 1, 1000)
		}, "no process was killed"},
		{"twice, with a kill of another", func(e *evidence) {
			e.strikes(kindKill, 500).life = 2
			e.lives[1].ended, e.lives[1].how = at(500), killed
			e.again(0, 1, 1000)
		}, "no process was killed"},
		{"twice, with a stop in order between", func(e *evidence) {
			e.strikes(kindKill, 500)
			e.lives[0].ended, e.lives[0].how = at(500), stopped
			e.samples = nil
			e.owned(1, -1000, 500)
			e.owned(2, 500, 60_000)
			e.again(0, 2, 1000)
		}, "no process was killed"},
		{"twice, with a pause between", func(e *evidence) {
			e.strikes(kindPause, 30)
			e.lives[0].pauses = []span{{at(30), at(5000)}}
			e.samples = nil
			e.owned(1, -1000, 3100)
			e.owned(2, 3100, 60_000)
			e.again(0, 2, 4000)
		}, ""},
		{"sent when it was over", func(e *evidence) {
			e.deliveries[placed{"evt_1", 0}] = delivery{ID: "dlv_0", State: "delivered", FinishedAt: at(100)}
			e.again(0, 1, 2000)
		}, "after delivery dlv_0 was over"},
		{"sent by who does not own it", func(e *evidence) { e.events[0].arrivals[0].life = 2 }, "endpoint 0 heard from process 2"},
		{"sent by who does not own it any more", func(e *evidence) {
			e.strikes(kindPause, 30)
			e.lives[0].pauses = []span{{at(30), at(5000)}}
			e.samples = nil
			e.owned(1, -1000, 3100)
			e.owned(2, 3100, 60_000)
			e.again(0, 1, 5100)
		}, "endpoint 0 heard from process 1"},
		{"sent when the lease was over", func(e *evidence) {
			for i := range e.samples {
				for j := range e.samples[i].lapsed {
					e.samples[i].lapsed[j] = true
				}
			}
		}, "endpoint 0 heard from process 1"},
		{"sent by two at once", func(e *evidence) {
			e.samples = nil
			e.events[0].arrivals[0].until = at(200)
			e.again(0, 2, 100)
		}, "endpoint 0 heard from process 2 at"},
		{"sent by one while another's last is still there", func(e *evidence) {
			e.strikes(kindKill, 50)
			e.lives[0].ended, e.lives[0].how = at(50), killed
			e.samples = nil
			e.events[0].arrivals[0].until = at(200)
			e.again(0, 2, 100)
		}, ""},
	} {
		e := sane()
		c.spoil(e)
		v, err := e.judge()
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(v.violations, "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestTooManyDuplicates: one fault explains no more than was in flight.
func TestTooManyDuplicates(t *testing.T) {
	t.Parallel()
	e := sane()
	e.strikes(kindKill, 500)
	e.lives[0].ended, e.lives[0].how = at(500), killed
	e.samples = nil
	for n := 1; n <= inFlightLimit; n++ {
		id := fmt.Sprint("evt_n", n)
		ev := &entry{n: n, id: id, ackedAt: at(0)}
		for i := range perConsumer {
			ev.arrivals = append(ev.arrivals, came(i, 1, 10), came(i, 2, 1000))
			e.deliveries[placed{id, i}] = delivery{ID: id, State: "delivered", FinishedAt: at(60_000)}
		}
		e.events = append(e.events, ev)
	}
	v, err := e.judge()
	if err != nil || !strings.Contains(strings.Join(v.violations, "; "), "more than were in flight") {
		t.Errorf("%v, %v", v.violations, err)
	}
}

// TestPicturesAreJudged: a database that lost, doubled, or changed what was over is
// seen to.
func TestPicturesAreJudged(t *testing.T) {
	t.Parallel()
	acked := []string{"k-0"}
	before := map[int64]final{7: {1, 1000, 2}}
	whole := func() *picture {
		return &picture{events: map[string]int{"k-0": perConsumer}, finals: map[int64]final{7: {1, 1000, 2}, 8: {1, 2000, 1}}}
	}
	for _, c := range []struct {
		name  string
		spoil func(*picture)
		want  string
	}{
		{"whole", func(*picture) {}, ""},
		{"one more attempt is on record", func(p *picture) { p.finals[7] = final{1, 1000, 3} }, ""},
		{"lost", func(p *picture) { delete(p.events, "k-0") }, "is not there"},
		{"half of its deliveries", func(p *picture) { p.events["k-0"] = 1 }, "has 1 deliveries"},
		{"kept twice", func(p *picture) { p.again = []string{"k-0"} }, "more than one event"},
		{"over twice", func(p *picture) { p.twice = []int64{7} }, "there twice"},
		{"attempts with a gap", func(p *picture) { p.gaps = []int64{7} }, "without a gap"},
		{"of no event", func(p *picture) { p.strange = 1 }, "of no event"},
		{"gone", func(p *picture) { delete(p.finals, 7) }, "not there any more"},
		{"changed", func(p *picture) { p.finals[7] = final{2, 1000, 2} }, "was over as 1"},
		{"over again", func(p *picture) { p.finals[7] = final{1, 3000, 2} }, "was over as 1"},
		{"an attempt less", func(p *picture) { p.finals[7] = final{1, 1000, 1} }, "had 2 attempts"},
	} {
		p := whole()
		c.spoil(p)
		got := strings.Join(p.faults(acked, before), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestTimings: what came after a fault is measured until the next.
func TestTimings(t *testing.T) {
	t.Parallel()
	e := &evidence{lease: 3 * time.Second, lives: []life{{}}}
	for ms := 0; ms < 10_000; ms += 5 {
		first := ms + 10
		if ms >= 4000 && ms < 5000 {
			first = 5000
		}
		e.events = append(e.events, &entry{n: ms, id: "x", ackedAt: at(ms), arrivals: []arrival{{endpoint: 0, at: at(first)}, {endpoint: 1, at: at(first)}}})
	}
	e.struck = []*struck{{kind: nodeFaults[kindKill], at: at(4000), over: at(4000), calm: true}, {kind: nodeFaults[2], at: at(7000), over: at(7000), calm: true}}
	got := e.timings()
	if w := got[nodeFaults[kindKill]].waits; len(w) != 1 || w[0] != time.Second {
		t.Errorf("after the kill events waited %v", w)
	}
	if f := got[nodeFaults[kindKill]].full; len(f) != 1 || f[0] < time.Second || f[0] > 1300*time.Millisecond {
		t.Errorf("the rate was full again after %v", f)
	}
	if w := got[nodeFaults[2]].waits; len(w) != 1 || w[0] != 10*time.Millisecond {
		t.Errorf("after the stop events waited %v", w)
	}
}

// TestLeasesThatEnded: a process may give up its place only where leases ended,
// or nobody knows.
func TestLeasesThatEnded(t *testing.T) {
	t.Parallel()
	w := &watch{}
	for ms := 0; ms < 10_000; ms += 40 {
		w.samples = append(w.samples, sample{asked: at(ms), answered: at(ms + 2)})
	}
	if w.lapsed(at(1000), at(9990)) {
		t.Error("a lease ended that did not")
	}
	w.samples[200].lapsed[17] = true
	if !w.lapsed(at(1000), at(9990)) || w.lapsed(at(8500), at(9990)) {
		t.Error("the end of a lease was seen when it was not, or not when it was")
	}
	w.samples = append(w.samples[:100], w.samples[150:]...)
	if !w.lapsed(at(1000), at(7000)) {
		t.Error("a gap tells that all is well")
	}
}
