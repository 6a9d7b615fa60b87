package deliver

import (
	"time"

	"github.com/malote-dev/malote/webhook"
)

// schedule is the waits between the attempts of a delivery.
type schedule []webhook.Duration

// pause returns the wait after the failed attempt of that number (from 1),
// widened by the share rnd (0 to 1, without 1) of the jitter. ok is false
// where the schedule is used up. A number past the end, which a retry by hand
// makes, has no wait either.
func (s schedule) pause(jitter float64, number int, rnd float64) (wait time.Duration, ok bool) {
	if number < 1 || number > len(s) {
		return 0, false
	}
	return widen(time.Duration(s[number-1]), jitter, rnd), true
}

// lastPause is the last wait: what an attempt waits that went wrong on this
// side after its schedule was used up.
func (s schedule) lastPause(jitter, rnd float64) time.Duration {
	if len(s) == 0 {
		return time.Minute
	}
	return widen(time.Duration(s[len(s)-1]), jitter, rnd)
}

func widen(d time.Duration, jitter, rnd float64) time.Duration {
	return d + time.Duration(float64(d)*jitter*rnd)
}

// tick is the resolution of due times. What the store keeps and what memory
// holds are compared, so both have to be the same instant.
const tick = time.Millisecond

// roundUp returns the instant as the store keeps it, never an earlier one: a
// wait may end late by less than a millisecond, never early.
func roundUp(t time.Time) time.Time {
	down := t.Truncate(tick)
	if down.Before(t) {
		return down.Add(tick)
	}
	return down
}
