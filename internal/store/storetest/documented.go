package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

var documentedCases = map[string]func(*shelf){
	"HostsBelongToOneProject": func(s *shelf) {
		bind := func(p *store.Project, host string) error {
			_, err := s.db.UpdateProject(s.ctx, p.ID, func(p *store.Project) error { p.Host = host; return nil })
			return err
		}
		of := func(host string) store.ID {
			p, err := s.db.ProjectByHost(s.ctx, host)
			if err != nil && !isNotFound(err) {
				s.Error(err)
			}
			if p == nil {
				return store.ID{}
			}
			return p.ID
		}
		other := s.newProject("other")
		s.no(bind(s.project, "api.example.com"))
		if err := bind(other, "api.example.com"); !errors.Is(err, store.ErrHost) {
			s.Error(err)
		}
		if err := s.db.CreateProject(s.ctx, &store.Project{Name: "third", Environment: store.Production, Host: "api.example.com"}); !errors.Is(err, store.ErrHost) {
			s.Error(err)
		}
		s.no(bind(s.project, "api.example.com")) // again: as it is
		s.reopen()
		if of("api.example.com") != s.project.ID || !of("").IsZero() || !of("example.com").IsZero() {
			s.Error("hosts are mixed up")
		}
		s.no(bind(s.project, "new.example.com"))
		s.no(bind(other, "api.example.com"))
		if of("api.example.com") != other.ID || of("new.example.com") != s.project.ID {
			s.Error("a host did not move")
		}
		s.no(bind(other, ""))
		if !of("api.example.com").IsZero() {
			s.Error("a host stays bound")
		}
	},
	"NamesAndAddresses": func(s *shelf) {
		e := &store.Endpoint{
			ProjectID: s.project.ID, Consumer: "7", Name: "first", URL: "https://example.com/", EventTypes: []string{"*"},
			Secrets: []store.SigningSecret{{Value: "whsec_1"}}, PathSecret: "wh_path_1",
		}
		s.no(s.db.CreateEndpoint(s.ctx, e, 0))
		for range 2 {
			a, err := s.db.EndpointByPath(s.ctx, "wh_path_1")
			s.no(err)
			if diff := cmp.Diff(e, a.Endpoint); diff != "" || a.Project.ID != s.project.ID {
				s.Error(diff)
			}
			s.reopen()
		}
		if _, err := s.db.EndpointByPath(s.ctx, ""); !isNotFound(err) {
			s.Error(err)
		}
		e, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error {
			e.Name, e.PathSecret = "second", "wh_path_2"
			return nil
		})
		s.no(err)
		if _, err := s.db.EndpointByPath(s.ctx, "wh_path_1"); !isNotFound(err) {
			s.Errorf("an old address: %v", err)
		}
		if a, err := s.db.EndpointByPath(s.ctx, "wh_path_2"); err != nil || a.Endpoint.Name != "second" {
			s.Error(a, err)
		}
		_, err = s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if a, err := s.db.EndpointByPath(s.ctx, "wh_path_2"); err != nil || a.Endpoint != nil || a.Project.ID != s.project.ID {
			s.Error("a deleted endpoint's address", a, err)
		}
		s.endpoint("no address") // any number without one
		s.endpoint("no address")
	},
	"AddressesMoveToTheNewKey": func(s *shelf) {
		old, now := secret.NewMasterKey(), secret.NewMasterKey()
		ring := func(keys ...string) *secret.Keyring {
			r, err := secret.NewKeyring(keys...)
			s.no(err)
			return r
		}
		s.no(s.db.Close())
		s.o.Dir, s.o.Keyring = s.TempDir(), ring(old)
		s.start()
		s.project = s.newProject("p")
		e := &store.Endpoint{
			ProjectID: s.project.ID, Consumer: "7", URL: "https://example.com/", EventTypes: []string{"*"},
			Secrets: []store.SigningSecret{{Value: "whsec_1"}}, PathSecret: "wh_path",
		}
		s.no(s.db.CreateEndpoint(s.ctx, e, 0))
		s.no(s.db.Close())
		s.o.Keyring = ring(now, old)
		s.start()
		if n, err := s.db.Reseal(s.ctx); n != 1 || err != nil {
			s.Errorf("%d resealed: %v", n, err)
		}
		s.no(s.db.Close())
		s.o.Keyring = ring(now)
		s.start()
		if a, err := s.db.EndpointByPath(s.ctx, "wh_path"); err != nil || a.Endpoint.PathSecret != "wh_path" {
			s.Error(a, err)
		}
	},
	"TrafficCountsAttempts": func(s *shelf) {
		e, idle := s.endpoint("c"), s.endpoint("idle")
		traffic := func(of *store.Endpoint) store.Traffic {
			t, err := s.db.Traffic(s.ctx, []store.ID{of.ID})
			s.no(err)
			return t[0]
		}
		w := s.send("c", "a")
		s.finish(outcome(w, store.Pending, 500))
		if t := traffic(e); t.Attempts != 1 || t.Failed != 1 || t.LastStatus != 500 {
			s.Errorf("after a failure: %+v", t)
		}
		w.Attempts++
		last := outcome(w, store.Delivered, 204)
		last.Attempt.At = last.Attempt.At.Add(time.Second)
		s.finish(last)
		for range 3 {
			if t := traffic(e); t.Attempts != 2 || t.Failed != 0 || t.LastStatus != 204 || !t.LastAt.Equal(last.Attempt.At) {
				s.Errorf("%+v", t)
			}
			if t := traffic(idle); t != (store.Traffic{}) {
				s.Errorf("idle: %+v", t)
			}
			s.reopen()
		}
		n, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if t := traffic(e); t.Attempts != 0 || n == 0 || t.LastStatus != 204 {
			s.Errorf("after retention took %d rows: %+v", n, t)
		}
	},
	"LogOfAttempts": func(s *shelf) {
		e := s.endpoint("c")
		for i := range 3 {
			w := s.send("c", fmt.Sprintf("t%d", i))
			for ; w.Attempts < i; w.Attempts++ {
				s.finish(outcome(w, store.Pending, 500))
			}
			s.finish(outcome(w, store.Delivered, 200))
		}
		s.accept("c", "pending")
		read := func(offset, limit int) (out []string) {
			logs, err := s.db.AttemptLog(s.ctx, e.ID, offset, limit)
			s.no(err)
			for _, l := range logs {
				out = append(out, fmt.Sprintf("%s/%d/%d", l.EventType, l.Attempt.Number, l.Attempt.Status))
			}
			return out
		}
		want := []string{"t2/3/200", "t2/2/500", "t2/1/500", "t1/2/200", "t1/1/500", "t0/1/200"}
		for offset := range 7 {
			for limit := 1; limit < 8; limit++ {
				part := want[offset:min(len(want), offset+limit)]
				if got := read(offset, limit); fmt.Sprint(got) != fmt.Sprint(part) {
					s.Errorf("from %d, %d: %v, want %v", offset, limit, got, part)
				}
			}
		}
		if t, err := s.db.Traffic(s.ctx, []store.ID{e.ID}); err != nil || t[0].Attempts != int64(len(want)) {
			s.Error(t, err)
		}
	},
}
