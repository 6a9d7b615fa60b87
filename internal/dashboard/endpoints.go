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
	Cards     []endpointCard // of the portal, in their place
	States    []choice
}

func (v *visit) endpointsPage() error {
	l := v.list("state", "consumer", "event_type", "search")
	view := &endpointsView{listView: l}
	for _, s := range []string{"active", "paused", "disabled"} {
		view.States = append(view.States, choice{s, stateWord(s).In(v.lang), l.Filters["state"] == s})
	}
	return showList(v, l, "/v1/endpoints", "endpoints", lang.Text("Endpoints"), view, &view.Endpoints, func() (err error) {
		if v.inPortal() {
			view.Cards, err = v.cards(view.Endpoints)
		}
		return err
	})
}

func isStatus(err error, status int) bool {
	var p *client.Error
	return errors.As(err, &p) && p.Status == status
}

// endpointView is an endpoint's page.
type endpointView struct {
	*client.Endpoint
	Stats      *client.Stats
	Times      *timesChart
	Chart      *chart
	Causes     []cause
	Deliveries []client.Delivery // the last 100
	Strip      *strip
	Checks     []check
	Forecast   lang.Message    // zero: nothing is pending
	Checkup    *client.Checkup // nil: it was not checked up
	Once       string
	Since      string // where the field of recover begins
	Problem    *problemView
	Fresh      bool // it was made, or its secret, just now: Secret is shown this once
	Made       bool
	Names      []string // event types, of which a test may be
	Why        string   // the last failure, of an endpoint that fails
	Advice     lang.Message
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
	view.Times = drawTimes(view.Stats)
	view.Chart, view.Causes = drawStats(view.Stats), drawCauses(view.Stats.Attempts.Failures)
	view.Checks, view.Forecast = view.checks(v.lang), forecast(view.Endpoint, view.Stats, v.lang)
	if view.Names, err = v.eventTypeNames(); err != nil {
		return err
	}
	if view.Stats.InARow > 0 || view.State == "disabled" {
		view.Why, view.Advice = trouble(ds.Data)
	}
	view.Once, view.Since = newOnce(), time.Now().UTC().Add(-24*time.Hour).Format("2006-01-02T15:04")
	title := view.Name
	if title == "" {
		title = view.URL
	}
	return v.show(status, "endpoint", lang.Text("Endpoint %s", title), view)
}

// newEndpointView is the form, as it was filled in.
type newEndpointView struct {
	ID                                           string // of one that is there; empty: it is new
	Once, Consumer, Name, URL, Description, More string
	All                                          bool
	Types                                        []choice
	Cards                                        []typeCard // of the portal, in their place
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
func (v *visit) prepare(view *newEndpointView, chosen []string) (err error) {
	view.Once = newOnce()
	if v.inPortal() {
		view.Cards, err = v.typeCards(chosen)
		return err
	}
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
	return nil
}

// endpointForm is the form as it was filled in, with the types that were ticked.
func (v *visit) endpointForm() (view *newEndpointView, chosen []string, err error) {
	if err := v.form(); err != nil {
		return nil, nil, err
	}
	view = &newEndpointView{
		Consumer: v.field("consumer"), Name: v.field("name"), URL: v.field("url"), Description: v.field("description"), More: v.field("more"), All: v.field("all") != "",
	}
	if v.portal != nil {
		view.Consumer = v.portal.session.Consumer
	}
	return view, v.r.Form["event_types"], nil
}

// wanted are the types that a form asks for.
func (view *newEndpointView) wanted(chosen []string) []string {
	if view.All {
		return []string{"*"}
	}
	more := strings.FieldsFunc(view.More, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	return append(append([]string{}, chosen...), more...)
}

func (v *visit) createEndpoint() error {
	view, chosen, err := v.endpointForm()
	if err != nil {
		return err
	}
	in := client.NewEndpoint{Consumer: view.Consumer, Name: view.Name, URL: view.URL, EventTypes: view.wanted(chosen), Description: view.Description}
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
	return v.redirect(v.base() + "/endpoints/" + url.PathEscape(v.r.PathValue("id")) + "?done=" + done)
}

// endpointWrong shows the endpoint's page with what the API said.
func (v *visit) endpointWrong(err error) error {
	var p *client.Error
	if !errors.As(err, &p) || p.Status != http.StatusConflict && p.Status != http.StatusUnprocessableEntity && p.Status != http.StatusTooManyRequests && p.Status != http.StatusBadRequest {
		return err
	}
	return v.showEndpoint(p.Status, &endpointView{Problem: v.problem(p)})
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
	if err := v.form(); err != nil {
		return err
	}
	t, err := endpointAction[client.TestSent](v, "/test", v.testBody(), "")
	if err != nil {
		return v.endpointWrong(err)
	}
	if t.DeliveryID == "" && v.inPortal() {
		return v.redirect(v.base() + "/deliveries")
	}
	if t.DeliveryID == "" {
		return v.redirect(v.base() + "/events/" + url.PathEscape(t.EventID))
	}
	return v.redirect(v.base() + "/deliveries/" + url.PathEscape(t.DeliveryID) + "?done=tested")
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
