package storetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// told are the operational events so far, oldest first, with their data.
func (s *shelf) told() (out []*store.Event) {
	s.Helper()
	for _, listed := range slices.Backward(s.allEvents(store.Filter{Consumer: store.SystemConsumer})) {
		e, err := s.db.Event(s.ctx, s.project.ID, listed.ID)
		s.no(err)
		out = append(out, e)
	}
	return out
}

func typesOf(events []*store.Event) (types []string) {
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

// change an endpoint.
func (s *shelf) change(e *store.Endpoint, change func(*store.Endpoint)) {
	s.Helper()
	_, _, err := s.db.UpdateEndpoint(s.ctx, e.ProjectID, e.ID, func(e *store.Endpoint) error { change(e); return nil })
	s.no(err)
}

// rotate gives an endpoint a new secret; the old ones end at a time, zero: now.
func (s *shelf) rotate(e *store.Endpoint, to string, until time.Time) {
	s.Helper()
	s.change(e, func(e *store.Endpoint) {
		fresh := store.SigningSecret{Value: secret.Text(to)}
		if until.IsZero() {
			e.Secrets = []store.SigningSecret{fresh}
			return
		}
		e.Secrets[0].ExpiresAt = until
		e.Secrets = append([]store.SigningSecret{fresh}, e.Secrets...)
	})
}

// everythingToTell makes each operational event at least once.
func (s *shelf) everythingToTell() {
	s.Helper()
	e := s.endpoint("c")
	s.change(e, func(e *store.Endpoint) { e.Description, e.URL = "d", "https://example.com/hooks?token=canary-url" })
	day := time.Now().Add(24 * time.Hour)
	s.rotate(e, "whsec_canary2", day)
	s.change(e, func(e *store.Endpoint) { e.Secrets = e.Secrets[:1] })
	s.rotate(e, "whsec_canary3", day)
	_, err := s.db.Remind(s.ctx, day.Add(time.Minute), 100)
	s.no(err)
	s.setState(e, store.Paused)
	s.accept("c", "x")
	_, err = s.db.WarnHeld(s.ctx, 0, 1<<30, 10)
	s.no(err)
	s.setState(e, store.Active)
	s.works()
	o := outcome(s.send("c", "x"), store.Failed, 500)
	o.Effect = store.Effect{Exhausted: true, Mark: true, DisableAfter: 1}
	s.finish(o)
	s.setState(e, store.Active)
	o = outcome(s.send("c", "x"), store.Delivered, 200)
	o.Effect.Clear = true
	s.finish(o)

	k := &store.Key{ProjectID: s.project.ID, Name: "k", Prefix: "mlt_k", Consumer: "c", Scopes: []string{"events:read"}, ExpiresAt: day}
	s.no(s.db.CreateKey(s.ctx, k, tokenHash("canary-key")))
	_, err = s.db.Remind(s.ctx, day.Add(-time.Hour), 100)
	s.no(err)
	s.no(s.db.RevokeKey(s.ctx, s.project.ID, k.ID))
	l := &store.SecretLink{EndpointID: e.ID, ExpiresAt: day}
	_, err = s.db.CreateSecretLinkOnce(s.ctx, s.project.ID, l, tokenHash("canary-link"), 10, nil)
	s.no(err)
	_, _, err = s.db.OpenSecretLink(s.ctx, tokenHash("canary-link"), "203.0.113.7")
	s.no(err)
	r := &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID}}
	_, err = s.db.CreateReplay(s.ctx, r, nil)
	s.no(err)
	s.eventually(func() bool {
		got, err := s.db.Replay(s.ctx, s.project.ID, r.ID)
		s.no(err)
		return got.State != store.ReplayRunning
	})
	_, err = s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
	s.no(err)
}

// formOf is as much of a type's schema as this checks.
type formOf struct {
	Required   []string                   `json:"required"`
	Properties map[string]json.RawMessage `json:"properties"`
}

var operationalCases = map[string]func(*shelf){
	// Whether or not a dialect marks endpoints: once for a row of failures, and once after it.
	"FailingAndRecovered": func(s *shelf) {
		s.endpoint(store.SystemConsumer)
		s.endpoint("c")
		for _, state := range []store.State{store.Failed, store.Failed, store.Delivered, store.Delivered, store.Failed} {
			o := outcome(s.send("c", "x"), state, 500)
			o.Effect = store.Effect{Exhausted: state == store.Failed, Clear: state == store.Delivered}
			s.finish(o)
		}
		var got []string
		for _, e := range s.told() {
			if e.Type == store.EventEndpointFailing || e.Type == store.EventEndpointRecovered {
				got = append(got, e.Type)
			}
		}
		slices.Sort(got)
		if want := []string{store.EventEndpointFailing, store.EventEndpointFailing, store.EventEndpointRecovered}; !slices.Equal(got, want) {
			s.Errorf("told %v, want %v", got, want)
		}
	},
	"EachIsOfItsForm": func(s *shelf) {
		s.endpoint(store.SystemConsumer)
		s.everythingToTell()
		told := s.told()
		for _, t := range store.OperationalTypes() {
			var form formOf
			s.no(json.Unmarshal(t.Schema, &form))
			n := 0
			for _, e := range told {
				if e.Type != t.Name {
					continue
				}
				n++
				var data map[string]json.RawMessage
				s.no(json.Unmarshal(e.Data, &data))
				for _, name := range form.Required {
					if data[name] == nil {
						s.Errorf("%s has no %s: %s", t.Name, name, e.Data)
					}
				}
				for name := range data {
					if form.Properties[name] == nil {
						s.Errorf("%s has %s, which its schema does not name", t.Name, name)
					}
				}
				if strings.Contains(string(e.Data), "canary") || strings.Contains(string(e.Data), "whsec") {
					s.Errorf("a secret: %s", e.Data)
				}
				if e.Dialect != "standard/1" || e.Deliveries != 1 {
					s.Errorf("%+v", e)
				}
			}
			if n == 0 {
				s.Errorf("nothing told %s", t.Name)
			}
		}
	},
	"WhoDidIt": func(s *shelf) {
		s.endpoint(store.SystemConsumer, "endpoint.*")
		e := s.endpoint("c")
		ctx := s.ctx
		s.ctx = store.WithActor(ctx, store.Actor{Kind: store.ActorLink, ID: "lnk_x"})
		s.change(e, func(e *store.Endpoint) { e.Description, e.RateLimit, e.State = "d", 7, store.Paused })
		s.ctx = ctx
		told := s.told()
		if diff := cmp.Diff([]string{"endpoint.created", "endpoint.updated", "endpoint.paused"}, typesOf(told)); diff != "" {
			s.Fatal(diff)
		}
		for i, want := range []string{"server []", "lnk_x [description rate_limit]", "lnk_x []"} {
			var data struct {
				By      string
				Changed []string
			}
			s.no(json.Unmarshal(told[i].Data, &data))
			if got := fmt.Sprint(data.By, " ", data.Changed); got != want {
				s.Errorf("%s: %s, want %s", told[i].Type, got, want)
			}
		}
	},
	"SecretsEndOnce": func(s *shelf) {
		s.endpoint(store.SystemConsumer, "secret.*")
		e := s.endpoint("c")
		now := time.Now()
		remind := func(at time.Time, want ...string) {
			s.Helper()
			before := len(s.told())
			_, err := s.db.Remind(s.ctx, at, 100)
			s.no(err)
			if got := typesOf(s.told()[before:]); !slices.Equal(got, want) {
				s.Errorf("%v, want %v", got, want)
			}
		}
		s.rotate(e, "b", now.Add(time.Hour))
		s.rotate(e, "c", now.Add(2*time.Hour))
		remind(now.Add(59 * time.Minute))
		remind(now.Add(61*time.Minute), store.EventSecretExpired)
		remind(now.Add(61 * time.Minute))
		s.reopen()
		remind(now.Add(3*time.Hour), store.EventSecretExpired)
		s.rotate(e, "d", now.Add(4*time.Hour))
		s.rotate(e, "e", time.Time{}) // ends at once
		remind(now.Add(9 * time.Hour))
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
	},
	"KeysThatEndAreAnnouncedOnce": func(s *shelf) {
		s.endpoint(store.SystemConsumer, "key.expiring")
		now := time.Now()
		for name, life := range map[string]time.Duration{"long": 100 * 24 * time.Hour, "short": 10 * time.Hour, "revoked": 10 * time.Hour} {
			k := &store.Key{ProjectID: s.project.ID, Name: name, ExpiresAt: now.Add(life)}
			s.no(s.db.CreateKey(s.ctx, k, tokenHash(name)))
			if name == "revoked" {
				s.no(s.db.RevokeKey(s.ctx, s.project.ID, k.ID))
			}
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{8 * time.Hour, "[]"}, {9*time.Hour + time.Minute, "[short]"}, {92 * 24 * time.Hour, "[short]"}, {94 * 24 * time.Hour, "[short long]"}, {200 * 24 * time.Hour, "[short long]"}} {
			_, err := s.db.Remind(s.ctx, now.Add(step.after), 100)
			s.no(err)
			var names []string
			for _, e := range s.told() {
				var data struct{ Name string }
				s.no(json.Unmarshal(e.Data, &data))
				names = append(names, data.Name)
			}
			if got := fmt.Sprint(names); got != step.want {
				s.Errorf("after %s: %s, want %s", step.after, got, step.want)
			}
		}
	},
	"FirstSubscriberIsHeardAtOnce": func(s *shelf) {
		s.endpoint("c") // nobody hears of it
		sys := s.endpoint(store.SystemConsumer, "endpoint.created")
		s.endpoint("c")
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, sys.ID)
		s.no(err)
		s.endpoint("c")
		s.endpoint("c")
		s.endpoint(store.SystemConsumer, "endpoint.created")
		s.endpoint("c")
		if n := len(s.told()); n != 2 {
			s.Errorf("%d told, want 2", n)
		}
	},
	"WhatIsUndoneIsNotTold": func(s *shelf) {
		s.endpoint(store.SystemConsumer)
		s.endpoint("c")
		e := &store.Endpoint{
			ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", EventTypes: []string{"*"},
			Secrets: []store.SigningSecret{{Value: "whsec_1"}},
		}
		if err := s.db.CreateEndpoint(s.ctx, e, 1); err == nil {
			s.Error("past its cap")
		}
		_, err := s.db.CreateReplay(s.ctx, &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: store.ID{9}}}, nil)
		if err == nil {
			s.Error("a replay of nothing")
		}
		if got := typesOf(s.told()); !slices.Equal(got, []string{store.EventEndpointCreated}) {
			s.Errorf("%v", got)
		}
	},
	"TheOperatorsOwnAreNotTold": func(s *shelf) {
		sys := s.endpoint(store.SystemConsumer)
		s.change(sys, func(e *store.Endpoint) { e.Description = "d" })
		s.rotate(sys, "whsec_2", time.Now().Add(time.Hour))
		s.setState(sys, store.Paused)
		s.setState(sys, store.Active)
		s.endpoint(store.SystemConsumer)
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, sys.ID)
		s.no(err)
		if got := s.told(); len(got) != 0 {
			s.Errorf("%v", typesOf(got))
		}
	},
	"AConsumersEndTellsOfEachEndpointAndKey": func(s *shelf) {
		s.endpoint(store.SystemConsumer, "endpoint.deleted", "key.revoked")
		s.endpoint("c")
		s.endpoint("c")
		s.endpoint("d")
		s.keyCalled(s.project, "k", "c")
		_, err := s.db.DeleteConsumer(s.ctx, s.project.ID, "c")
		s.no(err)
		counts := map[string]int{}
		for _, e := range s.told() {
			counts[e.Type]++
		}
		if !maps.Equal(counts, map[string]int{"endpoint.deleted": 2, "key.revoked": 1}) {
			s.Errorf("%v", counts)
		}
	},
}
