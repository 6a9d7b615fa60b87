package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
			f.EndpointID, f.States, f.EventID, f.MinStatus, f.MaxStatus, f.NoAnswer = store.ID{}, nil, store.ID{}, 0, 0, false
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
	"SearchInData": func(s *shelf) {
		put := func(eventType, data string) store.ID {
			out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.acceptance("c", eventType, data)})
			s.no(err)
			return out[0].EventID
		}
		at := map[string]store.ID{}
		large := strings.Repeat("x", 200<<10)
		for name, data := range map[string]string{
			"raw": `{"name":"São João <b>","n":1}`, "ascii": `{"name":"S\u00e3o Jo\u00E3o \"x\""}`, "quoted": `{"path":"a\\b \"c\""}`, "large": `{"x":"` + large + `","end":"Needle"}`,
		} {
			at[name] = put("t."+name, data)
		}
		for range 100 { // more than is read together, and than a page of so much data may last
			put("t.other", `{"x":"`+large+`"}`)
		}
		for search, want := range map[string]string{
			"são joÃ": "", "são João": "raw ascii", "<B>": "raw", `o "x"`: "ascii", `a\b "C`: "quoted", "needle": "large", "nowhere": "", "Joã": "raw ascii",
		} {
			var ids []store.ID
			for name := range strings.FieldsSeq(want) {
				ids = append(ids, at[name])
			}
			var got []store.ID
			for _, e := range s.allEvents(store.Filter{Search: search, Limit: 2}) {
				got = append(got, e.ID)
			}
			slices.SortFunc(ids, func(a, b store.ID) int { return bytes.Compare(a[:], b[:]) })
			slices.SortFunc(got, func(a, b store.ID) int { return bytes.Compare(a[:], b[:]) })
			if !slices.Equal(got, ids) {
				s.Errorf("%q: %v, want %v (%s)", search, got, ids, want)
			}
		}
		if got := s.allEvents(store.Filter{Search: "João", Type: "t.raw", Consumer: "c"}); len(got) != 1 || got[0].Data != nil {
			s.Errorf("%v", got)
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
	"ReadingWritesNothing": func(s *shelf) {
		e := s.endpoint("c")
		start, before := time.Now(), s.db.Counters().Commits
		const rounds = 30
		for range rounds {
			out := s.accept("c", "x")
			for _, f := range []store.Filter{{}, {Consumer: "c"}, {Type: "x"}, {EndpointID: e.ID}, {EndpointID: e.ID, Type: "x"}} {
				f.Limit = 1
				d, err := s.db.Deliveries(s.ctx, s.project.ID, f)
				s.no(err)
				f.EndpointID = store.ID{}
				p, err := s.db.Events(s.ctx, s.project.ID, f)
				s.no(err)
				if len(d.Items) != 1 || d.Items[0].EventID != out.EventID || len(p.Items) != 1 || p.Items[0].ID != out.EventID {
					s.Fatalf("%+v: an accepted event is not in the list", f)
				}
			}
		}
		// One commit for each event, and one a second for the lists.
		if n := s.db.Counters().Commits - before; n > rounds+2+uint64(time.Since(start)/time.Second) {
			s.Errorf("%d commits", n)
		}
	},
	"CompleteWhileTheListsAreWritten": func(s *shelf) {
		e := s.endpoint("c")
		var known []store.ID // acknowledged, oldest first
		for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); {
			done := make(chan store.Accepted, 1)
			go func() { done <- s.keep(s.acceptance("c", "x", `{}`)) }()
			p, err := s.db.Deliveries(s.ctx, s.project.ID, store.Filter{EndpointID: e.ID, Limit: 50})
			s.no(err)
			items := p.Items
			if len(items) > 0 && (len(known) == 0 || items[0].EventID != known[len(known)-1]) {
				items = items[1:] // the one that is under way is there already
			}
			if len(items) < min(49, len(known)) {
				s.Fatalf("%d of %d are in the list", len(items), len(known))
			}
			for i, d := range items {
				if at := len(known) - 1 - i; at >= 0 && d.EventID != known[at] {
					s.Fatalf("number %d of the list is %s, want %s", i, d.EventID, known[at])
				}
			}
			known = append(known, (<-done).EventID)
		}
	},
	"ProjectsDoNotMix": func(s *shelf) {
		s.endpoint("c")
		s.accept("c", "x")
		other := s.newProject("other")
		s.endpointOf(other, "c")
		s.keep(s.acceptanceOf(other, "c", "x", `{}`))
		for _, f := range []store.Filter{{}, {Consumer: "c"}, {Type: "x"}, {States: []store.State{store.Pending}}, {States: []store.State{store.Pending}, Consumer: "c"}} {
			p, err := s.db.Deliveries(s.ctx, other.ID, f)
			s.no(err)
			if len(p.Items) != 1 || p.Items[0].ProjectID != other.ID {
				s.Errorf("%+v: %v", f, p.Items)
			}
			f.States = nil
			e, err := s.db.Events(s.ctx, other.ID, f)
			s.no(err)
			if len(e.Items) != 1 || e.Items[0].ProjectID != other.ID {
				s.Errorf("%+v: %v", f, e.Items)
			}
		}
		mine := s.endpoints("c")[0].ID
		for _, states := range [][]store.State{nil, {store.Pending}, {store.Failed}, {store.Pending, store.Failed}} {
			if p, _ := s.db.Deliveries(s.ctx, other.ID, store.Filter{EndpointID: mine, States: states}); len(p.Items) != 0 {
				s.Errorf("another project's endpoint listed: %v", p.Items)
			}
		}
	},
	"NoCursorTellsOfWhatIsForeign": func(s *shelf) {
		e := s.endpoint("c")
		var items []*store.Acceptance
		for range 2500 { // more than a page looks at
			items = append(items, s.acceptance("c", "x", "{}"))
		}
		out, err := s.db.Accept(s.ctx, items)
		s.no(err)
		other := s.newProject("other").ID
		if p, err := s.db.Deliveries(s.ctx, s.project.ID, store.Filter{EndpointID: e.ID, Consumer: "c", MinStatus: 418, MaxStatus: 418}); err != nil || p.Next.IsZero() {
			s.Fatalf("%+v, %v: one's own page, empty, has a next one", p, err)
		}
		for what, f := range map[string]store.Filter{"endpoint": {EndpointID: e.ID}, "event": {EventID: out[0].EventID}} {
			p1, err1 := s.db.Deliveries(s.ctx, other, f)
			f.Consumer = "another"
			p2, err2 := s.db.Deliveries(s.ctx, s.project.ID, f)
			if len(p1.Items)+len(p2.Items) != 0 || !p1.Next.IsZero() || !p2.Next.IsZero() || err1 != nil || err2 != nil {
				s.Errorf("%s: %+v, %+v, %v, %v", what, p1, p2, err1, err2)
			}
		}
		for i, f := range []store.Filter{{EventID: out[0].EventID}, {EventID: out[0].EventID, Consumer: "another"}} {
			if p, err := s.db.Events(s.ctx, []store.ID{other, s.project.ID}[i], f); len(p.Items) != 0 || !p.Next.IsZero() || err != nil {
				s.Errorf("%d: %+v, %v", i, p, err)
			}
		}
	},
	"EmptyAndStrange": func(s *shelf) {
		s.endpoint("c")
		s.accept("c", "x")
		for _, f := range []store.Filter{
			{Consumer: "nobody"}, {Type: "none"}, {EndpointID: store.ID{1}}, {EventID: store.ID{1}}, {Before: store.ID{1}},
			{From: time.Now().Add(time.Hour)}, {Until: time.Now().Add(-time.Hour)}, {States: []store.State{store.Cancelled}},
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
	"TheLastFailureIsShown": func(s *shelf) {
		e := s.endpoint("c")
		failed := func(w *store.Work, state store.State, status int, class store.Class, detail string) {
			o := outcome(w, state, status)
			o.Attempt.Class, o.Attempt.Detail, o.Attempt.ResponseBody = class, detail, bytes.Repeat([]byte("x"), 64<<10)
			s.finish(o)
		}
		fresh, once, twice, done := s.send("c", "a"), s.send("c", "b"), s.send("c", "c"), s.send("c", "d")
		failed(once, store.Failed, 410, store.ClassStatus, "answered 410 Gone")
		failed(twice, store.Pending, 503, store.ClassStatus, "answered 503")
		again := *twice
		again.Attempts = 1
		failed(&again, store.Pending, 0, store.ClassDNS, "no such host: "+strings.Repeat("é", 5000))
		failed(done, store.Pending, 500, store.ClassStatus, "answered 500")
		again = *done
		again.Attempts = 1
		s.finish(outcome(&again, store.Delivered, 204))
		want := map[store.ID][2]string{fresh.ID: {}, once.ID: {"status", "answered 410 Gone"}, twice.ID: {"dns", "no such host: éé"}, done.ID: {}}
		for _, d := range append(s.all(store.Filter{EndpointID: e.ID}), s.delivery(fresh.ID), s.delivery(once.ID), s.delivery(twice.ID), s.delivery(done.ID)) {
			if w := want[d.ID]; string(d.LastClass) != w[0] || !strings.HasPrefix(d.LastDetail, w[1]) || (w[1] == "") != (d.LastDetail == "") || !utf8.ValidString(d.LastDetail) {
				s.Errorf("%s %.50s, want %v", d.LastClass, d.LastDetail, w)
			}
		}
	},
	"AScarceFindIsBounded": func(s *shelf) {
		s.endpoint("c")
		rare := s.send("c", "x")
		s.finish(outcome(rare, store.Pending, 418))
		s.fill(s.endpoint("d"), 6000)
		f, pages := store.Filter{MinStatus: 400, MaxStatus: 499}, 0
		for ; ; pages++ {
			p, err := s.db.Deliveries(s.ctx, s.project.ID, f)
			s.no(err)
			if f.Before = p.Next; p.Next.IsZero() {
				if len(p.Items) != 1 || p.Items[0].ID != rare.ID {
					s.Errorf("%v", p.Items)
				}
				break
			}
			if len(p.Items) != 0 {
				s.Errorf("%v", p.Items)
			}
		}
		if pages < 3 {
			s.Errorf("%d pages: one looked at all", pages)
		}
		for _, f := range []store.Filter{
			{MinStatus: 418, MaxStatus: 418, Consumer: "c"}, {MinStatus: 418, MaxStatus: 418, EndpointID: rare.EndpointID},
			{MinStatus: 418, MaxStatus: 418, States: []store.State{store.Failed, store.Pending}, Consumer: "c"},
		} {
			if p, err := s.db.Deliveries(s.ctx, s.project.ID, f); err != nil || len(p.Items) != 1 {
				s.Errorf("%+v: %v %v", f, p.Items, err)
			}
		}
	},
	"ChannelsOfEvents": func(s *shelf) {
		s.endpoint("c")
		for _, channels := range [][]string{nil, {"eu"}, {"br", "eu"}, {"e"}} {
			a := s.acceptance("c", "x", `{}`)
			a.Event.Channels = channels
			s.keep(a)
		}
		for channel, want := range map[string]int{"eu": 2, "br": 1, "u": 0, "": 4, "br eu": 0} {
			if got := s.allEvents(store.Filter{Channel: channel}); len(got) != want {
				s.Errorf("%s: %d events, want %d", channel, len(got), want)
			}
		}
	},
	"NoEmptyLastPage": func(s *shelf) {
		s.fill(s.endpoint("c"), 20)
		for _, f := range []store.Filter{{Limit: 20}, {Limit: 20, States: []store.State{store.Pending}}} {
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
		p, err := s.db.Deliveries(s.ctx, s.project.ID, store.Filter{EndpointID: fine.ID, States: []store.State{store.Pending}})
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
			switch r.IntN(7) {
			case 0:
				s.finish(outcome(w, store.Delivered, 200))
			case 1:
				s.finish(outcome(w, store.Failed, 500))
			case 2:
				_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
				s.no(err)
			case 3:
				s.finish(outcome(w, store.Pending, 500))
			case 5:
				s.finish(outcome(w, []store.State{store.Failed, store.Pending}[r.IntN(2)], 0))
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
		for range 1 + r.IntN(2) {
			f.States = append(f.States, pick().State)
		}
	}
	if r.IntN(8) == 0 {
		f.EventID = pick().EventID
	}
	switch r.IntN(8) {
	case 0:
		f.MinStatus, f.MaxStatus = 500, 599
	case 1:
		f.MinStatus, f.MaxStatus = 200, 200
	case 2:
		f.NoAnswer = true
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
		(f.Type == "" || d.EventType == f.Type) && (f.States == nil || slices.Contains(f.States, d.State)) &&
		(f.MinStatus == 0 || d.LastStatus >= f.MinStatus && d.LastStatus <= f.MaxStatus) && (!f.NoAnswer || d.LastStatus == 0 && d.Attempts > 0) && (f.EventID.IsZero() || d.EventID == f.EventID) &&
		!d.CreatedAt.Before(f.From) && (f.Until.IsZero() || d.CreatedAt.Before(f.Until))
}
