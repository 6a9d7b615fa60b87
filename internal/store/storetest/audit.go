package storetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/store"
)

// auditLog reads a project's whole log, by pages of n, newest first.
func (s *shelf) auditLog(project store.ID, f store.AuditFilter) (out []*store.AuditEntry) {
	s.Helper()
	for {
		p, err := s.db.Audit(s.ctx, project, f)
		s.no(err)
		out = append(out, p.Items...)
		if p.Next.IsZero() {
			return out
		}
		f.Before = p.Next
	}
}

// actions of a log, oldest first.
func actionsOf(log []*store.AuditEntry) (out []string) {
	for _, e := range slices.Backward(log) {
		out = append(out, string(e.Action))
	}
	return out
}

var auditCases = map[string]func(*shelf){
	"EveryChangeIsOneEntry": func(s *shelf) {
		var want []string
		did := func(a store.Action, err error) {
			s.Helper()
			s.no(err)
			want = append(want, string(a))
			if got := actionsOf(s.auditLog(s.project.ID, store.AuditFilter{})); fmt.Sprint(got) != fmt.Sprint(want) {
				s.Fatalf("the log has %v, want %v", got, want)
			}
		}
		none := func(err error) {
			s.Helper()
			s.no(err)
			did2 := actionsOf(s.auditLog(s.project.ID, store.AuditFilter{}))
			if fmt.Sprint(did2) != fmt.Sprint(want) {
				s.Fatalf("nothing changed, and the log has %v", did2)
			}
		}
		project := func(name string) error {
			_, err := s.db.UpdateProject(s.ctx, s.project.ID, func(p *store.Project) error { p.Name = name; return nil })
			return err
		}
		consumer := func(name string) error {
			_, _, err := s.db.PutConsumer(s.ctx, s.project.ID, "acme", func(c *store.Consumer) { c.Name = name })
			return err
		}
		did(store.ActionProjectCreate, nil)
		did(store.ActionProjectUpdate, project("renamed"))
		none(project("renamed"))
		did(store.ActionConsumerCreate, consumer(""))
		did(store.ActionConsumerUpdate, consumer("Acme"))
		none(consumer("Acme"))
		k := &store.Key{ProjectID: s.project.ID}
		did(store.ActionKeyCreate, s.db.CreateKey(s.ctx, k, sha256.Sum256([]byte("k"))))
		did(store.ActionKeyRevoke, s.db.RevokeKey(s.ctx, s.project.ID, k.ID))
		none(s.db.RevokeKey(s.ctx, s.project.ID, k.ID))

		e := s.endpoint("acme")
		did(store.ActionEndpointCreate, nil)
		update := func(change func(*store.Endpoint)) error {
			_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { change(e); return nil })
			return err
		}
		did(store.ActionEndpointUpdate, update(func(e *store.Endpoint) { e.Description = "d" }))
		none(update(func(*store.Endpoint) {}))
		did(store.ActionEndpointRotate, update(func(e *store.Endpoint) {
			e.Secrets = append([]store.SigningSecret{{Value: "whsec_2"}}, e.Secrets...)
		}))
		did(store.ActionEndpointPause, update(func(e *store.Endpoint) { e.State, e.StateReason = store.Paused, "p" }))
		none(update(func(e *store.Endpoint) { e.StateReason = "q" }))
		d := s.accept("acme", "x")
		none(nil)
		_, _, _, err := s.db.ResumeSkipping(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { e.State = store.Active; return nil })
		did(store.ActionEndpointResume, err)
		s.accept("acme", "x")
		page, err := s.db.Deliveries(s.ctx, s.project.ID, store.Filter{States: []store.State{store.Pending}, Limit: 1})
		s.no(err)
		_, err = s.db.RetryDelivery(s.ctx, s.project.ID, page.Items[0].ID)
		did(store.ActionDeliveryRetry, err)
		_, _, err = s.db.CancelDelivery(s.ctx, s.project.ID, page.Items[0].ID)
		did(store.ActionDeliveryCancel, err)
		if _, _, err = s.db.CancelDelivery(s.ctx, s.project.ID, page.Items[0].ID); !isConflict(err) {
			s.Error(err)
		}
		none(nil)
		_, err = s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		did(store.ActionEndpointDelete, err)
		_, err = s.db.DeleteConsumer(s.ctx, s.project.ID, "acme")
		did(store.ActionConsumerDelete, err)
		_ = d
		s.reopen()
		none(nil)
		for _, a := range s.auditLog(s.project.ID, store.AuditFilter{}) {
			if !slices.Contains(store.Actions(), a.Action) {
				s.Errorf("%s is not declared", a.Action)
			}
		}
	},
	"WhoAndWhat": func(s *shelf) {
		e := s.endpoint("acme")
		k := &store.Key{ProjectID: s.project.ID, Prefix: "mlt_prod_abcd"}
		s.no(s.db.CreateKey(s.ctx, k, sha256.Sum256([]byte("k"))))
		request := store.ID{7}
		who := store.KeyActor(k, request)
		_, _, err := s.db.UpdateEndpoint(store.WithActor(s.ctx, who), s.project.ID, e.ID, func(e *store.Endpoint) error {
			e.URL, e.RateLimit, e.Headers = "https://other.example.com/canary?canary=1", 5, []store.Header{{Name: "X-A", Value: "canary"}}
			e.Description = strings.Repeat("ã", 300)
			return nil
		})
		s.no(err)
		log := s.auditLog(s.project.ID, store.AuditFilter{Action: store.ActionEndpointUpdate})
		if len(log) != 1 {
			s.Fatalf("%d entries", len(log))
		}
		got := log[0]
		want := &store.AuditEntry{
			ID: got.ID, ProjectID: s.project.ID, At: got.At, Actor: who, Action: store.ActionEndpointUpdate,
			Object: store.EndpointName.Format(e.ID), Consumer: "acme", Changes: []store.Change{
				{Field: "url", Before: "example.com", After: "other.example.com"},
				{Field: "description", After: strings.Repeat("ã", 199) + "…"},
				{Field: "headers/X-A", After: "[redacted]"}, {Field: "rate_limit", After: "5"},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" || time.Since(got.At) > time.Minute || got.ID.IsZero() {
			s.Error(diff)
		}
		if who.Kind != store.ActorKey || store.KeyActor(&store.Key{}, request).Kind != store.ActorRoot {
			s.Error("kinds are mixed up")
		}
	},
	"ARuleIsTheServer": func(s *shelf) {
		e := s.endpoint("acme")
		o := outcome(s.send("acme", "x"), store.Failed, 410)
		o.Effect.Disable = "the endpoint answered 410"
		s.finish(o)
		log := s.auditLog(s.project.ID, store.AuditFilter{Actor: string(store.ActorServer), Action: store.ActionEndpointOff})
		if len(log) != 1 || log[0].Object != store.EndpointName.Format(e.ID) || log[0].Actor != (store.Actor{Kind: store.ActorServer}) ||
			log[0].Changes[1].After != "the endpoint answered 410" {
			s.Errorf("%+v", log)
		}
	},
	"WhatFailsLeavesNothing": func(s *shelf) {
		before := len(s.auditLog(s.project.ID, store.AuditFilter{}))
		e := &store.Endpoint{ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_1"}}}
		s.no(s.db.CreateEndpoint(s.ctx, e, 1))
		if err := s.db.CreateEndpoint(s.ctx, e, 1); err == nil {
			s.Error("over the limit")
		}
		if err := s.db.CreateProject(s.ctx, &store.Project{Name: "main", Environment: store.Production}); !isConflict(err) {
			s.Error(err)
		}
		if after := len(s.auditLog(s.project.ID, store.AuditFilter{})); after != before+1 {
			s.Errorf("%d entries, then %d", before, after)
		}
	},
	"ListsAndFilters": func(s *shelf) {
		other := s.newProject("other")
		key := func(ctx string) store.ID {
			k := &store.Key{ProjectID: s.project.ID, Name: ctx}
			s.no(s.db.CreateKey(store.WithActor(s.ctx, store.Actor{Kind: store.ActorLink, ID: ctx}), k, sha256.Sum256([]byte(ctx+fmt.Sprint(time.Now().UnixNano())))))
			return k.ID
		}
		var ids []store.ID
		for i := range 20 {
			ids = append(ids, key([]string{"key_a", "key_b"}[i%2]))
		}
		s.no(s.db.RevokeKey(s.ctx, s.project.ID, ids[3]))
		s.no(s.db.CreateKey(s.ctx, &store.Key{}, sha256.Sum256([]byte("root"))))
		all := s.auditLog(s.project.ID, store.AuditFilter{})
		count := func(want int, project store.ID, f store.AuditFilter) {
			s.Helper()
			for _, limit := range []int{1, 3, 250} {
				f.Limit = limit
				if got := len(s.auditLog(project, f)); got != want {
					s.Errorf("%+v: %d entries, want %d", f, got, want)
				}
			}
		}
		count(22, s.project.ID, store.AuditFilter{})
		count(10, s.project.ID, store.AuditFilter{Actor: "key_a"})
		count(20, s.project.ID, store.AuditFilter{Action: store.ActionKeyCreate})
		count(10, s.project.ID, store.AuditFilter{Action: store.ActionKeyCreate, Actor: "key_b"})
		count(2, s.project.ID, store.AuditFilter{Object: store.KeyName.Format(ids[3])})
		count(1, s.project.ID, store.AuditFilter{Object: store.KeyName.Format(ids[3]), Actor: "server"})
		count(0, s.project.ID, store.AuditFilter{Object: "key_x"})
		count(1, other.ID, store.AuditFilter{})
		count(0, other.ID, store.AuditFilter{Object: store.KeyName.Format(ids[3])})
		count(1, store.ID{}, store.AuditFilter{Action: store.ActionKeyCreate})
		count(0, store.ID{9}, store.AuditFilter{})
		count(0, s.project.ID, store.AuditFilter{Until: all[len(all)-1].At})
		count(22, s.project.ID, store.AuditFilter{From: all[len(all)-1].At, Until: time.Now().Add(time.Minute)})
		if p, err := s.db.Audit(s.ctx, s.project.ID, store.AuditFilter{Limit: 22}); len(p.Items) != 22 || !p.Next.IsZero() || err != nil {
			s.Errorf("a page that is just full: %d, next %v, %v", len(p.Items), p.Next, err)
		}
	},
	"KeptForItsOwnTime": func(s *shelf) {
		s.no(s.db.Close())
		s.o.AuditFor = time.Nanosecond
		s.start()
		had := len(s.auditLog(s.project.ID, store.AuditFilter{}))
		_, err := s.db.Prune(s.ctx, time.Unix(0, 0), 1000)
		s.no(err)
		if left := len(s.auditLog(s.project.ID, store.AuditFilter{})); had != 1 || left != 0 {
			s.Errorf("%d entries, then %d", had, left)
		}
		s.no(s.db.Close())
		s.o.AuditFor = time.Hour
		s.start()
		s.newProject("again")
		_, err = s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if log, err := s.db.Projects(s.ctx, store.ID{}, 10); err != nil || len(s.auditLog(log[1].ID, store.AuditFilter{})) != 1 {
			s.Error("history's time took the audit log", err)
		}
	},
}
