package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

var restartCases = map[string]func(*shelf){
	"EverythingIsThere": func(s *shelf) {
		all, events := s.mixed(60)
		before := s.pending()
		s.reopen()
		if got := s.all(store.Filter{}); !slices.EqualFunc(got, all, func(a, b *store.Delivery) bool { return *a == *b }) {
			s.Error("deliveries differ")
		}
		if got := s.allEvents(store.Filter{}); !slices.EqualFunc(got, events, func(a, b *store.Event) bool { return cmp.Equal(a, b) }) {
			s.Error("events differ")
		}
		if s.pending() != before {
			s.Errorf("%d pending, want %d", s.pending(), before)
		}
	},
	"AttemptNumbersGoOn": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		o := outcome(w, store.Pending, 500)
		s.finish(o)
		s.reopen()
		again := s.due(e)[0]
		if again.Attempts != 1 || !again.LastAt.Equal(o.Attempt.At) || again.ID != w.ID {
			s.Errorf("%+v", again)
		}
	},
}

var concurrencyCases = map[string]func(*shelf){
	"TwoHundredWithOneKeyMakeOneEvent": func(s *shelf) {
		s.endpoint("c")
		var first atomic.Int32
		var ids sync.Map
		s.crowd(200, func(int) error {
			out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.keyed("k", `{}`)})
			if err != nil {
				return err
			}
			if !out[0].Duplicate {
				first.Add(1)
			}
			ids.Store(out[0].EventID, true)
			return out[0].Err
		})
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if first.Load() != 1 || n != 1 || len(s.allEvents(store.Filter{})) != 1 || s.pending() != 1 {
			s.Errorf("%d first answers, %d ids, %d events, %d pending", first.Load(), n, len(s.allEvents(store.Filter{})), s.pending())
		}
	},
	"ManyAcceptsShareCommits": func(s *shelf) {
		s.endpoint("c")
		release := s.hold()
		before := s.db.Counters()
		var come sync.WaitGroup
		come.Add(400)
		go func() {
			come.Wait()
			release()
		}()
		s.crowd(400, func(int) error {
			a := s.acceptance("c", "x", `{}`)
			come.Done()
			out, err := s.db.Accept(s.ctx, []*store.Acceptance{a})
			if err != nil {
				return err
			}
			return out[0].Err
		})
		after := s.db.Counters()
		if n := after.Accepted - before.Accepted; n != 400 {
			s.Errorf("%d events counted", n)
		}
		if n := after.Commits - before.Commits; n > 200 {
			s.Errorf("%d commits for 400 events", n)
		}
	},
	"ManyFinishesShareACommit": func(s *shelf) {
		e := s.endpoint("c")
		s.fill(e, 100)
		works := s.due(e)
		release := s.hold()
		before := s.db.Counters()
		var done sync.WaitGroup
		for _, w := range works {
			done.Add(1)
			s.db.Finish(outcome(w, store.Delivered, 200), func(err error) {
				if err != nil {
					s.Error(err)
				}
				done.Done()
			})
		}
		release()
		done.Wait()
		if n := s.db.Counters().Commits - before.Commits; n > 10 {
			s.Errorf("%d commits for 100 outcomes", n)
		}
	},
	"CancelAgainstFinish": func(s *shelf) {
		e := s.endpoint("c")
		const n = 200
		s.fill(e, n)
		works := s.due(e)
		var cancelled [n]bool
		var done sync.WaitGroup
		s.crowd(n, func(i int) error {
			done.Add(1)
			s.db.Finish(outcome(works[i], []store.State{store.Delivered, store.Failed, store.Pending}[i%3], 200), func(error) { done.Done() })
			return nil
		}, func(i int) error {
			_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, works[i].ID)
			cancelled[i] = err == nil
			if isConflict(err) {
				err = nil
			}
			return err
		})
		done.Wait()
		for i, w := range works {
			d := s.delivery(w.ID)
			want := store.Delivered
			if i%3 == 1 {
				want = store.Failed
			}
			if i%3 != 0 && cancelled[i] {
				want = store.Cancelled
			}
			if d.State != want {
				s.Errorf("%d, cancelled %v: %+v", i, cancelled[i], d)
			}
			if as := s.attempts(w.ID); len(as) != 1 {
				s.Errorf("%d: %d attempts", i, len(as))
			}
		}
		if s.pending() != int64(len(s.due(e))) {
			s.Errorf("%d counted, %d in the queue", s.pending(), len(s.due(e)))
		}
	},
	"CapAgainstItself": func(s *shelf) {
		var made atomic.Int32
		s.crowd(30, func(i int) error {
			e := &store.Endpoint{ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", Secrets: []store.SigningSecret{{Value: "x"}}}
			if s.db.CreateEndpoint(s.ctx, e, 10) == nil {
				made.Add(1)
			}
			return nil
		})
		if made.Load() != 10 {
			s.Errorf("%d endpoints made, the cap is 10", made.Load())
		}
	},
	"UpdatesDoNotLoseEachOther": func(s *shelf) {
		e := s.endpoint("c")
		s.crowd(40, func(int) error {
			_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error { e.RateLimit++; return nil })
			return err
		})
		if got, _ := s.db.Endpoint(s.ctx, s.project.ID, e.ID); got.RateLimit != 40 {
			s.Errorf("%d of 40 updates are left", got.RateLimit)
		}
	},
	"NothingIsMatchedAgainstADeletedEndpoint": func(s *shelf) {
		// Events race with the deletion; whatever was accepted with the endpoint is cancelled.
		e := s.endpoint("c")
		s.crowd(100, func(i int) error {
			if i == 50 {
				_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
				return err
			}
			out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.acceptance("c", "x", `{}`)})
			if err == nil && out[0].Err != nil && out[0].Err != store.ErrStale {
				return out[0].Err
			}
			return err
		})
		s.eventually(func() bool { return s.pending() == 0 })
		for _, d := range s.all(store.Filter{}) {
			if d.State != store.Cancelled {
				s.Errorf("%+v", d)
			}
		}
	},
	"OwnerHearsOfEachDeliveryOnce": func(s *shelf) {
		for i := range 10 {
			s.endpoint(fmt.Sprint(i))
		}
		s.crowd(200, func(i int) error {
			out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.acceptance(fmt.Sprint(i%10), "x", `{}`)})
			if err != nil {
				return err
			}
			return out[0].Err
		})
		seen := map[store.ID]int{}
		for _, w := range s.works() {
			seen[w.ID]++
		}
		if len(seen) != 200 {
			s.Errorf("%d handed over", len(seen))
		}
		for id, n := range seen {
			if n != 1 {
				s.Errorf("%s handed over %d times", id, n)
			}
		}
	},
	"OwnerMayFinishFromWithin": func(s *shelf) {
		s.endpoint("c")
		var done sync.WaitGroup
		s.owner.onAccepted = func(works []*store.Work) {
			for _, w := range works {
				done.Add(1)
				s.db.Finish(outcome(w, store.Delivered, 200), func(error) { done.Done() })
			}
		}
		s.crowd(300, func(int) error {
			out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.acceptance("c", "x", `{}`)})
			if err != nil {
				return err
			}
			return out[0].Err
		})
		s.sync()
		done.Wait()
		if s.pending() != 0 {
			s.Errorf("%d pending", s.pending())
		}
	},
	"CloseAgainstEverything": func(s *shelf) {
		e := s.endpoint("c")
		acceptances := make([]*store.Acceptance, 100)
		for i := range acceptances {
			acceptances[i] = s.acceptance("c", "x", `{}`)
		}
		var kept atomic.Int32
		s.crowd(100, func(i int) error {
			if i == 50 {
				return s.db.Close()
			}
			if out, err := s.db.Accept(s.ctx, acceptances[i:i+1]); err == nil && out[0].Err == nil {
				kept.Add(1)
			}
			return nil
		})
		s.start()
		if n := len(s.due(e)); n != int(kept.Load()) {
			s.Errorf("%d acknowledged, %d kept", kept.Load(), n)
		}
	},
}

// hold keeps the writer from going on until it is released, as a slow disk
// does: whatever is written meanwhile waits.
func (s *shelf) hold() (release func()) {
	s.Helper()
	e := s.endpoint("held")
	s.fill(e, 1)
	work := s.due(e)[0]
	s.sync()
	held, released := make(chan struct{}), make(chan struct{})
	s.db.Finish(outcome(work, store.Delivered, 200), func(error) {
		close(held)
		<-released
	})
	<-held
	return func() { close(released) }
}

// crowd runs each function n times, all at once.
func (s *shelf) crowd(n int, fs ...func(i int) error) {
	s.Helper()
	errs := make(chan error, n*len(fs))
	gate := make(chan struct{})
	for i := range n {
		for _, f := range fs {
			go func() {
				<-gate
				errs <- f(i)
			}()
		}
	}
	close(gate)
	for range n * len(fs) {
		if err := <-errs; err != nil {
			s.Error(err)
		}
	}
}

var secretCases = map[string]func(*shelf){
	"ResealMovesToTheNewKey": func(s *shelf) {
		e := s.endpoint("c")
		oldKey, newKey := secret.NewMasterKey(), secret.NewMasterKey()
		_ = oldKey
		was := s.o.Keyring
		s.no(s.db.Close())
		// The ring's own key is not known here: a store of its own knows both.
		s.o.Dir = s.TempDir()
		ring := func(keys ...string) *secret.Keyring {
			r, err := secret.NewKeyring(keys...)
			s.no(err)
			return r
		}
		s.o.Keyring = ring(oldKey)
		s.start()
		s.project = s.newProject("p")
		for range 3 {
			e = s.endpoint("c")
		}
		s.no(s.db.Close())
		s.o.Keyring = ring(newKey, oldKey)
		s.start()
		if n, err := s.db.Reseal(s.ctx); n != 3 || err != nil {
			s.Errorf("%d resealed: %v", n, err)
		}
		if n, err := s.db.Reseal(s.ctx); n != 0 || err != nil {
			s.Errorf("%d resealed again: %v", n, err)
		}
		s.no(s.db.Close())
		s.o.Keyring = ring(newKey)
		s.start()
		got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if got.Secrets[0].Value.Reveal() != "whsec_1" {
			s.Error("the secret is another")
		}
		_ = was
	},
	"RotatedSecretsKeepTheirTimes": func(s *shelf) {
		e := s.endpoint("c")
		end := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		_, _, err := s.db.UpdateEndpoint(s.ctx, s.project.ID, e.ID, func(e *store.Endpoint) error {
			e.Secrets[0].ExpiresAt = end
			e.Secrets = append([]store.SigningSecret{{Value: "whsec_2", CreatedAt: day(1)}}, e.Secrets...)
			return nil
		})
		s.no(err)
		l, err := s.db.Lane(s.ctx, e.ID)
		s.no(err)
		if len(l.Endpoint.Secrets) != 2 || l.Endpoint.Secrets[0].Value != "whsec_2" || !l.Endpoint.Secrets[1].ExpiresAt.Equal(end) {
			s.Errorf("%+v", l.Endpoint.Secrets)
		}
	},
}
