package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/store"
)

// stats asks for the hours from one to another.
func (s *shelf) stats(q store.StatsQuery) *store.Stats {
	s.Helper()
	out, err := s.db.Stats(s.ctx, s.project.ID, q)
	s.no(err)
	return out
}

// tried keeps what came of a work's next attempt, which began at a time.
func (s *shelf) tried(w *store.Work, state store.State, at time.Time, took time.Duration, class store.Class) {
	s.Helper()
	o := outcome(w, state, 200)
	o.Attempt.At, o.Attempt.Timings.Total, o.Attempt.Class = at, took, class
	switch class {
	case "":
	case store.ClassStatus:
		o.Attempt.Status = 500
	default:
		o.Attempt.Status = 0
	}
	s.finish(o)
	w.Attempts++
}

// near says whether a percentile is what it should be, as far as is promised.
func near(got, want time.Duration) bool {
	off := max(want/16, 8*time.Microsecond)
	return got >= want-off && got <= want+off
}

// lastHour is the last full hour.
func lastHour() time.Time { return time.Now().UTC().Truncate(time.Hour).Add(-time.Hour) }

var statsCases = map[string]func(*shelf){
	"CountsForEndpointConsumerAndProject": func(s *shelf) {
		hour := lastHour()
		a, b := s.endpoint("one", "a"), s.endpoint("one", "b")
		s.endpoint("two", "c")
		s.endpointOf(s.newProject("other"), "one")
		send := func(uid, eventType string, state store.State, class store.Class) {
			w := s.send(uid, eventType)
			if state == store.Failed {
				s.tried(w, store.Pending, hour.Add(time.Minute), time.Second, class)
			}
			s.tried(w, state, hour.Add(2*time.Minute), 100*time.Millisecond, class)
		}
		for range 3 {
			send("one", "a", store.Delivered, "")
		}
		send("one", "b", store.Failed, store.ClassTimeout)
		send("one", "b", store.Failed, store.ClassStatus)
		send("two", "c", store.Delivered, "")
		w := s.send("one", "b")
		_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
		s.no(err)
		s.accept("one", "a") // pending

		q := store.StatsQuery{From: hour, Until: hour.Add(2 * time.Hour)}
		want := map[string]string{
			"a":   "delivered 3 failed 0 cancelled 0 attempts 3 of 3 [] answered 3 pending 1 in a row 0",
			"b":   "delivered 0 failed 2 cancelled 1 attempts 0 of 4 [{status 2} {timeout 2}] answered 2 pending 0 in a row 4",
			"one": "delivered 3 failed 2 cancelled 1 attempts 3 of 7 [{status 2} {timeout 2}] answered 5 pending 1 in a row 0",
			"two": "delivered 1 failed 0 cancelled 0 attempts 1 of 1 [] answered 1 pending 0 in a row 0",
			"":    "delivered 4 failed 2 cancelled 1 attempts 4 of 8 [{status 2} {timeout 2}] answered 6 pending 1 in a row 0",
		}
		for range 2 {
			for name, text := range want {
				one := q
				switch name {
				case "a":
					one.Endpoint = a.ID
				case "b":
					one.Endpoint = b.ID
				default:
					one.Consumer = name
				}
				st := s.stats(one)
				t := &st.Total
				got := fmt.Sprintf("delivered %d failed %d cancelled %d attempts %d of %d %v answered %d pending %d in a row %d",
					t.Delivered, t.Failed, t.Cancelled, t.Succeeded, t.Attempts, t.Failures, t.Answered, st.Pending.Count, st.FailuresInARow)
				if got != text || st.Pending.More {
					s.Errorf("%q: %s, want %s", name, got, text)
				}
				if name != "b" && (!st.LastSuccessAt.Equal(hour.Add(2*time.Minute)) || !near(t.P50, 100*time.Millisecond)) {
					s.Errorf("%q: last success %v, p50 %v", name, st.LastSuccessAt, t.P50)
				}
			}
			s.reopen()
		}
	},
	"TimesOfAnswers": func(s *shelf) {
		e, hour := s.endpoint("c"), lastHour()
		for i := range 100 {
			s.tried(s.send("c", "x"), store.Delivered, hour, time.Duration(i+1)*time.Millisecond, "")
		}
		s.tried(s.send("c", "x"), store.Failed, hour, time.Hour, store.ClassTimeout) // no answer, no time
		for range 2 {
			t := s.stats(store.StatsQuery{Endpoint: e.ID, From: hour, Until: hour.Add(time.Hour)}).Total
			if t.Mean != 50500*time.Microsecond || !near(t.P50, 50*time.Millisecond) || !near(t.P95, 95*time.Millisecond) || !near(t.P99, 99*time.Millisecond) || t.Answered != 100 {
				s.Errorf("%+v", t)
			}
			s.reopen()
		}
	},
	// Of a project, events count when they are accepted, and all by the minute, too.
	"ProjectsByTheMinute": func(s *shelf) {
		other := s.newProject("other")
		s.endpointOf(other, "c")
		s.endpoint("c")
		began := time.Now().UTC()
		minute := began.Truncate(time.Minute)
		for _, at := range []time.Duration{0, -time.Minute, -time.Minute, -90 * time.Minute, -200 * time.Minute} {
			s.tried(s.send("c", "x"), store.Delivered, minute.Add(at), time.Millisecond, "")
		}
		s.tried(s.send("c", "x"), store.Failed, minute.Add(-time.Microsecond), time.Second, store.ClassTimeout)
		s.accept("nobody", "x") // reaches nobody
		check := func(when string) {
			s.Helper()
			until := time.Now().UTC().Truncate(time.Minute).Add(time.Minute)
			st := s.stats(store.StatsQuery{From: minute.Add(-100 * time.Minute), Until: until, Minutes: true})
			var events int64
			for i, b := range st.Buckets {
				if !b.At.Equal(st.From.Add(time.Duration(i) * time.Minute)) {
					s.Errorf("%s: bucket %d is of %v", when, i, b.At)
				}
				if b.At.Before(minute) && b.Events != 0 {
					s.Errorf("%s: %d events at %v, before they came", when, b.Events, b.At)
				}
				events += b.Events
			}
			at := func(minutes int) string {
				b := st.Buckets[100+minutes]
				return fmt.Sprintf("%d delivered %d failed", b.Delivered, b.Failed)
			}
			if got := []string{at(0), at(-1), at(-90)}; got[0] != "1 delivered 0 failed" || got[1] != "2 delivered 1 failed" || got[2] != "1 delivered 0 failed" {
				s.Errorf("%s: %v", when, got)
			}
			if events != 7 || st.Total.Events != 7 || st.Total.Delivered != 4 {
				s.Errorf("%s: %d events by the minute, %+v", when, events, st.Total)
			}
			byHour := s.stats(store.StatsQuery{From: began.Add(-24 * time.Hour), Until: until})
			byDay := s.stats(store.StatsQuery{From: began.Add(-24 * time.Hour), Until: until, Days: true})
			if byHour.Total.Events != 7 || byDay.Total.Events != 7 || byHour.Total.Delivered != 5 {
				s.Errorf("%s: %+v by the hour, %+v by the day", when, byHour.Total, byDay.Total)
			}
			if st := s.stats(store.StatsQuery{Consumer: "c", From: began.Add(-24 * time.Hour), Until: until}); st.Total.Events != 0 || st.Total.Delivered != 5 {
				s.Errorf("%s: of the consumer %+v", when, st.Total)
			}
			st, err := s.db.Stats(s.ctx, other.ID, store.StatsQuery{From: minute, Until: until, Minutes: true})
			if s.no(err); st.Total.Events != 0 || st.Total.Delivered != 0 {
				s.Errorf("%s: of another project %+v", when, st.Total)
			}
		}
		check("in memory")
		s.reopen()
		check("after a restart")
		for n, err := 1, error(nil); n > 0; {
			n, err = s.db.RollUp(s.ctx, 1000)
			s.no(err)
		}
		check("rolled up")
	},
	// An attempt counts in the hour in which it began, in whatever order
	// outcomes come, also from a clock that was set back.
	"HoursBeginOnTheHour": func(s *shelf) {
		e, hour := s.endpoint("c"), lastHour()
		for _, at := range []time.Duration{0, time.Hour - time.Microsecond, time.Hour, 59 * time.Minute, -time.Microsecond, -3 * time.Hour} {
			s.tried(s.send("c", "x"), store.Delivered, hour.Add(at), time.Millisecond, "")
		}
		for range 2 {
			st := s.stats(store.StatsQuery{Endpoint: e.ID, From: hour.Add(-3*time.Hour + time.Minute), Until: hour.Add(time.Hour + time.Nanosecond)})
			var got []int64
			for i, b := range st.Buckets {
				if !b.At.Equal(st.From.Add(time.Duration(i) * time.Hour)) {
					s.Errorf("bucket %d is of %v", i, b.At)
				}
				got = append(got, b.Delivered)
			}
			if d := cmp.Diff([]int64{1, 0, 1, 3, 1}, got); d != "" || !st.From.Equal(hour.Add(-3*time.Hour)) || !st.Until.Equal(hour.Add(2*time.Hour)) {
				s.Error(st.From, st.Until, d)
			}
			s.reopen()
		}
	},
	"DaysAreTheSumOfTheirHours": func(s *shelf) {
		e := s.endpoint("c")
		today := time.Now().UTC().Truncate(24 * time.Hour)
		try := func(day, hours int) {
			s.tried(s.send("c", "x"), store.Delivered, today.Add(time.Duration(24*day+hours)*time.Hour), 10*time.Millisecond, "")
		}
		byDay := func(days int) (out []int64) {
			for _, b := range s.stats(store.StatsQuery{Endpoint: e.ID, From: today.AddDate(0, 0, 1-days), Until: today.AddDate(0, 0, 1), Days: true}).Buckets {
				out = append(out, b.Attempts)
			}
			return out
		}
		for day := -3; day <= -1; day++ {
			for h := range 3 + day + 3 {
				try(day, 4*h)
			}
		}
		want := []int64{0, 3, 4, 5, 0}
		rollUp := func() {
			for {
				n, err := s.db.RollUp(s.ctx, 100)
				s.no(err)
				if n < 100 {
					return
				}
			}
		}
		check := func(when string) {
			if d := cmp.Diff(want, byDay(5)); d != "" {
				s.Error(when, d)
			}
		}
		check("before")
		s.reopen()
		check("after a restart")
		rollUp()
		check("summed up")
		try(-2, 3) // late
		try(-4, 1)
		want[2]++
		want[0]++
		check("with late ones")
		s.reopen()
		check("with late ones, after a restart")
		rollUp()
		rollUp()
		check("again")
		var hours int64
		for _, b := range s.stats(store.StatsQuery{Endpoint: e.ID, From: today.AddDate(0, 0, -4), Until: today.AddDate(0, 0, 1)}).Buckets {
			hours += b.Attempts
		}
		if hours != 14 {
			s.Errorf("%d by the hour, want 14", hours)
		}
	},
	"WindowsAreBounded": func(s *shelf) {
		now := time.Now().UTC().Truncate(24 * time.Hour)
		const day = 24 * time.Hour
		for _, c := range []struct {
			unit time.Duration
			n    int
			fits bool
		}{
			{time.Minute, store.MaxMinutes, true},
			{time.Minute, store.MaxMinutes + 1, false},
			{time.Hour, store.MaxHours, true},
			{time.Hour, store.MaxHours + 1, false},
			{day, store.MaxDays, true},
			{day, store.MaxDays + 1, false},
			{day, 0, false},
			{day, -1, false},
		} {
			st, err := s.db.Stats(s.ctx, s.project.ID, store.StatsQuery{
				From: now.Add(-time.Duration(c.n) * c.unit), Until: now, Days: c.unit == day, Minutes: c.unit == time.Minute,
			})
			if c.fits != (err == nil) || !c.fits && !errors.Is(err, store.ErrLimit) || c.fits && len(st.Buckets) != c.n {
				s.Errorf("%+v: %v", c, err)
			}
		}
	},
	"OthersAreNotFound": func(s *shelf) {
		other := s.newProject("other")
		e := s.endpointOf(other, "c")
		gone := s.endpoint("gone")
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, gone.ID)
		s.no(err)
		for _, q := range []store.StatsQuery{{Endpoint: e.ID}, {Consumer: "c"}, {Endpoint: gone.ID}, {Endpoint: s.project.ID}, {Endpoint: store.ID{1}}} {
			q.From, q.Until = lastHour(), time.Now()
			if _, err := s.db.Stats(s.ctx, s.project.ID, q); !isNotFound(err) {
				s.Errorf("%+v: %v", q, err)
			}
		}
	},
	"PendingIsCountedUpToALimit": func(s *shelf) {
		e, f := s.endpoint("c", "a"), s.endpoint("c", "b")
		s.fillType(e, "a", 9_999)
		s.fillType(f, "b", 1)
		ask := func(q store.StatsQuery) store.Skipped {
			q.From, q.Until = lastHour(), time.Now()
			return s.stats(q).Pending
		}
		for _, q := range []store.StatsQuery{{}, {Consumer: "c"}} {
			if p := ask(q); p.Count != 10_000 || p.More {
				s.Errorf("at the limit: %+v", p)
			}
		}
		s.fillType(f, "b", 1)
		for _, q := range []store.StatsQuery{{}, {Consumer: "c"}} {
			if p := ask(q); p.Count != 10_000 || !p.More {
				s.Errorf("past the limit: %+v", p)
			}
		}
		if p := ask(store.StatsQuery{Endpoint: e.ID}); p.Count != 9_999 || p.More {
			s.Errorf("%+v", p)
		}
	},
	// Retried by a person, a delivery ends again; and what arrives after a
	// cancel was delivered.
	"AnEndCountsWhenItComes": func(s *shelf) {
		e, hour := s.endpoint("c"), lastHour()
		w := s.send("c", "x")
		s.tried(w, store.Failed, hour, time.Millisecond, store.ClassStatus)
		s.owner.take()
		_, err := s.db.RetryDelivery(s.ctx, s.project.ID, w.ID)
		s.no(err)
		s.tried(s.works()[0], store.Delivered, hour, time.Millisecond, "")
		late := s.send("c", "x")
		_, _, err = s.db.CancelDelivery(s.ctx, s.project.ID, late.ID)
		s.no(err)
		s.tried(late, store.Delivered, hour, time.Millisecond, "")
		for range 2 {
			st := s.stats(store.StatsQuery{Endpoint: e.ID, From: hour, Until: time.Now()})
			if t := st.Total; t.Delivered != 2 || t.Failed != 1 || t.Cancelled != 1 || t.Attempts != 3 || t.Succeeded != 2 || st.FailuresInARow != 0 {
				s.Errorf("%+v", st)
			}
			s.reopen()
		}
	},
	"FailuresInARow": func(s *shelf) {
		e, hour := s.endpoint("c"), lastHour()
		q := store.StatsQuery{Endpoint: e.ID, From: hour, Until: time.Now()}
		w, n := s.send("c", "x"), int64(0)
		for i, class := range []store.Class{store.ClassStatus, store.ClassDNS, store.ClassCancelled, store.ClassUnknown, "", store.ClassTLS, store.ClassStatus} {
			state := store.Pending
			if class == "" {
				state = store.Delivered
			}
			s.tried(w, state, hour, time.Millisecond, class)
			switch class {
			case "":
				n, w = 0, s.send("c", "x")
			case store.ClassCancelled, store.ClassUnknown:
			default:
				n++
			}
			if i%2 == 0 {
				s.reopen()
			}
			if st := s.stats(q); st.FailuresInARow != n || st.LastSuccessAt.IsZero() != (i < 4) {
				s.Errorf("after %d: %+v, want %d in a row", i, st, n)
			}
		}
	},
	"StatsOutliveHistory": func(s *shelf) {
		e, hour := s.endpoint("c"), lastHour()
		s.tried(s.send("c", "x"), store.Delivered, hour, time.Millisecond, "")
		n, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if t := s.stats(store.StatsQuery{Endpoint: e.ID, From: hour, Until: time.Now()}).Total; t.Delivered != 1 || n == 0 {
			s.Errorf("%+v after %d rows went", t, n)
		}
	},
	"OldStatsGo": func(s *shelf) {
		e := s.endpoint("c")
		today := time.Now().UTC().Truncate(24 * time.Hour)
		for _, days := range []int{1, 40, 399, 500} {
			s.tried(s.send("c", "x"), store.Delivered, today.AddDate(0, 0, -days), time.Millisecond, "")
		}
		sum := func(from, until int, byDay bool) int64 {
			return s.stats(store.StatsQuery{Endpoint: e.ID, From: today.AddDate(0, 0, -from), Until: today.AddDate(0, 0, -until), Days: byDay}).Total.Attempts
		}
		if sum(502, 498, false) != 1 || sum(41, 39, false) != 1 {
			s.Error("not counted")
		}
		s.reopen()
		for n, err := 1, error(nil); n > 0; {
			n, err = s.db.RollUp(s.ctx, 1000)
			s.no(err)
		}
		for range 2 {
			if n := sum(41, 39, false); n != 0 {
				s.Errorf("%d of 40 days ago by the hour", n)
			}
			if n := sum(399, 0, true); n != 3 {
				s.Errorf("%d in 400 days, want 3", n)
			}
			if n := sum(502, 498, true); n != 0 {
				s.Errorf("%d of 500 days ago", n)
			}
			s.reopen()
		}
	},
}

// fillType keeps n events of a type.
func (s *shelf) fillType(e *store.Endpoint, eventType string, n int) {
	s.Helper()
	for n > 0 {
		items := make([]*store.Acceptance, min(n, 500))
		for i := range items {
			items[i] = s.acceptance(e.Consumer, eventType, `{}`)
		}
		out, err := s.db.Accept(s.ctx, items)
		s.no(err)
		for _, a := range out {
			s.no(a.Err)
		}
		n -= len(items)
	}
}
