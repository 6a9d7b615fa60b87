package api

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

func (s *server) auditRoutes() []*route {
	return []*route{
		{method: "GET", pattern: "/v1/audit", summary: "List who changed what", scope: auditRead, root: true, whole: true, status: 200, action: asks(s.listAudit)},
	}
}

// auditView is one change.
type auditView struct {
	ID        string       `json:"id"`
	At        stamp        `json:"at"`
	Actor     actorView    `json:"actor"`
	Action    string       `json:"action"`
	Object    string       `json:"object"`
	Consumer  *string      `json:"consumer"`
	RequestID *string      `json:"request_id"`
	Changes   []changeView `json:"changes"`
}

// actorView is who changed it.
type actorView struct {
	Kind   string  `json:"kind"`
	ID     *string `json:"id"`
	Prefix *string `json:"prefix"`
}

// changeView is what became of one field. Secrets are "[redacted]".
type changeView struct {
	Field  string  `json:"field"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

func viewAudit(e *store.AuditEntry) auditView {
	v := auditView{
		ID: auditID.Format(e.ID), At: stamp(e.At), Action: string(e.Action), Object: e.Object, Consumer: filled(e.Consumer),
		Actor:   actorView{Kind: string(e.Actor.Kind), ID: filled(e.Actor.ID), Prefix: filled(e.Actor.Prefix)},
		Changes: views(e.Changes, func(c store.Change) changeView { return changeView{c.Field, filled(c.Before), filled(c.After)} }),
	}
	if !e.Actor.Request.IsZero() {
		id := requestID.Format(e.Actor.Request)
		v.RequestID = &id
	}
	return v
}

// filled is a text that there is, else null.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type auditQuery struct {
	Project store.ID  `query:"project" prefix:"prj_"`
	Actor   string    `query:"actor"`
	Action  string    `query:"action"`
	Object  string    `query:"object"`
	From    time.Time `query:"from"`
	Until   time.Time `query:"until"`
	Limit   int       `query:"limit"`
	Cursor  string    `query:"cursor"`
}

func (s *server) listAudit(c *call, q *auditQuery) (list[auditView], error) {
	if known := auditActions(); q.Action != "" && !slices.Contains(known, q.Action) {
		return list[auditView]{}, parameter("action", "is none of %s", strings.Join(known, ", "))
	}
	if !isActor(q.Actor) {
		return list[auditView]{}, parameter("actor", "is neither the id of a key, a portal session, a link or a person, nor operator, nor server")
	}
	if err := span(q.From, q.Until); err != nil {
		return list[auditView]{}, err
	}
	project, err := s.auditedProject(c, q.Project)
	if err != nil {
		return list[auditView]{}, err
	}
	before, err := c.after(q.Cursor)
	if err != nil {
		return list[auditView]{}, err
	}
	page, err := s.store.Audit(c.r.Context(), project, store.AuditFilter{
		Actor: q.Actor, Action: store.Action(q.Action), Object: q.Object, From: q.From, Until: q.Until, Before: before, Limit: limitOf(q.Limit),
	})
	if err != nil {
		return list[auditView]{}, err
	}
	return list[auditView]{Data: views(page.Items, viewAudit), NextCursor: c.cursor(page.Next)}, nil
}

// isActor reports whether an entry of the log may have such an actor; empty: any.
func isActor(text string) bool {
	if text == "" || text == string(store.ActorOperator) || text == string(store.ActorServer) {
		return true
	}
	for _, n := range []webhook.IDFormat{store.KeyName, store.SessionName, store.LinkName, store.MailboxName, store.PersonName, store.InvitationName} {
		if _, err := n.Parse(text); err == nil && strings.HasPrefix(text, n.Prefix) {
			return true
		}
	}
	return false
}

// auditedProject is whose log is asked for: a project's key sees its own
// project's, a root key the server's or that of the project that it names.
// Errors: [store.ErrNotFound], also for a foreign one.
func (s *server) auditedProject(c *call, asked store.ID) (store.ID, error) {
	own := c.key.ProjectID
	switch {
	case asked.IsZero() || asked == own:
		return own, nil
	case !own.IsZero():
		return own, store.ErrNotFound
	}
	_, err := s.store.Project(c.r.Context(), asked)
	if errors.Is(err, store.ErrNotFound) {
		if was, failed := s.store.ProjectDeleted(c.r.Context(), asked); was || failed != nil {
			err = failed
		}
	}
	return asked, err
}

func auditActions() []string {
	var names []string
	for _, a := range store.Actions() {
		names = append(names, string(a))
	}
	return names
}
