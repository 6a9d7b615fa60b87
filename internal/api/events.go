package api

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// eventInput describes the body of POST /v1/events; [ingest.Decode] reads it.
type eventInput struct {
	Type      string              `json:"type"`
	Consumer  string              `json:"consumer"`
	Data      json.RawMessage     `json:"data"`
	Timestamp optional[time.Time] `json:"timestamp"`
	Channels  optional[[]string]  `json:"channels"`
}

// batchInput describes the body of POST /v1/events/batch.
type batchInput struct {
	Events []batchEvent `json:"events"`
}

// batchEvent is one of them.
type batchEvent struct {
	eventInput
	IdempotencyKey string `json:"idempotency_key"`
}

// eventAccepted is the answer to an event that is kept.
type eventAccepted struct {
	ID         string `json:"id"`
	Deliveries int    `json:"deliveries"`
	Duplicate  bool   `json:"duplicate,omitempty"`             // the Idempotency-Key was used before: this is the first answer
	Unreached  string `json:"unreached,omitempty" lang:"kept"` // why nobody gets it
	More       bool   `json:"more,omitempty"`                  // a broadcast goes on: more deliveries are being made
}

// appendJSON is encoding/json's answer without its reflection: this is the
// route that is called ten thousand times a second.
func (e eventAccepted) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"id":"`...)
	dst = append(dst, e.ID...)
	dst = append(dst, `","deliveries":`...)
	dst = strconv.AppendInt(dst, int64(e.Deliveries), 10)
	if e.Duplicate {
		dst = append(dst, `,"duplicate":true`...)
	}
	if e.Unreached != "" {
		text, err := encode(e.Unreached)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, `,"unreached":`...), text[:len(text)-1]...)
	}
	if e.More {
		dst = append(dst, `,"more":true`...)
	}
	return append(dst, '}'), nil
}

func acceptedView(r *ingest.Result) eventAccepted {
	return eventAccepted{
		ID: eventID.Format(r.EventID), Deliveries: r.Deliveries,
		Duplicate: r.Duplicate, Unreached: r.Unreached, More: r.More,
	}
}

func (s *server) postEvent(c *call, body []byte) (eventAccepted, error) {
	if err := c.noWebhook(); err != nil {
		return eventAccepted{}, err
	}
	req, err := ingest.Decode(body)
	if err != nil {
		s.metrics.refused.Inc()
		return eventAccepted{}, err
	}
	if req.IdempotencyKey, err = c.idempotencyKey(); err != nil {
		return eventAccepted{}, err
	}
	if _, given := c.r.Header["Idempotency-Key"]; given {
		if d := ingest.CheckKey(req.IdempotencyKey); !d.IsZero() {
			return eventAccepted{}, keyProblem(d)
		}
	}
	if err := s.own(c, &req, s.recheck(c)); err != nil {
		return eventAccepted{}, err
	}
	results, err := s.ingest.Accept(c.r.Context(), []ingest.Request{req})
	if err != nil {
		return eventAccepted{}, err
	}
	r := &results[0]
	s.metrics.count(r)
	if r.Err != nil {
		return eventAccepted{}, eventProblem(r.Err)
	}
	return acceptedView(r), nil
}

// noWebhook refuses what is a delivery itself: an endpoint that points back
// here through a proxy's name would make an event of every delivery, for ever.
func (c *call) noWebhook() error {
	if c.r.Header.Get("webhook-id") == "" {
		return nil
	}
	return kindInvalid.problem("the request has the header webhook-id: it is a webhook, and this route takes events; an endpoint points to this server, or the header is to be left out")
}

// senderNamed says whose idempotency keys a key's are: a consumer's are not those
// of an earlier one of its uid.
func senderNamed(k *store.Key) string {
	if k.Since.IsZero() {
		return k.Consumer
	}
	return k.Consumer + "\n" + strconv.FormatInt(k.Since.UnixMilli(), 36) // no uid holds a newline
}

// own makes a request the caller's: his project, and what his key allows.
func (s *server) own(c *call, r *ingest.Request, recheck func(context.Context) error) error {
	r.Project, r.KeysOf, r.Access, r.Recheck = c.key.ProjectID, senderNamed(c.key), c.access, recheck
	r.Broadcast = c.key.Consumer == "" && hasScope(c.key, eventsBroadcast)
	if r.Consumer == "" {
		r.Consumer = c.key.Consumer
	}
	switch {
	case !mayAct(c.key, r.Consumer):
		return otherConsumer()
	case r.Consumer == "*" && !r.Broadcast:
		var errs ingest.FieldErrors
		addError(&errs, "/consumer", `"*" sends to every consumer of the project and needs a key with the scope events:broadcast; name one consumer`)
		return kindForbidden.fields(errs)
	}
	return nil
}

// eventProblem is what the outcome of one event is to its caller.
func eventProblem(err error) *problem {
	if errors.Is(err, store.ErrConflict) {
		return kindKeyReused.problem("this Idempotency-Key belongs to another event; nothing was kept")
	}
	return asProblem(err)
}

// batchAnswer has one result for each event, in order.
type batchAnswer struct {
	Accepted int           `json:"accepted"`
	Refused  int           `json:"refused"`
	Results  []batchResult `json:"results"`
}

// batchResult is an event that is kept, or the problem with it.
type batchResult struct {
	*eventAccepted
	Error *problem `json:"error,omitempty"`
}

func (s *server) postBatch(c *call, body []byte) (batchAnswer, error) {
	if err := c.noWebhook(); err != nil {
		return batchAnswer{}, err
	}
	items, err := ingest.DecodeBatch(body, MaxBatch)
	if err != nil {
		return batchAnswer{}, err
	}
	key, err := c.idempotencyKey()
	if err != nil {
		return batchAnswer{}, err
	}
	if _, given := c.r.Header["Idempotency-Key"]; given {
		if d := ingest.CheckKey(key); !d.IsZero() {
			return batchAnswer{}, keyProblem(d)
		}
		ingest.BatchKey(items, key, body)
	}
	results, err := s.acceptBatch(c, items)
	if err != nil {
		return batchAnswer{}, err
	}
	out := batchAnswer{Results: make([]batchResult, len(results))}
	for n := range results {
		s.metrics.count(&results[n])
		if err := results[n].Err; err != nil {
			out.Refused++
			out.Results[n].Error = eventProblem(err)
			continue
		}
		out.Accepted++
		view := acceptedView(&results[n])
		out.Results[n].eventAccepted = &view
	}
	if out.Accepted == 0 {
		return batchAnswer{}, allRefused(out.Results)
	}
	return out, nil
}

// acceptBatch has the items that are events kept; each item gets its result.
func (s *server) acceptBatch(c *call, items []ingest.Item) ([]ingest.Result, error) {
	results := make([]ingest.Result, len(items))
	reqs := make([]ingest.Request, 0, len(items))
	at := make([]int, 0, len(items))
	recheck := s.recheck(c)
	for n := range items {
		err := items[n].Err
		var shape *ingest.ShapeError
		if errors.As(err, &shape) && shape.Fields[0].Pointer == "" { // it is no event, in which a pointer could lead somewhere
			shape.Fields[0].Pointer = itemPointer(n)
		}
		if err == nil {
			err = s.own(c, &items[n].Request, recheck)
		}
		if err != nil {
			results[n].Err = err
			continue
		}
		reqs = append(reqs, items[n].Request)
		at = append(at, n)
	}
	if len(reqs) == 0 {
		return results, nil
	}
	kept, err := s.ingest.Accept(c.r.Context(), reqs)
	if err != nil {
		return nil, err
	}
	for k := range kept {
		results[at[k]] = kept[k]
	}
	return results, nil
}

// itemPointer leads to an event of a batch.
func itemPointer(n int) string { return "/events/" + strconv.Itoa(n) }

// allRefused is the problem of a batch of which nothing was kept: no 2xx for that.
func allRefused(results []batchResult) *problem {
	first := results[0].Error
	p := *first
	p.Errors = nil
	for n, r := range results {
		if r.Error.Status != first.Status {
			p.Type, p.Status, p.title, p.fix = problemType+kindInvalid.name, kindInvalid.status, lang.Text(kindInvalid.title), lang.Text(kindInvalid.fix)
		}
		for _, e := range r.Error.Errors {
			if e.Pointer != nil && len(p.Errors) < ingest.MaxErrors {
				pointer := itemPointer(n)
				if *e.Pointer != pointer {
					pointer += *e.Pointer
				}
				p.Errors = append(p.Errors, fieldProblem{Pointer: &pointer, detail: e.detail})
			}
		}
	}
	p.detail = lang.Count(len(results), "the event was not kept: %[2]s", "none of the %d events was kept; the first: %s", first.detail)
	p.speak(lang.English)
	return &p
}

// eventView is an event as a list shows it.
type eventView struct {
	ID             string     `json:"id"`
	Type           string     `json:"type"`
	Consumer       string     `json:"consumer"`
	Timestamp      exactStamp `json:"timestamp"`
	Channels       []string   `json:"channels"`
	IdempotencyKey *string    `json:"idempotency_key"`
	Dialect        string     `json:"dialect"`
	Test           bool       `json:"test"`
	Deliveries     int        `json:"deliveries"`
	Unreached      string     `json:"unreached,omitempty" lang:"kept"`
	CreatedAt      stamp      `json:"created_at"`
}

// eventFull is an event with its newest deliveries, and its data byte for byte.
type eventFull struct {
	eventView
	DeliveryList *[]deliveryView `json:"delivery_list,omitempty"` // nil: the key may not see them
	Data         json.RawMessage `json:"data"`
}

func (e eventFull) appendJSON(dst []byte) ([]byte, error) {
	head, err := encode(e.eventView)
	if err != nil {
		return nil, err
	}
	dst = append(slices.Grow(dst, len(head)+len(e.Data)+16), head[:len(head)-2]...) // without "}\n"
	if e.DeliveryList != nil {
		text, err := encode(*e.DeliveryList)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, `,"delivery_list":`...), text[:len(text)-1]...)
	}
	dst = append(dst, `,"data":`...)
	dst = append(dst, e.Data...)
	return append(dst, '}'), nil
}

func viewEvent(e *store.Event) eventView {
	v := eventView{
		ID: eventID.Format(e.ID), Type: e.Type, Consumer: e.Consumer, Timestamp: exactStamp(e.Time),
		Channels: notNil(e.Channels), Dialect: e.Dialect, Test: e.Test, Deliveries: e.Deliveries, Unreached: e.Unreached, CreatedAt: stamp(e.CreatedAt),
	}
	if key := ingest.OwnKey(e.IdempotencyKey); key != "" {
		v.IdempotencyKey = &key
	}
	return v
}

type eventsQuery struct {
	ID             store.ID  `query:"id" prefix:"evt_"`
	Consumer       string    `query:"consumer"`
	Type           string    `query:"type"`
	IdempotencyKey string    `query:"idempotency_key"`
	Channel        string    `query:"channel"`
	Search         string    `query:"search"`
	From           time.Time `query:"from"`
	Until          time.Time `query:"until"`
	Limit          int       `query:"limit"`
	Cursor         string    `query:"cursor"`
}

func (s *server) listEvents(c *call, q *eventsQuery) (list[eventView], error) {
	if err := span(q.From, q.Until); err != nil {
		return list[eventView]{}, err
	}
	before, err := c.after(q.Cursor)
	if err != nil {
		return list[eventView]{}, err
	}
	consumer, ok := ownConsumer(c.key, q.Consumer)
	if !ok {
		return list[eventView]{Data: []eventView{}}, nil
	}
	page, err := s.store.Events(c.r.Context(), c.key.ProjectID, store.Filter{
		EventID: q.ID, Consumer: consumer, Own: c.key.Consumer != "", Type: q.Type, IdempotencyKey: q.IdempotencyKey, Channel: q.Channel, Search: q.Search,
		From: seenFrom(c.key, q.From), Until: q.Until, Before: before, Limit: limitOf(q.Limit),
	})
	if err != nil {
		return list[eventView]{}, err
	}
	return list[eventView]{Data: views(page.Items, viewEvent), NextCursor: c.cursor(page.Next)}, nil
}

func (s *server) getEvent(c *call) (eventFull, error) {
	e, err := s.eventOf(c)
	if err != nil {
		return eventFull{}, err
	}
	out := eventFull{eventView: viewEvent(e), Data: e.Data}
	if !hasScope(c.key, deliveriesRead) {
		return out, nil
	}
	page, err := s.store.Deliveries(c.r.Context(), c.key.ProjectID, store.Filter{EventID: e.ID, Limit: defaultLimit})
	if err != nil {
		return eventFull{}, err
	}
	out.DeliveryList = new(s.viewDeliveries(c.r.Context(), page.Items))
	return out, nil
}
