package store

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"
)

// ActorKind is what sort of actor changed something.
type ActorKind string

// The kinds of actors.
const (
	ActorKey      ActorKind = "key"      // whoever had a project's key
	ActorRoot     ActorKind = "root_key" // whoever had a root key
	ActorPortal   ActorKind = "portal"   // whoever had a portal session's token
	ActorLink     ActorKind = "link"     // whoever had a one-time link
	ActorPerson   ActorKind = "person"   // somebody who was signed in to the console
	ActorOperator ActorKind = "operator" // a person at the server's own machine
	ActorServer   ActorKind = "server"   // a rule
)

// ActorKinds lists all of them.
func ActorKinds() []ActorKind {
	return []ActorKind{ActorKey, ActorRoot, ActorPortal, ActorLink, ActorPerson, ActorOperator, ActorServer}
}

// Actor is who changes something. The zero Actor is the server.
type Actor struct {
	Kind    ActorKind
	ID      string // of the key, the session, the link or the person, as the world sees it; empty: the kind says it all
	Prefix  string // what the key or the token begins with; of a person the mail address
	Session ID     // of a person: what they were signed in with; not kept
	Request ID     // zero: no request asked for it
}

// KeyActor is whoever makes a request with a key, or with a portal session's token.
func KeyActor(k *Key, request ID) Actor {
	a := Actor{Kind: ActorKey, ID: KeyName.Format(k.ID), Prefix: k.Prefix, Request: request}
	switch {
	case k.Portal != "":
		a.Kind, a.ID = ActorPortal, SessionName.Format(k.ID)
	case k.ProjectID.IsZero():
		a.Kind = ActorRoot
	}
	return a
}

type actorKey struct{}

// WithActor names who asks for what is written with the context. It is the
// one thing that travels there: whoever writes need not know of it.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func actorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// Action is what was done, object first.
type Action string

// The actions of the audit log.
const (
	ActionProjectCreate   Action = "project.create"
	ActionProjectUpdate   Action = "project.update"
	ActionProjectDelete   Action = "project.delete"
	ActionKeyCreate       Action = "key.create"
	ActionKeyRevoke       Action = "key.revoke"
	ActionPortalCreate    Action = "portal_session.create"
	ActionPortalOpen      Action = "portal_session.open"
	ActionPortalEnd       Action = "portal_session.end"
	ActionLinkCreate      Action = "secret_link.create"
	ActionLinkOpen        Action = "secret_link.open"
	ActionLinkRevoke      Action = "secret_link.revoke"
	ActionConsumerCreate  Action = "consumer.create"
	ActionConsumerUpdate  Action = "consumer.update"
	ActionConsumerDelete  Action = "consumer.delete"
	ActionEndpointCreate  Action = "endpoint.create"
	ActionEndpointUpdate  Action = "endpoint.update"
	ActionEndpointPause   Action = "endpoint.pause"
	ActionEndpointResume  Action = "endpoint.resume"
	ActionEndpointRotate  Action = "endpoint.rotate_secret"
	ActionEndpointOff     Action = "endpoint.disable"
	ActionEndpointDelete  Action = "endpoint.delete"
	ActionDeliveryRetry   Action = "delivery.retry"
	ActionDeliveryCancel  Action = "delivery.cancel"
	ActionEventReplay     Action = "event.replay"
	ActionReplayCreate    Action = "replay.create"
	ActionReplayCancel    Action = "replay.cancel"
	ActionEventTypeCreate Action = "event_type.create"
	ActionEventTypeUpdate Action = "event_type.update"
	ActionEventTypeDelete Action = "event_type.delete"
	ActionInspectorCreate Action = "inspector.create"
	ActionInspectorUpdate Action = "inspector.update"
	ActionInspectorDelete Action = "inspector.delete"
	ActionInspectorClear  Action = "inspector.clear"
	ActionInspectorForget Action = "inspector.delete_request"
	ActionInspectorReplay Action = "inspector.replay"
	ActionMailStop        Action = "mail.stop"
	ActionMailStart       Action = "mail.start"
	ActionPersonInvite    Action = "person.invite"
	ActionPersonUninvite  Action = "person.uninvite"
	ActionPersonCreate    Action = "person.create"
	ActionPersonUpdate    Action = "person.update"
	ActionPersonSignIn    Action = "person.sign_in"
	ActionPersonSignOut   Action = "person.sign_out"
	ActionDialectKeep     Action = "dialect.keep"
	ActionServerBackup    Action = "server.backup"
	ActionServerReseal    Action = "server.reseal"
)

// Actions lists all of them.
func Actions() []Action {
	return []Action{
		ActionProjectCreate, ActionProjectUpdate, ActionProjectDelete, ActionKeyCreate, ActionKeyRevoke,
		ActionPortalCreate, ActionPortalOpen, ActionPortalEnd, ActionLinkCreate, ActionLinkOpen, ActionLinkRevoke, ActionConsumerCreate, ActionConsumerUpdate, ActionConsumerDelete,
		ActionEndpointCreate, ActionEndpointUpdate, ActionEndpointPause, ActionEndpointResume, ActionEndpointRotate, ActionEndpointOff, ActionEndpointDelete,
		ActionDeliveryRetry, ActionDeliveryCancel, ActionEventReplay, ActionReplayCreate, ActionReplayCancel,
		ActionEventTypeCreate, ActionEventTypeUpdate, ActionEventTypeDelete,
		ActionInspectorCreate, ActionInspectorUpdate, ActionInspectorDelete, ActionInspectorClear, ActionInspectorForget, ActionInspectorReplay, ActionMailStop, ActionMailStart,
		ActionPersonInvite, ActionPersonUninvite, ActionPersonCreate, ActionPersonUpdate, ActionPersonSignIn, ActionPersonSignOut, ActionDialectKeep, ActionServerBackup, ActionServerReseal,
	}
}

// Change is what became of one field. A secret is "[redacted]" before and
// after; empty: there was none.
type Change struct {
	Field  string `json:"field"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	ID        ID
	ProjectID ID // zero: of the server itself
	At        time.Time
	Actor     Actor
	Action    Action
	Object    string // id, as the world sees it
	Consumer  string // uid of the object's consumer; empty: none
	Changes   []Change
}

// Bounds of an entry: what is longer is cut off, and says so by "…".
const (
	maxChanges     = 50
	maxChangeValue = 200 // characters
)

// note keeps an entry of the audit log, in the transaction of what it is
// about, which project 0 says is the server itself. Where nothing changed,
// call it not. Never give it a secret: see [Change].
func (b *batch) note(project key, action Action, object, consumer string, changes ...Change) error {
	if len(changes) > maxChanges {
		changes = append(changes[:maxChanges:maxChanges], Change{Field: "…"})
	}
	kept := make([]Change, len(changes))
	for i, c := range changes {
		kept[i] = Change{shorten(c.Field), shorten(c.Before), shorten(c.After)}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	a := b.actor
	if a.Kind == "" {
		a.Kind = ActorServer
	}
	if a.ID == "" {
		a.ID = string(a.Kind)
	}
	var request []byte
	if !a.Request.IsZero() {
		request = a.Request[:]
	}
	return b.exec("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?,?)",
		b.key(), project, string(a.Kind), a.ID, a.Prefix, request, string(action), object, consumer, text)
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxChangeValue {
		return s
	}
	return string([]rune(s)[:maxChangeValue-1]) + "…"
}

// AuditFilter narrows the audit log; zero fields match everything.
type AuditFilter struct {
	Actor       string // an id, or "operator" or "server"
	Action      Action
	Object      string
	From, Until time.Time // inclusive, exclusive
	Before      ID        // an entry; the page begins after it
	Limit       int
}

func (f *AuditFilter) matches(e *AuditEntry) bool {
	id := e.Actor.ID
	if id == "" {
		id = string(e.Actor.Kind)
	}
	return (f.Actor == "" || f.Actor == id) && (f.Action == "" || f.Action == e.Action) && (f.Object == "" || f.Object == e.Object)
}

// index is the narrowest list that holds all that matches.
func (f *AuditFilter) index(project key) (where string, args []any) {
	switch {
	case f.Object != "":
		return "project=? AND object=?", []any{project, f.Object}
	case f.Actor != "":
		return "project=? AND actor=?", []any{project, f.Actor}
	case f.Action != "":
		return "project=? AND action=?", []any{project, string(f.Action)}
	}
	return "project=?", []any{project}
}

// Audit lists a project's audit log (zero: the server's own), newest first. A
// page looks at a bounded number of entries: it may have fewer than Limit, or
// none, and still a Next.
func (db *DB) Audit(ctx context.Context, project ID, f AuditFilter) (p Page[*AuditEntry], err error) {
	of, ok := db.keys.key(project)
	bounds := Filter{From: f.From, Until: f.Until, Before: f.Before, Limit: f.Limit}
	oldest, newest, inside := db.bounds(&bounds)
	if !ok && !project.IsZero() || !inside {
		return p, nil
	}
	where, args := f.index(of)
	args = append(args, newest, oldest, maxWalked+1)
	walked := 0
	var last key
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, `SELECT k, kind, actor, prefix, request, action, object, consumer, changes FROM audit
			WHERE `+where+` AND k<? AND k>=? ORDER BY k DESC LIMIT ?`, args, func(scan func(...any) error) (bool, error) {
			if walked == maxWalked || len(p.Items) == bounds.Limit {
				p.Next = db.keys.id(last)
				return false, nil
			}
			walked++
			e := &AuditEntry{ProjectID: project}
			if last, err = db.scanAudit(scan, e); err == nil && f.matches(e) {
				p.Items = append(p.Items, e)
			}
			return true, err
		})
	})
	return p, err
}

func (db *DB) scanAudit(scan func(...any) error, e *AuditEntry) (k key, err error) {
	var request, changes []byte
	if err := scan(&k, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Prefix, &request, &e.Action, &e.Object, &e.Consumer, &changes); err != nil {
		return 0, err
	}
	if copy(e.Actor.Request[:], request); e.Actor.ID == string(e.Actor.Kind) {
		e.Actor.ID = ""
	}
	e.ID, e.At = db.keys.id(k), keyTime(k)
	return k, json.Unmarshal(changes, &e.Changes)
}

// pruneAudit deletes entries past their own time.
func (b *batch) pruneAudit(_ *pruneRound, _ key, limit int) (int, error) {
	return b.change("DELETE FROM audit WHERE k IN (SELECT k FROM audit WHERE k<? ORDER BY k LIMIT ?)", timeKey(b.now.Add(-b.db.o.AuditFor)), limit)
}
