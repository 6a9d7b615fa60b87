package deliver

import "time"

const (
	breakerFailures = 8                // in a row open it
	breakerFirst    = 10 * time.Second // first wait
	breakerLongest  = 5 * time.Minute
	breakerJitter   = 0.2
	// A breaker that opens again within this time after it closed goes on
	// with its doubling: a receiver that flaps is not asked more often.
	breakerMemory = time.Minute
)

// breaker stops requests to a receiver that is down: after 8 failures in a
// row it opens, waits, lets one probe through, and closes when that is
// answered. Waiting costs no try.
type breaker struct {
	failures int           // in a row
	until    time.Time     // open: nothing but the probe, and that not before; zero: closed
	wait     time.Duration // the last one, without jitter
	closed   time.Time     // when it last closed
	probing  bool
}

func (b *breaker) open() bool { return !b.until.IsZero() }

// admit says whether an attempt may start; where not, not before at. A zero
// at: when the probe is back.
func (b *breaker) admit(now time.Time) (ok bool, at time.Time) {
	switch {
	case !b.open():
		return true, time.Time{}
	case b.probing:
		return false, time.Time{}
	case now.Before(b.until):
		return false, b.until
	}
	return true, time.Time{}
}

// hurry lets the next probe go at once.
func (b *breaker) hurry(now time.Time) {
	if b.open() && now.Before(b.until) {
		b.until = now
	}
}

// doubt opens a breaker for a receiver that was down before: one attempt goes
// at once, and the others when it is answered.
func (b *breaker) doubt(failures int, now time.Time) { b.failures, b.until = failures, now }

// start says that an attempt starts; it is the probe where the breaker is open.
func (b *breaker) start() (probe bool) {
	if b.open() {
		b.probing = true
	}
	return b.probing
}

// note takes in how an attempt ended. closed is true where that closed the
// breaker: the endpoint then starts slowly.
func (b *breaker) note(h health, probe bool, now time.Time, rnd float64) (closed bool) {
	if probe {
		b.probing = false
	}
	switch h {
	case healthUp:
		b.failures = 0
		if b.open() {
			b.until, b.closed = time.Time{}, now
			return true
		}
	case healthDown:
		b.failures++
		if probe || !b.open() && b.failures >= breakerFailures {
			b.trip(now, rnd)
		}
	case healthUnknown:
	}
	return false
}

func (b *breaker) trip(now time.Time, rnd float64) {
	again := b.open() || !b.closed.IsZero() && now.Sub(b.closed) < breakerMemory
	if again && b.wait > 0 {
		b.wait = min(2*b.wait, breakerLongest)
	} else {
		b.wait = breakerFirst
	}
	b.until = now.Add(widen(b.wait, breakerJitter, rnd))
}
