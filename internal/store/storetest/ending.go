package storetest

import (
	"time"

	"github.com/malote-dev/malote/internal/store"
)

var endingCases = map[string]func(*shelf){
	"CancelPending": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		s.owner.inFlight[w.ID] = 1
		s.owner.changed()
		d, flying, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
		s.no(err)
		if d.State != store.Cancelled || d.Reason == "" || flying != 1 || len(s.due(e)) != 0 || s.pending() != 0 {
			s.Errorf("%+v, %d in flight", d, flying)
		}
		if _, ds := s.owner.changed(); len(ds) != 1 || ds[0] != w.ID {
			s.Errorf("told of %v", ds)
		}
	},
	"CancelFinalConflicts": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		s.finish(outcome(w, store.Delivered, 200))
		if _, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID); !isConflict(err) {
			s.Error(err)
		}
	},
	"ForeignDeliveriesAreNotFound": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		other := s.newProject("other").ID
		_, _, err1 := s.db.CancelDelivery(s.ctx, other, w.ID)
		_, err2 := s.db.RetryDelivery(s.ctx, other, w.ID)
		_, err3 := s.db.Delivery(s.ctx, other, w.ID)
		_, err4 := s.db.Attempts(s.ctx, other, w.ID, 0, 1)
		_, err5 := s.db.Event(s.ctx, other, w.Event.ID)
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if !isNotFound(err) {
				s.Errorf("%d: %v", i, err)
			}
		}
		if s.delivery(w.ID).State != store.Pending {
			s.Error("changed by another project")
		}
	},
	"RetryPendingIsDueNow": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		o := outcome(w, store.Pending, 500)
		o.DueAt = time.Now().Add(time.Hour)
		s.finish(o)
		s.owner.changed()
		d, err := s.db.RetryDelivery(s.ctx, s.project.ID, w.ID)
		s.no(err)
		if d.State != store.Pending || d.DueAt.After(time.Now()) || d.Attempts != 1 {
			s.Errorf("%+v", d)
		}
		if _, ds := s.owner.changed(); len(ds) != 1 || ds[0] != w.ID {
			s.Errorf("told of %v", ds)
		}
		if got := s.due(e); len(got) != 1 || got[0].DueAt.After(time.Now()) {
			s.Errorf("%+v", got)
		}
	},
	"RetryFinalGoesOn": func(s *shelf) {
		e := s.endpoint("c")
		for _, end := range []store.State{store.Failed, store.Delivered, store.Cancelled} {
			w := s.send("c", "x")
			o := outcome(w, end, 500)
			if end == store.Cancelled {
				o = outcome(w, store.Pending, 500)
			}
			s.finish(o)
			if end == store.Cancelled {
				_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
				s.no(err)
			}
			s.owner.take()
			d, err := s.db.RetryDelivery(s.ctx, s.project.ID, w.ID)
			s.no(err)
			if d.State != store.Pending || d.Attempts != 1 || d.ID != w.ID || !d.FinishedAt.IsZero() || d.Reason != "" {
				s.Errorf("%s: %+v", end, d)
			}
			if n := len(s.all(store.Filter{EventID: w.Event.ID})); n != 1 {
				s.Errorf("%s: listed %d times", end, n)
			}
			if as := s.attempts(w.ID); len(as) != 1 || as[0].Number != 1 {
				s.Errorf("%s: %+v", end, as)
			}
			again := s.works()
			if len(again) != 1 || again[0].Attempts != 1 || again[0].LastAt.IsZero() || string(again[0].Event.Data) != string(w.Event.Data) {
				s.Fatalf("%s: handed over %+v", end, again)
			}
			s.finish(outcome(again[0], store.Delivered, 200))
			if as := s.attempts(w.ID); len(as) != 2 || as[1].Number != 2 {
				s.Errorf("%s: %+v", end, as)
			}
		}
		if len(s.due(e)) != 0 || s.pending() != 0 {
			s.Error("something is left")
		}
	},
	"RetryAgainAndAgain": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		for i := 1; i <= 5; i++ {
			s.finish(outcome(w, store.Failed, 500))
			if got := s.all(store.Filter{States: []store.State{store.Failed}}); len(got) != 1 || got[0].Attempts != i {
				s.Fatalf("round %d: %+v", i, got)
			}
			s.owner.take()
			_, err := s.db.RetryDelivery(s.ctx, s.project.ID, w.ID)
			s.no(err)
			if got := s.all(store.Filter{States: []store.State{store.Failed}}); len(got) != 0 {
				s.Fatalf("round %d: pending and listed as failed", i)
			}
			w = s.works()[0]
		}
	},
	"RetryOfADeletedEndpointConflicts": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		s.finish(outcome(w, store.Failed, 500))
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if _, err := s.db.RetryDelivery(s.ctx, s.project.ID, w.ID); !isConflict(err) {
			s.Error(err)
		}
	},
	"DeleteEndpointCancelsAll": func(s *shelf) {
		e := s.endpoint("c")
		other := s.endpoint("d")
		s.accept("d", "x")
		const n = 1300
		s.fill(e, n)
		s.owner.inFlight[e.ID] = 3
		flying, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if flying != 3 {
			s.Errorf("%d in flight", flying)
		}
		// From the answer on, whatever the background does.
		if got := s.due(e); len(got) != 0 {
			s.Errorf("%d still to be sent", len(got))
		}
		if p, _ := s.db.PendingEndpoints(s.ctx, store.ID{}, 10); len(p) != 1 || p[0].EndpointID != other.ID {
			s.Errorf("%v", p)
		}
		s.reopen()
		s.eventually(func() bool { return s.pending() == 1 })
		got := s.all(store.Filter{EndpointID: e.ID})
		if len(got) != n {
			s.Errorf("%d listed", len(got))
		}
		for _, d := range got {
			if d.State != store.Cancelled || d.Reason == "" || d.Consumer != "c" {
				s.Fatalf("%+v", d)
			}
		}
		if _, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID); !isNotFound(err) {
			s.Error(err)
		}
		if _, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID); !isNotFound(err) {
			s.Error(err)
		}
	},
	"DeleteConsumerDeletesItsEndpoints": func(s *shelf) {
		e1, e2 := s.endpoint("c"), s.endpoint("c")
		keep := s.endpoint("d")
		s.accept("c", "x")
		s.owner.inFlight[e1.ID], s.owner.inFlight[e2.ID] = 1, 2
		flying, err := s.db.DeleteConsumer(s.ctx, s.project.ID, "c")
		s.no(err)
		if flying != 3 {
			s.Errorf("%d in flight", flying)
		}
		s.eventually(func() bool { return s.pending() == 0 })
		if es := s.endpointsByID(); len(es) != 1 || es[0].ID != keep.ID {
			s.Errorf("%v", es)
		}
		if _, err := s.db.Consumer(s.ctx, s.project.ID, "c"); !isNotFound(err) {
			s.Error(err)
		}
		if _, err := s.db.DeleteConsumer(s.ctx, s.project.ID, "c"); !isNotFound(err) {
			s.Error(err)
		}
		for _, d := range s.all(store.Filter{Consumer: "c"}) {
			if d.State != store.Cancelled {
				s.Errorf("%+v", d)
			}
		}
	},
	"ResumeSkipping": func(s *shelf) {
		e := s.endpoint("c")
		s.endpoint("d")
		s.setState(e, store.Paused)
		flying := s.send("c", "x")
		ok := s.send("c", "x")
		const n = 1300
		s.fill(e, n)
		d := s.send("d", "x")
		resume := func(e *store.Endpoint) error { e.State = store.Active; return nil }
		s.owner.inFlight[e.ID] = 2
		s.owner.changed()
		got, skipped, inFlight, err := s.db.ResumeSkipping(s.ctx, s.project.ID, e.ID, resume)
		s.no(err)
		if got.State != store.Active || skipped.Count != n+2 || skipped.More || inFlight != 2 {
			s.Errorf("%+v, %+v, %d in flight", got, skipped, inFlight)
		}
		// From the answer on, whatever the background does.
		if got := s.due(e); len(got) != 0 {
			s.Errorf("%d still to be sent", len(got))
		}
		if d := s.delivery(flying.ID); d.State != store.Cancelled || d.Reason != "skipped" {
			s.Errorf("%+v", d)
		}
		if es, _ := s.owner.changed(); len(es) != 1 || es[0] != e.ID {
			s.Errorf("told of %v", es)
		}
		s.finish(outcome(flying, store.Pending, 500))
		s.finish(outcome(ok, store.Delivered, 200))
		later := s.send("c", "x")
		s.reopen()
		if got := s.due(e); len(got) != 1 || got[0].ID != later.ID {
			s.Errorf("%d to be sent, want the one that came later", len(got))
		}
		s.eventually(func() bool { return s.pending() == 2 })
		states := map[store.State]int{}
		for _, d := range s.all(store.Filter{EndpointID: e.ID}) {
			states[d.State]++
			if d.State == store.Cancelled && d.Reason != "skipped" {
				s.Fatalf("%+v", d)
			}
		}
		if states[store.Cancelled] != n+1 || states[store.Delivered] != 1 || states[store.Pending] != 1 {
			s.Errorf("%v", states)
		}
		if d := s.delivery(flying.ID); d.Attempts != 1 {
			s.Errorf("an attempt in flight was lost: %+v", d)
		}
		if s.delivery(d.ID).State != store.Pending {
			s.Error("another endpoint's was skipped")
		}
		// What was skipped can be sent by hand; an active endpoint holds nothing.
		again, err := s.db.RetryDelivery(s.ctx, s.project.ID, flying.ID)
		for isConflict(err) { // the last slice may still be under way
			again, err = s.db.RetryDelivery(s.ctx, s.project.ID, flying.ID)
		}
		s.no(err)
		_, skipped, _, err = s.db.ResumeSkipping(s.ctx, s.project.ID, e.ID, resume)
		s.no(err)
		if again.State != store.Pending || skipped.Count != 0 || len(s.due(e)) != 2 {
			s.Errorf("%+v, %+v", again, skipped)
		}
		if _, _, _, err := s.db.ResumeSkipping(s.ctx, s.newProject("other").ID, e.ID, resume); !isNotFound(err) {
			s.Error(err)
		}
	},
	"ExpireHeldEndsOldHeldWork": func(s *shelf) {
		held, free := s.endpoint("held"), s.endpoint("free")
		s.endpoint(store.SystemConsumer, "delivery.failed")
		s.setState(held, store.Paused)
		for range 5 {
			s.accept("held", "x")
			s.accept("free", "x")
		}
		if n, err := s.db.ExpireHeld(s.ctx, time.Now().Add(-time.Minute), 100); n != 0 || err != nil {
			s.Error("young work expired", n, err)
		}
		s.owner.changed()
		n, err := s.db.ExpireHeld(s.ctx, time.Now().Add(time.Minute), 3)
		s.no(err)
		if _, told := s.owner.changed(); n != 3 || len(told) != 3 {
			s.Errorf("%d expired, told of %d", n, len(told))
		}
		n, err = s.db.ExpireHeld(s.ctx, time.Now().Add(time.Minute), 100)
		s.no(err)
		if n != 2 || len(s.due(held)) != 0 || len(s.due(free)) != 5 {
			s.Errorf("%d expired, %d held, %d free", n, len(s.due(held)), len(s.due(free)))
		}
		for _, d := range s.all(store.Filter{EndpointID: held.ID}) {
			if d.State != store.Failed || d.Reason != "expired" {
				s.Errorf("%+v", d)
			}
		}
		if evs := s.allEvents(store.Filter{Type: store.EventDeliveryFailed}); len(evs) != 5 {
			s.Errorf("%d announced", len(evs))
		}
	},
}

// fill gives an endpoint many pending deliveries.
func (s *shelf) fill(e *store.Endpoint, n int) {
	s.Helper()
	s.fillType(e, "x", n)
}
