package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// What this process owns of a database that others share is its own until its
// lease ends. The store renews it all the time; where it cannot, another
// process sends from then on. So an attempt starts only if it can end before,
// and what is under way at the end is cut off.

const (
	// leaseCover is how much of the lease the longest attempt asks for: one that
	// may take longer than this would never start.
	leaseCover = 40 * time.Second
	leaseLook  = 100 * time.Millisecond // how often lanes that wait for it look
)

var errLapsed = errors.New("the lease ended")

const lapsedDetail lang.Kept = "this server lost touch with its database during the attempt and may not send any more; the request may have arrived"

// leased reports whether an attempt that takes so long may start now.
func (e *Engine) leased(longest time.Duration, now time.Time) bool {
	ends := e.store.LeaseEnds()
	return ends.IsZero() || !now.Add(min(longest, leaseCover)).After(ends)
}

// lasts is how long an attempt takes at most, by the dialect that the
// endpoint's project speaks.
func (c *config) lasts(d *webhook.Dialect) time.Duration {
	rule := &d.Delivery
	if rule.Total > 0 && c.timeout == 0 {
		return time.Duration(rule.Total)
	}
	connect := orDefault(time.Duration(rule.Connect), defaultConnect)
	return connect + orDefault(c.timeout, orDefault(time.Duration(rule.Response), defaultTotal))
}

// lapse cuts off what is under way where the lease has ended, and calls the
// lanes that wait for it where it was renewed.
func (e *Engine) lapse(now time.Time) {
	ends := e.store.LeaseEnds()
	if !ends.IsZero() && !now.Before(ends) && e.inFlight > 0 {
		e.cutOff(errLapsed)
		e.leasing, e.cutOff = context.WithCancelCause(e.sending)
		n := e.inFlight
		e.say(func() { e.log.Error("the lease on the database ended: attempts under way are cut off", "attempts", n) })
	}
	if e.lapsed.n == 0 || ends.Equal(e.lapsedAt) {
		return
	}
	e.lapsedAt = ends
	for n := e.lapsed.n; n > 0; n-- {
		e.place(e.lapsed.pop(), now)
	}
}

// nextLapse is when to look again; zero: not for this.
func (e *Engine) nextLapse(now time.Time) (at time.Time) {
	if e.inFlight > 0 {
		if ends := e.store.LeaseEnds(); ends.After(now) {
			at = ends
		}
	}
	if e.lapsed.n > 0 {
		at = earlier(at, now.Add(leaseLook))
	}
	return at
}

// cut is what came of an attempt that the end of the lease cut off.
func (a *attempt) cut() {
	a.ours = false
	a.result = result{Class: store.ClassUnknown, Spared: true, Detail: lang.Keep(lapsedDetail)}
}
