package storetest

import (
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

var recoverCases = map[string]func(*shelf){
	"RecoversWhatFailed": func(s *shelf) {
		e := s.endpoint("c")
		var failed []*store.Work
		var at []time.Time
		for i := range 9 {
			w := s.send("c", []string{"a", "b.x", "b.y"}[i%3])
			switch {
			case i == 8:
				continue // pending
			case i%4 == 3:
				s.finish(outcome(w, store.Delivered, 200))
				continue
			}
			o := outcome(w, store.Pending, 500)
			s.finish(o)
			next := *w
			next.Attempts, next.LastAt = 1, o.Attempt.At
			o = outcome(&next, store.Failed, 503)
			s.finish(o)
			failed, at = append(failed, w), append(at, o.Attempt.At)
		}
		rest := s.due(e)[0]
		r := s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID, From: day(1)}})
		if r.State != store.ReplayDone || r.Matched != 6 || r.More || r.Done != 6 || r.Skipped != 0 || r.Failed != 0 || r.Progress != 1 || r.FinishedAt.IsZero() {
			s.Fatalf("%+v", r)
		}
		works := s.due(e)
		works = slices.DeleteFunc(works, func(w *store.Work) bool { return w.ID == rest.ID })
		if len(works) != len(failed) {
			s.Fatalf("%d in the queue, want %d", len(works), len(failed))
		}
		for i, w := range works { // oldest first
			if w.ID != failed[i].ID || w.Attempts != 2 || w.Interrupted != 2 || !w.LastAt.Equal(at[i]) {
				s.Errorf("%d: %+v, want %s, two attempts of which none counts, the last at %s", i, w, failed[i].ID, at[i])
			}
			if d := s.delivery(w.ID); d.State != store.Pending || d.Attempts != 2 || d.LastStatus != 503 {
				s.Errorf("%+v", d)
			}
			if as := s.attempts(w.ID); len(as) != 2 || as[0].Number != 1 || as[1].Number != 2 {
				s.Errorf("%+v", as)
			}
			o := outcome(w, store.Delivered, 200)
			s.finish(o)
			if as := s.attempts(w.ID); len(as) != 3 || as[2].Number != 3 {
				s.Errorf("%+v", as)
			}
		}
		if grown := s.grown(); !slices.Contains(grown, e.ID) {
			s.Error("the owner was not told")
		}
		if n := s.all(store.Filter{States: []store.State{store.Failed}}); len(n) != 0 {
			s.Errorf("%d are still failed", len(n))
		}
	},
	"RecoversWhatWaitsForARetry": func(s *shelf) {
		e, other := s.endpoint("c"), s.endpoint("d")
		works := map[string]*store.Work{}
		for _, name := range []string{"failed", "waits", "waits.too", "other", "fresh", "tried"} {
			works[name] = s.send("c", name)
			switch name {
			case "failed":
				s.finish(outcome(works[name], store.Failed, 500))
			case "waits", "waits.too", "other", "tried":
				s.finish(outcome(works[name], store.Pending, 500))
			}
		}
		elsewhere := s.send("d", "waits")
		s.finish(outcome(elsewhere, store.Pending, 500))
		s.changed()
		f := store.ReplayFilter{EndpointID: e.ID, States: []store.State{store.Failed, store.Pending}, EventTypes: []string{"failed", "waits.*", "waits", "fresh"}}
		for of, want := range map[string]int{"endpoint": 3, "consumer": 3, "project": 4} {
			f := f
			if f.EndpointID = (store.ID{}); of == "consumer" {
				f.Consumer = "c"
			} else if of == "endpoint" {
				f.EndpointID = e.ID
			}
			if n, more, err := s.db.CountReplay(s.ctx, &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: f}); n != want || more || err != nil {
				s.Errorf("%s: %d counted, want %d: %v", of, n, want, err)
			}
		}
		r := s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: f})
		if r.State != store.ReplayDone || r.Matched != 3 || r.Done != 3 || r.Skipped != 0 {
			s.Errorf("%+v", r)
		}
		now := time.Now()
		for name, w := range works {
			for _, is := range s.due(e) {
				switch again := name == "failed" || name == "waits" || name == "waits.too"; {
				case is.ID != w.ID:
				case again && (is.DueAt.After(now) || is.Attempts != 1 || is.Interrupted != 1):
					s.Errorf("%s: %+v, want it due, with no attempt that counts", name, is)
				case !again && name != "fresh" && (!is.DueAt.After(now) || is.Interrupted != 0):
					s.Errorf("%s: %+v, want it as it was", name, is)
				}
			}
		}
		if is := s.due(other)[0]; !is.DueAt.After(now) {
			s.Errorf("%+v", is)
		}
		if _, ds := s.owner.changed(); len(ds) != 2 || !slices.Contains(ds, works["waits"].ID) {
			s.Errorf("the owner was told of %v", ds)
		}
		// Whatever has had its try meanwhile is left alone; and so is what is due.
		s.setState(other, store.Paused)
		if r := s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{States: []store.State{store.Pending}}}); r.Matched != 3 || r.Done != 3 {
			s.Errorf("%+v", r)
		}
	},
	"TestsAreOfNoReplay": func(s *shelf) {
		e := s.endpoint("c")
		var last []*store.Work
		for _, test := range []bool{true, false} {
			for _, state := range []store.State{store.Failed, store.Pending} {
				a := s.acceptance("c", "x", "{}")
				a.Event.Test = test
				w := s.sent(a)
				s.finish(outcome(w, state, 500))
				last = append(last, w)
			}
		}
		for _, types := range [][]string{nil, {"x"}} {
			f := store.ReplayFilter{EndpointID: e.ID, States: []store.State{store.Failed, store.Pending}, EventTypes: types}
			if n, more, err := s.db.CountReplay(s.ctx, &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: f}); n != 2 || more || err != nil {
				s.Errorf("of %v: %d counted, want 2: %v", types, n, err)
			}
		}
		f := store.ReplayFilter{EndpointID: e.ID, States: []store.State{store.Failed, store.Pending}}
		if r := s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: f}); r.Matched != 2 || r.Done != 2 || r.Skipped != 0 {
			s.Errorf("%+v", r)
		}
		if d := s.delivery(last[0].ID); d.State != store.Failed {
			s.Errorf("a failed test is %s", d.State)
		}
		if n, more, err := s.db.CountReplay(s.ctx, &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: s.endpoint("c").ID}}); n != 2 || more || err != nil {
			s.Errorf("missed: %d counted, want 2: %v", n, err)
		}
	},
	"OneAttemptStaysTheFirst": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		s.finish(outcome(w, store.Failed, 500))
		s.replayed(&store.Replay{Kind: store.ReplayRecover})
		again := s.due(e)[0]
		if again.Attempts != 1 || again.Interrupted != 1 || again.LastAt.IsZero() {
			s.Errorf("%+v", again)
		}
		s.finish(outcome(again, store.Failed, 500))
		if as := s.attempts(w.ID); len(as) != 2 {
			s.Errorf("%+v", as)
		}
		s.reopen()
		// A retry by hand after it: one more try, none begins anew.
		_, err := s.db.RetryDelivery(s.ctx, s.project.ID, w.ID)
		s.no(err)
		if again = s.due(e)[0]; again.Attempts != 2 || again.Interrupted != 0 {
			s.Errorf("%+v", again)
		}
	},
	"FiltersAreThoseOfTheList": func(s *shelf) {
		all, _ := s.mixed(150)
		now := time.Now().Add(time.Second)
		for _, e := range s.endpointsByID() { // none is drained, so that all fits
			_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { e.State = store.Paused; return nil })
			s.no(err)
		}
		endpoint := all[len(all)/2].EndpointID
		for i, f := range []store.ReplayFilter{
			{EventTypes: []string{"a"}}, {Consumer: "c1"}, {EndpointID: endpoint, States: []store.State{store.Cancelled}},
			{From: all[len(all)/3].CreatedAt, EventTypes: []string{"b.*"}}, {Until: all[len(all)/3].CreatedAt},
			{States: []store.State{store.Cancelled, store.Failed}, Consumer: "c2"}, {States: []store.State{store.Delivered}, Until: now}, {},
		} {
			states := f.States
			if len(states) == 0 {
				states = []store.State{store.Failed}
			}
			var want []store.ID
			for _, state := range states {
				for _, d := range s.all(store.Filter{States: []store.State{state}, Consumer: f.Consumer, EndpointID: f.EndpointID, From: f.From, Until: f.Until}) {
					if len(f.EventTypes) == 0 || match.Type(f.EventTypes, d.EventType) {
						want = append(want, d.ID)
					}
				}
			}
			n, more, err := s.db.CountReplay(s.ctx, &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: f})
			s.no(err)
			if n != len(want) || more {
				s.Errorf("%d: %+v: %d counted, want %d", i, f, n, len(want))
			}
			before := s.pending()
			r := s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: f})
			if r.Matched != len(want) || r.Done != len(want) || r.Skipped != 0 || s.pending() != before+int64(len(want)) {
				s.Errorf("%d: %+v, %d more pending, want %d", i, r, s.pending()-before, len(want))
			}
			for _, id := range want {
				if d := s.delivery(id); d.State != store.Pending {
					s.Errorf("%d: %+v", i, d)
				}
			}
		}
	},
	"ManyEndpoints": func(s *shelf) {
		const n = 150 // more than are under way at a time
		es := s.manyEndpoints(n)
		s.broadcast("x")
		for _, e := range es {
			s.finish(outcome(s.due(e)[0], store.Failed, 500))
		}
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, es[7].ID)
		s.no(err)
		count, _, err := s.db.CountReplay(s.ctx, &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover})
		s.no(err)
		r := s.replayed(&store.Replay{Kind: store.ReplayRecover})
		if count != n-1 || r.Matched != n-1 || r.Done != n-1 || s.pending() != n-1 {
			s.Errorf("%d counted, %d pending: %+v", count, s.pending(), r)
		}
	},
}

func (s *shelf) newReplay(r *store.Replay) *store.Replay {
	s.Helper()
	own := *r
	own.ProjectID = s.project.ID
	_, err := s.db.CreateReplay(s.ctx, &own, nil)
	s.no(err)
	if own.ID.IsZero() || own.State != store.ReplayRunning || own.CreatedAt.IsZero() {
		s.Fatalf("%+v", own)
	}
	return &own
}

func (s *shelf) replay(id store.ID) *store.Replay {
	s.Helper()
	r, err := s.db.Replay(s.ctx, s.project.ID, id)
	s.no(err)
	return r
}

// over waits for a replay's end.
func (s *shelf) over(id store.ID) *store.Replay {
	s.Helper()
	s.eventually(func() bool { return s.replay(id).State != store.ReplayRunning })
	return s.replay(id)
}

func (s *shelf) replayed(r *store.Replay) *store.Replay {
	s.Helper()
	return s.over(s.newReplay(r).ID)
}

// failures makes an endpoint with deliveries that failed.
func (s *shelf) failures(consumer string, n int) *store.Endpoint {
	s.Helper()
	e := s.endpoint(consumer)
	s.fill(e, n)
	done := make(chan error, n)
	for _, w := range s.due(e) {
		s.db.Finish(outcome(w, store.Failed, 500), func(err error) { done <- err })
	}
	for range n {
		s.no(<-done)
	}
	return e
}

func (s *shelf) changed() { s.owner.changed(); s.grown() }

func (s *shelf) grown() []store.ID {
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	out := s.owner.grown
	s.owner.grown = nil
	return out
}
