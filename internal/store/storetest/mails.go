package storetest

import (
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// posted takes all mails that are due, as a relay would that takes them only
// when they are tried again, and says what they tell.
func (s *shelf) posted() (kinds []store.NoticeKind, last *store.Mail) {
	s.Helper()
	for more := true; more; {
		var err error
		more, err = s.db.TendMails(s.ctx, 100)
		s.no(err)
	}
	for range 2 {
		due, _, err := s.db.Mails(s.ctx, 100)
		s.no(err)
		var results []store.MailResult
		for _, m := range due {
			r := store.MailResult{ID: m.ID}
			if m.Tries == 0 {
				r.Again = time.Now().Add(-time.Millisecond)
			} else {
				kinds, last = append(kinds, m.Notice.Kind), m
			}
			results = append(results, r)
		}
		s.no(s.db.SettleMails(s.ctx, results))
	}
	return kinds, last
}

var mailCases = map[string]func(*shelf){
	"FailureAndRecovery": func(s *shelf) {
		s.no(s.db.Close())
		s.o.Mail = true
		s.start()
		_, _, err := s.db.PutConsumer(s.ctx, s.project.ID, "c", func(c *store.Consumer) { c.Emails = []string{"ti@c.example"} })
		s.no(err)
		e := s.endpoint("c")
		attempt := func(state store.State, status int) {
			s.Helper()
			s.fill(e, 1)
			done := make(chan error, 1)
			s.db.Finish(outcome(s.due(e)[0], state, status), func(err error) { done <- err })
			s.no(<-done)
		}
		attempt(store.Failed, 500)
		s.reopen()
		kinds, last := s.posted()
		if len(kinds) == 0 || last.Address != "ti@c.example" || last.Notice.Consumer != "c" {
			s.Fatalf("%v, %+v", kinds, last)
		}
		if again, _ := s.posted(); len(again) > 0 || s.db.MailsQueued() != 0 {
			s.Errorf("mailed again: %v, and %d are queued", again, s.db.MailsQueued())
		}
		box, err := s.db.StopMails(s.ctx, last.Token, true)
		if err != nil || box.StoppedAt.IsZero() {
			s.Errorf("%+v, %v", box, err)
		}
		_, err = s.db.StopMails(s.ctx, last.Token, false)
		s.no(err)
		attempt(store.Delivered, 200)
		if kinds, _ := s.posted(); !slices.Contains(kinds, store.NoticeRecovered) {
			s.Errorf("%v", kinds)
		}
		_, err = s.db.Prune(s.ctx, time.Now().Add(time.Hour), 100_000)
		s.no(err)
	},
}
