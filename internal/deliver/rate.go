package deliver

import "time"

// A slot of the rate is free again this long after its request was written. A
// minute, and a second for the way: the receiver counts by its own arrivals.
const rateWindow = 61 * time.Second

// rate makes "100 a minute" exact: no minute, wherever it starts, has 101. It
// remembers when each request of the last minute was written; one that is
// still being written holds its slot.
type rate struct {
	limit int         // requests a minute; 0: none
	sent  []time.Time // of the last minute, oldest first
	busy  int         // slots taken by attempts in flight
}

// admit says whether a request may start; where not, not before at. A zero
// at: when one in flight is back.
func (r *rate) admit(now time.Time) (ok bool, at time.Time) {
	if r.limit == 0 {
		return true, time.Time{}
	}
	r.prune(now)
	over := r.busy + len(r.sent) - r.limit
	if over < 0 {
		return true, time.Time{}
	}
	if over < len(r.sent) {
		return false, r.sent[over].Add(rateWindow)
	}
	return false, time.Time{}
}

func (r *rate) prune(now time.Time) {
	n := 0
	for n < len(r.sent) && now.Sub(r.sent[n]) >= rateWindow {
		n++
	}
	r.sent = r.sent[n:]
}

// start takes a slot.
func (r *rate) start() {
	if r.limit > 0 {
		r.busy++
	}
}

// done gives it back: to be free a minute after written, or at once where
// that is zero because nothing left this machine.
func (r *rate) done(written time.Time) {
	if r.busy > 0 {
		r.busy--
	}
	if r.limit > 0 && !written.IsZero() {
		r.insert(written)
	}
}

// insert keeps the order; nearly always the time belongs at the end.
func (r *rate) insert(t time.Time) {
	i := len(r.sent)
	for i > 0 && r.sent[i-1].After(t) {
		i--
	}
	r.sent = append(r.sent, time.Time{})
	copy(r.sent[i+1:], r.sent[i:])
	r.sent[i] = t
}

// quiet reports whether nothing would be lost by forgetting it.
func (r *rate) quiet(now time.Time) bool {
	r.prune(now)
	return r.busy == 0 && len(r.sent) == 0
}
