package dashboard

import (
	"net/http"
	"net/url"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

type eventsView struct {
	*listView
	Events []client.Event
	Names  []string // event types, for the filter
}

// maxNames of event types are offered for choosing.
const maxNames = 250

func eventFilters() []string {
	return []string{"type", "consumer", "id", "idempotency_key", "channel", "search", "from", "until"}
}

func (v *visit) eventsPage() error {
	l := v.list(eventFilters()...)
	names, err := v.eventTypeNames()
	if err != nil {
		return err
	}
	view := &eventsView{listView: l, Names: names}
	return showList(v, l, "/v1/events", "events", lang.Text("Messages"), view, &view.Events, nil)
}

func (v *visit) eventTypeNames() (names []string, err error) {
	types, err := read[listed[client.EventType]](v, ofProject, "/v1/event-types", url.Values{"limit": {itoa(maxNames)}})
	if err != nil {
		return nil, err
	}
	for _, t := range types.Data {
		names = append(names, t.Name)
	}
	return names, nil
}

// eventView is an event's page.
type eventView struct {
	*client.Event
	Body      *bodyView
	Once      string
	Consumers string // address of the endpoints of its consumer
}

func (v *visit) eventPage() error {
	e, err := read[client.Event](v, ofProject, "/v1/events/"+url.PathEscape(v.r.PathValue("id")), nil)
	if err != nil {
		return err
	}
	view := &eventView{Event: e, Body: viewBody(string(e.Data)), Once: newOnce()}
	view.Consumers = v.base() + "/endpoints?" + url.Values{"consumer": {e.Consumer}}.Encode()
	return v.show(http.StatusOK, "event", lang.Text("Message %s", e.Type), view)
}

func (v *visit) replayEvent() error {
	id := v.r.PathValue("id")
	_, err := do[client.EventReplayed](v, ofProject, http.MethodPost, "/v1/events/"+url.PathEscape(id)+"/replay", nil, "")
	if err != nil {
		return err
	}
	return v.redirect(v.base() + "/events/" + url.PathEscape(id) + "?done=replayed")
}
