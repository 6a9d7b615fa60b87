package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

var missedCases = map[string]func(*shelf){
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
		for _, f := range []store.Filter{{Consumer: "c", EndpointID: late.ID}, {Type: "a", EndpointID: late.ID}, {States: []store.State{store.Pending}, EndpointID: late.ID}} {
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
}
