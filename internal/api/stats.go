package api

import (
	"errors"
	"math"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// statsQuery is the window that is asked for.
type statsQuery struct {
	From     time.Time `query:"from"`
	Until    time.Time `query:"until"`
	Interval string    `query:"interval"`
}

// The intervals of statistics.
const (
	byMinute = "minute" // of a project
	byHour   = "hour"
	byDay    = "day"
)

// statsView is what happened to a project, a consumer or an endpoint.
type statsView struct {
	From          stamp             `json:"from"`
	Until         stamp             `json:"until"`
	Interval      string            `json:"interval"`
	Pending       pendingView       `json:"pending"`
	Events        *int              `json:"events,omitempty"` // of a project
	Deliveries    deliveryCounts    `json:"deliveries"`
	Attempts      attemptCounts     `json:"attempts"`
	ResponseTimes *responseTimeView `json:"response_times"` // null: no answer came
	LastSuccessAt stamp             `json:"last_success_at"`
	InARow        *int              `json:"consecutive_failures,omitempty"` // of an endpoint
	Forecast      *forecastView     `json:"forecast,omitempty"`             // of an endpoint that something is pending for
	Buckets       []bucketView      `json:"buckets"`
}

type pendingView struct {
	Count int  `json:"count"`
	More  bool `json:"more"` // and more: counting them would have taken too long
}

type deliveryCounts struct {
	Delivered   int      `json:"delivered"`
	Failed      int      `json:"failed"`
	Cancelled   int      `json:"cancelled"`
	SuccessRate *float64 `json:"success_rate"`
}

type attemptCounts struct {
	Total       int           `json:"total"`
	Succeeded   int           `json:"succeeded"`
	Failed      int           `json:"failed"`
	SuccessRate *float64      `json:"success_rate"`
	Failures    []failureView `json:"failures"`
}

type failureView struct {
	Class string `json:"class"`
	Count int    `json:"count"`
}

type responseTimeView struct {
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
}

// bucketView is a minute, an hour or a day.
type bucketView struct {
	At             stamp    `json:"at"`
	Events         *int     `json:"events,omitempty"` // of a project
	Delivered      int      `json:"delivered"`
	Failed         int      `json:"failed"`
	Cancelled      int      `json:"cancelled"`
	Attempts       int      `json:"attempts"`
	FailedAttempts int      `json:"failed_attempts"`
	Mean           *float64 `json:"mean_ms"`
	P50            *float64 `json:"p50_ms"`
	P95            *float64 `json:"p95_ms"`
}

func (s *server) statsRoutes() []*route {
	return []*route{
		{method: "GET", pattern: "/v1/stats", summary: "Count what happened in a project", scope: deliveriesRead, status: 200, action: asks(s.projectStats)},
		{method: "GET", pattern: "/v1/consumers/{uid}/stats", summary: "Count what happened to a consumer", scope: deliveriesRead, status: 200, action: asks(s.consumerStats)},
		{method: "GET", pattern: "/v1/endpoints/{id}/stats", summary: "Count what happened to an endpoint", scope: deliveriesRead, status: 200, action: asks(s.endpointStats)},
	}
}

// projectStats are those of the key's consumer, where it is bound to one.
func (s *server) projectStats(c *call, q *statsQuery) (statsView, error) {
	v, _, err := s.stats(c, q, store.StatsQuery{Consumer: c.key.Consumer}, c.key.Consumer != "")
	return v, err
}

func (s *server) consumerStats(c *call, q *statsQuery) (statsView, error) {
	uid := c.r.PathValue("uid")
	if !mayAct(c.key, uid) {
		return statsView{}, store.ErrNotFound
	}
	v, _, err := s.stats(c, q, store.StatsQuery{Consumer: uid}, false)
	return v, err
}

func (s *server) endpointStats(c *call, q *statsQuery) (statsView, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return statsView{}, err
	}
	v, st, err := s.stats(c, q, store.StatsQuery{Endpoint: e.ID}, false)
	if err == nil {
		v.InARow, v.Forecast = new(int(st.FailuresInARow)), s.forecast(c, e, st)
	}
	return v, err
}

// stats answers for a window. Where empty, what is not there has counts of 0.
func (s *server) stats(c *call, q *statsQuery, of store.StatsQuery, empty bool) (v statsView, st *store.Stats, err error) {
	if q.Interval == "" {
		q.Interval = byHour
	}
	whole := of.Consumer == "" && of.Endpoint.IsZero()
	if q.Interval == byMinute && !whole {
		return v, nil, parameter("interval", "is minute, by which whole projects alone are counted")
	}
	if err := q.window(&of, time.Now()); err != nil {
		return v, nil, err
	}
	st, err = s.store.Stats(c.r.Context(), c.key.ProjectID, of)
	if empty && errors.Is(err, store.ErrNotFound) {
		st, err = store.NoStats(of)
	}
	if err != nil {
		return v, nil, err
	}
	v = viewStats(st, q.Interval)
	if whole {
		v.events(st)
	}
	return v, st, nil
}

// events adds those that were accepted.
func (v *statsView) events(st *store.Stats) {
	v.Events = new(int(st.Total.Events))
	for i := range v.Buckets {
		v.Buckets[i].Events = new(int(st.Buckets[i].Events))
	}
}

// window checks and completes what was asked: by default the last 24 hours,
// 30 days, or 60 minutes.
func (q *statsQuery) window(of *store.StatsQuery, now time.Time) error {
	unit, standard, most := time.Hour, 24*time.Hour, store.MaxHours
	switch q.Interval {
	case byHour:
	case byMinute:
		unit, standard, most, of.Minutes = time.Minute, time.Hour, store.MaxMinutes, true
	case byDay:
		unit, standard, most, of.Days = 24*time.Hour, 30*24*time.Hour, store.MaxDays, true
	default:
		return parameter("interval", "is none of minute, hour and day")
	}
	of.Until = q.Until
	if q.Until.IsZero() {
		of.Until = now
	}
	of.From = q.From
	if q.From.IsZero() {
		of.From = of.Until.Add(-standard)
		if !of.Until.Equal(of.Until.Truncate(unit)) {
			of.From = of.From.Add(unit) // 24 hours with the one that has begun
		}
	}
	most-- // that are over
	oldest := now.UTC().Truncate(unit).Add(-time.Duration(most) * unit)
	switch {
	case !of.From.Before(of.Until):
		return parameter("from", "is not before until")
	case of.From.Before(oldest) && of.Days:
		return parameter("from", "is too far back: counts by the day are kept for %d days", store.DaysKept)
	case of.From.Before(oldest) && of.Minutes:
		return parameter("from", "is too far back: counts by the minute are kept for %d minutes; ask with interval=hour", store.MinutesKept)
	case of.From.Before(oldest):
		return parameter("from", "is too far back: counts by the hour are kept for %d days; ask with interval=day", store.HoursKept/24)
	case intervals(of, unit) > most+1:
		return parameter("until", "is too far from the start: at most %d intervals are counted at once", most+1)
	}
	return nil
}

// intervals is how many a window has, those that it touches at its ends too.
func intervals(of *store.StatsQuery, unit time.Duration) int {
	from, until := of.From.UTC().Truncate(unit), of.Until.UTC().Add(unit-1).Truncate(unit)
	return int(until.Sub(from) / unit)
}

func viewStats(st *store.Stats, interval string) statsView {
	t := &st.Total
	v := statsView{
		From: stamp(st.From), Until: stamp(st.Until), Interval: interval,
		Pending:    pendingView{Count: st.Pending.Count, More: st.Pending.More},
		Deliveries: deliveryCounts{int(t.Delivered), int(t.Failed), int(t.Cancelled), rate(t.Delivered, t.Delivered+t.Failed)},
		Attempts: attemptCounts{
			Total: int(t.Attempts), Succeeded: int(t.Succeeded), Failed: int(t.Attempts - t.Succeeded),
			SuccessRate: rate(t.Succeeded, t.Attempts), Failures: []failureView{},
		},
		LastSuccessAt: stamp(st.LastSuccessAt), Buckets: make([]bucketView, len(st.Buckets)),
	}
	for _, f := range t.Failures {
		v.Attempts.Failures = append(v.Attempts.Failures, failureView{string(f.Class), int(f.Count)})
	}
	if t.Answered > 0 {
		v.ResponseTimes = &responseTimeView{inMillis(t.Mean), inMillis(t.P50), inMillis(t.P95), inMillis(t.P99)}
	}
	for i := range st.Buckets {
		b := &st.Buckets[i]
		w := &v.Buckets[i]
		*w = bucketView{
			At: stamp(b.At), Delivered: int(b.Delivered), Failed: int(b.Failed), Cancelled: int(b.Cancelled),
			Attempts: int(b.Attempts), FailedAttempts: int(b.Attempts - b.Succeeded),
		}
		if b.Answered > 0 {
			w.Mean, w.P50, w.P95 = new(inMillis(b.Mean)), new(inMillis(b.P50)), new(inMillis(b.P95))
		}
	}
	return v
}

// rate is a share with six digits; null of nothing.
func rate(part, of int64) *float64 {
	if of == 0 {
		return nil
	}
	return new(math.Round(float64(part)/float64(of)*1e6) / 1e6)
}

func inMillis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
