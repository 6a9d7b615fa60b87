package storetest

import (
	"errors"
	"slices"

	"github.com/malote-dev/malote/internal/store"
)

var replayEventCases = map[string]func(*shelf){
	"OneEvent": func(s *shelf) {
		a, b := s.endpoint("c"), s.endpoint("c", "x")
		s.endpoint("d")
		out := s.accept("c", "x")
		s.finish(outcome(s.due(a)[0], store.Delivered, 200))
		late, other := s.endpoint("c", "x"), s.endpoint("c", "other")
		foreign := s.endpoint("e")
		s.changed()
		got, err := s.db.ReplayEvent(s.ctx, s.project.ID, out.EventID, store.ID{})
		s.no(err)
		if len(got.Again) != 2 || len(got.New) != 1 {
			s.Fatalf("%+v", got)
		}
		if w := s.due(a)[0]; w.Attempts != 1 || w.Interrupted != 1 {
			s.Errorf("%+v", w)
		}
		if w := s.due(b)[0]; w.Attempts != 0 || s.due(late)[0].ID != got.New[0] || len(s.due(late)) != 1 {
			s.Errorf("%+v", w)
		}
		if _, ds := s.owner.changed(); len(ds) != 1 || !slices.Contains(s.grown(), late.ID) {
			s.Errorf("the owner was told of %v", ds)
		}
		if e, _ := s.db.Event(s.ctx, s.project.ID, out.EventID); e.Deliveries != 3 {
			s.Errorf("%+v", e)
		}
		s.finish(outcome(s.due(late)[0], store.Failed, 500))
		if got, err = s.db.ReplayEvent(s.ctx, s.project.ID, out.EventID, late.ID); err != nil || len(got.Again) != 1 || len(got.New) != 0 {
			s.Errorf("%+v %v", got, err)
		}
		for id, want := range map[store.ID]error{other.ID: store.ErrUnwanted, foreign.ID: store.ErrNotFound, {1}: store.ErrNotFound} {
			if _, err := s.db.ReplayEvent(s.ctx, s.project.ID, out.EventID, id); !errors.Is(err, want) {
				s.Errorf("%v, want %v", err, want)
			}
		}
		if _, err := s.db.ReplayEvent(s.ctx, s.newProject("other").ID, out.EventID, store.ID{}); !errors.Is(err, store.ErrNotFound) {
			s.Error(err)
		}
		s.reopen()
		if s.pending() != 3 {
			s.Errorf("%d pending", s.pending())
		}
	},
	"OneEventToNobody": func(s *shelf) {
		out := s.accept("c", "x")
		got, err := s.db.ReplayEvent(s.ctx, s.project.ID, out.EventID, store.ID{})
		if err != nil || len(got.Again)+len(got.New) != 0 {
			s.Errorf("%+v %v", got, err)
		}
	},
	"OneEventToTooMany": func(s *shelf) {
		es := s.manyEndpoints(store.MaxReplayed)
		out := s.broadcast("x")
		got, err := s.db.ReplayEvent(s.ctx, s.project.ID, out.EventID, store.ID{})
		if err != nil || len(got.Again) != store.MaxReplayed {
			s.Errorf("%v", err)
		}
		s.endpoint("one more")
		if _, err := s.db.ReplayEvent(s.ctx, s.project.ID, out.EventID, store.ID{}); !errors.Is(err, store.ErrLimit) {
			s.Error(err)
		}
		if s.pending() != store.MaxReplayed {
			s.Errorf("%d pending: a refused replay left something", s.pending())
		}
		if got, err := s.db.ReplayEvent(s.ctx, s.project.ID, out.EventID, es[3].ID); err != nil || len(got.Again) != 1 {
			s.Errorf("%+v %v", got, err)
		}
	},
}
