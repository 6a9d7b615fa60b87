package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// inspector makes one whose requests are kept for an hour.
func (s *shelf) inspector() *store.Inspector {
	s.Helper()
	return s.inspectorOf(&store.Inspector{Keep: time.Hour})
}

func (s *shelf) inspectorOf(i *store.Inspector) *store.Inspector {
	s.Helper()
	i.ProjectID, i.Token = s.project.ID, store.NewInspectorToken()
	_, err := s.db.CreateInspectorOnce(s.ctx, i, 100, nil)
	s.no(err)
	return i
}

// arrive keeps a request with a body.
func (s *shelf) arrive(i *store.Inspector, body string) store.ID {
	s.Helper()
	r := &store.InspectedRequest{InspectorID: i.ID, Method: "POST", Body: []byte(body), BodyBytes: int64(len(body))}
	s.no(s.db.KeepInspected(s.ctx, r))
	return r.ID
}

// kept is what an inspector counts, and checks it against what is listed.
func (s *shelf) kept(i *store.Inspector) int {
	s.Helper()
	got, err := s.db.Inspector(s.ctx, s.project.ID, i.ID)
	s.no(err)
	n := 0
	for before := (store.ID{}); ; {
		p, err := s.db.InspectedRequests(s.ctx, s.project.ID, i.ID, store.InspectedFilter{Before: before, Limit: 250})
		s.no(err)
		n += len(p.Items)
		if before = p.Next; before.IsZero() {
			break
		}
	}
	if got.Requests != n || (n == 0) != (got.Bytes == 0) {
		s.Errorf("counts %d requests with %d bytes, has %d", got.Requests, got.Bytes, n)
	}
	return n
}

// tokenHash is what an inspector is found by.
func (s *shelf) tokenHash(i *store.Inspector) [32]byte {
	s.Helper()
	hash, ok := store.HashInspectorToken(i.Token.Reveal())
	if !ok {
		s.Fatal("its token is none")
	}
	return hash
}

// next is the request after another, without waiting.
func (s *shelf) next(i *store.Inspector, after store.ID) store.ID {
	s.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	r, err := s.db.NextInspected(ctx, s.project.ID, i.ID, after)
	s.no(err)
	if r == nil {
		return store.ID{}
	}
	return r.ID
}

var inspectorCases = map[string]func(*shelf){
	"ReadBackAsMade": func(s *shelf) {
		made := s.inspectorOf(&store.Inspector{
			Name: "n", Dialect: "standard", Secret: "whsec_1", Keep: time.Hour, ExpiresAt: time.Now().Add(time.Hour),
			Answer: store.InspectorAnswer{Status: 503, Headers: []webhook.Field{{Name: "X-B", Value: "1"}, {Name: "x-a", Value: "2"}}, Body: []byte{0, 255}, Delay: time.Second, FailRate: 3, FailStatus: 500},
		})
		s.reopen()
		got, err := s.db.Inspector(s.ctx, s.project.ID, made.ID)
		s.no(err)
		if diff := cmp.Diff(made, got); diff != "" || got.Token.Reveal() != made.Token.Reveal() || got.Secret.Reveal() != "whsec_1" {
			s.Error("(-made +kept)", diff)
		}
		found, err := s.db.InspectorByHash(s.ctx, s.tokenHash(made), time.Now())
		s.no(err)
		if found.ID != made.ID || found.Token != "" || found.Secret != "" || found.Answer.Status != 503 {
			s.Errorf("%+v", found)
		}
		if _, err := s.db.Inspector(s.ctx, s.newProject("other").ID, made.ID); !isNotFound(err) {
			s.Error(err)
		}
	},
	"RequestsAreTheirBytes": func(s *shelf) {
		i := s.inspector()
		r := &store.InspectedRequest{
			InspectorID: i.ID, Method: "PÖST", Path: "/a\xff%2f", Query: "q=\xfe", Head: []byte("x-b: 1\r\nX-A: \x80\r\nx-b: 2\r\n"), Body: []byte("\x00\xff\r\n"), BodyBytes: 2 << 20,
			InspectedFacts: store.InspectedFacts{Host: "h", Remote: "r", Version: "HTTP/1.1", TLS: "TLS 1.3", ContentType: "t", Inexact: true, Incomplete: true, Received: 1, Read: 2, Status: 3, Delay: 4, Failed: true},
		}
		s.no(s.db.KeepInspected(s.ctx, r))
		got, err := s.db.InspectedRequest(s.ctx, s.project.ID, i.ID, r.ID)
		s.no(err)
		if diff := cmp.Diff(r, got); diff != "" {
			s.Error("(-arrived +kept)", diff)
		}
		s.db.InspectedAnswered(r.ID, time.UnixMicro(7))
		s.arrive(i, "after it")
		if got, err = s.db.InspectedRequest(s.ctx, s.project.ID, i.ID, r.ID); err != nil || got.AnsweredAt.UnixMicro() != 7 {
			s.Error(got, err)
		}
		other := s.inspector()
		if _, err := s.db.InspectedRequest(s.ctx, s.project.ID, other.ID, r.ID); !isNotFound(err) {
			s.Error(err)
		}
	},
	"TheNewestStay": func(s *shelf) {
		i := s.inspector()
		var ids []store.ID
		for n := range store.MaxInspected + 3 {
			ids = append(ids, s.arrive(i, fmt.Sprint(n)))
		}
		if n := s.kept(i); n != store.MaxInspected {
			s.Error(n)
		}
		if got := s.next(i, store.ID{}); got != ids[3] {
			s.Error("the oldest are not those that went")
		}
		mib := strings.Repeat("x", store.MaxInspectedBody)
		for range 20 {
			s.arrive(i, mib)
		}
		got, err := s.db.Inspector(s.ctx, s.project.ID, i.ID)
		s.no(err)
		if got.Requests != 15 || got.Bytes > store.MaxInspectedBytes {
			s.Errorf("%d requests with %d bytes", got.Requests, got.Bytes)
		}
		s.kept(i)
	},
	"PrunedWhenTheirTimeIsOver": func(s *shelf) {
		short, long := s.inspectorOf(&store.Inspector{Keep: time.Microsecond}), s.inspector()
		for range 3 {
			s.arrive(short, "a")
			s.arrive(long, "a")
		}
		ended := s.inspectorOf(&store.Inspector{Keep: time.Hour, ExpiresAt: time.Now().Add(time.Hour)})
		for range 3 {
			s.arrive(ended, "a")
		}
		_, err := s.db.UpdateInspector(s.ctx, s.project.ID, ended.ID, func(i *store.Inspector) error { i.ExpiresAt = time.Now().Add(-time.Second); return nil })
		s.no(err)
		if _, err := s.db.InspectorByHash(s.ctx, s.tokenHash(ended), time.Now()); !isNotFound(err) {
			s.Error(err)
		}
		r := &store.InspectedRequest{InspectorID: ended.ID}
		if err := s.db.KeepInspected(s.ctx, r); !isNotFound(err) {
			s.Error(err)
		}
		n, err := s.db.Prune(s.ctx, time.Now().Add(-time.Hour), 2)
		for err == nil && n > 0 {
			n, err = s.db.Prune(s.ctx, time.Now().Add(-time.Hour), 2)
		}
		s.no(err)
		if a, b := s.kept(short), s.kept(long); a != 0 || b != 3 {
			s.Error(a, b)
		}
		left, err := s.db.Inspectors(s.ctx, s.project.ID, store.ID{}, 10)
		s.no(err)
		if len(left) != 2 || left[0].ID != long.ID || left[1].ID != short.ID {
			s.Errorf("%v", left)
		}
	},
	"EndWithTheirProject": func(s *shelf) {
		i := s.inspector()
		s.arrive(i, "a")
		s.no(s.db.DeleteProject(s.ctx, s.project.ID))
		if _, err := s.db.InspectorByHash(s.ctx, s.tokenHash(i), time.Now()); !isNotFound(err) {
			s.Error(err)
		}
		for n := 1; n > 0; {
			var err error
			n, err = s.db.Prune(s.ctx, time.Now().Add(-time.Hour), 100)
			s.no(err)
		}
	},
	"LimitedInNumber": func(s *shelf) {
		s.inspector()
		_, err := s.db.CreateInspectorOnce(s.ctx, &store.Inspector{ProjectID: s.project.ID, Token: store.NewInspectorToken()}, 1, nil)
		if !errors.Is(err, store.ErrLimit) {
			s.Error(err)
		}
	},
	"WhoReadsOnMissesNone": func(s *shelf) {
		i := s.inspector()
		const many, each = 4, 25
		var senders sync.WaitGroup
		for range many {
			senders.Go(func() {
				for range each {
					r := &store.InspectedRequest{InspectorID: i.ID}
					if err := s.db.KeepInspected(s.ctx, r); err != nil {
						s.Error(err)
					}
				}
			})
		}
		var after store.ID
		for n := range many * each {
			r, err := s.db.NextInspected(s.ctx, s.project.ID, i.ID, after)
			if err != nil || r == nil {
				s.Fatal(n, err)
			}
			after = r.ID
		}
		senders.Wait()
		if !s.next(i, after).IsZero() || s.kept(i) != many*each {
			s.Error("more came than were sent")
		}
	},
	"AWaitEndsWithTheInspector": func(s *shelf) {
		i := s.inspector()
		got := make(chan error)
		go func() {
			_, err := s.db.NextInspected(s.ctx, s.project.ID, i.ID, store.ID{})
			got <- err
		}()
		s.no(s.db.DeleteInspector(s.ctx, s.project.ID, i.ID))
		if err := <-got; !isNotFound(err) {
			s.Error(err)
		}
		if err := s.db.DeleteInspector(s.ctx, s.project.ID, i.ID); !isNotFound(err) {
			s.Error(err)
		}
	},
	"SearchLooksAtSoMuch": func(s *shelf) {
		i := s.inspector()
		want := s.arrive(i, "a NEEDLE in it")
		for range 6 {
			s.arrive(i, strings.Repeat("x", store.MaxInspectedBody))
		}
		pages := 0
		for before := (store.ID{}); ; pages++ {
			p, err := s.db.InspectedRequests(s.ctx, s.project.ID, i.ID, store.InspectedFilter{Before: before, Search: "needle", Limit: 10})
			s.no(err)
			if before = p.Next; before.IsZero() {
				if len(p.Items) != 1 || p.Items[0].ID != want || p.Items[0].Body != nil {
					s.Errorf("%v", p.Items)
				}
				break
			}
			if len(p.Items) != 0 {
				s.Errorf("%v", p.Items)
			}
		}
		if pages != 1 {
			s.Errorf("%d pages before it", pages)
		}
	},
	"ClearedAndDeleted": func(s *shelf) {
		i := s.inspector()
		a, b := s.arrive(i, "a"), s.arrive(i, "b")
		s.no(s.db.DeleteInspectedRequest(s.ctx, s.project.ID, i.ID, a))
		if err := s.db.DeleteInspectedRequest(s.ctx, s.project.ID, i.ID, a); !isNotFound(err) || s.kept(i) != 1 {
			s.Error(err)
		}
		if n, err := s.db.ClearInspector(s.ctx, s.project.ID, i.ID); n != 1 || err != nil || s.kept(i) != 0 {
			s.Error(n, err)
		}
		c := s.arrive(i, "c")
		if s.next(i, b) != c || s.next(i, a) != c {
			s.Error("a request that is gone is no place any more")
		}
	},
	"ResealedWithTheOthers": func(s *shelf) {
		was, now := secret.NewMasterKey(), secret.NewMasterKey()
		s.no(s.db.Close())
		ring := func(keys ...string) {
			var err error
			s.o.Keyring, err = secret.NewKeyring(keys...)
			s.no(err)
		}
		s.o.Dir = Fresh(s)
		ring(was)
		s.start()
		s.project = s.newProject("p")
		i := s.inspectorOf(&store.Inspector{Secret: "whsec_1", Dialect: "standard"})
		s.no(s.db.Close())
		ring(now, was)
		s.start()
		_, err := s.db.Reseal(s.ctx)
		s.no(err)
		s.no(s.db.Close())
		ring(now)
		s.start()
		got, err := s.db.Inspector(s.ctx, s.project.ID, i.ID)
		s.no(err)
		if got.Secret.Reveal() != "whsec_1" || got.Token.Reveal() != i.Token.Reveal() {
			s.Error("the secrets are others")
		}
	},
}
