package api

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Limits of event types.
const (
	maxTags     = 10
	maxTag      = 50 // characters
	maxExamples = 10
	typeBody    = 512 << 10
	importBody  = 2 << 20
)

func (s *server) eventTypeRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/event-types", summary: "Create an event type", scope: eventTypesWrite, whole: true, body: typeBody, status: 201, action: creates(s.createEventType)},
		{method: "GET", pattern: "/v1/event-types", summary: "List event types", scope: eventTypesRead, status: 200, action: asks(s.listEventTypes)},
		{method: "GET", pattern: "/v1/event-types/{name}", summary: "Read an event type with its schema and examples", scope: eventTypesRead, status: 200, action: asks(s.getEventType)},
		{method: "PATCH", pattern: "/v1/event-types/{name}", summary: "Change an event type", scope: eventTypesWrite, whole: true, body: typeBody, status: 200, action: takes(s.patchEventType)},
		{method: "DELETE", pattern: "/v1/event-types/{name}", summary: "Delete an event type", scope: eventTypesWrite, whole: true, body: noBody, status: 200, action: takes(s.deleteEventType)},
		{method: "POST", pattern: "/v1/event-types/import", summary: "Import event types from an OpenAPI document", scope: eventTypesWrite, whole: true, body: importBody, status: 200, action: takes(s.importEventTypes)},
	}
}

// Where an event type is from.
const (
	sourceDialect = "dialect"
	sourceProject = "project"
	sourceServer  = "server" // operational events
)

// eventTypeView is an event type as a list shows it.
type eventTypeView struct {
	ID            *string  `json:"id"`
	Name          string   `json:"name"`
	Source        string   `json:"source"`
	Description   string   `json:"description"`
	DescriptionPT string   `json:"description_pt"`
	Tags          []string `json:"tags"`
	Validate      bool     `json:"validate"`
	Deprecated    bool     `json:"deprecated"`
	Deprecation   string   `json:"deprecation"`
	ReplacedBy    *string  `json:"replaced_by"`
	CreatedAt     stamp    `json:"created_at"`
	UpdatedAt     stamp    `json:"updated_at"`
}

// eventTypeFull is an event type with all that is known of its data.
type eventTypeFull struct {
	eventTypeView
	Schema   json.RawMessage   `json:"schema"`
	Examples []json.RawMessage `json:"examples"`
}

func viewEventType(t *store.EventType) eventTypeView {
	v := eventTypeView{
		Name: t.Name, Source: sourceDialect, Description: t.Description, DescriptionPT: t.DescriptionPT,
		Tags: append([]string{}, t.Tags...), Validate: t.Validate, Deprecated: t.Deprecated, Deprecation: t.Deprecation,
		ReplacedBy: filled(t.ReplacedBy), CreatedAt: stamp(t.CreatedAt), UpdatedAt: stamp(t.UpdatedAt),
	}
	if !t.ID.IsZero() {
		id := eventTypeID.Format(t.ID)
		v.ID, v.Source = &id, sourceProject
	} else if t.ProjectID.IsZero() {
		v.Source = sourceServer
	}
	return v
}

func viewEventTypeFull(t *store.EventType) eventTypeFull {
	return eventTypeFull{eventTypeView: viewEventType(t), Schema: t.Schema, Examples: append([]json.RawMessage{}, t.Examples...)}
}

// ofDialect is a type of the dialect's catalogue as if the project kept it.
func ofDialect(project store.ID, e *webhook.EventType) *store.EventType {
	t := &store.EventType{ProjectID: project, Name: e.Type, Description: e.Description.English, DescriptionPT: e.Description.Portuguese}
	if len(e.Example) > 0 {
		t.Examples = []json.RawMessage{e.Example}
	}
	return t
}

// catalogue are the types that come with the project's dialect, by name.
func (s *server) catalogue(c *call) ([]*store.EventType, error) {
	p, err := s.store.Project(c.r.Context(), c.key.ProjectID)
	if err != nil {
		return nil, err
	}
	d, ok := s.dialects(p.Dialect)
	if !ok {
		return nil, nil // its file is gone; the project's own types are there
	}
	out := make([]*store.EventType, len(d.Events))
	for i := range d.Events {
		out[i] = ofDialect(p.ID, &d.Events[i])
	}
	slices.SortFunc(out, byName)
	return out, nil
}

func byName(a, b *store.EventType) int { return strings.Compare(a.Name, b.Name) }

// eventType finds a type: the project's own, else the dialect's.
func (s *server) eventType(c *call, name string) (t *store.EventType, own bool, err error) {
	t, err = s.store.EventType(c.r.Context(), c.key.ProjectID, name)
	if !errors.Is(err, store.ErrNotFound) {
		return t, true, err
	}
	brought, err := s.catalogue(c)
	if err != nil {
		return nil, false, err
	}
	if i := slices.IndexFunc(brought, func(t *store.EventType) bool { return t.Name == name }); i >= 0 {
		return brought[i], false, nil
	}
	return nil, false, store.ErrNotFound
}

// eventTypeQuery says whose type is meant.
type eventTypeQuery struct {
	Source string `query:"source"`
}

// checkSource judges where types are to be from; empty: from the project or
// its dialect.
func checkSource(source string) error {
	switch source {
	case "", sourceDialect, sourceProject, sourceServer:
		return nil
	}
	return parameter("source", "is none of project, dialect and server")
}

// operational are the types of the server's own events, which are for whoever
// looks after a whole project.
func operational(c *call) []*store.EventType {
	if c.key.Consumer != "" {
		return nil
	}
	return slices.Clone(store.OperationalTypes())
}

func (s *server) getEventType(c *call, q *eventTypeQuery) (eventTypeFull, error) {
	if err := checkSource(q.Source); err != nil {
		return eventTypeFull{}, err
	}
	t, err := s.eventTypeFrom(c, q.Source, c.r.PathValue("name"))
	if err != nil {
		return eventTypeFull{}, err
	}
	return viewEventTypeFull(t), nil
}

// eventTypeFrom finds a type of a source; empty: as events take it.
func (s *server) eventTypeFrom(c *call, source, name string) (*store.EventType, error) {
	if source != sourceServer && source != sourceDialect {
		t, own, err := s.eventType(c, name)
		if err == nil && source == sourceProject && !own {
			err = store.ErrNotFound
		}
		return t, err
	}
	types, err := s.typesAfter(c, source, "", 0)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(types, func(t *store.EventType) bool { return t.Name == name }); i >= 0 {
		return types[i], nil
	}
	return nil, store.ErrNotFound
}

// What to show of deprecated types.
const (
	deprecatedShow = "show"
	deprecatedHide = "hide"
	deprecatedOnly = "only"
)

type eventTypesQuery struct {
	Source     string `query:"source"`
	Tag        string `query:"tag"`
	Deprecated string `query:"deprecated"`
	Limit      int    `query:"limit"`
	Cursor     string `query:"cursor"`
}

func (q *eventTypesQuery) wants(t *store.EventType) bool {
	switch {
	case q.Deprecated == deprecatedHide && t.Deprecated, q.Deprecated == deprecatedOnly && !t.Deprecated:
		return false
	}
	return q.Tag == "" || slices.Contains(t.Tags, q.Tag)
}

func (s *server) listEventTypes(c *call, q *eventTypesQuery) (list[eventTypeView], error) {
	switch q.Deprecated {
	case "":
		if q.Deprecated = deprecatedShow; c.key.Consumer != "" {
			q.Deprecated = deprecatedHide // a customer chooses among what is to stay
		}
	case deprecatedShow, deprecatedHide, deprecatedOnly:
	default:
		return list[eventTypeView]{}, parameter("deprecated", "is none of show, hide and only")
	}
	if err := checkSource(q.Source); err != nil {
		return list[eventTypeView]{}, err
	}
	after, err := c.afterName(q.Cursor)
	if err != nil {
		return list[eventTypeView]{}, err
	}
	limit := limitOf(q.Limit)
	types, err := s.typesAfter(c, q.Source, after, limit+1)
	if err != nil {
		return list[eventTypeView]{}, err
	}
	slices.SortStableFunc(types, byName) // the project's own comes before the dialect's of the same name
	types = slices.CompactFunc(types, func(a, b *store.EventType) bool { return a.Name == b.Name })
	types = slices.DeleteFunc(types, func(t *store.EventType) bool { return t.Name <= after })
	out := list[eventTypeView]{Data: []eventTypeView{}}
	if len(types) > limit {
		types = types[:limit]
		out.NextCursor = c.nameCursor(types[limit-1].Name)
	}
	for _, t := range types {
		if q.wants(t) {
			out.Data = append(out.Data, viewEventType(t))
		}
	}
	return out, nil
}

// typesAfter are at least so many of the types from a source, if there are;
// some are before the name. Where both the project and its dialect have one, the
// project's comes first.
func (s *server) typesAfter(c *call, source, after string, limit int) (types []*store.EventType, err error) {
	if source == sourceServer {
		return operational(c), nil
	}
	if source != sourceDialect {
		if types, err = s.store.EventTypes(c.r.Context(), c.key.ProjectID, after, limit); err != nil {
			return nil, err
		}
	}
	if source != sourceProject {
		brought, err := s.catalogue(c)
		return slices.Concat(types, brought), err
	}
	return types, nil
}

func (s *server) createEventType(c *call, in *eventTypeInput) (eventTypeFull, error) {
	t := &store.EventType{ProjectID: c.key.ProjectID, Name: in.Name.Value}
	var errs ingest.FieldErrors
	errs.AddText("/name", ingest.CheckType(t.Name))
	if t.Name == importName {
		addError(&errs, "/name", "is the path of another route; take another name")
	}
	in.apply(t, &errs)
	if len(errs) > 0 {
		return eventTypeFull{}, errs
	}
	var err error
	c.before, err = s.store.CreateEventTypeOnce(c.r.Context(), t, onceOf(c, func(t *store.EventType) any { return viewEventTypeFull(t) }))
	return viewEventTypeFull(t), eventTypeProblem(err, t.Name)
}

func eventTypeProblem(err error, name string) error {
	switch {
	case errors.Is(err, store.ErrConflict):
		return kindConflict.problemf("this project has an event type %s already", name).
			fixed("Change it: PATCH /v1/event-types/%s.", name)
	case errors.Is(err, store.ErrLimit):
		return kindConflict.problemf("a project has at most %d event types", store.MaxEventTypes).
			fixed("Delete those that are not needed any more: DELETE /v1/event-types/{name}.")
	}
	return err
}

// patchEventType changes a type. One that comes with the dialect becomes the
// project's own by it.
func (s *server) patchEventType(c *call, in *eventTypeInput) (eventTypeFull, error) {
	name := c.r.PathValue("name")
	if in.Name.Set && in.Name.Value != name {
		return eventTypeFull{}, field("/name", "cannot be changed; create another type, and say replaced_by in this one")
	}
	change := func(t *store.EventType) error {
		var errs ingest.FieldErrors
		if in.apply(t, &errs); len(errs) > 0 {
			return errs
		}
		return nil
	}
	for {
		t, err := s.store.UpdateEventType(c.r.Context(), c.key.ProjectID, name, change)
		if !errors.Is(err, store.ErrNotFound) {
			if err != nil {
				return eventTypeFull{}, err
			}
			return viewEventTypeFull(t), nil
		}
		t, own, err := s.eventType(c, name)
		if own && err == nil {
			continue // it was made meanwhile
		}
		if err == nil {
			err = change(t)
		}
		if err == nil {
			err = s.store.CreateEventType(c.r.Context(), t)
		}
		switch {
		case errors.Is(err, store.ErrConflict):
			continue
		case err != nil:
			return eventTypeFull{}, eventTypeProblem(err, name)
		}
		return viewEventTypeFull(t), nil
	}
}

func (s *server) deleteEventType(c *call, _ *none) (deleted, error) {
	name := c.r.PathValue("name")
	err := s.store.DeleteEventType(c.r.Context(), c.key.ProjectID, name)
	if errors.Is(err, store.ErrNotFound) {
		if _, own, found := s.eventType(c, name); found == nil && !own {
			err = kindConflict.problemf("%s comes with the project's dialect and cannot be deleted", name).
				fixed("Mark it as deprecated instead: PATCH /v1/event-types/%s with {\"deprecated\":true}.", name)
		}
	}
	if err != nil {
		return deleted{}, err
	}
	return deleted{Deleted: true, InFlight: new(int)}, nil
}
