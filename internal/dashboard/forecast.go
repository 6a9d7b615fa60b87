package dashboard

import (
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// soon are seconds that no forecast is made of.
const soon = 2

// forecast says how long what is pending for an endpoint would take; zero:
// nothing is, or it goes at once.
func forecast(e *client.Endpoint, s *client.Stats, l lang.Language) lang.Message {
	f, count := s.Forecast, number(s.Pending.Count, l)
	switch {
	case f == nil:
		return lang.Message{}
	case f.Seconds != nil && *f.Seconds <= soon && f.WaitsFor == "" && e.State == "active" && s.InARow == 0:
		return lang.Message{}
	case f.Seconds == nil && s.Pending.More:
		return lang.Text("More than %s deliveries wait. How long they would take is not known: it gave no answer in 24 hours.", count)
	case f.Seconds == nil:
		return lang.Count(s.Pending.Count, "%d delivery waits. How long it would take is not known: it gave no answer in 24 hours.", "%d deliveries wait. How long they would take is not known: it gave no answer in 24 hours.")
	}
	about, speed := aboutTime(time.Duration(*f.Seconds)*time.Second), perSecond(*f.PerSecond, l)
	switch {
	case e.State != "active" && s.Pending.More:
		return lang.Text("Once it is resumed, more than %s deliveries would take at least %s to drain, at %s/s.", count, about, speed)
	case e.State != "active":
		return lang.Text("Once it is resumed, what waits (%s) would drain in about %s at %s/s.", count, about, speed)
	case s.InARow > 0 && !s.Pending.More:
		return lang.Text("Once it succeeds again, what waits (%s) would drain in about %s at %s/s. What failed before goes at its next attempt, or when it is sent again.", count, about, speed)
	case s.Pending.More:
		return lang.Text("More than %s deliveries would take at least %s to drain, at %s/s.", count, about, speed)
	}
	if s.Pending.Count == 1 {
		return lang.Text("One delivery would drain in about %s at %s/s.", about, speed)
	}
	return lang.Text("%s deliveries would drain in about %s at %s/s.", count, about, speed)
}

// perSecond writes a speed.
func perSecond(n float64, l lang.Language) string {
	switch {
	case n >= 10:
		return number(int(n), l)
	case n >= 1:
		return decimal(n, 1, l)
	}
	return decimal(n, 2, l)
}

// aboutTime is a length of time in its largest unit.
func aboutTime(d time.Duration) lang.Message {
	switch {
	case d < time.Minute:
		return lang.Count(int(d.Seconds()), "%d second", "%d seconds")
	case d < time.Hour:
		return lang.Count(int((d+30*time.Second)/time.Minute), "%d minute", "%d minutes")
	case d < 48*time.Hour:
		return lang.Count(int((d+30*time.Minute)/time.Hour), "%d hour", "%d hours")
	}
	return lang.Count(int((d+12*time.Hour)/(24*time.Hour)), "%d day", "%d days")
}
