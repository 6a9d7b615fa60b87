package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
)

// faults tells our own trouble (resolver down, no network, no file
// descriptors) from the receivers'. A fault of ours uses up no try: the
// delivery stays as it is, its lane waits, and where several lanes in a row
// see faults, everything waits.
type faults struct {
	until  time.Time // nothing starts before
	wait   time.Duration
	last   store.ID // lane of the last fault
	streak int      // faults in a row, of different lanes
	down   bool     // said so in the log

	resolved  time.Time // when a name was last resolved, for anyone
	connected time.Time // when a connection was last made, for anyone
}

const (
	faultLane     = time.Second // first pause of a lane
	faultLaneMax  = 30 * time.Second
	faultAll      = 500 * time.Millisecond // first pause of everything
	faultAllMax   = 15 * time.Second
	faultStreak   = 3 // lanes in a row before everything pauses
	faultPatience = 3 // faults of one lane before others' luck speaks against it
)

// ours takes in what an attempt says of our side, and reports whether its
// failure is ours. egress has its opinion; a lane that keeps seeing faults
// while the same thing works for others is to blame itself.
func (e *Engine) ours(l *lane, a *attempt, now time.Time, rnd float64) bool {
	f, class := &e.faults, a.result.Class
	if a.dialect == nil {
		e.withoutDialect(l, a, now)
		return true
	}
	if a.resp != nil {
		f.learn(class, a.resp, now)
	}
	if !a.ours {
		l.ours = 0
		if a.resp != nil && a.resp.Status != 0 && f.over() {
			e.say(func() { e.log.Info("sending goes on") })
		}
		return false
	}
	if l.ours == 0 {
		l.oursSince = now
	}
	l.ours++
	worked := f.connected
	if class == store.ClassDNS {
		worked = f.resolved
	}
	if l.ours > faultPatience && worked.After(l.oursSince) {
		return false
	}
	l.gate.holdUntil(now.Add(widen(min(faultLane<<min(l.ours-1, 8), faultLaneMax), breakerJitter, rnd)), heldFault)
	if f.last != l.id {
		f.last = l.id
		f.streak++
	}
	if f.streak >= faultStreak && f.pause(now) {
		detail := a.result.Detail
		e.say(func() {
			e.log.Error("sending pauses: the fault is on this side; no delivery loses a try", "class", string(class), "detail", detail)
		})
	}
	return true
}

// unknownDialect is how long an endpoint waits whose next delivery speaks a
// dialect that this server does not know. Only a restart can mend that.
const unknownDialect = time.Minute

// withoutDialect holds a lane; nobody else has to wait for it.
func (e *Engine) withoutDialect(l *lane, a *attempt, now time.Time) {
	l.gate.holdUntil(now.Add(unknownDialect), heldDialect)
	if l.ours++; l.ours > 1 {
		return
	}
	endpoint, detail := l.id.String(), a.result.Detail
	e.say(func() {
		e.log.Error("an endpoint's deliveries wait for their dialect; none loses a try", "endpoint", endpoint, "detail", detail)
	})
}

func (f *faults) learn(class store.Class, resp *egress.Response, now time.Time) {
	if resp.Timings.DNS > 0 && class != store.ClassDNS {
		f.resolved = now
	}
	if resp.Status != 0 || resp.Timings.Connect > 0 && class != store.ClassDNS && class != store.ClassConnect {
		f.connected = now
	}
}

// pause stops everything for a while, longer each time. first is true where
// nothing was wrong before.
func (f *faults) pause(now time.Time) (first bool) {
	if now.Before(f.until) {
		return false
	}
	f.wait = min(max(2*f.wait, faultAll), faultAllMax)
	f.until = now.Add(f.wait)
	first, f.down = !f.down, true
	return first
}

// over says that something got through; was is true where nothing did before.
func (f *faults) over() (was bool) {
	was = f.down
	f.streak, f.wait, f.down, f.last = 0, 0, false, store.ID{}
	return was
}
