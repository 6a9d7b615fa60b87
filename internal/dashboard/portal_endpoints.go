package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// endpointCard is an endpoint in the portal's list.
type endpointCard struct {
	client.Endpoint
	Stats *client.Stats // nil: not counted on this page
}

// countEndpoints of a page are shown with counts.
const countEndpoints = 20

// cards counts for the first endpoints of a list.
func (v *visit) cards(es []client.Endpoint) (out []endpointCard, err error) {
	for i := range es {
		c := endpointCard{Endpoint: es[i]}
		if i < countEndpoints {
			c.Stats, err = read[client.Stats](v, ofProject, "/v1/endpoints/"+url.PathEscape(c.ID)+"/stats", nil)
			if err != nil && !isStatus(err, http.StatusNotFound) { // deleted just now
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// typeCard is an event type for choosing.
type typeCard struct {
	Name, Description string
	Deprecated        bool
	Sample            *bodyView // nil: there is none, or too many types are there to show all
	Chosen            bool
}

// countSamples of types are shown with a sample.
const countSamples = 60

// typeCards are the event types, with what they say and look like.
func (v *visit) typeCards(chosen []string) (out []typeCard, err error) {
	types, err := read[listed[client.EventType]](v, ofProject, "/v1/event-types", url.Values{"limit": {itoa(maxNames)}})
	if err != nil {
		return nil, err
	}
	for i := range types.Data {
		t := &types.Data[i]
		c := typeCard{Name: t.Name, Description: t.Description, Deprecated: t.Deprecated, Chosen: slices.Contains(chosen, t.Name)}
		if v.lang == lang.Portuguese && t.DescriptionPT != "" {
			c.Description = t.DescriptionPT
		}
		if i < countSamples {
			full, err := read[client.EventType](v, ofProject, "/v1/event-types/"+url.PathEscape(t.Name), nil)
			if err != nil && !isStatus(err, http.StatusNotFound) {
				return nil, err
			}
			if err == nil && len(full.Examples) > 0 {
				c.Sample = viewBody(string(full.Examples[0]))
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// catalogView is the page of event types.
type catalogView struct{ Types []typeCard }

func (v *visit) catalogPage() error {
	types, err := v.typeCards(nil)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "eventtypes", lang.Text("Event types"), &catalogView{types})
}

// trouble says of an endpoint that fails what probably mends it.
func trouble(ds []client.Delivery) (why string, fix lang.Message) {
	for i := range ds {
		e := ds[i].LastError
		if e == nil {
			continue
		}
		return e.Detail, store.Advice(store.Class(e.Class), ds[i].LastStatus)
	}
	return "", lang.Message{}
}

// testType is the type that a form chose for a test; nil: the dialect's own.
func (v *visit) testBody() any {
	if t := v.field("type"); t != "" {
		return map[string]string{"type": t}
	}
	return nil
}

func (v *visit) sendMissed() error {
	if err := v.form(); err != nil {
		return err
	}
	body := map[string]string{"since": moment(v.field("since"))}
	if _, err := endpointAction[client.Replay](v, "/replay-missing", body, v.field("once")); err != nil {
		return v.endpointWrong(err)
	}
	return v.endpointDone("recovering")
}

// editEndpointPage is the form of an endpoint that is there.
func (v *visit) editEndpointPage() error {
	e, err := read[client.Endpoint](v, ofProject, "/v1/endpoints/"+url.PathEscape(v.r.PathValue("id")), nil)
	if err != nil {
		return err
	}
	view := &newEndpointView{ID: e.ID, Name: e.Name, URL: e.URL, Description: e.Description, All: slices.Contains(e.EventTypes, "*")}
	if err := v.prepare(view, e.EventTypes); err != nil {
		return err
	}
	for _, t := range e.EventTypes {
		if t != "*" && !slices.ContainsFunc(view.Cards, func(c typeCard) bool { return c.Name == t }) {
			view.More = strings.TrimPrefix(view.More+", "+t, ", ")
		}
	}
	return v.show(http.StatusOK, "newendpoint", lang.Text("Change the endpoint"), view)
}

func (v *visit) editEndpoint() error {
	view, chosen, err := v.endpointForm()
	if err != nil {
		return err
	}
	id := v.r.PathValue("id")
	change := map[string]any{"name": view.Name, "url": view.URL, "description": view.Description, "event_types": view.wanted(chosen)}
	if _, err := do[client.Endpoint](v, ofProject, http.MethodPatch, "/v1/endpoints/"+url.PathEscape(id), change, ""); err != nil {
		view.ID = id
		if err := v.prepare(view, chosen); err != nil {
			return err
		}
		return v.again(err, "newendpoint", lang.Text("Change the endpoint"), view, &view.Problem)
	}
	return v.endpointDone("changed")
}

func (v *visit) deleteEndpoint() error {
	if err := v.form(); err != nil {
		return err
	}
	if v.field("sure") == "" {
		return v.endpointDone("kept")
	}
	if _, err := do[json.RawMessage](v, ofProject, http.MethodDelete, "/v1/endpoints/"+url.PathEscape(v.r.PathValue("id")), nil, ""); err != nil {
		return v.endpointWrong(err)
	}
	if v.inPortal() {
		return v.redirect(portalPath + "?done=deleted")
	}
	return v.redirect(v.base() + "/endpoints?done=deleted")
}

// endpointChoices are the endpoints that a list can be narrowed to.
func (v *visit) endpointChoices(chosen string) (out []choice, err error) {
	es, err := read[listed[client.Endpoint]](v, ofProject, "/v1/endpoints", url.Values{"limit": {itoa(maxNames)}})
	if err != nil {
		return nil, err
	}
	for _, e := range es.Data {
		label := e.Name
		if label == "" {
			label = e.URL
		}
		out = append(out, choice{e.ID, label, e.ID == chosen})
	}
	return out, nil
}
