package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

var listCases = map[string]func(*shelf){
	"EveryFilterEveryPage": func(s *shelf) {
		all, events := s.mixed(160)
		r := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			f := randomFilter(r, all)
			var want []store.ID
			for _, d := range all {
				if wanted(f, d) {
					want = append(want, d.ID)
				}
			}
			var got []store.ID
			for _, d := range s.all(f) {
				got = append(got, d.ID)
			}
			if !slices.Equal(got, want) {
				s.Fatalf("%+v: %d deliveries, want %d", f, len(got), len(want))
			}
		}
		for range 60 {
			f := randomFilter(r, all)
			f.EndpointID, f.State, f.EventID = store.ID{}, "", store.ID{}
			var want, got []store.ID
			for _, e := range events {
				if wanted(f, &store.Delivery{Consumer: e.Consumer, EventType: e.Type, CreatedAt: e.CreatedAt}) {
					want = append(want, e.ID)
				}
			}
			for _, e := range s.allEvents(f) {
				got = append(got, e.ID)
			}
			if !slices.Equal(got, want) {
				s.Fatalf("%+v: %d events, want %d", f, len(got), len(want))
			}
		}
	},
	"NewestAreThereAtOnce": func(s *shelf) {
		s.endpoint("c")
		for range 20 {
			out := s.accept("c", "x")
			p, err := s.db.Events(s.ctx, s.project.ID, store.Filter{Limit: 1})
			s.no(err)
			if p.Items[0].ID != out.EventID {
				s.Fatal("an accepted event is not in the list")
			}
			d, err := s.db.Deliveries(s.ctx, s.project.ID, store.Filter{Limit: 1})
			s.no(err)
			if d.Items[0].EventID != out.EventID {
				s.Fatal("its delivery is not in the list")
			}
		}
	},
	"ProjectsDoNotMix": func(s *shelf) {
		s.endpoint("c")
		s.accept("c", "x")
		other := s.newProject("other")
		s.endpointOf(other, "c")
		s.keep(s.acceptanceOf(other, "c", "x", `{}`))
		for _, f := range []store.Filter{{}, {Consumer: "c"}, {Type: "x"}, {State: store.Pending}, {State: store.Pending, Consumer: "c"}} {
			p, err := s.db.Deliveries(s.ctx, other.ID, f)
			s.no(err)
			if len(p.Items) != 1 || p.Items[0].ProjectID != other.ID {
				s.Errorf("%+v: %v", f, p.Items)
			}
			f.State = ""
			e, err := s.db.Events(s.ctx, other.ID, f)
			s.no(err)
			if len(e.Items) != 1 || e.Items[0].ProjectID != other.ID {
				s.Errorf("%+v: %v", f, e.Items)
			}
		}
		mine := s.endpoints("c")[0].ID
		for _, state := range []store.State{"", store.Pending, store.Failed} {
			if p, _ := s.db.Deliveries(s.ctx, other.ID, store.Filter{EndpointID: mine, State: state}); len(p.Items) != 0 {
				s.Errorf("another project's endpoint listed: %v", p.Items)
			}
		}
	},
	"EmptyAndStrange": func(s *shelf) {
		s.endpoint("c")
		s.accept("c", "x")
		for _, f := range []store.Filter{
			{Consumer: "nobody"}, {Type: "none"}, {EndpointID: store.ID{1}}, {EventID: store.ID{1}}, {Before: store.ID{1}},
			{From: time.Now().Add(time.Hour)}, {Until: time.Now().Add(-time.Hour)}, {State: store.Cancelled},
		} {
			if got := s.all(f); len(got) != 0 {
				s.Errorf("%+v: %v", f, got)
			}
		}
		p, err := s.db.Deliveries(s.ctx, store.ID{7}, store.Filter{})
		if len(p.Items) != 0 || err != nil {
			s.Error(p, err)
		}
	},
	"LimitIsBounded": func(s *shelf) {
		s.fill(s.endpoint("c"), 300)
		p, err := s.db.Deliveries(s.ctx, s.project.ID, store.Filter{Limit: 100_000})
		s.no(err)
		if len(p.Items) != 250 || p.Next.IsZero() {
			s.Errorf("%d items", len(p.Items))
		}
	},
	"NoEmptyLastPage": func(s *shelf) {
		s.fill(s.endpoint("c"), 20)
		for _, f := range []store.Filter{{Limit: 20}, {Limit: 20, State: store.Pending}} {
			p, err := s.db.Deliveries(s.ctx, s.project.ID, f)
			s.no(err)
			if len(p.Items) != 20 || !p.Next.IsZero() {
				s.Errorf("%d items, next %s", len(p.Items), p.Next)
			}
		}
	},
	"ABacklogBesideCostsNothing": func(s *shelf) {
		dead, fine := s.endpoint("dead"), s.endpoint("fine")
		s.fill(fine, 3)
		s.fill(dead, 5000)
		p, err := s.db.Deliveries(s.ctx, s.project.ID, store.Filter{EndpointID: fine.ID, State: store.Pending})
		s.no(err)
		if len(p.Items) != 3 || !p.Next.IsZero() {
			s.Errorf("%d items in the first page", len(p.Items))
		}
	},
}

// mixed makes deliveries of every kind and returns them, and the events,
// newest first.
func (s *shelf) mixed(n int) ([]*store.Delivery, []*store.Event) {
	s.Helper()
	for i := range 6 {
		s.endpoint(fmt.Sprint("c", i%3), []string{"a", "b.*", "*"}[i%3], "common")
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		s.owner.take()
		if i%50 == 0 {
			s.broadcast("common")
		} else {
			s.accept(fmt.Sprint("c", r.IntN(4)), []string{"a", "b.x", "common", "none"}[r.IntN(4)])
		}
		for _, w := range s.works() {
			switch r.IntN(6) {
			case 0:
				s.finish(outcome(w, store.Delivered, 200))
			case 1:
				s.finish(outcome(w, store.Failed, 500))
			case 2:
				_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
				s.no(err)
			case 3:
				s.finish(outcome(w, store.Pending, 500))
			case 4:
				s.finish(outcome(w, store.Failed, 500))
				_, err := s.db.RetryDelivery(s.ctx, s.project.ID, w.ID)
				s.no(err)
				s.finish(outcome(&store.Work{ID: w.ID, EndpointID: w.EndpointID, Event: w.Event, Attempts: 1}, store.Failed, 500))
			}
		}
	}
	events := s.allEvents(store.Filter{})
	if len(events) != n {
		s.Fatalf("%d events, want %d", len(events), n)
	}
	var all []*store.Delivery
	for _, e := range events {
		of := s.all(store.Filter{EventID: e.ID})
		if len(of) != e.Deliveries {
			s.Fatalf("%d deliveries of an event, want %d", len(of), e.Deliveries)
		}
		all = append(all, of...)
	}
	slices.SortFunc(all, func(a, b *store.Delivery) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return all, events
}

func randomFilter(r *rand.Rand, all []*store.Delivery) store.Filter {
	f := store.Filter{Limit: 1 + r.IntN(60)}
	pick := func() *store.Delivery { return all[r.IntN(len(all))] }
	if r.IntN(3) == 0 {
		f.EndpointID = pick().EndpointID
	}
	if r.IntN(3) == 0 {
		f.Consumer = pick().Consumer
	}
	if r.IntN(3) == 0 {
		f.Type = pick().EventType
	}
	if r.IntN(2) == 0 {
		f.State = pick().State
	}
	if r.IntN(8) == 0 {
		f.EventID = pick().EventID
	}
	if r.IntN(3) == 0 {
		f.From = pick().CreatedAt
	}
	if r.IntN(3) == 0 {
		f.Until = pick().CreatedAt
	}
	return f
}

func wanted(f store.Filter, d *store.Delivery) bool {
	return (f.EndpointID.IsZero() || d.EndpointID == f.EndpointID) && (f.Consumer == "" || d.Consumer == f.Consumer) &&
		(f.Type == "" || d.EventType == f.Type) && (f.State == "" || d.State == f.State) && (f.EventID.IsZero() || d.EventID == f.EventID) &&
		!d.CreatedAt.Before(f.From) && (f.Until.IsZero() || d.CreatedAt.Before(f.Until))
}

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
		if got := s.all(store.Filter{State: store.Failed}); len(got) != 3 {
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
