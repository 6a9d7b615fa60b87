package dashboard

import (
	"net/http"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

type consumersView struct {
	*listView
	Consumers []client.Consumer
}

func (v *visit) consumersPage() error {
	q, l := v.query("uid_prefix")
	view := &consumersView{listView: l}
	cs, err := read[listed[client.Consumer]](v, ofProject, "/v1/consumers", q)
	if err != nil {
		return v.wrongFilter(err, "consumers", lang.Text("Consumers"), view, l)
	}
	view.Consumers = cs.Data
	l.more(v, cs.NextCursor)
	return v.show(http.StatusOK, "consumers", lang.Text("Consumers"), view)
}

type eventTypesView struct {
	*listView
	Types []client.EventType
	PT    bool // descriptions in Portuguese go first
}

func (v *visit) eventTypesPage() error {
	q, l := v.query("tag", "source", "deprecated")
	view := &eventTypesView{listView: l, PT: v.lang == lang.Portuguese}
	ts, err := read[listed[client.EventType]](v, ofProject, "/v1/event-types", q)
	if err != nil {
		return v.wrongFilter(err, "eventtypes", lang.Text("Event types"), view, l)
	}
	view.Types = ts.Data
	l.more(v, ts.NextCursor)
	return v.show(http.StatusOK, "eventtypes", lang.Text("Event types"), view)
}

type auditView struct {
	*listView
	Entries []client.AuditEntry
}

func (v *visit) auditPage() error {
	q, l := v.query("actor", "action", "object", "from", "until")
	view := &auditView{listView: l}
	es, err := read[listed[client.AuditEntry]](v, ofProject, "/v1/audit", q)
	if err != nil {
		return v.wrongFilter(err, "audit", lang.Text("Audit log"), view, l)
	}
	view.Entries = es.Data
	l.more(v, es.NextCursor)
	return v.show(http.StatusOK, "audit", lang.Text("Audit log"), view)
}
