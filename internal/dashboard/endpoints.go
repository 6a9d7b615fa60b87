package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

type endpointsView struct {
	*listView
	Endpoints []client.Endpoint
	States    []choice
}

func (v *visit) endpointsPage() error {
	l := v.list("state", "consumer", "event_type", "search")
	view := &endpointsView{listView: l}
	for _, s := range []string{"active", "paused", "disabled"} {
		view.States = append(view.States, choice{s, stateWord(s).In(v.lang), l.Filters["state"] == s})
	}
	return showList(v, l, "/v1/endpoints", "endpoints", lang.Text("Endpoints"), view, &view.Endpoints)
}

func isStatus(err error, status int) bool {
	var p *client.Error
	return errors.As(err, &p) && p.Status == status
}

// endpointView is an endpoint's page.
type endpointView struct {
	*client.Endpoint
	Stats      *client.Stats
	Chart      *chart
	Causes     []cause
	Deliveries []client.Delivery // the last 100
	Strip      *strip
	Checks     []check
	Probed     *client.Probed // nil: it was not asked
	Once       string
	Since      string // where the field of recover begins
	Problem    *problemView
	Fresh      bool // it was made, or its secret, just now: Secret is shown this once
	Made       bool
}

const lastDeliveries = 100

func (v *visit) endpointPage() error { return v.showEndpoint(http.StatusOK, &endpointView{}) }

// showEndpoint shows the endpoint of the path, or the one that view has already.
func (v *visit) showEndpoint(status int, view *endpointView) (err error) {
	if view.Endpoint == nil {
		view.Endpoint, err = read[client.Endpoint](v, ofProject, "/v1/endpoints/"+url.PathEscape(v.r.PathValue("id")), nil)
		if err != nil {
			return err
		}
	}
	path := "/v1/endpoints/" + url.PathEscape(view.ID)
	if view.Stats, err = read[client.Stats](v, ofProject, path+"/stats", nil); err != nil {
		return err
	}
	ds, err := read[listed[client.Delivery]](v, ofProject, "/v1/deliveries", url.Values{"endpoint_id": {view.ID}, "limit": {itoa(lastDeliveries)}})
	if err != nil {
		return err
	}
	view.Deliveries, view.Strip = ds.Data, drawStrip(ds.Data)
	view.Chart, view.Causes = drawStats(view.Stats), drawCauses(view.Stats.Attempts.Failures)
	view.Checks = view.checks(v.lang)
	view.Once, view.Since = newOnce(), time.Now().UTC().Add(-24*time.Hour).Format("2006-01-02T15:04")
	title := view.Name
	if title == "" {
		title = view.URL
	}
	return v.show(status, "endpoint", lang.Text("Endpoint %s", title), view)
}

// newEndpointView is the form, as it was filled in.
type newEndpointView struct {
	Once, Consumer, Name, URL, Description, More string
	All                                          bool
	Types                                        []choice
	Consumers                                    []string
	Problem                                      *problemView
}

func (v *visit) newEndpointPage() error {
	view := &newEndpointView{Consumer: v.r.URL.Query().Get("consumer"), All: true}
	if err := v.prepare(view, nil); err != nil {
		return err
	}
	return v.show(http.StatusOK, "newendpoint", lang.Text("New endpoint"), view)
}

// prepare offers event types and consumers.
func (v *visit) prepare(view *newEndpointView, chosen []string) error {
	names, err := v.eventTypeNames()
	if err != nil {
		return err
	}
	for _, n := range names {
		view.Types = append(view.Types, choice{n, n, slices.Contains(chosen, n)})
	}
	cs, err := read[listed[client.Consumer]](v, ofProject, "/v1/consumers", url.Values{"limit": {itoa(maxNames)}})
	if err != nil {
		return err
	}
	for _, c := range cs.Data {
		view.Consumers = append(view.Consumers, c.UID)
	}
	view.Once = newOnce()
	return nil
}

func (v *visit) createEndpoint() error {
	if err := v.form(); err != nil {
		return err
	}
	view := &newEndpointView{
		Consumer: v.field("consumer"), Name: v.field("name"), URL: v.field("url"), Description: v.field("description"), More: v.field("more"), All: v.field("all") != "",
	}
	chosen := v.r.Form["event_types"]
	types := slices.Clone(chosen)
	if view.All {
		types = []string{"*"}
	} else {
		types = append(types, strings.FieldsFunc(view.More, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })...)
	}
	if types == nil {
		types = []string{}
	}
	in := client.NewEndpoint{Consumer: view.Consumer, Name: view.Name, URL: view.URL, EventTypes: types, Description: view.Description}
	made, err := do[client.Endpoint](v, ofProject, http.MethodPost, "/v1/endpoints", in, v.field("once"))
	if err != nil {
		if err := v.prepare(view, chosen); err != nil {
			return err
		}
		return v.again(err, "newendpoint", lang.Text("New endpoint"), view, &view.Problem)
	}
	return v.showEndpoint(http.StatusCreated, &endpointView{Endpoint: made, Fresh: true, Made: true})
}

// endpointAction asks for something of the endpoint of the path.
func endpointAction[T any](v *visit, action string, body any, once string) (*T, error) {
	return do[T](v, ofProject, http.MethodPost, "/v1/endpoints/"+url.PathEscape(v.r.PathValue("id"))+action, body, once)
}

// endpointDone leads back to the endpoint's page.
func (v *visit) endpointDone(done string) error {
	return v.redirect("/p/" + v.project.ID + "/endpoints/" + url.PathEscape(v.r.PathValue("id")) + "?done=" + done)
}

// endpointWrong shows the endpoint's page with what the API said.
func (v *visit) endpointWrong(err error) error {
	var p *client.Error
	if !errors.As(err, &p) || p.Status != http.StatusConflict && p.Status != http.StatusUnprocessableEntity && p.Status != http.StatusTooManyRequests && p.Status != http.StatusBadRequest {
		return err
	}
	return v.showEndpoint(p.Status, &endpointView{Problem: viewProblem(p)})
}

func (v *visit) pauseEndpoint() error {
	if _, err := endpointAction[client.Endpoint](v, "/pause", nil, ""); err != nil {
		return v.endpointWrong(err)
	}
	return v.endpointDone("paused")
}

func (v *visit) resumeEndpoint() error {
	if err := v.form(); err != nil {
		return err
	}
	var body any
	if v.field("skip") != "" {
		body = map[string]bool{"skip": true}
	}
	if _, err := endpointAction[client.Endpoint](v, "/resume", body, ""); err != nil {
		return v.endpointWrong(err)
	}
	return v.endpointDone("resumed")
}

func (v *visit) rotateEndpoint() error {
	if err := v.form(); err != nil {
		return err
	}
	body := client.Rotation{}
	if v.field("now") != "" {
		body.Overlap = new(int)
	}
	e, err := endpointAction[client.Endpoint](v, "/secret/rotate", body, v.field("once"))
	if err != nil {
		return v.endpointWrong(err)
	}
	return v.showEndpoint(http.StatusOK, &endpointView{Endpoint: e, Fresh: true})
}

func (v *visit) testEndpoint() error {
	t, err := endpointAction[client.TestSent](v, "/test", nil, "")
	if err != nil {
		return v.endpointWrong(err)
	}
	if t.DeliveryID == "" {
		return v.redirect("/p/" + v.project.ID + "/events/" + url.PathEscape(t.EventID))
	}
	return v.redirect("/p/" + v.project.ID + "/deliveries/" + url.PathEscape(t.DeliveryID) + "?done=tested")
}

func (v *visit) recoverEndpoint() error {
	if err := v.form(); err != nil {
		return err
	}
	body := struct {
		Since string `json:"since"`
	}{moment(v.field("since"))}
	if _, err := endpointAction[client.Replay](v, "/recover", body, v.field("once")); err != nil {
		return v.endpointWrong(err)
	}
	return v.endpointDone("recovering")
}
