//go:build unix

package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// TestNobodyWaitsForALostDatabase: where the database says nothing any more, who
// waits for it is answered, and what he was not told of is kept once or not at
// all.
func TestNobodyWaitsForALostDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.writes(time.Minute)
	stalled := make(chan func(), 1)
	s.proxy.OnCommit(func() postgres.Cut {
		s.proxy.OnCommit(nil)
		stalled <- s.proxy.Stall()
		return postgres.CutNever
	})
	type answer struct {
		key string
		out store.Accepted
		err error
	}
	answers := make(chan answer)
	post := func(key string) {
		out, err := s.accept(context.Background(), s.db, key)
		answers <- answer{key, out, err}
	}
	kept := map[string]store.ID{}
	go post("")
	resume := <-stalled
	defer resume()
	var changed error
	said := make(chan struct{})
	go func() { // while the first one is in doubt
		defer close(said)
		changed = s.db.CreateProject(context.Background(), &store.Project{Name: "late", Environment: store.Production, Dialect: "standard"})
	}()
	first := <-answers
	if !errors.Is(first.err, store.ErrUnknown) {
		t.Fatalf("what was under way was answered with %v", first.err)
	}
	<-said
	if changed == nil {
		t.Error("a project was made while the database said nothing")
	}
	for _, key := range []string{"a", "b"} { // nothing is known of the first yet
		go post(key)
	}
	for range 2 {
		if a := <-answers; !errors.Is(a.err, store.ErrBusy) && !errors.Is(a.err, store.ErrUnknown) {
			t.Errorf("%q: %v", a.key, a.err)
		}
	}
	resume()
	s.writes(time.Minute)
	for _, key := range []string{"a", "b"} {
		out, err := s.accept(t.Context(), s.db, key)
		s.no(err)
		if out.Duplicate {
			t.Errorf("%q was refused, and kept", key)
		}
		kept[key] = out.EventID
	}
	for key, id := range kept {
		e, err := s.db.Event(t.Context(), s.project, id)
		if err != nil || e.IdempotencyKey != key || e.Deliveries != 1 {
			t.Errorf("%s: %v, %v", key, e, err)
		}
	}
}

// TestReadsSayThatTheDatabaseIsAway: who asks is told that it is not he who is
// wrong, and may ask again.
func TestReadsSayThatTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	proxy, err := postgres.NewProxy(s.cluster.Address())
	s.no(err)
	o := s.o
	o.Database = secret.Text(s.cluster.LoopbackURL(s.base, proxy.Address()))
	db := s.open(o)
	defer func() { _ = db.Close() }()
	_, err = db.Events(t.Context(), s.project, store.Filter{})
	s.no(err)
	s.no(proxy.Close())
	if _, err := db.Events(t.Context(), s.project, store.Filter{}); !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("events were read with %v", err)
	}
	if _, err := db.Subscriptions(t.Context(), s.project, "c"); !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("subscriptions were read with %v", err)
	}
}
