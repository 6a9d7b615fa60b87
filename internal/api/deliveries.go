package api

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

type deliveryView struct {
	ID         string `json:"id"`
	EventID    string `json:"event_id"`
	Type       string `json:"type"`
	EndpointID string `json:"endpoint_id"`
	Consumer   string `json:"consumer"`
	State      string `json:"state"`
	Reason     string `json:"reason,omitempty"`           // failed or cancelled: why
	Held       string `json:"held,omitempty" lang:"kept"` // pending, and not sent though it is due, or whatever is due: why
	HeldUntil  *stamp `json:"held_until,omitempty"`       // until when at least, where that is known
	Attempts   int    `json:"attempts"`
	LastStatus *int   `json:"last_status"` // HTTP status of the last attempt; null: no answer, or no attempt
	// LastError is why the last attempt failed; null: it succeeded, or there was none.
	LastError  *attemptError `json:"last_error"`
	NextDueAt  stamp         `json:"next_due_at"` // null unless pending
	CreatedAt  stamp         `json:"created_at"`
	FinishedAt stamp         `json:"finished_at"`         // null while pending
	InFlight   *int          `json:"in_flight,omitempty"` // attempts under way, which may still arrive
}

func viewDelivery(d *store.Delivery) deliveryView {
	v := deliveryView{
		ID: deliveryID.Format(d.ID), EventID: eventID.Format(d.EventID), Type: d.EventType,
		EndpointID: endpointID.Format(d.EndpointID), Consumer: d.Consumer, State: string(d.State), Reason: d.Reason,
		Attempts: d.Attempts, CreatedAt: stamp(d.CreatedAt), FinishedAt: stamp(d.FinishedAt),
	}
	if d.State == store.Pending {
		v.NextDueAt = stamp(d.DueAt)
	}
	if d.LastStatus != 0 {
		v.LastStatus = &d.LastStatus
	}
	if d.LastClass != "" {
		v.LastError = &attemptError{Class: string(d.LastClass), Detail: d.LastDetail}
	}
	return v
}

// paused says why deliveries to an endpoint wait whatever is due; "": they do
// not. An endpoint that cannot be read says nothing.
func (s *server) paused(ctx context.Context, endpoint store.ID) string {
	l, err := s.store.Lane(ctx, endpoint)
	if err != nil || l.Endpoint.State == store.Active {
		return ""
	}
	if r := l.Endpoint.StateReason; r != "" && l.Endpoint.State == store.Disabled {
		return lang.Keep("endpoint disabled: %s", r)
	}
	if l.Endpoint.State == store.Disabled {
		return lang.Keep("endpoint disabled")
	}
	return lang.Keep("endpoint paused")
}

// hold says why a delivery waits: because of its endpoint's state, or, where
// it is due, because of what the sending side knows.
func (s *server) hold(ctx context.Context, v *deliveryView, d *store.Delivery, paused string) {
	v.Held = paused
	if paused == "" && !d.DueAt.After(time.Now()) {
		v.Held, v.HeldUntil = s.waiting(ctx, d.EndpointID, d.ID)
	}
}

// waiting asks the sending side.
func (s *server) waiting(ctx context.Context, endpoint, delivery store.ID) (why string, until *stamp) {
	if s.waits == nil {
		return "", nil
	}
	why, at := s.waits(ctx, endpoint, delivery)
	if why == "" || at.IsZero() {
		return why, nil
	}
	return why, new(stamp(at))
}

// viewDelivery shows a delivery, and why it waits.
func (s *server) viewDelivery(ctx context.Context, d *store.Delivery) deliveryView {
	v := viewDelivery(d)
	if d.State == store.Pending {
		s.hold(ctx, &v, d, s.paused(ctx, d.EndpointID))
	}
	return v
}

// waitsFor bounds what a list waits for other servers to say why its deliveries
// wait.
const waitsFor = 2 * time.Second

// viewDeliveries asks for each endpoint's state once.
func (s *server) viewDeliveries(ctx context.Context, ds []*store.Delivery) []deliveryView {
	paused := map[store.ID]string{}
	ask, cancel := context.WithTimeout(ctx, waitsFor)
	defer cancel()
	return views(ds, func(d *store.Delivery) deliveryView {
		v := viewDelivery(d)
		if d.State != store.Pending {
			return v
		}
		why, known := paused[d.EndpointID]
		if !known {
			why = s.paused(ctx, d.EndpointID)
			paused[d.EndpointID] = why
		}
		s.hold(ask, &v, d, why)
		return v
	})
}

type deliveriesQuery struct {
	EventID    store.ID  `query:"event_id" prefix:"evt_"`
	EndpointID store.ID  `query:"endpoint_id" prefix:"ep_"`
	Consumer   string    `query:"consumer"`
	Type       string    `query:"type"`
	State      string    `query:"state"`
	LastStatus string    `query:"last_status"`
	From       time.Time `query:"from"`
	Until      time.Time `query:"until"`
	Limit      int       `query:"limit"`
	Cursor     string    `query:"cursor"`
}

func (s *server) listDeliveries(c *call, q *deliveriesQuery) (list[deliveryView], error) {
	f := store.Filter{EventID: q.EventID, EndpointID: q.EndpointID, Type: q.Type, From: seenFrom(c.key, q.From), Until: q.Until, Limit: limitOf(q.Limit)}
	err := span(q.From, q.Until)
	if err != nil {
		return list[deliveryView]{}, err
	}
	if f.States, err = statesOf[store.State](q.State, deliveryStates()); err != nil {
		return list[deliveryView]{}, err
	}
	if err := filterStatus(&f, q.LastStatus); err != nil {
		return list[deliveryView]{}, err
	}
	var ok bool
	if f.Before, err = c.after(q.Cursor); err != nil {
		return list[deliveryView]{}, err
	}
	f.Own = c.key.Consumer != ""
	if f.Consumer, ok = ownConsumer(c.key, q.Consumer); !ok {
		return list[deliveryView]{Data: []deliveryView{}}, nil
	}
	page, err := s.store.Deliveries(c.r.Context(), c.key.ProjectID, f)
	if err != nil {
		return list[deliveryView]{}, err
	}
	return list[deliveryView]{Data: s.viewDeliveries(c.r.Context(), page.Items), NextCursor: c.cursor(page.Next)}, nil
}

// statesOf reads a list of some of all states, a comma between.
func statesOf[S ~string](text string, all []string) (states []S, err error) {
	if text == "" {
		return nil, nil
	}
	names := strings.SplitN(text, ",", len(all)+1)
	for _, name := range names {
		if !slices.Contains(all, name) || len(names) > len(all) {
			return nil, parameter("state", "is none of %s, nor several of them with a comma between", strings.Join(all, ", "))
		}
		if state := S(name); !slices.Contains(states, state) {
			states = append(states, state)
		}
	}
	return states, nil
}

// noAnswer is the status of deliveries whose last attempt got no answer.
const noAnswer = "none"

// filterStatus reads a status: one, a class of them, or none.
func filterStatus(f *store.Filter, text string) error {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "xx"))
	switch {
	case text == "":
	case text == noAnswer:
		f.NoAnswer = true
	case err == nil && len(text) == 3 && n >= 100 && n <= 599:
		f.MinStatus, f.MaxStatus = n, n
	case err == nil && len(text) == 3 && n >= 1 && n <= 5:
		f.MinStatus, f.MaxStatus = 100*n, 100*n+99
	default:
		return parameter("last_status", "is neither a status such as 503, nor a class of them such as 5xx, nor none, which is no answer")
	}
	return nil
}

// delivery reads the delivery of the path, if it is the key's to see.
func (s *server) delivery(c *call) (*store.Delivery, error) {
	id, err := pathID(c, deliveryID)
	if err != nil {
		return nil, err
	}
	d, err := s.store.Delivery(c.r.Context(), c.key.ProjectID, id)
	if err != nil {
		return nil, err
	}
	if !maySee(c.key, d.Consumer, d.CreatedAt) {
		return nil, store.ErrNotFound
	}
	return d, nil
}

func (s *server) getDelivery(c *call) (deliveryView, error) {
	d, err := s.delivery(c)
	if err != nil {
		return deliveryView{}, err
	}
	return s.viewDelivery(c.r.Context(), d), nil
}

func (s *server) retryDelivery(c *call, _ *none) (deliveryView, error) {
	d, err := s.delivery(c)
	if err != nil {
		return deliveryView{}, err
	}
	d, err = s.store.RetryDelivery(c.r.Context(), c.key.ProjectID, d.ID)
	if errors.Is(err, store.ErrConflict) {
		return deliveryView{}, notSendable()
	}
	if err != nil {
		return deliveryView{}, err
	}
	v := s.viewDelivery(c.r.Context(), d)
	v.InFlight = flying(d.InFlight)
	return v, nil
}

// notSendable says that nothing is left of which a request could be made.
func notSendable() *problem {
	return kindConflict.problem("the delivery's endpoint was deleted, or its event is past its retention").
		fixed("Send the event again; it goes to the endpoints of today.")
}

func (s *server) cancelDelivery(c *call, _ *none) (deliveryView, error) {
	d, err := s.delivery(c)
	if err != nil {
		return deliveryView{}, err
	}
	d, inFlight, err := s.store.CancelDelivery(c.r.Context(), c.key.ProjectID, d.ID)
	if errors.Is(err, store.ErrConflict) {
		return deliveryView{}, kindConflict.problem("the delivery is over: only a pending one can be cancelled").
			fixed("Nothing is left to do.")
	}
	if err != nil {
		return deliveryView{}, err
	}
	v := viewDelivery(d)
	v.InFlight = flying(inFlight)
	return v, nil
}
