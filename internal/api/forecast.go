package api

import (
	"math"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// forecastView says how long what is pending for an endpoint would take, if its
// receiver takes it as it did: what waits for another attempt goes when that is
// due, and not before.
type forecastView struct {
	Seconds   *int     `json:"seconds"`    // from when it begins; null: not known
	PerSecond *float64 `json:"per_second"` // null: not known
	LimitedBy *string  `json:"limited_by"` // null: not known
	WaitsFor  string   `json:"waits_for" lang:"kept"`
	WaitsTill stamp    `json:"waits_until"`
}

// What limits how fast an endpoint's queue drains.
const (
	byRate     = "rate_limit"
	byResponse = "response_times"
)

const (
	minuteOfRate = 61.0 // seconds that a rate's minute takes: see [deliver]
	slotsDefault = 16
)

// forecast of an endpoint; nil: nothing is pending for it.
func (s *server) forecast(c *call, e *store.Endpoint, st *store.Stats) *forecastView {
	if st.Pending.Count == 0 {
		return nil
	}
	v := &forecastView{}
	if e.State == store.Active {
		if s.waits != nil {
			why, until := s.waits(c.r.Context(), e.ID, store.ID{})
			v.WaitsFor, v.WaitsTill = why, stamp(until)
		}
	} else if v.WaitsFor = e.StateReason; v.WaitsFor == "" {
		v.WaitsFor = lang.Keep("the endpoint is not active")
	}
	rate := e.RateLimit
	if p, err := s.store.Project(c.r.Context(), c.key.ProjectID); err == nil && rate == 0 {
		if d, ok := s.dialects(p.Dialect); ok {
			rate = d.Limits.RatePerMinute
		}
	}
	slots := e.Settings.Concurrency
	if slots == 0 {
		slots = s.slots
	}
	speed, by := drains(rate, slots, st.Total.Mean)
	if speed == 0 {
		return v
	}
	v.PerSecond, v.LimitedBy = new(math.Round(speed*100)/100), &by
	v.Seconds = new(max(1, int(math.Ceil(float64(st.Pending.Count)/speed))))
	return v
}

// drains is how many a second may leave at most, and what says so: the rate a
// minute (0: none), or that many requests at once with answers that take as
// long (0: nobody knows). 0: not known.
func drains(rate, slots int, mean time.Duration) (perSecond float64, by string) {
	if mean > 0 {
		perSecond, by = float64(slots)/mean.Seconds(), byResponse
	}
	if r := float64(rate) / minuteOfRate; rate > 0 && (perSecond == 0 || r < perSecond) {
		perSecond, by = r, byRate
	}
	return perSecond, by
}
