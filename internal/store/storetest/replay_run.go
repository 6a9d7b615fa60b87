package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// window is how many deliveries a replay has due at an active endpoint, and
// room how much of it has to be free before it goes on.
const (
	window = 256
	room   = 64
)

var replayRunCases = map[string]func(*shelf){
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
		for range 10 {
			s.reopen()
			for _, w := range s.due(e) {
				seen[w.ID]++
				s.finish(outcome(w, store.Failed, 500)) // fails again: is not replayed twice
			}
			s.eventually(func() bool { return s.pending() > window-room || s.replay(r.ID).State != store.ReplayRunning })
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
		for range store.MaxReplaysOf {
			made = append(made, s.newReplay(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: f}))
		}
		one := &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: f}
		if _, err := s.db.CreateReplay(s.ctx, one, nil); !errors.Is(err, store.ErrLimit) {
			s.Errorf("one too many: %v", err)
		}
		s.replayed(&store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{Consumer: "d"}}) // another's may
		_, err := s.db.CancelReplay(s.ctx, s.project.ID, made[0].ID)
		s.no(err)
		s.newReplay(one)
		// Whoever came first took each delivery; nothing is there twice.
		s.eventually(func() bool { return s.pending() == window })
		list := s.replays(store.ReplaysFilter{Limit: 3}, 1)
		rest := s.replays(store.ReplaysFilter{Consumer: "c", Before: list[2].ID, Limit: 4}, 3)
		if len(list) != 3 || len(rest) != store.MaxReplaysOf-1 || rest[len(rest)-1].ID != made[0].ID {
			s.Errorf("%d and %d listed", len(list), len(rest))
		}
		for f, want := range map[store.ReplaysFilter]int{
			{Consumer: "e"}: 0, {Consumer: "d"}: 1, {State: store.ReplayRunning}: store.MaxReplaysOf, {State: store.ReplayCancelled}: 1,
			{EndpointID: e.ID}: store.MaxReplaysOf + 1, {EndpointID: store.ID{1}}: 0, {State: store.ReplayRunning, Consumer: "d"}: 0, {Before: made[0].ID}: 0,
		} {
			if got := s.replays(f, 100); len(got) != want {
				s.Errorf("%+v: %d listed, want %d", f, len(got), want)
			}
		}
	},
	"SoManyInAll": func(s *shelf) {
		for i := range store.MaxReplays + 1 {
			e := s.endpoint(fmt.Sprint("c", i))
			out := s.accept(e.Consumer, "x")
			s.fill(e, window) // due: no replay has room
			_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, s.all(store.Filter{EventID: out.EventID})[0].ID)
			s.no(err)
			_, err = s.db.CreateReplay(s.ctx, &store.Replay{
				ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID, States: []store.State{store.Cancelled}},
			}, nil)
			if (i == store.MaxReplays) != errors.Is(err, store.ErrLimit) {
				s.Fatalf("%d run: %v", i, err)
			}
		}
	},
	"DeadEndpointsKeepNobodyWaiting": func(s *shelf) {
		// More endpoints that have enough to do than have their turns in a round.
		dead := s.manyEndpoints(80)
		s.broadcast("x")
		for _, e := range dead {
			s.finish(outcome(s.due(e)[0], store.Failed, 500))
		}
		for range window {
			s.broadcast("x")
		}
		alive := s.failures("late", 3)
		r := s.newReplay(&store.Replay{Kind: store.ReplayRecover})
		s.eventually(func() bool { return len(s.due(alive)) == 3 })
		if got := s.replay(r.ID); got.State != store.ReplayRunning || got.Done != 3 || got.Matched != 83 {
			s.Errorf("%+v", got)
		}
		for _, e := range dead[10:] {
			s.setState(e, store.Paused)
		}
		s.eventually(func() bool { return s.replay(r.ID).Done == 73 })
		s.reopen()
		for _, e := range dead[:10] {
			s.setState(e, store.Paused)
		}
		if got := s.over(r.ID); got.State != store.ReplayDone || got.Done != 83 {
			s.Errorf("%+v", got)
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
		s.eventually(func() bool {
			return len(s.all(store.Filter{EndpointID: gone.ID, States: []store.State{store.Pending}})) == 0
		})
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
		if list := s.replays(store.ReplaysFilter{}, 1); len(list) != 1 {
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
}

// replays reads pages of a list, so many at most.
func (s *shelf) replays(f store.ReplaysFilter, pages int) (out []*store.Replay) {
	s.Helper()
	for range pages {
		p, err := s.db.Replays(s.ctx, s.project.ID, f)
		s.no(err)
		out = append(out, p.Items...)
		if f.Before = p.Next; p.Next.IsZero() {
			break
		}
	}
	return out
}
