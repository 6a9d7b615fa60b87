package store

import (
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// affect does to an endpoint what an outcome says. An ordinary success
// touches no endpoint. inTime is false for an outcome of a delivery that was
// made final meanwhile: it counts no failure.
func (b *batch) affect(endpoint key, o *Outcome, inTime bool) error {
	disabled, err := b.alter(endpoint, o, inTime)
	if err != nil || !inTime && !disabled {
		return err
	}
	return b.attempted(endpoint, o, disabled)
}

// alter changes the endpoint's row, where an outcome changes it, and announces
// it. It reports whether the endpoint is disabled by it.
func (b *batch) alter(endpoint key, o *Outcome, inTime bool) (disabled bool, err error) {
	failed := o.State == Failed && inTime && !o.Work.Event.Test && b.heard(o.Work.Event.ProjectID)
	if o.Effect == (Effect{}) && !failed {
		return false, nil
	}
	if err := b.lockEndpoint(endpoint); err != nil {
		return false, err
	}
	e, err := b.loadEndpoint(endpoint)
	if err != nil || e == nil {
		return false, err
	}
	if failed {
		if err := b.announceFailed(e, o); err != nil {
			return false, err
		}
	}
	changed, types := change(e, o, inTime, b.now)
	if !changed {
		return false, nil
	}
	if err := b.saveHealth(e); err != nil {
		return false, err
	}
	for _, t := range types {
		if err := b.announceEndpoint(t, e, newsOf(e)); err != nil {
			return false, err
		}
		if t != EventEndpointDisabled {
			continue
		}
		if err := b.noteDisabled(e); err != nil {
			return false, err
		}
		disabled = true
	}
	b.tellOperator(e, types)
	return disabled, nil
}

// noteDisabled notes that a rule disabled an endpoint.
func (b *batch) noteDisabled(e *Endpoint) error {
	project, _ := b.db.keys.key(e.ProjectID)
	return b.noteEndpoint(project, ActionEndpointOff, e, diff{{Field: fieldState, After: string(Disabled)}, {Field: "state_reason", After: e.StateReason}})
}

// tellOperator writes a log line for each change of an endpoint's health, once
// it is kept. It does so from a goroutine: a log may block, the writer must not.
func (b *batch) tellOperator(e *Endpoint, types []string) {
	if len(types) == 0 {
		return
	}
	log := b.db.log.With("endpoint", EndpointName.Format(e.ID), "host", hostOf(e.URL))
	why, failures := e.StateReason, e.FailureCount
	b.after = append(b.after, func() {
		go func() {
			for _, t := range types {
				switch t {
				case EventEndpointDisabled:
					log.Warn("endpoint disabled: nothing is sent to it until it is resumed", "reason", why)
				case EventEndpointFailing:
					log.Warn("endpoint is failing: a delivery used up its attempts", "failures", failures)
				case EventEndpointRecovered:
					log.Info("endpoint recovered")
				}
			}
		}()
	})
}

// change alters an endpoint by an outcome's effect and says what to announce.
func change(e *Endpoint, o *Outcome, inTime bool, now time.Time) (changed bool, announce []string) {
	f := o.Effect
	if f.Clear && (e.FailureCount > 0 || !e.FailedAt.IsZero()) {
		announce = append(announce, EventEndpointRecovered)
		e.FailureCount, e.FailedAt, changed = 0, time.Time{}, true
	}
	if f.Exhausted && inTime {
		if e.FailureCount == 0 && e.FailedAt.IsZero() {
			announce = append(announce, EventEndpointFailing)
		}
		e.FailureCount++
		changed = true
	}
	if f.Mark && inTime && e.FailedAt.IsZero() {
		e.FailedAt, changed = now, true
	}
	why := f.Disable
	if why == "" && f.DisableAfter > 0 && f.Exhausted && inTime && e.FailureCount >= f.DisableAfter {
		why = lang.Keep("%d deliveries in a row used up their attempts", e.FailureCount)
		if e.FailureCount == 1 {
			why = lang.Keep("a delivery used up its attempts")
		}
	}
	if why != "" && e.State != Disabled {
		e.State, e.StateReason, e.StateSince, changed = Disabled, why, now, true
		announce = append(announce, EventEndpointDisabled)
	}
	return changed, announce
}

// saveHealth writes the part of an endpoint that effects change.
func (b *batch) saveHealth(e *Endpoint) error {
	k, _ := b.db.keys.key(e.ID)
	err := b.exec(`UPDATE endpoints SET state=?, state_reason=?, state_since=?, failure_count=?, failed_at=?, revision=revision+1 WHERE k=?`,
		string(e.State), e.StateReason, micros(e.StateSince), e.FailureCount, micros(e.FailedAt), k)
	if err != nil {
		return err
	}
	if e.State == Disabled && e.StateSince.Equal(b.now) {
		b.endpointChanged(k, nil)
		return b.bump(e.ProjectID)
	}
	b.changed(changedHealth, k, nil)
	return nil
}
