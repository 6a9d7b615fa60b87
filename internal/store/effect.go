package store

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/match"
)

// Types of the operational events that the store itself makes, to the
// endpoints of [SystemConsumer].
const (
	EventDeliveryFailed    = "delivery.failed"
	EventEndpointFailing   = "endpoint.failing"
	EventEndpointDisabled  = "endpoint.disabled"
	EventEndpointRecovered = "endpoint.recovered"
)

const systemDialect = "standard/1"

// affect does to an endpoint what an outcome says. An ordinary success
// touches no endpoint. inTime is false for an outcome of a delivery that was
// made final meanwhile: it counts no failure.
func (b *batch) affect(endpoint key, o *Outcome, inTime bool) error {
	failed := o.State == Failed && inTime
	if o.Effect == (Effect{}) && !failed {
		return nil
	}
	e, err := b.loadEndpoint(endpoint)
	if err != nil || e == nil {
		return err
	}
	if failed {
		if err := b.announceFailed(e, o); err != nil {
			return err
		}
	}
	changed, types := change(e, o, inTime, b.now)
	if !changed {
		return nil
	}
	if err := b.saveHealth(e); err != nil {
		return err
	}
	for _, t := range types {
		if err := b.announceEndpoint(t, e); err != nil {
			return err
		}
		if t != EventEndpointDisabled {
			continue
		}
		if err := b.noteDisabled(e); err != nil {
			return err
		}
	}
	b.tellOperator(e, types)
	return nil
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
		if !e.FailedAt.IsZero() {
			announce = append(announce, EventEndpointRecovered)
		}
		e.FailureCount, e.FailedAt, changed = 0, time.Time{}, true
	}
	if f.Exhausted && inTime {
		e.FailureCount++
		changed = true
	}
	if f.Mark && inTime && e.FailedAt.IsZero() {
		e.FailedAt, changed = now, true
		announce = append(announce, EventEndpointFailing)
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
		if err := b.bump(e.ProjectID); err != nil {
			return err
		}
	}
	id := e.ID
	b.after = append(b.after, func() {
		b.db.cache.dropLane(id)
		b.db.tell(func(o Owner) { o.EndpointChanged(id) })
	})
	return nil
}

// deliveryNews and endpointNews are the data of operational events.
type deliveryNews struct {
	DeliveryID string `json:"delivery_id"`
	EventID    string `json:"event_id"`
	EventType  string `json:"event_type"`
	EndpointID string `json:"endpoint_id"`
	Consumer   string `json:"consumer"`
	Host       string `json:"host"`
	Reason     string `json:"reason"`
	Attempts   int    `json:"attempts"`
	LastStatus int    `json:"last_status,omitempty"`
	LastError  string `json:"last_error,omitempty"`
}

type endpointNews struct {
	EndpointID   string     `json:"endpoint_id"`
	Consumer     string     `json:"consumer"`
	Host         string     `json:"host"`
	State        string     `json:"state"`
	Reason       string     `json:"reason,omitempty"`
	FailureCount int        `json:"failure_count"`
	FailedAt     *time.Time `json:"failed_at,omitempty"`
}

// hostOf is all that an operational event says of a URL: the rest may hold a token.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

func (b *batch) announceFailed(e *Endpoint, o *Outcome) error {
	return b.announce(e, EventDeliveryFailed, deliveryNews{
		DeliveryID: DeliveryName.Format(o.Work.ID), EventID: EventName.Format(o.Work.Event.ID), EventType: o.Work.Event.Type,
		EndpointID: EndpointName.Format(e.ID), Consumer: e.Consumer, Host: hostOf(e.URL),
		Reason: o.Reason, Attempts: max(o.Work.Attempts, o.Attempt.Number),
		LastStatus: o.Attempt.Status, LastError: string(o.Attempt.Class),
	})
}

func (b *batch) announceEndpoint(eventType string, e *Endpoint) error {
	return b.announce(e, eventType, newsOf(e))
}

func newsOf(e *Endpoint) endpointNews {
	news := endpointNews{
		EndpointID: EndpointName.Format(e.ID), Consumer: e.Consumer, Host: hostOf(e.URL),
		State: string(e.State), Reason: e.StateReason, FailureCount: e.FailureCount,
	}
	if !e.FailedAt.IsZero() {
		news.FailedAt = &e.FailedAt
	}
	return news
}

// announce makes an operational event, where somebody subscribes to it. What
// happens to the operator's own endpoints is not announced to them.
func (b *batch) announce(about *Endpoint, eventType string, data any) error {
	if about.Consumer == SystemConsumer {
		return nil
	}
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e := &Event{
		ProjectID: about.ProjectID, Consumer: SystemConsumer, Type: eventType,
		Time: b.now, Data: body, Dialect: systemDialect,
	}
	project, _ := b.db.keys.key(about.ProjectID)
	targets, err := b.systemTargets(project, e)
	if err != nil || len(targets) == 0 {
		return err
	}
	k := b.keep(project, e, targets)
	return b.insertEvent(project, k, e, false, targets)
}

// systemTargets are the operator's endpoints that want an event. It is small,
// and so is what its filters cost.
func (b *batch) systemTargets(project key, e *Event) ([]target, error) {
	var targets []target
	of := matchable(e)
	defer of.Done()
	err := b.rows("SELECT k, event_types, settings FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 ORDER BY k LIMIT ?",
		[]any{project, SystemConsumer, fanoutSlice}, func(scan func(...any) error) (bool, error) {
			var types []byte
			var settings string
			t := target{consumer: SystemConsumer}
			if err := scan(&t.endpoint, &types, &settings); err != nil {
				return false, err
			}
			if !match.Type(patterns(types), e.Type) {
				return true, nil
			}
			v, _ := b.db.filters.Judge(context.Background(), of, rulesOf(settings), &match.Budget{}, b.db.keys.id(t.endpoint))
			if v == match.Wanted {
				targets = append(targets, t)
			}
			return true, nil
		})
	return targets, err
}
