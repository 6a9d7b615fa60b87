package main

import (
	"context"
	"iter"
	"strings"

	"github.com/malote-dev/malote/client"
)

type auditCmd struct {
	remote
	listFlags
	Project string `placeholder:"ID" help:"With a root key: this project's log instead of the server's own."`
	Actor   string `placeholder:"ID" help:"Only what this key did: its id, or 'operator', or 'server'."`
	Action  string `placeholder:"ACTION" help:"Only this, as in endpoint.update."`
	Object  string `placeholder:"ID" help:"Only what was done to this one."`
}

// Run lists changes.
func (a *auditCmd) Run(c *console) error {
	return enumerate(&a.remote, c, a.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.AuditEntry, error] {
		return api.Audit(ctx, client.AuditFilter{
			Project: a.Project, Actor: a.Actor, Action: a.Action, Object: a.Object, From: a.From.Time, Until: a.Until.Time, PageSize: pageSize(a.Limit),
		})
	}, []string{"AT", "ACTION", "OBJECT", "BY", "CHANGES"}, func(t *table, e *client.AuditEntry) {
		t.row(stamp(e.At), e.Action, e.Object, actorOf(&e.Actor), changesOf(e.Changes))
	})
}

func actorOf(a *client.AuditActor) string {
	if a.ID == "" {
		return a.Kind
	}
	return a.Kind + " " + a.ID
}

// changesOf writes "rate_limit: 60 → 120".
func changesOf(changes []client.AuditChange) string {
	var each []string
	for _, ch := range changes {
		each = append(each, ch.Field+": "+orNone(ch.Before)+" → "+orNone(ch.After))
	}
	return strings.Join(each, ", ")
}

func orNone(text *string) string {
	if text == nil {
		return "none"
	}
	return *text
}
