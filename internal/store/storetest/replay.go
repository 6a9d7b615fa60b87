package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// window is how many deliveries a replay has due at an active endpoint.
const window = 256

var replayCases = map[string]func(*shelf){
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
		if n := s.all(store.Filter{State: store.Failed}); len(n) != 0 {
			s.Errorf("%d are still failed", len(n))
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
				for _, d := range s.all(store.Filter{State: state, Consumer: f.Consumer, EndpointID: f.EndpointID, From: f.From, Until: f.Until}) {
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
	"SendsWhatWasMissed": func(s *shelf) {
		early := s.endpoint("c", "other", "common")
		s.endpoint("d")
		s.accept("c", "a")
		s.accept("c", "b.x")
		s.accept("d", "a")
		s.accept("c", "common")
		all := s.broadcast("a")
		test := s.acceptance("c", "a", `{}`)
		test.Event.Test = true
		s.keep(test)
		if got := s.allEvents(store.Filter{Consumer: "c", Type: "a"}); got[1].Unreached == "" {
			s.Errorf("%+v", got[1])
		}
		late := s.endpoint("c", "a", "common")
		s.accept("c", "a") // this one it gets
		replay := &store.Replay{Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: late.ID, From: day(1)}}
		replay.ProjectID = s.project.ID
		if n, more, err := s.db.CountReplay(s.ctx, replay); n != 3 || more || err != nil {
			s.Errorf("%d counted, want 3: %v", n, err)
		}
		for i, want := range []int{3, 0} {
			if r := s.replayed(replay); r.State != store.ReplayDone || r.Matched != want || r.Done != want || r.Skipped != 0 || r.Consumer != "c" {
				s.Errorf("%d: %+v", i, r)
			}
		}
		ds := s.all(store.Filter{EndpointID: late.ID})
		if len(ds) != 4 {
			s.Fatalf("%d deliveries, want 4", len(ds))
		}
		for _, f := range []store.Filter{{Consumer: "c", EndpointID: late.ID}, {Type: "a", EndpointID: late.ID}, {State: store.Pending, EndpointID: late.ID}} {
			if got := s.all(f); len(got) < 3 {
				s.Errorf("%+v: %d", f, len(got))
			}
		}
		if got := s.all(store.Filter{EventID: all.EventID, EndpointID: late.ID}); len(got) != 1 || got[0].Consumer != "c" {
			s.Errorf("of the broadcast: %+v", got)
		}
		var order []string
		for _, w := range s.due(late) {
			order = append(order, w.Event.Type)
		}
		if fmt.Sprint(order) != "[a a common a]" && fmt.Sprint(order) != "[a a a common]" && fmt.Sprint(order) != "[a common a a]" {
			s.Errorf("%v", order)
		}
		for _, e := range s.allEvents(store.Filter{Consumer: "c", Type: "a"}) {
			if e.Unreached != "" && !e.Test {
				s.Errorf("reached later: %+v", e)
			}
		}
		// The other endpoint wants another type now.
		_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, early.ID, func(e *store.Endpoint) error { e.EventTypes = []string{"b.*"}; return nil })
		s.no(err)
		if r := s.replayed(&store.Replay{Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: early.ID}}); r.Done != 1 {
			s.Errorf("%+v", r)
		}
		// Deliveries that are past their retention were made all the same.
		for _, w := range s.due(late) {
			s.finish(outcome(w, store.Delivered, 200))
		}
		_, err = s.db.Prune(s.ctx, time.Now().Add(time.Hour), 100_000)
		s.no(err)
		replay.EndpointID = late.ID
		if r := s.replayed(replay); r.Matched != 0 || r.Done != 0 {
			s.Errorf("after their retention: %+v", r)
		}
	},
	"MissedByChannelsAndFilter": func(s *shelf) {
		var of []store.ID
		for _, data := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
			for _, channels := range [][]string{nil, {"eu"}} {
				a := s.acceptance("c", "x", data)
				a.Event.Channels = channels
				of = append(of, s.keep(a).EventID)
			}
		}
		late := &store.Endpoint{
			ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "x"}},
			Settings: store.Settings{Channels: []string{"eu"}, Filter: "data.n > 1"},
		}
		s.no(s.db.CreateEndpoint(s.ctx, late, 0))
		if _, err := s.db.ReplayEvent(s.ctx, s.project.ID, of[1], late.ID); !errors.Is(err, store.ErrUnwanted) {
			s.Errorf("filtered out: %v", err)
		}
		if got, err := s.db.ReplayEvent(s.ctx, s.project.ID, of[2], store.ID{}); err != nil || len(got.New) != 0 {
			s.Errorf("another channel: %+v %v", got, err)
		}
		if r := s.replayed(&store.Replay{Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: late.ID}}); r.Matched != 2 || r.Done != 2 {
			s.Errorf("%+v", r)
		}
		for _, w := range s.due(late) {
			if w.Event.ID != of[3] && w.Event.ID != of[5] {
				s.Errorf("%s", w.Event.Data)
			}
		}
	},
	"MissedOfABroadcastThatWentOn": func(s *shelf) {
		es := s.manyEndpoints(1300)
		out := s.broadcast("x")
		s.eventually(func() bool { return s.settled(out.EventID, 1300) })
		for _, e := range []*store.Endpoint{es[0], es[1299]} {
			if r := s.replayed(&store.Replay{Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}}); r.Done != 0 {
				s.Errorf("it got that: %+v", r)
			}
		}
		late := s.endpoint("late")
		if r := s.replayed(&store.Replay{Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: late.ID}}); r.Done != 1 {
			s.Errorf("%+v", r)
		}
		if e, _ := s.db.Event(s.ctx, s.project.ID, out.EventID); e.Deliveries != 1301 {
			s.Errorf("%+v", e)
		}
	},
	"AnActiveEndpointGetsAWindow": func(s *shelf) {
		e := s.failures("c", window+50)
		r := s.newReplay(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}})
		s.eventually(func() bool { return s.pending() == window })
		if got := s.replay(r.ID); got.State != store.ReplayRunning || got.Done != window || got.Progress <= 0 || got.Progress >= 1 {
			s.Errorf("%+v", got)
		}
		fresh := s.accept("c", "new") // is behind no more than that
		if works := s.due(e); len(works) != window+1 || works[window].Event.ID != fresh.EventID {
			s.Errorf("%d in the queue", len(works))
		}
		for _, w := range s.due(e)[:100] {
			s.finish(outcome(w, store.Delivered, 200))
		}
		if got := s.over(r.ID); got.State != store.ReplayDone || got.Done != window+50 {
			s.Errorf("%+v", got)
		}
	},
	"APausedEndpointHoldsIt": func(s *shelf) {
		e := s.failures("c", window+50)
		_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { e.State = store.Paused; return nil })
		s.no(err)
		if r := s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}}); r.Done != window+50 {
			s.Errorf("%+v", r)
		}
		if s.pending() != window+50 {
			s.Errorf("%d pending", s.pending())
		}
	},
	"GoesOnAfterARestart": func(s *shelf) {
		const n = 2*window + 40
		e := s.failures("c", n)
		r := s.newReplay(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}})
		s.eventually(func() bool { return s.pending() == window })
		seen := map[store.ID]int{}
		for range 3 {
			s.reopen()
			if s.pending() != window && s.replay(r.ID).State == store.ReplayRunning {
				s.eventually(func() bool { return s.pending() == window })
			}
			for _, w := range s.due(e) {
				seen[w.ID]++
				s.finish(outcome(w, store.Failed, 500)) // fails again: is not replayed twice
			}
			s.eventually(func() bool { return s.pending() == window || s.replay(r.ID).State != store.ReplayRunning })
		}
		if got := s.replay(r.ID); got.State != store.ReplayDone || got.Done != n || got.Skipped != 0 {
			s.Errorf("%+v", got)
		}
		if len(seen) != n {
			s.Errorf("%d were sent again, want %d", len(seen), n)
		}
		for id, times := range seen {
			if times != 1 {
				s.Errorf("%s was sent %d times", id, times)
			}
		}
	},
	"CancelEndsIt": func(s *shelf) {
		e := s.failures("c", window+50)
		r := s.newReplay(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}})
		s.eventually(func() bool { return s.pending() == window })
		got, err := s.db.CancelReplay(s.ctx, s.project.ID, r.ID)
		s.no(err)
		if got.State != store.ReplayCancelled || got.FinishedAt.IsZero() || got.Done != window {
			s.Errorf("%+v", got)
		}
		for _, w := range s.due(e) {
			s.finish(outcome(w, store.Delivered, 200))
		}
		s.reopen()
		again := s.failures("d", 3) // a replay later goes through, so the one before had its turn
		s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: again.ID}})
		if s.pending() != 3 || len(s.due(e)) != 0 {
			s.Errorf("%d pending", s.pending())
		}
		if _, err := s.db.CancelReplay(s.ctx, s.project.ID, r.ID); !errors.Is(err, store.ErrConflict) {
			s.Error(err)
		}
		if _, err := s.db.CancelReplay(s.ctx, s.newProject("other").ID, r.ID); !errors.Is(err, store.ErrNotFound) {
			s.Error(err)
		}
	},
	"ADeletedEndpointEndsIt": func(s *shelf) {
		e := s.failures("c", window+50)
		r := s.newReplay(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}})
		wide := s.newReplay(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{States: []store.State{store.Cancelled}}})
		s.over(wide.ID)
		s.eventually(func() bool { return s.pending() == window })
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if got := s.over(r.ID); got.State != store.ReplayFailed || got.Reason != "its endpoint was deleted" || got.Done != window {
			s.Errorf("%+v", got)
		}
		s.eventually(func() bool { return s.pending() == 0 })
		for _, kind := range []store.ReplayKind{store.ReplayRecover, store.ReplayMissed} {
			_, err := s.db.CreateReplay(s.ctx, &store.Replay{ProjectID: s.project.ID, Kind: kind, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}}, nil)
			if !errors.Is(err, store.ErrNotFound) {
				s.Error(err)
			}
		}
	},
	"OnlySoManyRun": func(s *shelf) {
		e := s.failures("c", window+1)
		f := store.ReplayFilter{EndpointID: e.ID}
		var made []*store.Replay
		for range store.MaxReplays {
			made = append(made, s.newReplay(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: f}))
		}
		one := &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: f}
		if _, err := s.db.CreateReplay(s.ctx, one, nil); !errors.Is(err, store.ErrLimit) {
			s.Errorf("one too many: %v", err)
		}
		_, err := s.db.CancelReplay(s.ctx, s.project.ID, made[0].ID)
		s.no(err)
		s.newReplay(one)
		// Whoever came first took each delivery; nothing is there twice.
		s.eventually(func() bool { return s.pending() == window })
		list, err := s.db.Replays(s.ctx, s.project.ID, "", store.ID{}, 3)
		s.no(err)
		rest, err := s.db.Replays(s.ctx, s.project.ID, "c", list[2].ID, 10)
		s.no(err)
		if len(list) != 3 || len(rest) != store.MaxReplays-2 || rest[len(rest)-1].ID != made[0].ID {
			s.Errorf("%d and %d listed", len(list), len(rest))
		}
		if none, err := s.db.Replays(s.ctx, s.project.ID, "d", store.ID{}, 10); len(none) != 0 || err != nil {
			s.Error(none, err)
		}
	},
	"AgainstEverything": func(s *shelf) {
		// Retries, cancels, outcomes and a deletion beside it: nothing is in the queue twice, nothing is lost.
		e, gone := s.failures("c", 200), s.failures("d", 100)
		ds := s.all(store.Filter{EndpointID: e.ID})
		r := s.newReplay(&store.Replay{Kind: store.ReplayRecover})
		var retried atomic.Int32
		s.crowd(len(ds), func(i int) error {
			if i%3 != 0 {
				return nil
			}
			_, err := s.db.RetryDelivery(s.ctx, s.project.ID, ds[i].ID)
			if err == nil {
				retried.Add(1)
			}
			return err
		}, func(i int) error {
			if i%4 != 0 {
				return nil
			}
			_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, ds[i].ID)
			if isConflict(err) {
				err = nil
			}
			return err
		}, func(i int) error {
			if i != 100 {
				return nil
			}
			_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, gone.ID)
			return err
		})
		got := s.over(r.ID)
		s.eventually(func() bool { return len(s.all(store.Filter{EndpointID: gone.ID, State: store.Pending})) == 0 })
		n := map[store.State]int{}
		for _, d := range s.all(store.Filter{EndpointID: e.ID}) {
			n[d.State]++
			if as := s.attempts(d.ID); d.Attempts != 1 || len(as) != 1 {
				s.Errorf("%+v: %d attempts", d, len(as))
			}
		}
		if got.State != store.ReplayDone || n[store.Failed] != 0 || n[store.Pending]+n[store.Cancelled] != 200 || len(s.due(e)) != n[store.Pending] || s.pending() != int64(n[store.Pending]) {
			s.Errorf("%+v: %v, %d in the queue, %d counted, %d retried", got, n, len(s.due(e)), s.pending(), retried.Load())
		}
	},
	"OnceWithAKey": func(s *shelf) {
		s.failures("c", 2)
		var made [2]store.Replay
		for i := range made {
			made[i] = store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover}
			o := &store.Once[store.Replay]{
				Claim:  store.Claim{Project: s.project.ID, Key: "k"},
				Answer: func(r *store.Replay) ([]byte, error) { return []byte(r.ID.String()), nil },
			}
			before, err := s.db.CreateReplay(s.ctx, &made[i], o)
			s.no(err)
			if (i == 1) != (string(before) == made[0].ID.String()) {
				s.Errorf("%d: %q", i, before)
			}
		}
		if list, _ := s.db.Replays(s.ctx, s.project.ID, "", store.ID{}, 10); len(list) != 1 {
			s.Errorf("%d made", len(list))
		}
	},
	"Strange": func(s *shelf) {
		e := s.endpoint("c")
		other := s.newProject("other")
		for _, r := range []*store.Replay{
			{ProjectID: store.ID{1}, Kind: store.ReplayRecover},
			{ProjectID: s.project.ID, Kind: store.ReplayMissed},
			{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: store.ID{1}}},
			{ProjectID: other.ID, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}},
			{ProjectID: s.project.ID, Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: e.ID, Consumer: "d"}},
		} {
			if _, err := s.db.CreateReplay(s.ctx, r, nil); !errors.Is(err, store.ErrNotFound) {
				s.Errorf("%+v: %v", r, err)
			}
			if _, _, err := s.db.CountReplay(s.ctx, r); !errors.Is(err, store.ErrNotFound) {
				s.Errorf("%+v: %v", r, err)
			}
		}
		if _, err := s.db.Replay(s.ctx, s.project.ID, store.ID{1}); !errors.Is(err, store.ErrNotFound) {
			s.Error(err)
		}
		r := s.replayed(&store.Replay{Kind: store.ReplayRecover})
		if _, err := s.db.Replay(s.ctx, other.ID, r.ID); !errors.Is(err, store.ErrNotFound) || r.Matched != 0 || r.State != store.ReplayDone {
			s.Errorf("%+v %v", r, err)
		}
		_, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if _, err := s.db.Replay(s.ctx, s.project.ID, r.ID); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("past its retention: %v", err)
		}
	},

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
