package api

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// renderInput names an event that is to be seen in every dialect: one that is
// stored, or a sample.
type renderInput struct {
	EventID optional[string]          `json:"event_id" body:"optional"`
	Type    optional[string]          `json:"type"`
	Data    optional[json.RawMessage] `json:"data"`
}

// depth of the body: a sample nests as deep as an event.
func (*renderInput) depth() int { return ingest.MaxDepth + 1 }

// renderedView is an event as its receivers would see it.
type renderedView struct {
	EventID  *string        `json:"event_id"` // null: a sample
	Type     string         `json:"type"`
	Consumer string         `json:"consumer"`
	Dialects []renderedInto `json:"dialects"`
}

// renderedInto is a request in one dialect, signed with a secret of nobody's.
type renderedInto struct {
	Dialect string       `json:"dialect"`
	Title   string       `json:"title"`
	Headers []headerView `json:"headers"`
	contentView
	Secret  string `json:"secret"`
	Problem string `json:"problem" lang:"kept"`
}

// sampleConsumer is whom a sample is of: every dialect takes it.
const sampleConsumer = "42"

// renderEvent shows one event in every dialect that this server knows.
func (s *server) renderEvent(c *call, in *renderInput) (renderedView, error) {
	e, err := s.rendered(c, in)
	if err != nil {
		return renderedView{}, err
	}
	v := renderedView{Type: e.Type, Consumer: e.Consumer, Dialects: []renderedInto{}}
	if !e.ID.IsZero() {
		v.EventID = new(eventID.Format(e.ID))
	} else {
		e.ID = webhook.NewID()
	}
	to := &webhook.Message{ID: e.ID, Type: e.Type, Time: e.Time, Data: e.Data, Consumer: e.Consumer, BodyID: e.BodyID, Endpoint: webhook.NewID(), Delivery: webhook.NewID()}
	if to.Consumer == "*" {
		to.Consumer = sampleConsumer // what goes to all goes to each by its name
	}
	now := time.Now()
	for _, d := range s.newestDialects() {
		v.Dialects = append(v.Dialects, renderInto(d, to, now))
	}
	return v, nil
}

// renderInto makes the request of a first attempt.
func renderInto(d *webhook.Dialect, m *webhook.Message, now time.Time) renderedInto {
	v := renderedInto{Dialect: d.Ref(), Title: d.Title, Headers: []headerView{}, Secret: d.NewSecret(), contentView: viewContent(nil)}
	fields, body, err := d.SignFields(m, webhook.Try{Number: 1, At: now}, v.Secret)
	var misfit *webhook.DataError
	switch {
	case errors.As(err, &misfit):
		v.Problem = misfit.Field + ": " + misfit.Reason
		return v
	case err != nil:
		v.Problem = err.Error()
		return v
	}
	for _, f := range fields {
		v.Headers = append(v.Headers, viewHeader(f.Name, f.Value))
	}
	v.contentView = viewContent(body)
	return v
}

// rendered is the event that is asked for.
func (s *server) rendered(c *call, in *renderInput) (*store.Event, error) {
	if !in.EventID.given() {
		return s.sampleToRender(c, in)
	}
	for _, beside := range []struct {
		name string
		is   bool
	}{{"/type", in.Type.Set}, {"/data", in.Data.Set}} {
		if beside.is {
			return nil, field(beside.name, "is a sample's, and the request names a stored event; send one of both")
		}
	}
	id, err := parseID(eventID, in.EventID.Value)
	var e *store.Event
	if err == nil {
		e, err = s.store.Event(c.r.Context(), c.key.ProjectID, id)
	} else {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && !maySee(c.key, e.Consumer, e.CreatedAt) {
		return nil, field("/event_id", "is no event of this project; check the id, and that it is not past its retention")
	}
	return e, err
}

// sampleToRender is an event of a type, with the type's first example or data
// that is sent along; of no type the project's dialect has a test event.
func (s *server) sampleToRender(c *call, in *renderInput) (*store.Event, error) {
	p, d, err := s.project(c)
	if err != nil {
		return nil, err
	}
	e := &store.Event{Type: in.Type.Value, Consumer: sampleConsumer, Time: time.Now(), BodyID: p.BodyID, Data: in.Data.Value}
	var errs ingest.FieldErrors
	switch {
	case in.Type.given():
		errs.AddText("/type", ingest.CheckType(e.Type))
	case in.Data.Set:
		addError(&errs, "/type", "is missing; say which event type the data is of")
	default:
		e.Type, e.Data = d.NewTest(webhook.NewID())
	}
	if len(errs) > 0 {
		return nil, errs
	}
	if e.Data == nil && !in.Data.Set {
		return e, s.exampleInto(c, e)
	}
	if in.Data.Null {
		e.Data = []byte("null")
	}
	if len(e.Data) > s.ingest.MaxData() {
		return nil, field("/data", "has %d bytes; at most %d are taken", len(e.Data), s.ingest.MaxData())
	}
	return e, nil
}

// exampleInto gives a sample the data of its type's first example.
func (s *server) exampleInto(c *call, e *store.Event) error {
	if !hasScope(c.key, eventTypesRead) {
		return kindForbidden.problemf("to show the example of an event type needs a key with the scope %s", eventTypesRead)
	}
	t, _, err := s.eventType(c, e.Type)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err != nil || len(t.Examples) == 0 {
		return field("/data", "is missing: the event type %s has no example to show", e.Type)
	}
	e.Data = t.Examples[0]
	return nil
}
