package storetest

import (
	"encoding/json"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

var heldCases = map[string]func(*shelf){
	"LimitHeldEndsTheOldestFirst": func(s *shelf) {
		a, b, free := s.endpoint("a"), s.endpoint("b"), s.endpoint("free")
		s.endpoint(store.SystemConsumer, "delivery.failed", "endpoint.expiring")
		s.setState(a, store.Paused)
		s.setState(b, store.Disabled)
		other := s.newProject("other")
		s.endpointOf(other, "a", "*")
		var ids []store.ID
		for range 10 {
			ids = append(ids, s.send("a", "x").ID, s.send("b", "x").ID)
			s.accept("free", "x")
			s.keep(s.acceptanceOf(other, "a", "x", `{}`))
			s.sync()
		}
		size := int64(len(s.due(a)[0].Event.Data))
		state := func(want int) {
			s.Helper()
			failed := s.all(store.Filter{States: []store.State{store.Failed}})
			if len(failed) != want || len(s.due(free)) != 10 {
				s.Fatalf("%d ended, want %d; %d free", len(failed), want, len(s.due(free)))
			}
			for i, d := range failed { // newest first
				if d.Reason != "expired" || d.ID != ids[want-1-i] {
					s.Errorf("%d: %+v", i, d)
				}
			}
		}
		limit := func(deliveries int64, limit, want int) {
			s.Helper()
			s.no(s.db.CountHeld(s.ctx))
			if n, err := s.db.LimitHeld(s.ctx, deliveries*size, limit); n != want || err != nil {
				s.Errorf("%d ended, want %d: %v", n, want, err)
			}
		}
		limit(20, 100, 0)
		limit(15, 3, 3)
		limit(15, 3, 2)
		limit(15, 3, 0)
		state(5)
		// What leaves the queue otherwise is no longer counted, what comes is.
		_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, ids[19])
		s.no(err)
		limit(14, 100, 0)
		s.accept("a", "x")
		limit(14, 100, 1)
		state(6)
		_, err = s.db.RetryDelivery(s.ctx, s.project.ID, ids[19])
		s.no(err)
		limit(14, 100, 1)
		state(7)
		s.setState(a, store.Active)
		limit(7, 100, 0)
		s.reopen() // and after a start
		s.setState(a, store.Paused)
		limit(13, 100, 1)
		state(8)
		if evs := s.allEvents(store.Filter{Type: store.EventDeliveryFailed}); len(evs) != 8 {
			s.Errorf("%d announced", len(evs))
		}
		if n := s.db.Counters().Ended["expired"]; n != 1 {
			s.Errorf("%d counted since the start", n)
		}
	},
	"WarnHeldOnce": func(s *shelf) {
		const hold = 30 * 24 * time.Hour
		e, empty := s.endpoint("c"), s.endpoint("d")
		s.endpoint(store.SystemConsumer, "endpoint.*")
		s.setState(e, store.Paused)
		s.setState(empty, store.Paused)
		w := s.send("c", "x")
		size := int64(len(w.Event.Data))
		warn := func(hold time.Duration, bytes int64, want int) {
			s.Helper()
			s.no(s.db.CountHeld(s.ctx))
			if n, err := s.db.WarnHeld(s.ctx, hold, bytes, 100); n != want || err != nil {
				s.Errorf("%d warned, want %d: %v", n, want, err)
			}
		}
		warn(hold, 1000*size, 0)
		warn(hold, size+size/10, 1)
		warn(hold, size+size/10, 0)
		s.reopen()
		warn(0, size, 0)
		// Held again, announced again; this time for its age.
		s.setState(e, store.Active)
		s.setState(e, store.Paused)
		warn(hold, 1000*size, 0)
		warn(0, 1000*size, 1)
		evs := s.allEvents(store.Filter{Type: store.EventEndpointExpiring})
		if len(evs) != 2 {
			s.Fatalf("%d announced", len(evs))
		}
		for i, cause := range []string{"age", "bytes"} {
			e, err := s.db.Event(s.ctx, s.project.ID, evs[i].ID)
			s.no(err)
			var got map[string]any
			s.no(json.Unmarshal(e.Data, &got))
			if got["cause"] != cause || got["state"] != "paused" || got["consumer"] != "c" || got["oldest_at"] == nil || got["expires_at"] == nil || got["held_bytes"] == nil {
				s.Errorf("%s", e.Data)
			}
		}
	},
}
