package deliver

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	t.Parallel()
	var b breaker
	now := noon
	fail := func() { b.note(healthDown, b.start(), now, 0) }
	for i := range breakerFailures {
		if ok, _ := b.admit(now); !ok {
			t.Fatalf("shut after %d failures", i)
		}
		fail()
	}
	for _, wait := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
		wait *= time.Second
		ok, at := b.admit(now)
		if ok || at.Sub(now) != wait {
			t.Fatalf("open: %v until %s later, want %s", ok, at.Sub(now), wait)
		}
		b.note(healthDown, false, now, 0) // one that was still on its way changes nothing
		now = at
		if ok, _ = b.admit(now); !ok {
			t.Fatal("no probe")
		}
		probe := b.start()
		if ok, at = b.admit(now); ok || !at.IsZero() || !probe {
			t.Fatal("a second probe beside the first")
		}
		b.note(healthDown, probe, now, 0)
	}
	now = b.until
	if closed := b.note(healthUp, b.start(), now, 0); !closed {
		t.Fatal("an answered probe does not close it")
	}
	if ok, _ := b.admit(now); !ok || b.open() {
		t.Fatal("still shut")
	}
	// It flaps: the waits go on from where they were.
	for range breakerFailures {
		fail()
	}
	if _, at := b.admit(now); at.Sub(now) != breakerLongest {
		t.Errorf("flapping: opens for %s", at.Sub(now))
	}
	now = b.until
	b.note(healthUp, b.start(), now, 0)
	now = now.Add(breakerMemory)
	for range breakerFailures {
		fail()
	}
	if _, at := b.admit(now); at.Sub(now) != breakerFirst {
		t.Errorf("after a good minute: opens for %s", at.Sub(now))
	}
}

func TestBreakerCountsInARowOnly(t *testing.T) {
	t.Parallel()
	var b breaker
	for range 3 * breakerFailures {
		for range breakerFailures - 1 {
			b.note(healthDown, false, noon, 0)
			b.note(healthUnknown, false, noon, 0)
		}
		b.note(healthUp, false, noon, 0)
	}
	if b.open() {
		t.Error("open without 8 failures in a row")
	}
}

// TestProbeOfUnknownFate: a probe that says nothing lets the next one go.
func TestProbeOfUnknownFate(t *testing.T) {
	t.Parallel()
	var b breaker
	for range breakerFailures {
		b.note(healthDown, b.start(), noon, 0)
	}
	b.note(healthUnknown, b.start(), b.until, 0)
	if ok, _ := b.admit(b.until); !ok {
		t.Error("shut for ever")
	}
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	g := gate{active: true, slots: 16, breaks: true, window: 1}
	for _, width := range []int{1, 2, 4, 8, 16, 16} {
		if g.width() != width {
			t.Fatalf("width %d, want %d", g.width(), width)
		}
		g.done(healthUp, g.start(), noon, noon, 0)
	}
	g.window = 8
	g.done(healthDown, g.start(), noon, noon, 0)
	if g.width() != 4 {
		t.Errorf("after a failure on the way up: %d", g.width())
	}
	// Without a breaker it paces and no more.
	g = gate{active: true, slots: 16, window: 1}
	for range 4 {
		g.done(healthDown, g.start(), noon, noon, 0)
	}
	if g.width() != 16 {
		t.Errorf("stuck at %d", g.width())
	}
}

func TestGateOrder(t *testing.T) {
	t.Parallel()
	shut := func(g gate, want time.Time) {
		t.Helper()
		if ok, at := g.admit(noon); ok || !at.Equal(want) {
			t.Errorf("%+v: %v until %v, want %v", g, ok, at, want)
		}
	}
	later := noon.Add(time.Minute)
	shut(gate{slots: 1}, time.Time{})
	shut(gate{active: true, slots: 1, inFlight: 1, hold: later}, time.Time{})
	shut(gate{active: true, slots: 1, settling: 1}, time.Time{})
	shut(gate{active: true, slots: 1, hold: later}, later)
	shut(gate{active: true, slots: 1, breaks: true, breaker: breaker{until: later}}, later)
	shut(gate{active: true, slots: 1, rate: rate{limit: 1, sent: []time.Time{noon}}}, noon.Add(rateWindow))
	shut(gate{active: true, slots: 2, rate: rate{limit: 1, busy: 1}}, time.Time{})
	g := gate{active: true, slots: 1, breaker: breaker{until: later}} // a breaker that does not apply
	if ok, _ := g.admit(noon); !ok {
		t.Error("shut by a breaker that does not apply")
	}
}

// TestRateIsExact: whatever the arrivals and the time that requests take, no
// window of 60 s has more requests than the limit, and while work is due at
// least 95 % of it goes out.
func TestRateIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1, 3, 20, 100}).Draw(t, "limit")
		slots := rapid.SampledFrom([]int{1, 4, 16}).Draw(t, "slots")
		longest := time.Duration(rapid.SampledFrom([]int{1, 50, 3000}).Draw(t, "ms")) * time.Millisecond
		rnd := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		r := rate{limit: limit}
		type flight struct{ written, back time.Time }
		var out []flight
		var arrived []time.Time
		now, end := noon, noon.Add(5*time.Minute)
		for now.Before(end) {
			kept := out[:0]
			for _, f := range out {
				if f.back.After(now) {
					kept = append(kept, f)
					continue
				}
				r.done(f.written)
			}
			out = kept
			ok, at := r.admit(now)
			if ok && len(out) < slots {
				r.start()
				written := now.Add(time.Duration(rnd.Int64N(int64(longest))))
				arrived = append(arrived, written.Add(time.Duration(rnd.Int64N(int64(900*time.Millisecond)))))
				out = append(out, flight{written, written.Add(time.Duration(rnd.Int64N(int64(longest))))})
				continue
			}
			next := now.Add(time.Millisecond)
			if !ok && !at.IsZero() {
				if !at.After(now) {
					t.Fatalf("shut until %v, which is not after %v", at, now)
				}
				next = at
			}
			for _, f := range out {
				if f.back.Before(next) && f.back.After(now) {
					next = f.back
				}
			}
			now = next
		}
		checkWindows(t, arrived, limit)
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkWindows fails if some window of 60 s holds more than limit arrivals.
func checkWindows(t failer, arrived []time.Time, limit int) {
	t.Helper()
	sorted := sortedTimes(arrived)
	for i := limit; i < len(sorted); i++ {
		if d := sorted[i].Sub(sorted[i-limit]); d <= time.Minute {
			t.Fatalf("%d requests within %s", limit+1, d)
		}
	}
}

func TestRateSlotsComeBack(t *testing.T) {
	t.Parallel()
	r := rate{limit: 2}
	r.start()
	r.start()
	if ok, at := r.admit(noon); ok || !at.IsZero() {
		t.Fatal("a third beside two in flight")
	}
	r.done(time.Time{}) // nothing left this machine
	if ok, _ := r.admit(noon); !ok {
		t.Fatal("a request that was never sent keeps its slot")
	}
	r.start()
	r.done(noon)
	r.done(noon.Add(time.Second))
	if ok, at := r.admit(noon.Add(2 * time.Second)); ok || !at.Equal(noon.Add(61*time.Second)) {
		t.Errorf("%v until %v", ok, at)
	}
	if ok, _ := r.admit(noon.Add(61 * time.Second)); !ok {
		t.Error("shut after the window")
	}
	if r.quiet(noon.Add(61*time.Second)) || !r.quiet(noon.Add(62*time.Second)) {
		t.Error("quiet at the wrong time")
	}
	// A lower limit counts what was sent under the higher one.
	r = rate{limit: 1, sent: []time.Time{noon, noon.Add(time.Second), noon.Add(2 * time.Second)}}
	if _, at := r.admit(noon.Add(3 * time.Second)); !at.Equal(noon.Add(63 * time.Second)) {
		t.Errorf("until %v", at)
	}
}
