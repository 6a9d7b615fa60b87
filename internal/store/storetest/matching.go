package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// matchingCases: channels and filters, as far as the store has to do with them.
var matchingCases = map[string]func(*shelf){
	"RecentEvents": recentEvents,
	"ChannelsReadBack": func(s *shelf) {
		with, without := s.acceptance("c", "x", `{}`), s.acceptance("c", "x", `{}`)
		with.Event.Channels = []string{"a.b", "c-1", "d_2"}
		first, second := s.keep(with), s.keep(without)
		for range 2 {
			for id, want := range map[store.ID][]string{first.EventID: with.Event.Channels, second.EventID: nil} {
				e, err := s.db.Event(s.ctx, s.project.ID, id)
				s.no(err)
				if diff := cmp.Diff(want, e.Channels); diff != "" {
					s.Error(diff)
				}
			}
			if es := s.allEvents(store.Filter{}); len(es) != 2 || len(es[0].Channels) != 0 || len(es[1].Channels) != 3 {
				s.Errorf("%v", es)
			}
			s.reopen()
		}
	},
	"SubscriptionsHaveRules": func(s *shelf) {
		plain, ruled := s.endpoint("c"), s.endpoint("c")
		before, err := s.db.Subscriptions(s.ctx, s.project.ID, "c")
		s.no(err)
		s.setRules(ruled, match.Rules{Channels: []string{"a", "b"}, Filter: "data.n == 1"})
		for range 2 {
			subs, err := s.db.Subscriptions(s.ctx, s.project.ID, "c")
			s.no(err)
			if len(subs.Endpoints) != 2 || subs.Version == before.Version {
				s.Fatalf("%+v", subs)
			}
			for _, sub := range subs.Endpoints {
				want := map[store.ID]*match.Rules{plain.ID: nil, ruled.ID: {Channels: []string{"a", "b"}, Filter: "data.n == 1"}}[sub.EndpointID]
				if diff := cmp.Diff(want, sub.Rules); diff != "" {
					s.Error(diff)
				}
			}
			s.reopen()
		}
		s.setRules(ruled, match.Rules{})
		if subs, err := s.db.Subscriptions(s.ctx, s.project.ID, "c"); err != nil || subs.Endpoints[1].Rules != nil {
			s.Errorf("%+v %v", subs, err)
		}
	},
	"AnAcceptanceBeforeAChangeOfRulesIsStale": func(s *shelf) {
		e := s.endpoint("c")
		a := s.acceptance("c", "x", `{}`)
		s.setRules(e, match.Rules{Filter: "data.n == 1"})
		out, err := s.db.Accept(s.ctx, []*store.Acceptance{a})
		s.no(err)
		if out[0].Err == nil {
			s.Errorf("%+v", out)
		}
	},
	"BroadcastGoesByChannelsAndFilters": func(s *shelf) {
		any, br, us, big := s.endpoint("a"), s.endpoint("b"), s.endpoint("c"), s.endpoint("d")
		s.setRules(br, match.Rules{Channels: []string{"br", "pt"}})
		s.setRules(us, match.Rules{Channels: []string{"us"}})
		s.setRules(big, match.Rules{Filter: `data.amount > 100 && "br" in event.channels && event.consumer == "*"`})
		for _, c := range []struct {
			channels []string
			data     string
			want     []store.ID
		}{
			{nil, `{"amount":5}`, []store.ID{any.ID}},
			{[]string{"br"}, `{"amount":5}`, []store.ID{any.ID, br.ID}},
			{[]string{"br"}, `{"amount":101}`, []store.ID{any.ID, br.ID, big.ID}},
			{[]string{"us", "x"}, `{"amount":101}`, []store.ID{any.ID, us.ID}},
			{[]string{"br"}, `{}`, []store.ID{any.ID, br.ID, big.ID}}, // what cannot be judged is delivered
		} {
			out := s.keep(s.wideOn(c.channels, c.data))
			var got []store.ID
			for _, d := range s.all(store.Filter{EventID: out.EventID}) {
				got = append([]store.ID{d.EndpointID}, got...)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				s.Errorf("%v %s: %s", c.channels, c.data, diff)
			}
		}
		if n := s.db.Counters().Filters.Problems["missing_field"]; n != 1 {
			s.Errorf("%d problems", n)
		}
	},
	"BroadcastSaysWhatKeptOthersFromIt": func(s *shelf) {
		s.endpoint("a", "other")
		s.setRules(s.endpoint("b"), match.Rules{Channels: []string{"us"}})
		s.setRules(s.endpoint("c"), match.Rules{Filter: `data.amount > 100`})
		s.setRules(s.endpoint("d"), match.Rules{Filter: `data.amount > 50`})
		out := s.keep(s.wideOn([]string{"br"}, `{"amount":5}`))
		want := "no endpoint wants x: not 1 by their event types, 1 by their channels, 2 by their filters"
		if e, err := s.db.Event(s.ctx, s.project.ID, out.EventID); err != nil || out.Unreached != want || e.Unreached != want {
			s.Errorf("%q %q %v", out.Unreached, e.Unreached, err)
		}
	},
	"BroadcastGoesOnByChannelsAndFilters": func(s *shelf) {
		const n = 1300
		es := s.manyEndpoints(n)
		var want []store.ID
		for i, e := range es {
			switch {
			case i%100 == 0:
				s.setRules(e, match.Rules{Channels: []string{"us"}})
			case i%100 == 50:
				s.setRules(e, match.Rules{Filter: "data.n == 2"})
			default:
				want = append(want, e.ID)
			}
		}
		out := s.keep(s.wideOn([]string{"br"}, `{"n":1}`))
		if !out.More {
			s.Errorf("%+v", out)
		}
		s.reopen() // also the channels come from the disk
		s.checkBroadcast(out.EventID, len(want))
		for _, d := range s.all(store.Filter{EventID: out.EventID}) {
			if !slices.Contains(want, d.EndpointID) {
				s.Errorf("%v is not meant", d.EndpointID)
			}
		}
	},
	// A broadcast over endpoints with costly filters does not hold up the
	// events of others: each transaction judges a few, and the next goes on.
	"CostlyFiltersOfABroadcastAreJudgedInSlices": func(s *shelf) {
		es := s.manyEndpoints(24)
		for i, e := range es {
			// About 60,000 units each, of the 200,000 of a transaction.
			s.setRules(e, match.Rules{Filter: fmt.Sprintf("data.a.exists(i, i == 2) || %d %% 2 == 0", i)})
		}
		data := `{"a":[` + strings.Repeat("1,", 9999) + `1]}`
		out := s.keep(s.wideOn(nil, data))
		if !out.More || out.Deliveries > 6 {
			s.Errorf("%+v", out)
		}
		other := s.keep(s.wideOn(nil, data))
		s.eventually(func() bool { return s.settled(out.EventID, 12) && s.settled(other.EventID, 12) })
		for _, id := range []store.ID{out.EventID, other.EventID} {
			for _, d := range s.all(store.Filter{EventID: id}) {
				if at := slices.IndexFunc(es, func(e *store.Endpoint) bool { return e.ID == d.EndpointID }); at%2 != 0 {
					s.Errorf("the filter of endpoint %d is false", at)
				}
			}
		}
		s.eventually(func() bool { c := s.db.Counters().Filters; return c.Judged == 48 && c.False == 24 })
	},
	"CostlyFiltersThatWantNothing": func(s *shelf) {
		for range 9 {
			s.setRules(s.endpoint("c"), match.Rules{Filter: "data.a.exists(i, i == 2)"})
		}
		out := s.keep(s.wideOn(nil, `{"a":[`+strings.Repeat("1,", 9999)+`1]}`))
		if !out.More || out.Unreached != "" {
			s.Errorf("%+v", out)
		}
		s.eventually(func() bool {
			e, err := s.db.Event(s.ctx, s.project.ID, out.EventID)
			s.no(err)
			return e.Unreached != ""
		})
	},
	"OperationalEventsGoByFilters": func(s *shelf) {
		s.endpoint("c")
		sys := s.endpoint(store.SystemConsumer)
		s.setRules(sys, match.Rules{Filter: `event.type == "delivery.failed" && data.last_status == 503`})
		for _, status := range []int{500, 503} {
			s.finish(outcome(s.send("c", "x"), store.Failed, status))
		}
		es := s.allEvents(store.Filter{Consumer: store.SystemConsumer})
		if len(es) != 1 {
			s.Fatalf("%d events", len(es))
		}
		if e, err := s.db.Event(s.ctx, s.project.ID, es[0].ID); err != nil || !strings.Contains(string(e.Data), "503") {
			s.Errorf("%s %v", e.Data, err)
		}
	},
}

func (s *shelf) setRules(e *store.Endpoint, r match.Rules) {
	s.Helper()
	_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error {
		e.Settings.Channels, e.Settings.Filter = r.Channels, r.Filter
		return nil
	})
	s.no(err)
}

// wideOn is a broadcast that carries channels.
func (s *shelf) wideOn(channels []string, data string) *store.Acceptance {
	a := s.wide("x")
	a.Event.Channels, a.Event.Data = channels, []byte(data)
	return a
}

// recentEvents: a consumer's own and everybody's, newest first, within limits.
func recentEvents(s *shelf) {
	s.endpoint("c")
	other := s.newProject("other")
	var want []store.ID
	keep := func(consumer, eventType string, test bool) store.ID {
		a := s.acceptance(consumer, eventType, `"0123456789"`)
		a.Event.Test, a.Broadcast = test, consumer == "*"
		return s.keep(a).EventID
	}
	for range 3 {
		keep("d", "x", false)
		want = slices.Insert(want, 0, keep("c", "x", false))
		want = slices.Insert(want, 0, keep("*", "y", false))
		want = slices.Insert(want, 0, keep("c", "y", false))
		keep("c", "x", true)
	}
	s.keep(s.acceptanceOf(other, "c", "x", `{}`))
	check := func(r store.Recent, want []store.ID, wantMore bool) {
		s.Helper()
		es, more, err := s.db.RecentEvents(s.ctx, s.project.ID, r)
		s.no(err)
		var got []store.ID
		for _, e := range es {
			if got = append(got, e.ID); string(e.Data) != `"0123456789"` {
				s.Errorf("data %s", e.Data)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || more != wantMore {
			s.Errorf("%+v: more %v, %s", r, more, diff)
		}
	}
	const all = 1 << 20
	for range 2 {
		check(store.Recent{Consumer: "c", Limit: 100, Bytes: all}, want, false)
		check(store.Recent{Consumer: "c", Limit: 9, Bytes: all}, want, false)
		check(store.Recent{Consumer: "c", Limit: 8, Bytes: all}, want[:8], true)
		check(store.Recent{Consumer: "c", Limit: 100, Bytes: 24}, want[:2], true)
		check(store.Recent{Consumer: "c", Limit: 100, Bytes: 25}, want[:3], true)
		check(store.Recent{Consumer: "c", Type: "x", Limit: 100, Bytes: all}, []store.ID{want[2], want[5], want[8]}, false)
		check(store.Recent{Consumer: store.SystemConsumer, Limit: 100, Bytes: all}, nil, false)
		check(store.Recent{Consumer: "nobody", Limit: 2, Bytes: all}, []store.ID{want[1], want[4]}, true)
		s.reopen()
	}
	es, more, err := s.db.RecentEvents(s.ctx, store.ID{1}, store.Recent{Consumer: "c", Limit: 100, Bytes: all})
	if err != nil || es != nil || more {
		s.Errorf("of no project: %v %v %v", es, more, err)
	}
}
