package api

import "github.com/malote-dev/malote/internal/store"

// Words of the routes for who did what and who may do what.

var accessTypes = map[string]typeWords{
	"auditView":  {name: "AuditEntry", text: "One change, written in the transaction that made it."},
	"actorView":  {name: "Actor", text: "Who changed it."},
	"changeView": {name: "Change", text: `What became of one field. A secret is "[redacted]", a URL its host; a long text is cut off.`},
}

var accessFields = map[string]fieldWords{
	"auditView.id":         {text: "The entry's id.", pattern: idPattern("aud_")},
	"auditView.at":         {text: "When.", always: true},
	"auditView.actor":      {text: "Who changed it."},
	"auditView.action":     {text: "What was done.", enum: auditActions()},
	"auditView.object":     {text: "The id of what was changed; empty: the server itself."},
	"auditView.consumer":   {text: "The uid of the consumer that it belongs to; null: none."},
	"auditView.request_id": {text: "The request that asked for it, as in its answer's X-Request-Id; null: none did.", pattern: idPattern("req_")},
	"auditView.changes":    {text: "What changed, field by field."},
	"actorView.kind":       {text: "Whoever had a key, a portal session's token or a one-time link, a person who was signed in to the console, a person at the server's own machine, or a rule of the server.", enum: actorKinds()},
	"actorView.id":         {text: "The id of the key, the portal session, the link or the person; null: the kind says it all."},
	"actorView.prefix":     {text: "What the key or the token begins with, or a person's mail address; null: it was none."},
	"changeView.field":     {text: "The name of the field."},
	"changeView.before":    {text: "What it was; null: there was none."},
	"changeView.after":     {text: "What it is; null: there is none."},
}

var accessParameters = map[string]fieldWords{
	"project": {text: "With a root key: the project whose log it is; left out: the server's own.", pattern: wireIDPattern("prj_")},
	"actor":   {text: "Only what this one did: the id of a key, a portal session, a link or a person, or operator, or server.", pattern: "^(operator|server|(key|ses|lnk|mbx|per|inv)_" + ulidForm + ")$"},
	"action":  {text: "Only this action.", enum: auditActions()},
	"object":  {text: "Only changes of the object with this id."},
}

var accessRoutes = map[string]routeWords{
	"GET /v1/audit": {id: "listAudit", tag: "Access", text: "Newest first. A root key sees the server's own log, or a project's with project. A page looks at a bounded number of entries: one with few items, or none, may have a next.", problems: []int{404}},
}

func actorKinds() (names []string) {
	for _, k := range store.ActorKinds() {
		names = append(names, string(k))
	}
	return names
}
