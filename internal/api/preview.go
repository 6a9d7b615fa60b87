package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of a preview.
const (
	maxPreviewed   = 100     // events
	defPreviewed   = 50      // events
	maxPreviewData = 4 << 20 // bytes of stored data
	maxPreviewTime = 2 * time.Second
	maxTooCostly   = 5 // events that cost more than one may; the answer is clear by then
)

// previewInput asks which events an endpoint would have got: one that is
// there, as it is or with other wishes, or one that is not there yet.
type previewInput struct {
	EndpointID optional[string]            `json:"endpoint_id"`
	Consumer   optional[string]            `json:"consumer"`
	EventTypes optional[[]string]          `json:"event_types"`
	Channels   optional[[]string]          `json:"channels"`
	Filter     optional[string]            `json:"filter"`
	Events     optional[[]json.RawMessage] `json:"events"`   // samples,
	EventID    optional[string]            `json:"event_id"` // or one that is stored,
	Type       optional[string]            `json:"type"`     // or the newest, of this type
	Limit      optional[int]               `json:"limit"`
}

// depth of the bodies: samples nest as deep as events.
func (*previewInput) depth() int { return ingest.MaxDepth + 3 }

type previewView struct {
	Judged  int             `json:"judged"`
	Matched int             `json:"matched"`
	More    bool            `json:"more"` // there may be older ones, or samples that were not judged
	Results []previewResult `json:"results"`
}

// previewResult is what an event would have met.
type previewResult struct {
	EventID    *string    `json:"event_id"` // null: a sample
	Type       string     `json:"type"`
	Channels   []string   `json:"channels"`
	Timestamp  exactStamp `json:"timestamp"`
	Matched    bool       `json:"matched"`
	Reason     *string    `json:"reason"`  // why not
	Problem    *string    `json:"problem"` // why the filter could not be judged: the event matches then
	Detail     string     `json:"detail,omitempty" lang:"kept"`
	DeliveryID *string    `json:"delivery_id,omitempty"` // of event_id to endpoint_id
}

// preview is one on its way.
type preview struct {
	s        *server
	c        *call
	in       *previewInput
	errs     ingest.FieldErrors
	endpoint *store.Endpoint // nil: none that is there
	consumer string          // empty: of no stored events
	types    []string
	channels []string
	filter   *match.Filter // nil: none
	cost     uint64        // of what was judged
	broken   bool          // the endpoint's own filter does not compile any more
}

func (s *server) previewEndpoint(c *call, in *previewInput) (previewView, error) {
	done, err := s.previews.take(senderOf(c.key), time.Now())
	if err != nil {
		return previewView{}, err
	}
	p := &preview{s: s, c: c, in: in}
	defer func() { done(p.cost, time.Now()) }()
	if err := p.wishes(); err != nil {
		return previewView{}, err
	}
	events, more, err := p.events()
	if err != nil {
		return previewView{}, err
	}
	if len(p.errs) > 0 {
		return previewView{}, p.errs
	}
	return p.judge(events, more)
}

// wishes are what is asked of events: the endpoint's, and in their place what
// is given.
func (p *preview) wishes() error {
	in := p.in
	p.types, p.consumer = []string{"*"}, p.c.key.Consumer
	if in.Consumer.given() {
		p.consumer = in.Consumer.Value
		p.errs.AddText("/consumer", ingest.CheckUID(p.consumer))
		if !mayAct(p.c.key, p.consumer) {
			return otherConsumer()
		}
	}
	filter := ""
	if in.EndpointID.given() {
		if !hasScope(p.c.key, endpointsRead) {
			return kindForbidden.problemf("to name an endpoint needs a key with the scope %s", endpointsRead)
		}
		e, err := p.s.endpointNamed(p.c, in.EndpointID.Value)
		if err != nil {
			return err
		}
		p.endpoint, p.types, p.channels, filter = e, e.EventTypes, e.Settings.Channels, e.Settings.Filter
		if in.Consumer.given() && in.Consumer.Value != e.Consumer {
			addError(&p.errs, "/consumer", "is not the endpoint's; leave it out")
		}
		p.consumer = e.Consumer
	}
	if in.EventTypes.given() {
		checkEventTypes(in.EventTypes.Value, &p.errs)
		p.types = in.EventTypes.Value
	}
	if in.Channels.given() {
		checkChannels(in.Channels.Value, &p.errs)
		p.channels = in.Channels.Value
	}
	if in.Filter.given() {
		p.errs.AddText("/filter", checkFilter(in.Filter.Value))
		filter = in.Filter.Value
	}
	if filter != "" {
		var err error
		p.filter, err = match.Compile(filter)
		p.broken = err != nil
	}
	return nil
}

// events are those to judge: samples, the one that is named, or the newest.
func (p *preview) events() (events []*store.Event, more bool, err error) {
	in := p.in
	for _, x := range []struct {
		name   string
		beside bool
	}{
		{"event_id", in.EventID.given() && in.Events.given()},
		{"type", in.Type.given() && (in.Events.given() || in.EventID.given())},
		{"limit", in.Limit.given() && (in.Events.given() || in.EventID.given())},
	} {
		if x.beside {
			addError(&p.errs, "/"+x.name, "chooses among stored events, and the request names its own; send one of both")
		}
	}
	if n := in.Limit.or(1); n < 1 || n > maxPreviewed {
		addError(&p.errs, "/limit", "is a number of events, from 1 to %d", maxPreviewed)
	}
	switch {
	case in.Events.given():
		return p.samples(), false, nil
	case in.EventID.given():
		e, err := p.stored()
		if e == nil || err != nil {
			return nil, false, err
		}
		return []*store.Event{e}, false, nil
	case in.Type.given():
		p.errs.AddText("/type", ingest.CheckType(in.Type.Value))
	}
	if p.consumer == "" && !in.EndpointID.given() && !in.Consumer.given() {
		addError(&p.errs, "/consumer", "is missing; say whose stored events are judged, or send events or event_id")
	}
	if len(p.errs) > 0 {
		return nil, false, nil
	}
	return p.s.store.RecentEvents(p.c.r.Context(), p.c.key.ProjectID, store.Recent{
		Consumer: p.consumer, Since: p.c.key.Since, Type: in.Type.Value, Limit: in.Limit.or(defPreviewed), Bytes: maxPreviewData,
	})
}

// stored reads the event that is named; nil: there is none. A foreign one is
// none.
func (p *preview) stored() (*store.Event, error) {
	id, err := parseID(eventID, p.in.EventID.Value)
	var e *store.Event
	if err == nil {
		e, err = p.s.store.Event(p.c.r.Context(), p.c.key.ProjectID, id)
	} else {
		err = store.ErrNotFound
	}
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && !maySee(p.c.key, e.Consumer, e.CreatedAt):
		addError(&p.errs, "/event_id", "is no event of this project; check the id, and that it is not past its retention")
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, err
	case p.consumer != "" && e.Consumer != p.consumer && e.Consumer != "*":
		addError(&p.errs, "/event_id", "is of another consumer, %s, so that no endpoint of %s gets it", e.Consumer, p.consumer)
	}
	return e, nil
}

// samples are events as POST /v1/events takes them; their consumer may be
// left out.
func (p *preview) samples() (events []*store.Event) {
	items := p.in.Events.Value
	if len(items) == 0 || len(items) > maxPreviewed {
		addError(&p.errs, "/events", "has %d events; send 1 to %d", len(items), maxPreviewed)
		return nil
	}
	now := time.Now()
	for n, item := range items {
		r, err := ingest.Decode(item)
		if err == nil {
			err = p.s.ingest.CheckSample(&r, now)
		}
		if err == nil && p.consumer != "" && r.Consumer != "" && r.Consumer != "*" && r.Consumer != p.consumer {
			err = ingest.FieldErrors{{Pointer: "/consumer", Detail: lang.Text("is another consumer than %s; leave it out", p.consumer)}}
		}
		if err != nil {
			p.wrong(n, err)
			continue
		}
		e := &store.Event{Type: r.Type, Consumer: r.Consumer, Time: r.Timestamp, Channels: r.Channels, Data: r.Data}
		if e.Time.IsZero() {
			e.Time = now
		}
		if e.Consumer == "" {
			e.Consumer = p.consumer
		}
		events = append(events, e)
	}
	return events
}

// wrong notes what is wrong with a sample.
func (p *preview) wrong(n int, err error) {
	var shape *ingest.ShapeError
	var fields ingest.FieldErrors
	if errors.As(err, &shape) {
		fields = shape.Fields
	} else {
		errors.As(err, &fields)
	}
	for _, f := range fields {
		p.errs.AddText(fmt.Sprintf("/events/%d%s", n, f.Pointer), f.Detail)
	}
}

// judge asks of each event what ingest would have asked. Where that has cost
// as much as one call may, or takes too long, the rest stays unjudged.
func (p *preview) judge(events []*store.Event, more bool) (previewView, error) {
	out := previewView{More: more, Results: []previewResult{}}
	var budget match.Budget
	start := time.Now()
	costly := 0
	for _, e := range events {
		if costly == maxTooCostly || budget.Spent() > match.MaxCallCost-match.MaxCost || time.Since(start) > maxPreviewTime {
			out.More = true
			break
		}
		r := p.result(e, &budget)
		if r.Matched {
			out.Matched++
		}
		if r.Problem != nil && (*r.Problem == match.TooCostly.String() || *r.Problem == match.TooSlow.String()) {
			costly++ // what it cost was cut off by the clock, perhaps
		}
		out.Results = append(out.Results, r)
	}
	out.Judged, p.cost = len(out.Results), max(budget.Spent(), uint64(costly)*match.MaxCallCost/maxTooCostly)
	if p.endpoint != nil && p.in.EventID.given() && out.Judged == 1 {
		if err := p.explain(events[0], &out.Results[0]); err != nil {
			return previewView{}, err
		}
	}
	return out, nil
}

func (p *preview) result(e *store.Event, budget *match.Budget) previewResult {
	r := previewResult{Type: e.Type, Channels: notNil(e.Channels), Timestamp: exactStamp(e.Time)}
	if !e.ID.IsZero() {
		r.EventID = new(eventID.Format(e.ID))
	}
	v, problem, why := p.verdict(e, budget)
	switch r.Matched = v == match.Wanted; v {
	case match.OtherType:
		r.Detail = lang.Keep("its type is none of the event types")
	case match.OtherChannel:
		r.Detail = lang.Keep("it carries none of the channels")
	case match.FilteredOut:
		r.Detail = lang.Keep("the filter is false for it")
	}
	if !r.Matched {
		r.Reason = new(v.String())
	}
	if problem != match.NoProblem {
		r.Problem = new(problem.String())
		r.Detail = lang.Keep("the filter cannot be judged for it, so it is delivered: %s", why)
	}
	return r
}

func (p *preview) verdict(e *store.Event, budget *match.Budget) (match.Verdict, match.Problem, string) {
	switch {
	case !match.Type(p.types, e.Type):
		return match.OtherType, match.NoProblem, ""
	case !match.Channel(p.channels, e.Channels):
		return match.OtherChannel, match.NoProblem, ""
	case p.broken:
		return match.Wanted, match.NotAcceptable, match.Why(match.NotAcceptable, nil)
	case p.filter == nil:
		return match.Wanted, match.NoProblem, ""
	}
	of := &match.Event{Type: e.Type, Consumer: e.Consumer, Time: e.Time, Channels: e.Channels, Data: e.Data}
	defer of.Done()
	wanted, problem, err := p.filter.Judge(p.c.r.Context(), of, budget)
	why := ""
	if problem != match.NoProblem {
		why = match.Why(problem, err)
	}
	if !wanted {
		return match.FilteredOut, problem, why
	}
	return match.Wanted, problem, why
}

// explain says of one event and one endpoint whether there is a delivery, and
// why there is none though the endpoint would have it today.
func (p *preview) explain(e *store.Event, r *previewResult) error {
	if !hasScope(p.c.key, deliveriesRead) {
		return nil
	}
	id, err := p.delivered(p.c.r.Context(), e)
	switch {
	case err != nil:
		return err
	case !id.IsZero():
		r.DeliveryID = new(deliveryID.Format(id))
	case !r.Matched || r.Problem != nil || p.in.EventTypes.given() || p.in.Channels.given() || p.in.Filter.given():
	case e.Test:
		r.Detail = lang.Keep("it is a test, which went to one endpoint alone")
	case !e.CreatedAt.After(p.endpoint.CreatedAt): // in the same millisecond, too: else there were a delivery
		r.Detail = lang.Keep("it came before the endpoint was made; a replay sends it")
	default:
		r.Detail = lang.Keep("the endpoint would get it today: when it came, the endpoint's event types, channels or filter were others; a replay sends it")
	}
	return nil
}

// delivered finds the event's delivery to the endpoint; zero: there is none.
func (p *preview) delivered(ctx context.Context, e *store.Event) (store.ID, error) {
	page, err := p.s.store.Deliveries(ctx, p.c.key.ProjectID, store.Filter{EventID: e.ID, EndpointID: p.endpoint.ID, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return store.ID{}, err
	}
	return page.Items[0].ID, nil
}
