package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxEventTypes is how many event types a project may keep.
const MaxEventTypes = 2000

// EventType is what a project says about one type of its events.
type EventType struct {
	ID        ID
	ProjectID ID
	Name      string // unique in the project

	Description   string // in English
	DescriptionPT string // in Portuguese
	Tags          []string
	Deprecated    bool
	Deprecation   string // why, and since when, in words
	ReplacedBy    string // the type to use instead

	Schema   []byte            // JSON Schema of the data, as it came; nil: none
	Validate bool              // data that does not match the schema is refused
	Examples []json.RawMessage // of the data

	CreatedAt, UpdatedAt time.Time
}

// typeWords is the part of a type that is kept as one JSON text.
type typeWords struct {
	Description   string   `json:"en,omitempty"`
	DescriptionPT string   `json:"pt,omitempty"`
	Tags          []string `json:"tags,omitempty"`
	Deprecation   string   `json:"why,omitempty"`
	ReplacedBy    string   `json:"by,omitempty"`
}

func (t *EventType) words() typeWords {
	return typeWords{t.Description, t.DescriptionPT, t.Tags, t.Deprecation, t.ReplacedBy}
}

func (t *EventType) setWords(w *typeWords) {
	t.Description, t.DescriptionPT, t.Tags, t.Deprecation, t.ReplacedBy = w.Description, w.DescriptionPT, w.Tags, w.Deprecation, w.ReplacedBy
}

// eventTypeRow is a type with what only the store knows of it.
type eventTypeRow struct {
	*EventType
	k        key
	revision int64
}

const (
	eventTypeHead  = "k, name, revision, updated_at, validate, deprecated, about"
	eventTypeWhole = eventTypeHead + ", schema, examples"
)

func (db *DB) scanEventType(project ID, whole bool, scan func(...any) error) (*eventTypeRow, error) {
	var (
		r                = &eventTypeRow{EventType: &EventType{ProjectID: project}}
		about            []byte
		schema, examples []byte
		updated          int64
		w                typeWords
	)
	into := []any{&r.k, &r.Name, &r.revision, &updated, &r.Validate, &r.Deprecated, &about}
	if whole {
		into = append(into, &schema, &examples)
	}
	if err := scan(into...); err != nil {
		return nil, err
	}
	r.ID, r.CreatedAt, r.UpdatedAt = db.keys.id(r.k), keyTime(r.k), fromMicros(updated)
	if err := json.Unmarshal(about, &w); err != nil {
		return nil, fmt.Errorf("an event type does not decode: %w", err)
	}
	r.setWords(&w)
	if len(schema) > 0 {
		r.Schema = slices.Clone(schema)
	}
	if len(examples) > 0 {
		if err := json.Unmarshal(examples, &r.Examples); err != nil {
			return nil, fmt.Errorf("the examples of an event type do not decode: %w", err)
		}
	}
	return r, nil
}

func (db *DB) eventTypeRow(ctx context.Context, c *conn, p *projectState, name string) (r *eventTypeRow, err error) {
	err = c.rows(ctx, "SELECT "+eventTypeWhole+" FROM event_types WHERE project=? AND name=?", []any{p.k, name},
		func(scan func(...any) error) (_ bool, err error) {
			r, err = db.scanEventType(p.ID, true, scan)
			return false, err
		})
	if err == nil && r == nil {
		err = ErrNotFound
	}
	return r, err
}

// EventType reads one by its name. Errors: [ErrNotFound].
func (db *DB) EventType(ctx context.Context, project ID, name string) (t *EventType, err error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, err
	}
	err = db.read(ctx, false, func(c *conn) error {
		r, err := db.eventTypeRow(ctx, c, p, name)
		if err == nil {
			t = r.EventType
		}
		return err
	})
	return t, err
}

// EventTypes lists a project's types by name, after the one given, without
// their schemas and examples.
func (db *DB) EventTypes(ctx context.Context, project ID, after string, limit int) (out []*EventType, err error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, err
	}
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, "SELECT "+eventTypeHead+" FROM event_types WHERE project=? AND name>? ORDER BY name LIMIT ?", []any{p.k, after, limit},
			func(scan func(...any) error) (bool, error) {
				r, err := db.scanEventType(project, false, scan)
				if err == nil {
					out = append(out, r.EventType)
				}
				return true, err
			})
	})
	return out, err
}

// CreateEventType keeps a type; ID and times are set. Errors: [ErrNotFound]
// (no such project), [ErrConflict] (the name is taken), [ErrLimit].
func (db *DB) CreateEventType(ctx context.Context, t *EventType) error {
	_, err := db.CreateEventTypeOnce(ctx, t, nil)
	return err
}

// CreateEventTypeOnce is [DB.CreateEventType] for a caller that may repeat it;
// where it was done before, that time's answer comes back. Errors: also [ErrReused].
func (db *DB) CreateEventTypeOnce(ctx context.Context, t *EventType, o *Once[EventType]) (before []byte, err error) {
	p, err := db.knownProject(ctx, t.ProjectID)
	if err != nil {
		return nil, err
	}
	kept := *cloneEventType(t)
	return created(ctx, db, o, t, &kept, func(b *batch) error {
		if err := b.createEventType(p.k, &kept); err != nil {
			return err
		}
		return b.bumpTypes(p)
	})
}

func (b *batch) createEventType(project key, t *EventType) error {
	var n int
	if err := b.lockProject(project); err != nil {
		return err
	}
	if _, err := b.row("SELECT count(*) FROM event_types WHERE project=?", []any{project}, &n); err != nil {
		return err
	}
	if n >= MaxEventTypes {
		return fmt.Errorf("%d event types for each project: %w", MaxEventTypes, ErrLimit)
	}
	about, examples, err := t.texts()
	if err != nil {
		return err
	}
	k := b.key()
	t.ID, t.CreatedAt, t.UpdatedAt = b.db.keys.id(k), keyTime(k), b.now
	err = b.exec("INSERT INTO event_types VALUES (?,?,?,1,?,?,?,?,?,?)",
		k, project, t.Name, b.us, t.Validate, t.Deprecated, about, t.Schema, examples)
	if faultOf(err) == faultUnique {
		return fmt.Errorf("the event type %s exists: %w", t.Name, ErrConflict)
	}
	if err != nil {
		return err
	}
	return b.note(project, ActionEventTypeCreate, t.Name, "", eventTypeChanges(&EventType{}, t)...)
}

func (t *EventType) texts() (about, examples []byte, err error) {
	if about, err = json.Marshal(t.words()); err == nil && len(t.Examples) > 0 {
		examples = append(examples, '[')
		for i, e := range t.Examples { // as they came: json.Marshal would compact them
			if i > 0 {
				examples = append(examples, ',')
			}
			examples = append(examples, e...)
		}
		examples = append(examples, ']')
	}
	return about, examples, err
}

// UpdateEventType reads, lets change alter, and keeps, as if in one
// transaction. ID, project, name and CreatedAt stay. Errors: [ErrNotFound],
// and whatever change returns.
func (db *DB) UpdateEventType(ctx context.Context, project ID, name string, change func(*EventType) error) (*EventType, error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, err
	}
	for {
		var was *eventTypeRow
		err := db.read(ctx, false, func(c *conn) (err error) {
			was, err = db.eventTypeRow(ctx, c, p, name)
			return err
		})
		if err != nil {
			return nil, err
		}
		t := cloneEventType(was.EventType)
		if err := change(t); err != nil {
			return nil, err
		}
		err = db.write(ctx, func(b *batch) error {
			changed, err := b.updateEventType(p.k, was, t)
			if err != nil || !changed {
				return err
			}
			return b.bumpTypes(p)
		})
		if errors.Is(err, ErrStale) {
			continue
		}
		return t, err
	}
}

func (b *batch) updateEventType(project key, was *eventTypeRow, t *EventType) (changed bool, err error) {
	t.ID, t.ProjectID, t.Name, t.CreatedAt = was.ID, was.ProjectID, was.Name, was.CreatedAt
	d := eventTypeChanges(was.EventType, t)
	if len(d) == 0 {
		t.UpdatedAt = was.UpdatedAt
		return false, nil
	}
	about, examples, err := t.texts()
	if err != nil {
		return false, err
	}
	t.UpdatedAt = b.now
	n, err := b.change("UPDATE event_types SET revision=revision+1, updated_at=?, validate=?, deprecated=?, about=?, schema=?, examples=? WHERE k=? AND revision=?",
		b.us, t.Validate, t.Deprecated, about, t.Schema, examples, was.k, was.revision)
	if err == nil && n == 0 {
		err = ErrStale
	}
	if err != nil {
		return false, err
	}
	return true, b.note(project, ActionEventTypeUpdate, t.Name, "", d...)
}

// putAtOnce is how many types one transaction creates or replaces: others wait for it.
const putAtOnce = 200

// PutEventTypes creates or replaces types of one project; a type that is as it
// was stays untouched. More than 200 are several transactions, of which each
// is kept whole or not at all. Errors: [ErrNotFound] (no such project), [ErrLimit].
func (db *DB) PutEventTypes(ctx context.Context, project ID, types []*EventType) error {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(types, putAtOnce) {
		own := make([]*EventType, len(some))
		for i, t := range some {
			own[i] = cloneEventType(t)
			own[i].ProjectID = project
		}
		err := db.write(ctx, func(b *batch) error {
			any := false
			for _, t := range own {
				changed, err := b.putEventType(p, t)
				if err != nil {
					return err
				}
				any = any || changed
			}
			if !any {
				return nil
			}
			return b.bumpTypes(p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putEventType(p *projectState, t *EventType) (changed bool, err error) {
	was, err := b.db.eventTypeRow(context.Background(), b.c, p, t.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		return true, b.createEventType(p.k, t)
	case err != nil:
		return false, err
	}
	return b.updateEventType(p.k, was, t)
}

// DeleteEventType deletes one. Events of the type stay as they are.
// Errors: [ErrNotFound].
func (db *DB) DeleteEventType(ctx context.Context, project ID, name string) error {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return err
	}
	return db.write(ctx, func(b *batch) error {
		n, err := b.change("DELETE FROM event_types WHERE project=? AND name=?", p.k, name)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := b.note(p.k, ActionEventTypeDelete, name, ""); err != nil {
			return err
		}
		return b.bumpTypes(p)
	})
}

// bumpTypes raises the versions that acceptances hold to.
func (b *batch) bumpTypes(p *projectState) error {
	if err := b.exec("UPDATE projects SET types_version=types_version+1 WHERE k=?", p.k); err != nil {
		return err
	}
	return b.bump(p.ID)
}

// cloneEventType copies what a change may alter in place.
func cloneEventType(t *EventType) *EventType {
	c := *t
	c.Tags, c.Schema, c.Examples = slices.Clone(t.Tags), slices.Clone(t.Schema), slices.Clone(t.Examples)
	return &c
}

// TypeRules are what a project's event types have to say about events that
// come in. Shared: read only.
type TypeRules struct {
	Only  bool                // only known types are taken
	Types map[string]TypeRule // all that the project keeps where Only, else those that validate

	version int64
}

// TypeRule is one type of them.
type TypeRule struct {
	ID       ID
	Revision int64 // changes with the type
	Validate bool
}

// typeRules are the rules at a version, from memory where they are known; nil
// where the project has none.
func (db *DB) typeRules(ctx context.Context, c *conn, p *projectState, version int64, only bool) (*TypeRules, error) {
	rules, ok := db.cache.rules.get(p.ID)
	if !ok || rules.version != version || rules.Only != only {
		query := "SELECT k, name, revision, validate FROM event_types WHERE project=? AND validate=1"
		if only {
			query = "SELECT k, name, revision, validate FROM event_types WHERE project=?"
		}
		rules = &TypeRules{Only: only, Types: map[string]TypeRule{}, version: version}
		err := c.rows(ctx, query, []any{p.k}, func(scan func(...any) error) (bool, error) {
			var k key
			var name string
			var r TypeRule
			err := scan(&k, &name, &r.Revision, &r.Validate)
			r.ID = db.keys.id(k)
			rules.Types[name] = r
			return true, err
		})
		if err != nil {
			return nil, err
		}
		db.cache.rules.put(p.ID, rules)
	}
	if !only && len(rules.Types) == 0 {
		return nil, nil //nolint:nilnil // no rules is the usual case
	}
	return rules, nil
}
