package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/store"
)

// tokenHash of a token that is called so.
func tokenHash(name string) [32]byte { return sha256.Sum256([]byte(name)) }

// keyCalled makes a key of a project.
func (s *shelf) keyCalled(p *store.Project, name, consumer string) *store.Key {
	s.Helper()
	k := &store.Key{ProjectID: p.ID, Name: name, Prefix: "mlt_" + name, Consumer: consumer}
	s.no(s.db.CreateKey(s.ctx, k, tokenHash(name)))
	return k
}

// session makes one of a consumer with a key, for an hour.
func (s *shelf) session(k *store.Key, consumer, token string) *store.PortalSession {
	s.Helper()
	p := &store.PortalSession{
		ProjectID: k.ProjectID, Consumer: consumer, Access: store.PortalManage, MadeBy: k.ID, Prefix: "mlt_portal_" + token,
		ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond),
	}
	_, err := s.db.CreatePortalSessionOnce(s.ctx, p, tokenHash(token), 100, nil)
	s.no(err)
	return p
}

// aDoor opens a session once with its link, and then with what took its place.
func aDoor(s *shelf) {
	k := s.keyCalled(s.project, "k", "")
	p := &store.PortalSession{
		ProjectID: k.ProjectID, Consumer: "acme", Access: store.PortalRead, MadeBy: k.ID, Prefix: "mlt_portal_x",
		ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond), Link: tokenHash("link"),
	}
	_, err := s.db.CreatePortalSessionOnce(s.ctx, p, tokenHash("token"), 100, nil)
	s.no(err)
	if got := s.opens("link", "cookie", "token"); !slices.Equal(got, []string{"token"}) {
		s.Errorf("before it is opened: %v", got)
	}
	if d, err := s.db.PortalDoor(s.ctx, tokenHash("link"), time.Now()); err != nil || d.ID != p.ID {
		s.Errorf("%+v, %v", d, err)
	}
	if _, err := s.db.PortalDoor(s.ctx, tokenHash("token"), time.Now()); !isNotFound(err) {
		s.Errorf("the token is a link: %v", err)
	}
	opened, err := s.db.OpenPortalSession(s.ctx, tokenHash("link"), tokenHash("cookie"))
	s.no(err)
	if opened.ID != p.ID || opened.OpenedAt.IsZero() {
		s.Errorf("%+v", opened)
	}
	if got := s.opens("link", "cookie", "token"); !slices.Equal(got, []string{"cookie", "token"}) {
		s.Errorf("after it was opened: %v", got)
	}
	for _, used := range []string{"link", "cookie", "token"} {
		if _, err := s.db.OpenPortalSession(s.ctx, tokenHash(used), tokenHash("another")); !isNotFound(err) {
			s.Errorf("%s opens: %v", used, err)
		}
	}
	if log := s.auditLog(s.project.ID, store.AuditFilter{Action: store.ActionPortalOpen}); len(log) != 1 || log[0].Actor.Kind != store.ActorPortal {
		s.Errorf("%+v", log)
	}
	s.no(s.db.EndPortalSession(s.ctx, s.project.ID, "acme", p.ID))
	if got := s.opens("cookie", "token"); len(got) > 0 {
		s.Errorf("after its end: %v", got)
	}
}

// opens says which of some tokens are in force.
func (s *shelf) opens(tokens ...string) (in []string) {
	s.Helper()
	for _, t := range tokens {
		switch _, err := s.db.PortalSessionByHash(s.ctx, tokenHash(t), time.Now()); {
		case err == nil:
			in = append(in, t)
		case !isNotFound(err):
			s.Fatal(err)
		}
	}
	return in
}

func (s *shelf) opensOnly(want ...string) {
	s.Helper()
	if got := s.opens("a", "b", "c", "d", "other"); !slices.Equal(got, want) {
		s.Fatalf("%v are in force, want %v", got, want)
	}
}

var accessCases = map[string]func(*shelf){
	"WhatHasEndedMakesNothing": func(s *shelf) {
		s.endpoint("c")
		maker := s.keyCalled(s.project, "maker", "")
		revoked, bound := s.keyCalled(s.project, "revoked", ""), s.keyCalled(s.project, "bound", "c")
		over := &store.Key{ProjectID: s.project.ID, Prefix: "mlt_over", ExpiresAt: time.Now().Add(-time.Second)}
		s.no(s.db.CreateKey(s.ctx, over, tokenHash("over")))
		p := s.session(maker, "c", "session")
		session := &store.Key{ID: p.ID, ProjectID: p.ProjectID, Consumer: "c", Portal: p.Access}
		try := func(by *store.Key, want error) {
			s.Helper()
			ctx := store.WithActor(s.ctx, store.KeyActor(by, store.ID{1}))
			e := &store.Endpoint{ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_1"}}}
			_, _, put := s.db.PutConsumer(ctx, s.project.ID, "c", func(*store.Consumer) {})
			for i, err := range []error{
				s.db.CreateEndpoint(ctx, e, 0), put,
				s.db.CreateKey(ctx, &store.Key{ProjectID: s.project.ID}, tokenHash(time.Now().String())),
				s.db.CreateKey(ctx, &store.Key{}, tokenHash(time.Now().String())),
			} {
				if !errors.Is(err, want) {
					s.Errorf("%s: %d: %v", by.Prefix, i, err)
				}
			}
		}
		for _, by := range []*store.Key{maker, revoked, bound, session} {
			try(by, nil)
		}
		s.no(s.db.RevokeKey(s.ctx, s.project.ID, revoked.ID))
		_, err := s.db.DeleteConsumer(s.ctx, s.project.ID, "c")
		s.no(err)
		for _, by := range []*store.Key{over, revoked, bound, session} {
			try(by, store.ErrEnded)
		}
		if _, err := s.db.Consumer(s.ctx, s.project.ID, "c"); !errors.Is(err, store.ErrNotFound) {
			s.Error("a deleted consumer is there again:", err)
		}
	},
	"WhatHasEndedChangesNothing": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "order.paid")
		other := s.endpoint("c")
		maker, revoked := s.keyCalled(s.project, "maker", ""), s.keyCalled(s.project, "revoked", "")
		link, session := s.link(e, "link", time.Now().Add(time.Hour)), s.session(maker, "c", "session")
		s.no(s.db.CreateEventType(s.ctx, &store.EventType{ProjectID: s.project.ID, Name: "order.paid"}))
		replay := &store.Replay{ProjectID: s.project.ID, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID, From: time.Now().Add(-time.Hour)}}
		_, err := s.db.CreateReplay(s.ctx, replay, nil)
		s.no(err)
		of := s.project.ID
		set := func(state store.EndpointState) func(*store.Endpoint) error {
			return func(e *store.Endpoint) error { e.State = state; return nil }
		}
		tries := []struct {
			name string
			run  func(context.Context) error
		}{
			{"project change", func(ctx context.Context) error {
				_, err := s.db.UpdateProject(ctx, of, func(p *store.Project) error { p.Name = "changed"; return nil })
				return err
			}},
			{"type change", func(ctx context.Context) error {
				_, err := s.db.UpdateEventType(ctx, of, "order.paid", func(t *store.EventType) error { t.Description = "changed"; return nil })
				return err
			}},
			{"types put", func(ctx context.Context) error {
				return s.db.PutEventTypes(ctx, of, []*store.EventType{{Name: "order.put"}})
			}},
			{"pause", func(ctx context.Context) error {
				_, _, err := s.db.UpdateEndpoint(ctx, of, other.ID, set(store.Paused))
				return err
			}},
			{"resume", func(ctx context.Context) error {
				_, _, _, err := s.db.ResumeSkipping(ctx, of, other.ID, set(store.Active))
				return err
			}},
			{"cancel", func(ctx context.Context) error { _, _, err := s.db.CancelDelivery(ctx, of, w.ID); return err }},
			{"retry", func(ctx context.Context) error { _, err := s.db.RetryDelivery(ctx, of, w.ID); return err }},
			{"event's replay", func(ctx context.Context) error {
				_, err := s.db.ReplayEvent(ctx, of, w.Event.ID, store.ID{})
				return err
			}},
			{"replay", func(ctx context.Context) error {
				_, err := s.db.CreateReplay(ctx, &store.Replay{ProjectID: of, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: e.ID, From: time.Now().Add(-time.Hour)}}, nil)
				return err
			}},
			{"replay's cancel", func(ctx context.Context) error { _, err := s.db.CancelReplay(ctx, of, replay.ID); return err }},
			{"link's revocation", func(ctx context.Context) error { return s.db.RevokeSecretLink(ctx, of, e.ID, link.ID) }},
			{"session's end", func(ctx context.Context) error { return s.db.EndPortalSession(ctx, of, "c", session.ID) }},
			{"sessions' end", func(ctx context.Context) error { _, err := s.db.EndPortalSessions(ctx, of, "c"); return err }},
			{"type's deletion", func(ctx context.Context) error { return s.db.DeleteEventType(ctx, of, "order.paid") }},
			{"endpoint's deletion", func(ctx context.Context) error { _, err := s.db.DeleteEndpoint(ctx, of, other.ID); return err }},
			{"consumer's deletion", func(ctx context.Context) error { _, err := s.db.DeleteConsumer(ctx, of, "c"); return err }},
			{"key's revocation", func(ctx context.Context) error { return s.db.RevokeKey(ctx, of, maker.ID) }},
		}
		s.no(s.db.RevokeKey(s.ctx, of, revoked.ID))
		log := func() int {
			page, err := s.db.Audit(s.ctx, of, store.AuditFilter{Limit: 250})
			s.no(err)
			return len(page.Items)
		}
		before := log()
		for _, t := range tries {
			if err := t.run(store.WithActor(s.ctx, store.KeyActor(revoked, store.ID{1}))); !errors.Is(err, store.ErrEnded) {
				s.Errorf("%s with a key that was revoked: %v", t.name, err)
			}
		}
		if n := log(); n != before {
			s.Errorf("%d changes were made", n-before)
		}
		for _, t := range tries { // the same with one that is in force
			if err := t.run(store.WithActor(s.ctx, store.KeyActor(maker, store.ID{1}))); errors.Is(err, store.ErrEnded) {
				s.Errorf("%s: %v", t.name, err)
			}
		}
		if n := log(); n < before+10 {
			s.Errorf("%d changes were noted", n-before)
		}
	},
	"PortalSessionReadsBackWhole": func(s *shelf) {
		k := s.keyCalled(s.project, "k", "")
		p := s.session(k, "acme", "a")
		for range 2 {
			got, err := s.db.PortalSessionByHash(s.ctx, tokenHash("a"), time.Now())
			s.no(err)
			list, err := s.db.PortalSessions(s.ctx, s.project.ID, "acme", store.ID{}, 10)
			s.no(err)
			got.LastUsedAt = time.Time{}
			if len(list) != 1 {
				s.Fatalf("%d are listed", len(list))
			}
			list[0].LastUsedAt = time.Time{}
			if diff := cmp.Diff(p, got) + cmp.Diff(p, list[0]); diff != "" {
				s.Error(diff)
			}
			s.reopen() // what was used is written at the latest now
		}
		list, err := s.db.PortalSessions(s.ctx, s.project.ID, "acme", store.ID{}, 10)
		s.no(err)
		if list[0].LastUsedAt.IsZero() {
			s.Error("nobody has used it")
		}
		if _, err := s.db.Consumer(s.ctx, s.project.ID, "acme"); err != nil {
			s.Errorf("its consumer was not made: %v", err)
		}
	},
	"PortalDoor": aDoor,
	"PortalSessionsEnd": func(s *shelf) {
		k, other := s.keyCalled(s.project, "k", ""), s.keyCalled(s.newProject("other"), "ko", "")
		a := s.session(k, "acme", "a")
		s.session(k, "acme", "b")
		s.session(k, "acme", "c")
		s.session(k, "zeta", "d")
		s.session(other, "acme", "other")
		s.opensOnly("a", "b", "c", "d", "other")
		for _, err := range []error{
			s.db.EndPortalSession(s.ctx, s.project.ID, "zeta", a.ID), s.db.EndPortalSession(s.ctx, other.ProjectID, "acme", a.ID),
			s.db.EndPortalSession(s.ctx, s.project.ID, "acme", store.ID{}), s.db.EndPortalSession(s.ctx, store.ID{}, "acme", a.ID),
		} {
			if !isNotFound(err) {
				s.Errorf("somebody else's: %v", err)
			}
		}
		s.no(s.db.EndPortalSession(s.ctx, s.project.ID, "acme", a.ID))
		s.opensOnly("b", "c", "d", "other")
		if err := s.db.EndPortalSession(s.ctx, s.project.ID, "acme", a.ID); !isNotFound(err) {
			s.Error(err)
		}
		n, err := s.db.EndPortalSessions(s.ctx, s.project.ID, "acme")
		s.no(err)
		if n != 2 {
			s.Errorf("%d were ended", n)
		}
		s.opensOnly("d", "other")
		s.reopen()
		s.opensOnly("d", "other")
		if n, err := s.db.EndPortalSessions(s.ctx, s.project.ID, "acme"); n != 0 || err != nil {
			s.Error(n, err)
		}
		if _, err := s.db.EndPortalSessions(s.ctx, s.project.ID, "nobody"); !isNotFound(err) {
			s.Error(err)
		}
		if _, err := s.db.PortalSessions(s.ctx, s.project.ID, "nobody", store.ID{}, 10); !isNotFound(err) {
			s.Error(err)
		}
	},
	"PortalSessionEndsWithItsKey": func(s *shelf) {
		k, other := s.keyCalled(s.project, "k", ""), s.keyCalled(s.project, "k2", "")
		s.session(k, "acme", "a")
		s.session(other, "acme", "b")
		s.opensOnly("a", "b") // also: nothing remembers it
		s.no(s.db.RevokeKey(s.ctx, s.project.ID, k.ID))
		s.opensOnly("b")
		list, err := s.db.PortalSessions(s.ctx, s.project.ID, "acme", store.ID{}, 10)
		s.no(err)
		if len(list) != 1 || list[0].MadeBy != other.ID {
			s.Errorf("%+v", list)
		}
		_, err = s.db.CreatePortalSessionOnce(s.ctx, &store.PortalSession{ProjectID: s.project.ID, Consumer: "acme", MadeBy: k.ID, ExpiresAt: day(1)}, tokenHash("c"), 9, nil)
		if !isNotFound(err) {
			s.Errorf("made with a key that was revoked: %v", err)
		}
		soon := time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond)
		short := &store.Key{ProjectID: s.project.ID, ExpiresAt: soon}
		s.no(s.db.CreateKey(s.ctx, short, tokenHash("short")))
		if p := s.session(short, "acme", "c"); !p.ExpiresAt.Equal(soon) {
			s.Errorf("it ends %v, its key %v", p.ExpiresAt, soon)
		}
		if _, err := s.db.PortalSessionByHash(s.ctx, tokenHash("c"), soon); !isNotFound(err) {
			s.Error(err)
		}
	},
	"PortalSessionsAreOver": func(s *shelf) {
		k := s.keyCalled(s.project, "k", "")
		end := s.session(k, "acme", "a").ExpiresAt
		if _, err := s.db.PortalSessionByHash(s.ctx, tokenHash("a"), end.Add(-time.Microsecond)); err != nil {
			s.Error(err)
		}
		if _, err := s.db.PortalSessionByHash(s.ctx, tokenHash("a"), end); !isNotFound(err) {
			s.Errorf("at its end: %v", err)
		}
		past := &store.PortalSession{ProjectID: s.project.ID, Consumer: "acme", MadeBy: k.ID, ExpiresAt: day(1)}
		_, err := s.db.CreatePortalSessionOnce(s.ctx, past, tokenHash("b"), 9, nil)
		s.no(err)
		n, err := s.db.Prune(s.ctx, time.Unix(0, 0), 1000)
		if n != 1 || err != nil {
			s.Errorf("%d rows went: %v", n, err)
		}
		s.opensOnly("a")
	},
	"CapOfPortalSessions": func(s *shelf) {
		k := s.keyCalled(s.project, "k", "")
		make := func(consumer, token string, end time.Time) error {
			p := &store.PortalSession{ProjectID: s.project.ID, Consumer: consumer, MadeBy: k.ID, ExpiresAt: end}
			_, err := s.db.CreatePortalSessionOnce(s.ctx, p, tokenHash(token), 2, nil)
			return err
		}
		later := time.Now().Add(time.Hour)
		s.no(make("acme", "old", day(1))) // counts no more
		s.no(make("acme", "a", later))
		s.no(make("acme", "b", later))
		if err := make("acme", "c", later); !errors.Is(err, store.ErrLimit) {
			s.Errorf("the third: %v", err)
		}
		s.no(make("zeta", "d", later))
		_, err := s.db.EndPortalSessions(s.ctx, s.project.ID, "acme")
		s.no(err)
		s.no(make("acme", "c", later))
	},
	"WhoActsForADeletedConsumer": func(s *shelf) {
		k := s.keyCalled(s.project, "k", "")
		own, another := s.keyCalled(s.project, "own", "acme"), s.keyCalled(s.project, "another", "zeta")
		s.session(k, "acme", "a")
		s.session(k, "zeta", "b")
		for _, name := range []string{"k", "own", "another"} { // so that all are in memory
			_, err := s.db.KeyByHash(s.ctx, tokenHash(name), time.Now())
			s.no(err)
		}
		_, err := s.db.DeleteConsumer(s.ctx, s.project.ID, "acme")
		s.no(err)
		s.session(k, "acme", "c") // another one of the same uid
		s.opensOnly("b", "c")
		for range 2 {
			for name, want := range map[string]bool{"k": true, "own": false, "another": true} {
				if _, err := s.db.KeyByHash(s.ctx, tokenHash(name), time.Now()); (err == nil) != want {
					s.Errorf("%s: %v", name, err)
				}
			}
			s.reopen()
		}
		log := s.auditLog(s.project.ID, store.AuditFilter{Action: store.ActionConsumerDelete})
		if got := fmt.Sprint(log[0].Changes); got != "[{portal_sessions 1 } {keys 1 }]" {
			s.Error(got)
		}
		_, _ = own, another
	},
	"ALaterConsumerBeginsAfterTheEarlier": func(s *shelf) {
		k := s.keyCalled(s.project, "k", "")
		s.endpoint("acme")
		since := func(key, session string) [2]time.Time {
			s.keyCalled(s.project, key, "acme")
			s.session(k, "acme", session)
			bound, err := s.db.KeyByHash(s.ctx, tokenHash(key), time.Now())
			s.no(err)
			p, err := s.db.PortalSessionByHash(s.ctx, tokenHash(session), time.Now())
			s.no(err)
			return [2]time.Time{bound.Since, p.Since}
		}
		if got := since("first", "a"); !got[0].IsZero() || !got[1].IsZero() {
			s.Errorf("nothing was deleted: %v", got)
		}
		before := time.Now().Truncate(time.Millisecond)
		s.accept("acme", "t")
		_, err := s.db.DeleteConsumer(s.ctx, s.project.ID, "acme")
		s.no(err)
		got := since("second", "b")
		if got[0] != got[1] || got[0].Before(before) || got[0].After(time.Now().Add(time.Millisecond)) {
			s.Errorf("%v, deleted after %v", got, before)
		}
		s.reopen()
		if again := since("third", "c"); again != got {
			s.Errorf("%v, before it was opened again %v", again, got)
		}
		_, err = s.db.DeleteConsumer(s.ctx, s.project.ID, "acme")
		s.no(err)
		if later := since("fourth", "d"); !later[0].After(got[0]) {
			s.Errorf("%v, after it was deleted once more %v", later, got)
		}
		_, err = s.db.Prune(s.ctx, time.Now().Add(time.Hour), 100_000)
		s.no(err)
		if kept := since("fifth", "e"); !kept[0].IsZero() {
			s.Errorf("no history is left, and %v is", kept)
		}
	},
	"DeletedProjectLeavesNothingOpen": func(s *shelf) {
		e := s.endpoint("acme")
		s.accept("acme", "t")
		if err, used := s.db.DeleteProject(s.ctx, s.project.ID), (*store.HasEndpoints)(nil); !errors.As(err, &used) || used.Number != 1 || used.More {
			s.Errorf("with an endpoint: %v", err)
		}
		_, err := s.db.DeleteConsumer(s.ctx, s.project.ID, "acme")
		s.no(err)
		_ = e
		for n := range 20 { // keys that are made in the same commits
			p := &store.Project{Name: fmt.Sprint("p", n), Environment: store.Production, Dialect: "standard"}
			s.no(s.db.CreateProject(s.ctx, p))
			before := s.keyCalled(p, fmt.Sprint("before", n), "")
			s.session(before, "c", fmt.Sprint("session", n))
			var made sync.WaitGroup
			for i := range 8 {
				made.Go(func() {
					k := &store.Key{ProjectID: p.ID, Prefix: "mlt_"}
					if err := s.db.CreateKey(s.ctx, k, tokenHash(fmt.Sprint(n, "-", i))); err != nil && !isNotFound(err) {
						s.Error(err)
					}
					if _, err := s.db.UpdateProject(s.ctx, p.ID, func(p *store.Project) error { p.KnownTypesOnly = !p.KnownTypesOnly; return nil }); err != nil && !isNotFound(err) {
						s.Error(err)
					}
				})
			}
			s.no(s.db.DeleteProject(s.ctx, p.ID))
			made.Wait()
			names := []string{fmt.Sprint("before", n)}
			for i := range 8 {
				names = append(names, fmt.Sprint(n, "-", i))
			}
			for _, name := range names {
				if _, err := s.db.KeyByHash(s.ctx, tokenHash(name), time.Now()); !isNotFound(err) {
					s.Errorf("key %s: %v", name, err)
				}
			}
			if _, err := s.db.PortalSessionByHash(s.ctx, tokenHash(fmt.Sprint("session", n)), time.Now()); !isNotFound(err) {
				s.Errorf("session: %v", err)
			}
			if _, err := s.db.Project(s.ctx, p.ID); !isNotFound(err) {
				s.Error(err)
			}
			if err := s.db.DeleteProject(s.ctx, p.ID); !isNotFound(err) {
				s.Error(err)
			}
			s.no(s.db.CreateProject(s.ctx, &store.Project{Name: p.Name, Environment: p.Environment, Dialect: "standard"}))
		}
		gone := s.project.ID
		s.no(s.db.DeleteProject(s.ctx, gone))
		for range 2 {
			if was, err := s.db.ProjectDeleted(s.ctx, gone); !was || err != nil {
				s.Error(was, err)
			}
			if log := s.auditLog(gone, store.AuditFilter{Action: store.ActionConsumerDelete}); len(log) != 1 {
				s.Errorf("its log: %v", log)
			}
			s.reopen()
		}
		for range 3 {
			_, err = s.db.Prune(s.ctx, time.Now().Add(time.Hour), 100_000)
			s.no(err)
		}
		if keys, err := s.db.Keys(s.ctx, gone, store.ID{}, 10); err != nil || len(keys) != 0 {
			s.Errorf("keys are left: %v, %v", keys, err)
		}
		if was, err := s.db.ProjectDeleted(s.ctx, gone); !was || err != nil {
			s.Errorf("its audit log is kept for longer: %v, %v", was, err)
		}
	},
	"SecretLinkIsOpenedOnce": func(s *shelf) {
		e := s.endpoint("acme")
		l := s.link(e, "a", time.Now().Add(time.Hour))
		got, of, err := s.db.SecretLinkByHash(s.ctx, tokenHash("a"))
		s.no(err)
		if diff := cmp.Diff(l, got); diff != "" || of.Endpoint.ID != e.ID || of.Project.ID != s.project.ID {
			s.Error(diff, of)
		}
		// The secret of the moment is shown, not that of the link's making.
		_, _, err = s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { e.Secrets = []store.SigningSecret{{Value: "whsec_new"}}; return nil })
		s.no(err)
		opened, of, err := s.db.OpenSecretLink(s.ctx, tokenHash("a"), "192.0.2.7")
		s.no(err)
		if of.Endpoint.Secrets[0].Value.Reveal() != "whsec_new" || opened.OpenedAt.IsZero() || opened.State(time.Now()) != store.LinkOpened {
			s.Errorf("%+v", opened)
		}
		for range 2 {
			again, of, err := s.db.OpenSecretLink(s.ctx, tokenHash("a"), "192.0.2.8")
			if !isConflict(err) || of != nil || !again.OpenedAt.Equal(opened.OpenedAt) || again.OpenedFrom != "192.0.2.7" {
				s.Errorf("%+v %v %v", again, of, err)
			}
			s.reopen()
		}
		log := s.auditLog(s.project.ID, store.AuditFilter{Action: store.ActionLinkOpen})
		if len(log) != 1 || log[0].Actor.Kind != store.ActorLink || log[0].Actor.ID != store.LinkName.Format(l.ID) || log[0].Consumer != "acme" {
			s.Errorf("%+v", log)
		}
		if _, _, err := s.db.OpenSecretLink(s.ctx, tokenHash("nothing"), ""); !isNotFound(err) {
			s.Error(err)
		}
	},
	"SecretLinkIsOpenedByOne": func(s *shelf) {
		s.link(s.endpoint("acme"), "a", time.Now().Add(time.Hour))
		results := make(chan error)
		for range 20 {
			go func() {
				_, _, err := s.db.OpenSecretLink(s.ctx, tokenHash("a"), "")
				results <- err
			}()
		}
		n := 0
		for range 20 {
			if err := <-results; err == nil {
				n++
			} else if !isConflict(err) {
				s.Error(err)
			}
		}
		if n != 1 {
			s.Errorf("%d have seen it", n)
		}
	},
	"SecretLinksEnd": func(s *shelf) {
		e, other := s.endpoint("acme"), s.endpoint("acme")
		past, later := day(1), time.Now().Add(time.Hour)
		over, revoked, open, gone := s.link(e, "over", past), s.link(e, "revoked", later), s.link(e, "open", later), s.link(other, "gone", later)
		s.no(s.db.RevokeSecretLink(s.ctx, s.project.ID, e.ID, revoked.ID))
		for token, want := range map[string]store.LinkState{"over": store.LinkExpired, "revoked": store.LinkRevoked} {
			if l, _, err := s.db.OpenSecretLink(s.ctx, tokenHash(token), ""); !isConflict(err) || l.State(time.Now()) != want {
				s.Errorf("%s: %+v %v", token, l, err)
			}
		}
		for _, l := range []*store.SecretLink{over, revoked} {
			if err := s.db.RevokeSecretLink(s.ctx, s.project.ID, e.ID, l.ID); !isConflict(err) {
				s.Error(err)
			}
		}
		for _, err := range []error{
			s.db.RevokeSecretLink(s.ctx, s.project.ID, other.ID, open.ID), s.db.RevokeSecretLink(s.ctx, s.newProject("o").ID, e.ID, open.ID),
			s.db.RevokeSecretLink(s.ctx, s.project.ID, e.ID, store.ID{7}),
		} {
			if !isNotFound(err) {
				s.Error(err)
			}
		}
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, other.ID)
		s.no(err)
		if _, _, err := s.db.OpenSecretLink(s.ctx, tokenHash("gone"), ""); !isNotFound(err) {
			s.Error(err)
		}
		list, err := s.db.SecretLinks(s.ctx, s.project.ID, e.ID, store.ID{}, 2)
		s.no(err)
		rest, err := s.db.SecretLinks(s.ctx, s.project.ID, e.ID, list[1].ID, 2)
		s.no(err)
		if len(list) != 2 || list[0].ID != open.ID || len(rest) != 1 || rest[0].ID != over.ID {
			s.Errorf("%+v %+v", list, rest)
		}
		n, err := s.db.Prune(s.ctx, time.Unix(0, 0), 1000)
		if n != 1 || err != nil {
			s.Errorf("%d rows went: %v", n, err)
		}
		_ = gone
	},
	"CapOfSecretLinks": func(s *shelf) {
		e := s.endpoint("acme")
		make := func(token string, end time.Time) error {
			_, err := s.db.CreateSecretLinkOnce(s.ctx, s.project.ID, &store.SecretLink{EndpointID: e.ID, ExpiresAt: end}, tokenHash(token), 2, nil)
			return err
		}
		for i := range 70 { // over from the start: only the newest are kept
			s.no(make(fmt.Sprint(i), day(1)))
		}
		list, err := s.db.SecretLinks(s.ctx, s.project.ID, e.ID, store.ID{}, 100)
		s.no(err)
		if len(list) != 51 {
			s.Errorf("%d are kept", len(list))
		}
		later := time.Now().Add(time.Hour)
		s.no(make("a", later))
		s.no(make("b", later))
		if err := make("c", later); !errors.Is(err, store.ErrLimit) {
			s.Error(err)
		}
		_, _, err = s.db.OpenSecretLink(s.ctx, tokenHash("a"), "")
		s.no(err)
		s.no(make("c", later))
		foreign := &store.SecretLink{EndpointID: e.ID, ExpiresAt: later}
		if _, err := s.db.CreateSecretLinkOnce(s.ctx, s.newProject("o").ID, foreign, tokenHash("d"), 2, nil); !isNotFound(err) {
			s.Error(err)
		}
	},
	"TheLastRootKey": func(s *shelf) {
		root := func(name string, end time.Time) *store.Key {
			k := &store.Key{Name: name, ExpiresAt: end}
			s.no(s.db.CreateKey(s.ctx, k, tokenHash(name)))
			return k
		}
		a, b, over := root("a", time.Time{}), root("b", time.Time{}), root("over", day(1))
		s.no(s.db.RevokeRootKey(s.ctx, a.ID, false))
		s.no(s.db.RevokeRootKey(s.ctx, a.ID, false)) // once more
		if err := s.db.RevokeRootKey(s.ctx, b.ID, false); !errors.Is(err, store.ErrLastKey) {
			s.Error(err)
		}
		if err := s.db.RevokeRootKey(s.ctx, s.keyCalled(s.project, "k", "").ID, true); !isNotFound(err) {
			s.Errorf("a project's: %v", err)
		}
		s.no(s.db.RevokeRootKey(s.ctx, b.ID, true))
		if _, err := s.db.KeyByHash(s.ctx, tokenHash("b"), time.Now()); !isNotFound(err) {
			s.Error(err)
		}
		_ = over
	},
	"ConsumersByPrefix": func(s *shelf) {
		for _, uid := range []string{"a", "ab", "ab1", "ab2", "abz", "b"} {
			_, _, err := s.db.PutConsumer(s.ctx, s.project.ID, uid, func(*store.Consumer) {})
			s.no(err)
		}
		for _, c := range []struct {
			prefix, after string
			limit         int
			want          string
		}{
			{"", "", 10, "[a ab ab1 ab2 abz b]"}, {"ab", "", 10, "[ab ab1 ab2 abz]"}, {"ab", "ab1", 10, "[ab2 abz]"}, {"ab", "", 2, "[ab ab1]"}, {"ab", "abz", 10, "[]"},
			{"", "ab2", 10, "[abz b]"}, {"x", "", 10, "[]"}, {"A", "", 10, "[]"},
		} {
			cs, err := s.db.Consumers(s.ctx, s.project.ID, c.prefix, c.after, c.limit)
			s.no(err)
			got := []string{}
			for _, co := range cs {
				got = append(got, co.UID)
			}
			if fmt.Sprint(got) != c.want {
				s.Errorf("%q after %q: %v, want %s", c.prefix, c.after, got, c.want)
			}
		}
	},
	"ProbesCountInTheRate": func(s *shelf) {
		e := s.endpoint("acme")
		at := time.Now().Add(-time.Second).UTC().Truncate(time.Microsecond)
		s.no(s.db.NoteProbe(s.ctx, e.ID, at))
		s.no(s.db.NoteProbe(s.ctx, e.ID, at.Add(-time.Hour)))
		for range 2 {
			got, err := s.db.RecentSends(s.ctx, e.ID, at.Add(-time.Minute), 10)
			s.no(err)
			if len(got) != 1 || !got[0].Equal(at) {
				s.Errorf("%v, want %v", got, at)
			}
			s.reopen()
		}
	},
}

// link makes one of an endpoint.
func (s *shelf) link(e *store.Endpoint, token string, end time.Time) *store.SecretLink {
	s.Helper()
	l := &store.SecretLink{EndpointID: e.ID, ExpiresAt: end}
	_, err := s.db.CreateSecretLinkOnce(s.ctx, s.project.ID, l, tokenHash(token), 100, nil)
	s.no(err)
	return l
}
