package api

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// checkSettings judges what an endpoint chooses for itself. What it leaves out
// is the dialect's: a company's contract is exact until somebody says
// otherwise, endpoint by endpoint, and the documented APIs cannot say it.
func checkSettings(in *endpointInput, errs *ingest.FieldErrors) {
	checkChannels(in.Channels.Value, errs)
	errs.AddText("/filter", checkFilter(in.Filter.Value))
	if n := in.Concurrency.or(1); n < 0 || n > store.MaxConcurrency {
		addError(errs, "/concurrency", "is attempts in flight at once, from 1 to %d; 0 or null means the server's", store.MaxConcurrency)
	}
	if s := in.Timeout.or(0); s != 0 && (s < seconds(store.MinTimeout) || s > seconds(store.MaxTimeout)) {
		addError(errs, "/timeout", "is seconds, from %d to %d; 0 or null means the dialect's", seconds(store.MinTimeout), seconds(store.MaxTimeout))
	}
	checkRetrySchedule(in.RetrySchedule.Value, errs)
}

func checkChannels(names []string, errs *ingest.FieldErrors) {
	if len(names) > store.MaxChannels {
		addError(errs, "/channels", "has more than %d names; leave it out for the events of all channels", store.MaxChannels)
		return
	}
	for i, name := range names {
		errs.AddText("/channels/"+strconv.Itoa(i), ingest.CheckChannel(name))
	}
}

// checkFilter says what is wrong with a filter, where, and what to do; an
// empty one is none.
func checkFilter(text string) lang.Message {
	if text == "" {
		return lang.Message{}
	}
	_, err := match.Compile(text)
	var bad *match.FilterError
	switch {
	case err == nil:
		return lang.Message{}
	case errors.As(err, &bad):
		return bad.Words()
	}
	return lang.Text("cannot be used")
}

func checkRetrySchedule(waits []int, errs *ingest.FieldErrors) {
	if len(waits) > store.MaxWaits {
		addError(errs, "/retry_schedule", "has %d waits; send at most %d, and make the last ones longer if the attempts are to go on for as long", len(waits), store.MaxWaits)
		return
	}
	total := 0
	for i, w := range waits {
		if w < seconds(store.MinWait) || w > seconds(store.MaxWait) {
			addError(errs, "/retry_schedule/"+strconv.Itoa(i), "is the wait before the next attempt in seconds, from %d to %d (a week)", seconds(store.MinWait), seconds(store.MaxWait))
			return
		}
		total += w
	}
	if total > seconds(store.MaxSchedule) {
		addError(errs, "/retry_schedule", "takes %d seconds in all; the limit is %d (30 days)", total, seconds(store.MaxSchedule))
	}
}

// applySettings takes over what is given; null goes back to the default.
func (ch *endpointChange) applySettings(s *store.Settings) {
	in := ch.in
	if in.Channels.Set {
		s.Channels = slices.Clone(in.Channels.Value)
		slices.Sort(s.Channels)
		s.Channels = slices.Compact(s.Channels)
	}
	set(in.Filter, &s.Filter)
	set(in.Concurrency, &s.Concurrency)
	if in.Timeout.Set {
		s.Timeout = time.Duration(in.Timeout.Value) * time.Second
	}
	if in.RetrySchedule.Set {
		s.Schedule = nil
		if !in.RetrySchedule.Null { // also no wait at all is a schedule: of one attempt
			s.Schedule = make([]time.Duration, len(in.RetrySchedule.Value))
			for i, w := range in.RetrySchedule.Value {
				s.Schedule[i] = time.Duration(w) * time.Second
			}
		}
	}
}

// settingsView are an endpoint's own choices; null: the default.
type settingsView struct {
	Concurrency   *int     `json:"concurrency"`    // null: the server's
	Timeout       *int     `json:"timeout"`        // seconds; null: the dialect's
	RetrySchedule *[]int   `json:"retry_schedule"` // seconds; null: the dialect's
	Channels      []string `json:"channels"`       // empty: events of all channels, and of none
	Filter        *string  `json:"filter"`         // null: none
}

func viewSettings(s *store.Settings) settingsView {
	v := settingsView{Channels: notNil(s.Channels)}
	if s.Concurrency > 0 {
		v.Concurrency = &s.Concurrency
	}
	if s.Timeout > 0 {
		v.Timeout = new(seconds(s.Timeout))
	}
	if s.Schedule != nil {
		waits := make([]int, len(s.Schedule))
		for i, w := range s.Schedule {
			waits[i] = seconds(w)
		}
		v.RetrySchedule = &waits
	}
	if s.Filter != "" {
		v.Filter = &s.Filter
	}
	return v
}

func seconds(d time.Duration) int { return int(d / time.Second) }
