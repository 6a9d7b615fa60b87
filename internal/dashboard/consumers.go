package dashboard

import (
	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

type consumersView struct {
	*listView
	Consumers []client.Consumer
}

func (v *visit) consumersPage() error {
	l := v.list("uid_prefix")
	view := &consumersView{listView: l}
	return showList(v, l, "/v1/consumers", "consumers", lang.Text("Consumers"), view, &view.Consumers, nil)
}

type eventTypesView struct {
	*listView
	Types []client.EventType
	PT    bool // descriptions in Portuguese go first
}

func (v *visit) eventTypesPage() error {
	l := v.list("tag", "source", "deprecated")
	view := &eventTypesView{listView: l, PT: v.lang == lang.Portuguese}
	return showList(v, l, "/v1/event-types", "eventtypes", lang.Text("Event types"), view, &view.Types, nil)
}

type auditView struct {
	*listView
	Entries []client.AuditEntry
}

func (v *visit) auditPage() error {
	l := v.list("actor", "action", "object", "from", "until")
	view := &auditView{listView: l}
	return showList(v, l, "/v1/audit", "audit", lang.Text("Audit log"), view, &view.Entries, nil)
}
