package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

type consumerInput struct {
	Name     optional[string]   `json:"name" body:"optional"`
	Emails   optional[[]string] `json:"emails"`
	Language optional[string]   `json:"language"`
}

type consumerView struct {
	ID        string   `json:"id"`
	UID       string   `json:"uid"`
	Name      string   `json:"name"`
	Emails    []string `json:"emails"`
	Language  *string  `json:"language"` // null: the project's
	CreatedAt stamp    `json:"created_at"`
}

func viewConsumer(co *store.Consumer) consumerView {
	return consumerView{
		ID: consumerID.Format(co.ID), UID: co.UID, Name: co.Name,
		Emails: append([]string{}, co.Emails...), Language: filled(co.Language), CreatedAt: stamp(co.CreatedAt),
	}
}

func (s *server) putConsumer(c *call, in *consumerInput) (consumerView, error) {
	uid := c.r.PathValue("uid")
	if !mayAct(c.key, uid) {
		return consumerView{}, otherConsumer()
	}
	project, err := s.store.Project(c.r.Context(), c.key.ProjectID)
	if err != nil {
		return consumerView{}, err
	}
	var errs ingest.FieldErrors
	if d := s.checkConsumer(project, uid); !d.IsZero() {
		return consumerView{}, kindInvalid.problemf("the uid in the path %s", d)
	}
	errs.AddText("/name", checkText(in.Name.Value, maxName, false))
	emails := checkEmails(in.Emails.Value, &errs)
	checkLanguage(in.Language, &errs)
	if len(errs) > 0 {
		return consumerView{}, errs
	}
	co, created, err := s.store.PutConsumer(c.r.Context(), c.key.ProjectID, uid, func(co *store.Consumer) {
		set(in.Name, &co.Name)
		set(in.Language, &co.Language)
		if in.Emails.Set {
			co.Emails = emails
		}
	})
	if err != nil {
		return consumerView{}, err
	}
	if created {
		c.status = http.StatusCreated
	}
	return viewConsumer(co), nil
}

func (s *server) getConsumer(c *call) (consumerView, error) {
	uid := c.r.PathValue("uid")
	if !mayAct(c.key, uid) {
		return consumerView{}, store.ErrNotFound
	}
	co, err := s.store.Consumer(c.r.Context(), c.key.ProjectID, uid)
	if err != nil {
		return consumerView{}, err
	}
	return viewConsumer(co), nil
}

type consumersQuery struct {
	UIDPrefix string `query:"uid_prefix"`
	Limit     int    `query:"limit"`
	Cursor    string `query:"cursor"`
}

func (s *server) listConsumers(c *call, q *consumersQuery) (list[consumerView], error) {
	after, err := c.afterName(q.Cursor)
	if err != nil {
		return list[consumerView]{}, err
	}
	if own := c.key.Consumer; own != "" {
		return s.ownConsumerAlone(c, own, q.UIDPrefix)
	}
	limit := limitOf(q.Limit)
	cs, err := s.store.Consumers(c.r.Context(), c.key.ProjectID, q.UIDPrefix, after, limit+1)
	if err != nil {
		return list[consumerView]{}, err
	}
	out := list[consumerView]{}
	if len(cs) > limit {
		cs = cs[:limit]
		out.NextCursor = c.nameCursor(cs[limit-1].UID)
	}
	out.Data = views(cs, viewConsumer)
	return out, nil
}

// ownConsumerAlone is what a key of one consumer sees of the list.
func (s *server) ownConsumerAlone(c *call, uid, prefix string) (list[consumerView], error) {
	out := list[consumerView]{Data: []consumerView{}}
	co, err := s.store.Consumer(c.r.Context(), c.key.ProjectID, uid)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return out, nil
	case err != nil:
		return out, err
	}
	if strings.HasPrefix(uid, prefix) {
		out.Data = append(out.Data, viewConsumer(co))
	}
	return out, nil
}

// flying is a count of attempts in flight; left out where it is not known.
func flying(n int) *int {
	if n == store.Unknown {
		return nil
	}
	return &n
}

// deleted is the answer to every delete. in_flight attempts began before it
// and may still arrive.
type deleted struct {
	Deleted  bool `json:"deleted"`
	InFlight *int `json:"in_flight,omitempty"`
}

func (s *server) deleteConsumer(c *call, _ *none) (deleted, error) {
	uid := c.r.PathValue("uid")
	if !mayAct(c.key, uid) {
		return deleted{}, store.ErrNotFound
	}
	n, err := s.store.DeleteConsumer(c.r.Context(), c.key.ProjectID, uid)
	return deleted{Deleted: true, InFlight: flying(n)}, err
}

// checkConsumer returns what is wrong with a uid in a project, or "".
func (s *server) checkConsumer(p *store.Project, uid string) lang.Message {
	if uid == store.SystemConsumer {
		return lang.Message{} // the operator's own endpoints
	}
	if d := ingest.CheckUID(uid); !d.IsZero() {
		return d
	}
	d, ok := s.dialects(p.Dialect)
	if !ok {
		return lang.Message{}
	}
	var misfit *webhook.DataError
	if errors.As(d.CheckConsumer(uid), &misfit) {
		return lang.Recall(misfit.Reason)
	}
	return lang.Message{}
}

func otherConsumer() *problem {
	return kindForbidden.problem("the key acts for one consumer, and this is another").
		fixed("Use that consumer's key, or a key of the whole project.")
}
