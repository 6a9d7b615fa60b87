package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/malote-dev/malote/internal/store"
)

// claim of the shelf's project.
func (s *shelf) claim(key, request string) store.Claim {
	return store.Claim{Project: s.project.ID, Key: key, Request: sha256.Sum256([]byte(request))}
}

// createOnce makes an endpoint under a claim and returns the answer: the kept
// one, or its own.
func (s *shelf) createOnce(c store.Claim, cap int) (answer string, again bool, err error) {
	e := &store.Endpoint{
		ProjectID: s.project.ID, Consumer: "c", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_1"}},
	}
	say := func(e *store.Endpoint) ([]byte, error) { return []byte("made " + e.ID.String()), nil }
	before, err := s.db.CreateEndpointOnce(s.ctx, e, cap, &store.Once[store.Endpoint]{Claim: c, Answer: say})
	if err != nil || before != nil {
		return string(before), before != nil, err
	}
	own, err := say(e)
	return string(own), false, err
}

var onceCases = map[string]func(*shelf){
	"ARepeatGetsTheFirstAnswer": func(s *shelf) {
		c := s.claim("k", "r")
		if before, err := s.db.KeptAnswer(s.ctx, c); before != nil || err != nil {
			s.Error(before, err)
		}
		first, again, err := s.createOnce(c, 1)
		s.no(err)
		if again {
			s.Error("the first is said to be a repeat")
		}
		for range 2 {
			if got, again, err := s.createOnce(c, 1); got != first || !again || err != nil { // also past the cap
				s.Error(got, again, err)
			}
			if before, err := s.db.KeptAnswer(s.ctx, c); string(before) != first || err != nil {
				s.Error(before, err)
			}
			s.reopen()
		}
		if n := len(s.endpoints("c")); n != 1 {
			s.Errorf("%d endpoints", n)
		}
	},
	"AnotherRequestIsRefused": func(s *shelf) {
		_, _, err := s.createOnce(s.claim("k", "r"), 0)
		s.no(err)
		if _, _, err := s.createOnce(s.claim("k", "other"), 0); !errors.Is(err, store.ErrReused) {
			s.Error(err)
		}
		if _, err := s.db.KeptAnswer(s.ctx, s.claim("k", "other")); !errors.Is(err, store.ErrReused) {
			s.Error(err)
		}
		bound := s.claim("k", "other")
		bound.Consumer = "c"
		another := s.claim("k", "other")
		another.Caller = store.ID{9}
		for _, c := range []store.Claim{s.claim("k2", "other"), bound, another} {
			if _, again, err := s.createOnce(c, 0); again || err != nil {
				s.Error(again, err)
			}
		}
		foreign := s.claim("k", "other")
		foreign.Project = s.newProject("foreign").ID
		if before, err := s.db.KeptAnswer(s.ctx, foreign); before != nil || err != nil {
			s.Error("another project's:", before, err)
		}
	},
	"DeletedConsumersAnswersAreForgotten": func(s *shelf) {
		bound := s.claim("k", "r")
		bound.Consumer = "c"
		_, _, err := s.createOnce(bound, 0)
		s.no(err)
		_, err = s.db.DeleteConsumer(s.ctx, s.project.ID, "c")
		s.no(err)
		if before, err := s.db.KeptAnswer(s.ctx, bound); before != nil || err != nil {
			s.Errorf("%q %v", before, err)
		}
	},
	"WhatWasRefusedIsNotKept": func(s *shelf) {
		s.endpoint("c")
		c := s.claim("k", "r")
		if _, _, err := s.createOnce(c, 1); !errors.Is(err, store.ErrLimit) {
			s.Error(err)
		}
		if _, again, err := s.createOnce(c, 2); again || err != nil {
			s.Error(again, err)
		}
		mine := errors.New("mine")
		_, err := s.db.CreateProjectOnce(s.ctx, &store.Project{Name: "x", Environment: store.Production}, &store.Once[store.Project]{
			Claim: s.claim("p", ""), Answer: func(*store.Project) ([]byte, error) { return nil, mine },
		})
		if !errors.Is(err, mine) {
			s.Error(err)
		}
		if ps, _ := s.db.Projects(s.ctx, store.ID{}, 10); len(ps) != 1 {
			s.Errorf("%d projects: one was made without its answer", len(ps))
		}
	},
	"FiftyAtOnceMakeOne": func(s *shelf) {
		var answers sync.Map
		s.crowd(50, func(int) error {
			got, _, err := s.createOnce(s.claim("k", "r"), 0)
			answers.Store(got, true)
			return err
		})
		n := 0
		answers.Range(func(any, any) bool { n++; return true })
		if es := s.endpoints("c"); n != 1 || len(es) != 1 {
			s.Errorf("%d answers, %d endpoints", n, len(es))
		}
	},
	"ProjectsAndKeys": func(s *shelf) {
		root := store.Claim{Key: "k", Request: sha256.Sum256(nil)}
		for i := range 2 {
			p := &store.Project{Name: "once", Environment: store.Production, Dialect: "standard"}
			before, err := s.db.CreateProjectOnce(s.ctx, p, &store.Once[store.Project]{Claim: root, Answer: func(p *store.Project) ([]byte, error) { return []byte(p.ID.String()), nil }})
			s.no(err)
			if (before != nil) != (i == 1) || p.ID.IsZero() != (i == 1) {
				s.Errorf("project %d: %q %v", i, before, p.ID)
			}
			k := &store.Key{ProjectID: s.project.ID}
			claim := s.claim("key", "r")
			before, err = s.db.CreateKeyOnce(s.ctx, k, sha256.Sum256(fmt.Append(nil, i)), &store.Once[store.Key]{Claim: claim, Answer: func(k *store.Key) ([]byte, error) { return []byte(k.ID.String()), nil }})
			s.no(err)
			if (before != nil) != (i == 1) {
				s.Errorf("key %d: %q", i, before)
			}
		}
		if ks, _ := s.db.Keys(s.ctx, s.project.ID, store.ID{}, 10); len(ks) != 1 {
			s.Errorf("%d keys", len(ks))
		}
	},
}
