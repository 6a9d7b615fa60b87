package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/store"
)

func (s *shelf) eventType(name string) *store.EventType {
	return &store.EventType{
		ProjectID: s.project.ID, Name: name, Description: "d", DescriptionPT: "ç", Tags: []string{"a", "b"},
		Deprecated: true, Deprecation: "old", ReplacedBy: "new", Schema: []byte("{\n \"type\": \"object\" }"), Validate: true,
		Examples: []json.RawMessage{[]byte(`{"n": 1.50}`), []byte(`"<>"`)},
	}
}

// rules are what ingest hears of a project's types.
func (s *shelf) rules() *store.TypeRules {
	s.Helper()
	subs, err := s.db.Subscriptions(s.ctx, s.project.ID, "acme")
	s.no(err)
	return subs.Rules
}

var eventTypeCases = map[string]func(*shelf){
	"ReadBackWhole": func(s *shelf) {
		t := s.eventType("task.created")
		s.no(s.db.CreateEventType(s.ctx, t))
		if t.ID.IsZero() || t.CreatedAt.IsZero() || t.UpdatedAt.IsZero() {
			s.Errorf("%+v", t)
		}
		for range 2 {
			got, err := s.db.EventType(s.ctx, s.project.ID, t.Name)
			s.no(err)
			if diff := cmp.Diff(t, got); diff != "" {
				s.Error(diff)
			}
			s.reopen()
		}
		plain := &store.EventType{ProjectID: s.project.ID, Name: "plain"}
		s.no(s.db.CreateEventType(s.ctx, plain))
		if got, err := s.db.EventType(s.ctx, s.project.ID, "plain"); err != nil || cmp.Diff(plain, got) != "" {
			s.Error(cmp.Diff(plain, got), err)
		}
	},
	"NamesAreUniqueInAProject": func(s *shelf) {
		s.no(s.db.CreateEventType(s.ctx, s.eventType("a")))
		if err := s.db.CreateEventType(s.ctx, s.eventType("a")); !isConflict(err) {
			s.Error(err)
		}
		other := s.newProject("other")
		if _, err := s.db.EventType(s.ctx, other.ID, "a"); !isNotFound(err) {
			s.Error(err)
		}
		t := s.eventType("a")
		t.ProjectID = other.ID
		s.no(s.db.CreateEventType(s.ctx, t))
		t.ProjectID = store.ID{1}
		if err := s.db.CreateEventType(s.ctx, t); !isNotFound(err) {
			s.Error(err)
		}
	},
	"ListedByName": func(s *shelf) {
		for _, name := range []string{"c", "a", "b.a", "b", "B"} {
			s.no(s.db.CreateEventType(s.ctx, s.eventType(name)))
		}
		var got []string
		after := ""
		for {
			page, err := s.db.EventTypes(s.ctx, s.project.ID, after, 2)
			s.no(err)
			if len(page) == 0 {
				break
			}
			for _, t := range page {
				if after = t.Name; t.Schema != nil || t.Examples != nil || t.DescriptionPT != "ç" || !t.Validate {
					s.Errorf("%+v", t)
				}
				got = append(got, t.Name)
			}
		}
		if want := "[B a b b.a c]"; fmt.Sprint(got) != want {
			s.Errorf("%v, want %s", got, want)
		}
		if _, err := s.db.EventTypes(s.ctx, store.ID{1}, "", 2); !isNotFound(err) {
			s.Error(err)
		}
	},
	"Update": func(s *shelf) {
		made := s.eventType("a")
		s.no(s.db.CreateEventType(s.ctx, made))
		got, err := s.db.UpdateEventType(s.ctx, s.project.ID, "a", func(t *store.EventType) error {
			t.ID, t.ProjectID, t.Name = store.ID{1}, store.ID{2}, "b"
			t.Schema, t.Validate, t.Examples, t.Tags, t.Deprecated = nil, false, nil, nil, false
			return nil
		})
		s.no(err)
		if got.ID != made.ID || got.Name != "a" || got.Schema != nil || got.UpdatedAt.Equal(made.UpdatedAt) {
			s.Errorf("%+v", got)
		}
		s.reopen()
		if back, err := s.db.EventType(s.ctx, s.project.ID, "a"); err != nil || cmp.Diff(got, back) != "" {
			s.Error(cmp.Diff(got, back), err)
		}
		mine := errors.New("mine")
		if _, err := s.db.UpdateEventType(s.ctx, s.project.ID, "a", func(*store.EventType) error { return mine }); !errors.Is(err, mine) {
			s.Error(err)
		}
		if _, err := s.db.UpdateEventType(s.ctx, s.project.ID, "none", func(*store.EventType) error { return nil }); !isNotFound(err) {
			s.Error(err)
		}
	},
	"Delete": func(s *shelf) {
		s.no(s.db.CreateEventType(s.ctx, s.eventType("a")))
		s.no(s.db.DeleteEventType(s.ctx, s.project.ID, "a"))
		if err := s.db.DeleteEventType(s.ctx, s.project.ID, "a"); !isNotFound(err) {
			s.Error(err)
		}
		if err := s.db.DeleteEventType(s.ctx, store.ID{1}, "a"); !isNotFound(err) {
			s.Error(err)
		}
		s.no(s.db.CreateEventType(s.ctx, s.eventType("a")))
	},
	"PutManyAndTheLimit": func(s *shelf) {
		many := make([]*store.EventType, store.MaxEventTypes)
		for i := range many {
			many[i] = &store.EventType{Name: fmt.Sprintf("t%d", i)}
		}
		s.no(s.db.PutEventTypes(s.ctx, s.project.ID, many))
		if err := s.db.CreateEventType(s.ctx, s.eventType("one-more")); !errors.Is(err, store.ErrLimit) {
			s.Error(err)
		}
		log := s.auditLog(s.project.ID, store.AuditFilter{Action: store.ActionEventTypeCreate, Limit: 250})
		if len(log) != store.MaxEventTypes {
			s.Errorf("%d entries", len(log))
		}
		version := s.version()
		s.no(s.db.PutEventTypes(s.ctx, s.project.ID, many[:3]))
		if s.version() != version {
			s.Error("what did not change moved the configuration")
		}
		changed := []*store.EventType{{Name: "t1", Description: "new"}, {Name: "t2"}}
		s.no(s.db.PutEventTypes(s.ctx, s.project.ID, changed))
		if got, err := s.db.EventType(s.ctx, s.project.ID, "t1"); err != nil || got.Description != "new" || s.version() == version {
			s.Errorf("%+v %v", got, err)
		}
		err := s.db.PutEventTypes(s.ctx, s.project.ID, []*store.EventType{{Name: "t1", Description: "newer"}, {Name: "beyond"}})
		if got, _ := s.db.EventType(s.ctx, s.project.ID, "t1"); !errors.Is(err, store.ErrLimit) || got.Description != "new" {
			s.Errorf("%v, and half of it was kept: %+v", err, got)
		}
		if err := s.db.PutEventTypes(s.ctx, store.ID{1}, changed); !isNotFound(err) {
			s.Error(err)
		}
	},
	"RulesFollow": func(s *shelf) {
		if r := s.rules(); r != nil {
			s.Errorf("a project without types has rules: %+v", r)
		}
		quiet := &store.EventType{ProjectID: s.project.ID, Name: "quiet", Schema: []byte(`{}`)}
		s.no(s.db.CreateEventType(s.ctx, quiet))
		if r := s.rules(); r != nil {
			s.Errorf("a type that does not validate is a rule: %+v", r)
		}
		s.no(s.db.CreateEventType(s.ctx, s.eventType("loud")))
		first := s.rules()
		if first == nil || first.Only || len(first.Types) != 1 || !first.Types["loud"].Validate {
			s.Fatalf("%+v", first)
		}
		s.endpoint("acme")
		if s.rules() != first {
			s.Error("an endpoint had the rules read again")
		}
		_, err := s.db.UpdateEventType(s.ctx, s.project.ID, "loud", func(t *store.EventType) error { t.Schema = []byte(`true`); return nil })
		s.no(err)
		if r := s.rules(); r.Types["loud"].Revision == first.Types["loud"].Revision || r.Types["loud"].ID != first.Types["loud"].ID {
			s.Errorf("%+v", r)
		}
		_, err = s.db.UpdateProject(s.ctx, s.project.ID, func(p *store.Project) error { p.KnownTypesOnly = true; return nil })
		s.no(err)
		for range 2 {
			if r := s.rules(); !r.Only || len(r.Types) != 2 || r.Types["quiet"].Validate {
				s.Errorf("%+v", r)
			}
			s.reopen()
		}
		s.no(s.db.DeleteEventType(s.ctx, s.project.ID, "loud"))
		_, err = s.db.UpdateProject(s.ctx, s.project.ID, func(p *store.Project) error { p.KnownTypesOnly = false; return nil })
		s.no(err)
		if r := s.rules(); r != nil {
			s.Errorf("%+v", r)
		}
	},
	"AnAcceptanceMatchedBeforeIsStale": func(s *shelf) {
		a := s.acceptance("acme", "x", `1`)
		s.no(s.db.CreateEventType(s.ctx, s.eventType("x")))
		out, err := s.db.Accept(s.ctx, []*store.Acceptance{a})
		s.no(err)
		if !errors.Is(out[0].Err, store.ErrStale) {
			s.Errorf("%+v", out[0])
		}
	},
	"ExamplesAreNotInTheAuditLog": func(s *shelf) {
		t := s.eventType("a")
		t.Examples = []json.RawMessage{[]byte(`{"cpf":"canary-of-a-person"}`)}
		s.no(s.db.CreateEventType(s.ctx, t))
		s.no(s.db.DeleteEventType(s.ctx, s.project.ID, "a"))
		log := s.auditLog(s.project.ID, store.AuditFilter{Object: "a"})
		if text := fmt.Sprintf("%+v %+v", log[0], log[1]); len(log) != 2 || strings.Contains(text, "canary") || !strings.Contains(text, "redacted") {
			s.Error(text)
		}
	},
}

func (s *shelf) version() int64 {
	s.Helper()
	subs, err := s.db.Subscriptions(s.ctx, s.project.ID, "acme")
	s.no(err)
	return subs.Version
}
