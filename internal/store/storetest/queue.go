package storetest

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

var queueCases = map[string]func(*shelf){
	"PlacesAreOrderedByDueThenID": func(s *shelf) {
		e := s.endpoint("c")
		var works []*store.Work
		for range 20 {
			works = append(works, s.send("c", "x"))
		}
		// Every third is put off, two of them to the same time.
		at := time.Now().Add(time.Hour).Truncate(time.Second)
		for i := 0; i < len(works); i += 3 {
			o := outcome(works[i], store.Pending, 500)
			o.DueAt = at.Add(time.Duration(i/6) * time.Second)
			s.finish(o)
		}
		var got []store.Place
		after := store.Place{}
		for {
			page, err := s.db.LoadDue(s.ctx, e.ID, after, 3, 1<<20)
			s.no(err)
			if len(page) == 0 {
				break
			}
			for _, w := range page {
				got = append(got, store.Place{DueAt: w.DueAt, ID: w.ID})
			}
			after = got[len(got)-1]
		}
		if len(got) != 20 {
			s.Fatalf("%d places", len(got))
		}
		if !slices.IsSortedFunc(got, comparePlaces) {
			s.Error("out of order")
		}
		for i := 1; i < len(got); i++ {
			if got[i] == got[i-1] {
				s.Error("twice the same place")
			}
		}
	},
	"LoadStopsAtLimitAndBytes": func(s *shelf) {
		e := s.endpoint("c")
		for range 10 {
			s.keep(s.acceptance("c", "x", `"`+strings.Repeat("x", 998)+`"`))
		}
		for _, c := range []struct{ limit, bytes, want int }{{3, 1 << 20, 3}, {100, 3500, 3}, {100, 3000, 3}, {100, 1, 1}, {100, 1 << 20, 10}} {
			works, err := s.db.LoadDue(s.ctx, e.ID, store.Place{}, c.limit, c.bytes)
			s.no(err)
			if len(works) != c.want {
				s.Errorf("limit %d, %d bytes: %d works, want %d", c.limit, c.bytes, len(works), c.want)
			}
		}
	},
	"ManyQueuesAtOnce": func(s *shelf) {
		var reads []store.QueueRead
		want := map[store.ID]int{}
		for i, n := range []int{3, 0, 8, 9, 1} {
			e := s.endpoint(string(rune('a' + i)))
			for range n {
				s.accept(e.Consumer, "x")
			}
			want[e.ID] = n
			reads = append(reads, store.QueueRead{Endpoint: e.ID, Limit: 8, MaxBytes: 1 << 20})
		}
		reads = append(reads, store.QueueRead{Endpoint: store.ID{1}, Limit: 8, MaxBytes: 1})
		got := map[store.ID][]store.Place{}
		for round := 1; len(reads) > 0; round++ {
			pages, err := s.db.LoadQueues(s.ctx, reads)
			s.no(err)
			var rest []store.QueueRead
			for i, page := range pages {
				r := reads[i]
				for _, w := range page.Works {
					if w.EndpointID != r.Endpoint || w.Event.Type != "x" {
						s.Fatalf("%+v in the queue of %v", w, r.Endpoint)
					}
					got[r.Endpoint] = append(got[r.Endpoint], store.Place{DueAt: w.DueAt, ID: w.ID})
					r.After = store.Place{DueAt: w.DueAt, ID: w.ID}
				}
				if full := len(page.Works) == 8; page.End == full {
					s.Errorf("round %d: %d works, end: %v", round, len(page.Works), page.End)
				}
				if !page.End {
					rest = append(rest, r)
				}
			}
			reads = rest
		}
		for id, n := range want {
			if len(got[id]) != n || !slices.IsSortedFunc(got[id], comparePlaces) {
				s.Errorf("%d works of %d, in order: %v", len(got[id]), n, slices.IsSortedFunc(got[id], comparePlaces))
			}
		}
	},
	"ManyLargeQueuesAtOnce": func(s *shelf) {
		var reads []store.QueueRead
		large := `"` + strings.Repeat("x", 200_000) + `"`
		for i := range 20 {
			e := s.endpoint(string(rune('a' + i)))
			s.keep(s.acceptance(e.Consumer, "x", large))
			reads = append(reads, store.QueueRead{Endpoint: e.ID, Limit: 8, MaxBytes: 1 << 20})
		}
		for round := 1; len(reads) > 0; round++ {
			pages, err := s.db.LoadQueues(s.ctx, reads)
			s.no(err)
			bytes, done := 0, 0
			var rest []store.QueueRead
			for i, page := range pages {
				for _, w := range page.Works {
					bytes += len(w.Event.Data)
				}
				switch {
				case len(page.Works) == 1 && page.End:
					done++
				case len(page.Works) == 0 && !page.End:
					rest = append(rest, reads[i])
				default:
					s.Fatalf("%d works, end: %v", len(page.Works), page.End)
				}
			}
			if done == 0 || bytes > 20*200_002 || round > 20 {
				s.Fatalf("round %d: %d queues, %d bytes", round, done, bytes)
			}
			reads = rest
		}
	},
	"PendingEndpointsSkips": func(s *shelf) {
		var ids []store.ID
		for i := range 10 {
			e := s.endpoint(string(rune('a' + i)))
			if i%2 == 0 {
				ids = append(ids, e.ID)
				for range 30 {
					s.accept(e.Consumer, "x")
				}
			}
		}
		var got []store.ID
		after := store.ID{}
		for {
			page, err := s.db.PendingEndpoints(s.ctx, after, 2)
			s.no(err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				got = append(got, p.EndpointID)
				works, err := s.db.LoadDue(s.ctx, p.EndpointID, store.Place{}, 1, 1)
				s.no(err)
				if !works[0].DueAt.Equal(p.DueAt) {
					s.Errorf("earliest %v, want %v", p.DueAt, works[0].DueAt)
				}
			}
			after = got[len(got)-1]
		}
		if !slices.Equal(got, ids) {
			s.Errorf("got %v want %v", got, ids)
		}
	},
	"LaneHasSecretsAndProject": func(s *shelf) {
		e := s.endpoint("c")
		for range 2 { // from the database and from memory
			l, err := s.db.Lane(s.ctx, e.ID)
			s.no(err)
			if l.Endpoint.Secrets[0].Value.Reveal() != "whsec_1" || l.Project.Name != "main" || l.Endpoint.URL != e.URL {
				s.Errorf("%+v", l)
			}
		}
	},
	"LaneFollowsChangesAtOnce": func(s *shelf) {
		e := s.endpoint("c")
		for i := range 50 {
			_, err := s.db.Lane(s.ctx, e.ID)
			s.no(err)
			url := "https://example.com/" + strings.Repeat("x", i)
			_, _, err = s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { e.URL = url; return nil })
			s.no(err)
			l, err := s.db.Lane(s.ctx, e.ID)
			s.no(err)
			if l.Endpoint.URL != url {
				s.Fatalf("old lane %s, want %s", l.Endpoint.URL, url)
			}
		}
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if _, err := s.db.Lane(s.ctx, e.ID); !isNotFound(err) {
			s.Errorf("lane of a deleted endpoint: %v", err)
		}
	},
	"LaneHasTheProjectOfNow": func(s *shelf) {
		e := s.endpoint("c")
		_, err := s.db.Lane(s.ctx, e.ID)
		s.no(err)
		_, err = s.db.UpdateProject(s.ctx, s.project.ID, func(p *store.Project) error { p.Dialect = "tarefa"; return nil })
		s.no(err)
		l, err := s.db.Lane(s.ctx, e.ID)
		s.no(err)
		if l.Project.Dialect != "tarefa" {
			s.Errorf("%+v", l.Project)
		}
	},
	"UnknownEndpoint": func(s *shelf) {
		if _, err := s.db.Lane(s.ctx, store.ID{1}); !isNotFound(err) {
			s.Error(err)
		}
		if w, err := s.db.LoadDue(s.ctx, store.ID{1}, store.Place{}, 1, 1); len(w) != 0 || err != nil {
			s.Error(w, err)
		}
	},
	"RecentSendsAreExact": func(s *shelf) {
		e, other := s.endpoint("c"), s.endpoint("d")
		start := time.Now().UTC().Truncate(time.Microsecond)
		var want []time.Time
		for i := range 10 {
			w := s.send("c", "x")
			o := outcome(w, []store.State{store.Delivered, store.Pending, store.Failed}[i%3], 200)
			o.Attempt.At = start.Add(time.Duration(i) * time.Millisecond)
			want = append(want, o.Attempt.At)
			s.finish(o)
		}
		s.finish(outcome(s.send("d", "x"), store.Delivered, 200))
		for _, when := range []string{"at once", "after a restart"} {
			if when != "at once" {
				s.reopen()
			}
			for _, c := range []struct{ from, limit int }{{0, 100}, {4, 100}, {0, 3}} {
				got, err := s.db.RecentSends(s.ctx, e.ID, want[c.from], c.limit)
				s.no(err)
				expect := want[max(c.from, len(want)-c.limit):]
				if !slices.EqualFunc(got, expect, time.Time.Equal) {
					s.Errorf("%s from %d, limit %d: %v want %v", when, c.from, c.limit, got, expect)
				}
			}
			if got, _ := s.db.RecentSends(s.ctx, other.ID, start.Add(-time.Minute), 10); len(got) != 1 {
				s.Errorf("%s: the neighbour has %v", when, got)
			}
		}
	},
	"HealthCountsPendingAndOldest": func(s *shelf) {
		e, held := s.endpoint("c"), s.endpoint("held")
		s.setState(held, store.Paused)
		s.accept("held", "x") // older, but nobody waits for it
		w := s.send("c", "x")
		s.send("c", "x")
		h := s.db.Health(s.ctx)
		if h.Pending != 3 || h.Err != nil || h.SizeBytes == 0 || !h.OldestDue.Equal(w.DueAt) {
			s.Errorf("%+v, want 3 pending, oldest %v", h, w.DueAt)
		}
		s.reopen()
		if h := s.db.Health(s.ctx); h.Pending != 3 || !h.OldestDue.Equal(w.DueAt) {
			s.Errorf("%+v after a restart", h)
		}
		for _, w := range s.due(e) {
			s.finish(outcome(w, store.Delivered, 200))
		}
		s.eventually(func() bool { return s.db.Health(s.ctx).OldestDue.IsZero() })
	},
}

func comparePlaces(a, b store.Place) int {
	if c := a.DueAt.Compare(b.DueAt); c != 0 {
		return c
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}
