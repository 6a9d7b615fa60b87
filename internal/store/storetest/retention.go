package storetest

import (
	"runtime"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

var retentionCases = map[string]func(*shelf){
	"DeletesHistory": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		s.finish(outcome(w, store.Pending, 500))
		s.finish(outcome(&store.Work{ID: w.ID, EndpointID: w.EndpointID, Event: w.Event, Attempts: 1}, store.Failed, 500))
		s.accept("nobody", "x")
		n, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if n < 3 {
			s.Errorf("%d rows went", n)
		}
		if len(s.all(store.Filter{})) != 0 || len(s.allEvents(store.Filter{})) != 0 {
			s.Error("something is left")
		}
		if _, err := s.db.Attempts(s.ctx, s.project.ID, w.ID, 0, 10); !isNotFound(err) {
			s.Error(err)
		}
		if n, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000); n != 0 || err != nil {
			s.Errorf("%d rows went in the second round: %v", n, err)
		}
	},
	"NeverWhatIsPendingNorItsNeeds": func(s *shelf) {
		e := s.endpoint("c")
		s.endpoint("d")
		kept := s.send("c", "x")
		s.finish(outcome(kept, store.Pending, 500)) // with an attempt
		for range 100 {
			s.finish(outcome(s.send("d", "x"), store.Delivered, 200))
		}
		for range 20 {
			_, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 7)
			s.no(err)
		}
		if _, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000); err != nil {
			s.Error(err)
		}
		if got := s.all(store.Filter{}); len(got) != 1 || got[0].ID != kept.ID {
			s.Errorf("%v", got)
		}
		if got := s.allEvents(store.Filter{}); len(got) != 1 || got[0].ID != kept.Event.ID {
			s.Errorf("%v", got)
		}
		if as := s.attempts(kept.ID); len(as) != 1 {
			s.Errorf("%v", as)
		}
		if due := s.due(e); len(due) != 1 || string(due[0].Event.Data) != string(kept.Event.Data) {
			s.Errorf("%v", due)
		}
		s.finish(outcome(s.due(e)[0], store.Delivered, 200))
		_, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if got := s.allEvents(store.Filter{}); len(got) != 0 {
			s.Errorf("%v", got)
		}
	},
	"NeverWhatIsYoung": func(s *shelf) {
		s.endpoint("c")
		s.finish(outcome(s.send("c", "x"), store.Delivered, 200))
		if n, err := s.db.Prune(s.ctx, time.Now().Add(-time.Minute), 1000); n != 0 || err != nil {
			s.Error(n, err)
		}
		if len(s.all(store.Filter{})) != 1 || len(s.allEvents(store.Filter{})) != 1 {
			s.Error("young history went")
		}
	},
	"AgeCountsFromTheEndOfADelivery": func(s *shelf) {
		e := s.endpoint("c")
		s.setState(e, store.Paused)
		for range 3 {
			s.accept("c", "x")
		}
		cut := later(time.Now())
		later(cut)
		if n, err := s.db.ExpireHeld(s.ctx, time.Now().Add(time.Hour), 100); n != 3 || err != nil {
			s.Fatal(n, err)
		}
		for range 3 {
			if n, err := s.db.Prune(s.ctx, cut, 2); n != 0 || err != nil {
				s.Fatalf("what had just expired was deleted: %d, %v", n, err)
			}
		}
		if got := s.all(store.Filter{States: []store.State{store.Failed}}); len(got) != 3 {
			s.Errorf("%v", got)
		}
		if n, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 100); n < 6 || err != nil {
			s.Errorf("in the end %d rows went: %v", n, err)
		}
	},
	"EventStaysForItsLastPendingDelivery": func(s *shelf) {
		s.endpoint("c")
		s.endpoint("c")
		s.owner.take()
		out := s.accept("c", "x")
		works := s.works()
		s.finish(outcome(works[0], store.Delivered, 200))
		_, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if e, err := s.db.Event(s.ctx, s.project.ID, out.EventID); err != nil || len(e.Data) == 0 {
			s.Error(e, err)
		}
		if got := s.all(store.Filter{}); len(got) != 1 || got[0].ID != works[1].ID {
			s.Errorf("%v", got)
		}
	},
	"BroadcastStaysUntilItsEnd": func(s *shelf) {
		s.manyEndpoints(1100)
		s.owner.take()
		out := s.broadcast("x")
		_, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 5000)
		s.no(err)
		s.checkBroadcast(out.EventID, 1100)
		// What was made with the event is final, what was made later is not.
		works := s.works()
		for _, w := range works[:1000] {
			s.db.Finish(outcome(w, store.Delivered, 200), func(error) {})
		}
		s.eventually(func() bool { return s.pending() == 100 })
		_, err = s.db.Prune(s.ctx, time.Now().Add(time.Hour), 5000)
		s.no(err)
		if e, err := s.db.Event(s.ctx, s.project.ID, out.EventID); err != nil || e.Deliveries != 1100 {
			s.Error(e, err)
		}
		if left := s.all(store.Filter{}); len(left) != 100 {
			s.Errorf("%d deliveries left", len(left))
		}
	},
	"LimitHolds": func(s *shelf) {
		s.endpoint("c")
		for range 30 {
			s.finish(outcome(s.send("c", "x"), store.Delivered, 200))
		}
		n, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 10)
		s.no(err)
		if n != 10 || len(s.all(store.Filter{})) != 20 {
			s.Errorf("%d rows went, %d deliveries left", n, len(s.all(store.Filter{})))
		}
	},
}

// later waits until a clock of milliseconds has moved on, and says the time then.
func later(t time.Time) time.Time {
	for time.Since(t) < 2*time.Millisecond {
		runtime.Gosched()
	}
	return time.Now()
}
