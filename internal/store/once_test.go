package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/secret"
)

func (s *shelf) createOnce(c Claim, answer string) (before []byte) {
	s.Helper()
	e := &Endpoint{ProjectID: s.p.ID, Consumer: "once", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []SigningSecret{{Value: "whsec_1"}}}
	before, err := s.db.CreateEndpointOnce(s.Context(), e, 0, &Once[Endpoint]{Claim: c, Answer: func(*Endpoint) ([]byte, error) { return []byte(answer), nil }})
	s.no(err)
	return before
}

func (s *shelf) answers() (n int) {
	s.Helper()
	s.no(s.db.read(s.Context(), false, func(c *conn) error {
		_, err := c.row(s.Context(), "SELECT count(*) FROM answers", nil, &n)
		return err
	}))
	return n
}

func TestAnswersLastADay(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	c := Claim{Project: s.p.ID, Key: "k"}
	s.createOnce(c, "first")
	age := func(d time.Duration) { s.sql("UPDATE answers SET made=?", micros(time.Now().Add(-d))) }
	age(answerFor - time.Minute)
	if got := s.createOnce(c, "second"); string(got) != "first" {
		t.Errorf("within the day: %q", got)
	}
	prune := func(want int) {
		t.Helper()
		if _, err := s.db.Prune(t.Context(), time.Unix(0, 0), 100); err != nil || s.answers() != want {
			t.Errorf("%d answers left, want %d (%v)", s.answers(), want, err)
		}
	}
	prune(1)
	age(answerFor + time.Second)
	if got := s.createOnce(c, "second"); got != nil { // also where nothing pruned it yet
		t.Errorf("after the day: %q", got)
	}
	if got := s.createOnce(c, "third"); string(got) != "second" {
		t.Errorf("the new one: %q", got)
	}
	age(answerFor + time.Second)
	prune(0)
}

// TestAnswersAreSealed: they show secrets.
func TestAnswersAreSealed(t *testing.T) {
	t.Parallel()
	oldKey, newKey := secret.NewMasterKey(), secret.NewMasterKey()
	ring := func(keys ...string) *secret.Keyring {
		r, err := secret.NewKeyring(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	s := newShelf(t, func(o *Options) { o.Keyring = ring(oldKey) })
	c := Claim{Project: s.p.ID, Key: "k"}
	s.createOnce(c, "ANSWER-CANARY")
	s.no(s.db.Close())
	file, err := os.ReadFile(filepath.Join(s.o.Dir, dbFile))
	s.no(err)
	if bytes.Contains(file, []byte("ANSWER-CANARY")) {
		t.Error("an answer is readable in the file")
	}
	s.o.Keyring = ring(newKey, oldKey)
	s.open()
	_, err = s.db.Reseal(t.Context())
	s.no(err)
	s.no(s.db.Close())
	s.o.Keyring = ring(newKey)
	s.open()
	if got, err := s.db.KeptAnswer(t.Context(), c); string(got) != "ANSWER-CANARY" || err != nil {
		t.Errorf("after the master key was replaced: %q, %v", got, err)
	}
}
