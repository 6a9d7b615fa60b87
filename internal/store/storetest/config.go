package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/store"
)

var configCases = map[string]func(*shelf){
	"ChangingNothingIsNoUpdate": func(s *shelf) {
		was := s.endpoint("c")
		set := func(change func(*store.Endpoint)) *store.Endpoint {
			e, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, was.ID, func(e *store.Endpoint) error { change(e); return nil })
			s.no(err)
			kept, err := s.db.Endpoint(s.ctx, s.project.ID, was.ID)
			s.no(err)
			if !kept.UpdatedAt.Equal(e.UpdatedAt) {
				s.Errorf("updated %v, kept as %v", e.UpdatedAt, kept.UpdatedAt)
			}
			return kept
		}
		first, err := s.db.Endpoint(s.ctx, s.project.ID, was.ID)
		s.no(err)
		if e := set(func(e *store.Endpoint) { e.State = store.Active }); !e.UpdatedAt.Equal(first.UpdatedAt) {
			s.Errorf("updated %v, made %v: nothing changed", e.UpdatedAt, first.UpdatedAt)
		}
		if e := set(func(e *store.Endpoint) { e.State = store.Paused }); !e.UpdatedAt.After(first.UpdatedAt) {
			s.Errorf("updated %v, made %v: it was paused", e.UpdatedAt, first.UpdatedAt)
		}
	},
	"SettingsAndAuth": func(s *shelf) {
		e := s.endpoint("acme")
		auth := store.Auth{
			Kind: store.AuthMTLS, Username: "u", Password: "pass-canary", Token: "token-canary",
			Certificate: "chain", PrivateKey: "key-canary",
		}
		settings := store.Settings{
			Channels: []string{"a"}, Filter: "true", Emails: []string{"ops@example.com"}, Concurrency: 3,
			Timeout: time.Second, Schedule: []time.Duration{time.Second, time.Minute},
		}
		_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error {
			e.Settings, e.Auth = settings, auth
			return nil
		})
		s.no(err)
		for range 2 {
			got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
			s.no(err)
			if diff := cmp.Diff(settings, got.Settings) + cmp.Diff(auth, got.Auth); diff != "" {
				s.Error(diff)
			}
			s.reopen()
		}
		_, _, err = s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error {
			e.Settings, e.Auth = store.Settings{}, store.Auth{}
			return nil
		})
		s.no(err)
		if got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID); err != nil || got.Auth.Kind != "" || got.Settings.Filter != "" {
			s.Errorf("%+v %v", got, err)
		}
	},
	"Projects": func(s *shelf) {
		p := &store.Project{Name: "x", Environment: store.Development, Dialect: "tarefa", BodyID: true}
		s.no(s.db.CreateProject(s.ctx, p))
		if p.ID.IsZero() || p.CreatedAt.IsZero() {
			s.Errorf("%+v", p)
		}
		for range 2 {
			got, err := s.db.Project(s.ctx, p.ID)
			s.no(err)
			if diff := cmp.Diff(p, got); diff != "" {
				s.Error(diff)
			}
			s.reopen()
		}
		all, err := s.db.Projects(s.ctx, store.ID{}, 10)
		s.no(err)
		if len(all) != 2 || all[0].ID != s.project.ID {
			s.Errorf("%v", all)
		}
		if rest, err := s.db.Projects(s.ctx, s.project.ID, 10); len(rest) != 1 || rest[0].ID != p.ID || err != nil {
			s.Error(rest, err)
		}
		if _, err := s.db.Project(s.ctx, store.ID{9}); !isNotFound(err) {
			s.Error(err)
		}
	},
	"ProjectNamesAreUniqueInAnEnvironment": func(s *shelf) {
		if err := s.db.CreateProject(s.ctx, &store.Project{Name: "main", Environment: store.Production}); !isConflict(err) {
			s.Error(err)
		}
		s.no(s.db.CreateProject(s.ctx, &store.Project{Name: "main", Environment: store.Development}))
	},
	"UpdateProject": func(s *shelf) {
		p, err := s.db.UpdateProject(s.ctx, s.project.ID, func(p *store.Project) error { p.Name = "renamed"; return nil })
		s.no(err)
		s.reopen()
		if got, _ := s.db.Project(s.ctx, s.project.ID); got.Name != "renamed" || p.Name != "renamed" {
			s.Errorf("%+v", got)
		}
		mine := errors.New("mine")
		if _, err := s.db.UpdateProject(s.ctx, s.project.ID, func(*store.Project) error { return mine }); !errors.Is(err, mine) {
			s.Error(err)
		}
		if _, err := s.db.UpdateProject(s.ctx, store.ID{1}, func(*store.Project) error { return nil }); !isNotFound(err) {
			s.Error(err)
		}
	},
	"Consumers": func(s *shelf) {
		c, created, err := s.db.PutConsumer(s.ctx, s.project.ID, "u", func(c *store.Consumer) {
			c.Name, c.Emails, c.Language = "first", []string{"ana@example.com", "rui@example.com"}, "pt-BR"
		})
		if !created || err != nil || c.ID.IsZero() || c.UID != "u" || c.ProjectID != s.project.ID {
			s.Error(c, created, err)
		}
		c2, created, err := s.db.PutConsumer(s.ctx, s.project.ID, "u", func(c *store.Consumer) { c.Name = "second" })
		if created || err != nil || c2.ID != c.ID || c2.Name != "second" || len(c2.Emails) != 2 || c2.Language != "pt-BR" {
			s.Error(c2, created, err)
		}
		got, err := s.db.Consumer(s.ctx, s.project.ID, "u")
		s.no(err)
		if diff := cmp.Diff(c2, got); diff != "" {
			s.Error(diff)
		}
		if _, err := s.db.Consumer(s.ctx, s.newProject("other").ID, "u"); !isNotFound(err) {
			s.Error(err)
		}
		s.endpoint("a")
		list, err := s.db.Consumers(s.ctx, s.project.ID, "", "", 10)
		s.no(err)
		if len(list) != 2 || list[0].UID != "a" || list[1].UID != "u" {
			s.Errorf("%v", list)
		}
	},
	"EndpointsReadBackWhole": func(s *shelf) {
		e := &store.Endpoint{
			ProjectID: s.project.ID, Consumer: "new", URL: "https://example.com/x?y=z", Description: "d", EventTypes: []string{"a", "b.*"},
			Headers:   []store.Header{{Name: "Authorization", Value: "Bearer t"}, {Name: "X-Empty", Value: ""}},
			Secrets:   []store.SigningSecret{{Value: "new", CreatedAt: day(1)}, {Value: "old", CreatedAt: day(2), ExpiresAt: day(3)}},
			RateLimit: 100,
		}
		s.no(s.db.CreateEndpoint(s.ctx, e, 0))
		if e.State != store.Active || e.StateSince.IsZero() || e.CreatedAt.IsZero() || e.UpdatedAt.IsZero() {
			s.Errorf("%+v", e)
		}
		for range 2 {
			got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
			s.no(err)
			if diff := cmp.Diff(e, got); diff != "" {
				s.Error(diff)
			}
			s.reopen()
		}
		if _, err := s.db.Consumer(s.ctx, s.project.ID, "new"); err != nil {
			s.Errorf("its consumer was not made: %v", err)
		}
		if _, err := s.db.Endpoint(s.ctx, s.newProject("other").ID, e.ID); !isNotFound(err) {
			s.Errorf("read by another project: %v", err)
		}
	},
	"EndpointNeedsASecret": func(s *shelf) {
		err := s.db.CreateEndpoint(s.ctx, &store.Endpoint{ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/"}, 0)
		if err == nil {
			s.Error("kept without a secret")
		}
	},
	"EndpointOfNoProject": func(s *shelf) {
		err := s.db.CreateEndpoint(s.ctx, &store.Endpoint{ProjectID: store.ID{1}, Secrets: []store.SigningSecret{{Value: "x"}}}, 0)
		if !isNotFound(err) {
			s.Error(err)
		}
	},
	"EndpointsAreListedNewestFirst": func(s *shelf) {
		var want []store.ID
		for i := range 7 {
			want = append([]store.ID{s.endpoint(fmt.Sprint(i % 2)).ID}, want...)
		}
		var got []store.ID
		before := store.ID{}
		for {
			page, err := s.db.Endpoints(s.ctx, s.project.ID, "", before, 2)
			s.no(err)
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				got = append(got, e.ID)
				before = e.ID
			}
		}
		if !slices.Equal(got, want) {
			s.Errorf("%v want %v", got, want)
		}
		if of, _ := s.db.Endpoints(s.ctx, s.project.ID, "1", store.ID{}, 10); len(of) != 3 {
			s.Errorf("%d of one consumer", len(of))
		}
	},
	"EndpointsAreFound": endpointsAreFound, "EndpointPagesAreBounded": endpointPagesAreBounded,
	"CapOfEndpoints": func(s *shelf) {
		for i := range 4 {
			e := &store.Endpoint{ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", Secrets: []store.SigningSecret{{Value: "x"}}}
			err := s.db.CreateEndpoint(s.ctx, e, 3)
			if (i < 3) != (err == nil) || i == 3 && !errors.Is(err, store.ErrLimit) {
				s.Errorf("endpoint %d: %v", i+1, err)
			}
		}
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, s.endpoints("c")[0].ID)
		s.no(err)
		e := &store.Endpoint{ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", Secrets: []store.SigningSecret{{Value: "x"}}}
		s.no(s.db.CreateEndpoint(s.ctx, e, 3))
	},
	"UpdateKeepsWhatIsNotItsToChange": func(s *shelf) {
		e := s.endpoint("c")
		s.owner.inFlight[e.ID] = 2
		s.owner.changed()
		got, flying, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error {
			e.ID, e.ProjectID, e.Consumer, e.CreatedAt = store.ID{1}, store.ID{2}, "other", day(1)
			e.URL, e.EventTypes = "https://example.org/", []string{"z"}
			return nil
		})
		s.no(err)
		if got.ID != e.ID || got.Consumer != "c" || got.ProjectID != s.project.ID || got.URL != "https://example.org/" || flying != 2 {
			s.Errorf("%+v, %d in flight", got, flying)
		}
		back, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if diff := cmp.Diff(got, back); diff != "" {
			s.Error(diff)
		}
		if es, _ := s.owner.changed(); len(es) != 1 || es[0] != e.ID {
			s.Errorf("told of %v", es)
		}
	},
	"UpdateThatRefusesChangesNothing": func(s *shelf) {
		e := s.endpoint("c")
		mine := errors.New("mine")
		_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { e.URL = "x"; e.EventTypes[0] = "y"; return mine })
		if !errors.Is(err, mine) {
			s.Error(err)
		}
		if got, _ := s.db.Endpoint(s.ctx, s.project.ID, e.ID); got.URL != e.URL || got.EventTypes[0] != "*" {
			s.Errorf("%+v", got)
		}
		if _, _, err := s.db.UpdateEndpoint(s.ctx, s.newProject("o").ID, e.ID, func(*store.Endpoint) error { return nil }); !isNotFound(err) {
			s.Errorf("changed by another project: %v", err)
		}
	},
	"SubscriptionsFollowChangesAtOnce": func(s *shelf) {
		for i := range 20 {
			e := s.endpoint("c", fmt.Sprint(i))
			subs, err := s.db.Subscriptions(s.ctx, s.project.ID, "c")
			s.no(err)
			if len(subs.Endpoints) != 1 || subs.Endpoints[0].EndpointID != e.ID || subs.Endpoints[0].EventTypes[0] != fmt.Sprint(i) || subs.Project.Name != "main" {
				s.Fatalf("%+v", subs)
			}
			_, err = s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
			s.no(err)
		}
		if _, err := s.db.Subscriptions(s.ctx, store.ID{1}, "c"); !isNotFound(err) {
			s.Error(err)
		}
	},
}

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

var keyCases = map[string]func(*shelf){
	"ReadBackWhole": func(s *shelf) {
		k := &store.Key{ProjectID: s.project.ID, Consumer: "7", Name: "n", Prefix: "mk_ab", Scopes: []string{"events:write"}, ExpiresAt: time.Now().Add(time.Hour)}
		hash := sha256.Sum256([]byte("secret"))
		s.no(s.db.CreateKey(s.ctx, k, hash))
		for range 3 { // from the database, from memory, after a restart
			got, err := s.db.KeyByHash(s.ctx, hash, time.Now())
			s.no(err)
			c := *got
			c.LastUsedAt = time.Time{}
			if diff := cmp.Diff(k, &c); diff != "" {
				s.Error(diff)
			}
		}
		s.reopen()
		got, err := s.db.KeyByHash(s.ctx, hash, time.Now())
		s.no(err)
		if got.LastUsedAt.IsZero() {
			s.Error("its last use was not kept")
		}
		if list, err := s.db.Keys(s.ctx, s.project.ID, store.ID{}, 10); len(list) != 1 || err != nil {
			s.Error(list, err)
		}
	},
	"RootKey": func(s *shelf) {
		hash := sha256.Sum256([]byte("root"))
		s.no(s.db.CreateKey(s.ctx, &store.Key{Scopes: []string{"*"}}, hash))
		got, err := s.db.KeyByHash(s.ctx, hash, time.Now())
		s.no(err)
		if !got.ProjectID.IsZero() {
			s.Errorf("%+v", got)
		}
		s.no(s.db.RevokeKey(s.ctx, store.ID{}, got.ID))
		if _, err := s.db.KeyByHash(s.ctx, hash, time.Now()); !isNotFound(err) {
			s.Error(err)
		}
	},
	"RevokedAtOnce": func(s *shelf) {
		other := s.newProject("other")
		for i := range 20 {
			hash := sha256.Sum256([]byte{byte(i)})
			k := &store.Key{ProjectID: s.project.ID}
			s.no(s.db.CreateKey(s.ctx, k, hash))
			_, err := s.db.KeyByHash(s.ctx, hash, time.Now())
			s.no(err)
			if err := s.db.RevokeKey(s.ctx, other.ID, k.ID); !isNotFound(err) {
				s.Fatalf("revoked through another project: %v", err)
			}
			if err := s.db.RevokeKey(s.ctx, store.ID{}, k.ID); !isNotFound(err) {
				s.Fatalf("revoked as a root key: %v", err)
			}
			_, err = s.db.KeyByHash(s.ctx, hash, time.Now())
			s.no(err)
			s.no(s.db.RevokeKey(s.ctx, s.project.ID, k.ID))
			s.no(s.db.RevokeKey(s.ctx, s.project.ID, k.ID))
			if _, err := s.db.KeyByHash(s.ctx, hash, time.Now()); !isNotFound(err) {
				s.Fatalf("in force after its revocation: %v", err)
			}
		}
		if err := s.db.RevokeKey(s.ctx, s.project.ID, store.ID{1}); !isNotFound(err) {
			s.Error(err)
		}
	},
	"Expired": func(s *shelf) {
		hash := sha256.Sum256([]byte("x"))
		at := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		s.no(s.db.CreateKey(s.ctx, &store.Key{ProjectID: s.project.ID, ExpiresAt: at}, hash))
		if _, err := s.db.KeyByHash(s.ctx, hash, at.Add(-time.Nanosecond)); err != nil {
			s.Error(err)
		}
		if _, err := s.db.KeyByHash(s.ctx, hash, at); !isNotFound(err) {
			s.Error(err)
		}
	},
	"UnknownAndTwice": func(s *shelf) {
		hash := sha256.Sum256([]byte("x"))
		if _, err := s.db.KeyByHash(s.ctx, hash, time.Now()); !isNotFound(err) {
			s.Error(err)
		}
		s.no(s.db.CreateKey(s.ctx, &store.Key{ProjectID: s.project.ID}, hash))
		if err := s.db.CreateKey(s.ctx, &store.Key{ProjectID: s.project.ID}, hash); !isConflict(err) {
			s.Error(err)
		}
		if err := s.db.CreateKey(s.ctx, &store.Key{ProjectID: store.ID{4}}, sha256.Sum256(nil)); !isNotFound(err) {
			s.Error(err)
		}
	},
}
