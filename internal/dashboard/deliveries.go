package dashboard

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

type deliveriesView struct {
	*listView
	Deliveries []client.Delivery
	States     []choice
	Names      []string
	Endpoints  []choice // of the portal, for the filter
}

func deliveryFilters() []string {
	return []string{"state", "last_status", "type", "consumer", "endpoint_id", "event_id", "from", "until"}
}

// deliveryStates are those that a list can be narrowed to.
func (v *visit) deliveryStates(l *listView) (out []choice) {
	for _, s := range []string{"pending", "delivered", "failed", "cancelled"} {
		out = append(out, choice{s, stateWord(s).In(v.lang), l.Filters["state"] == s})
	}
	return out
}

func (v *visit) deliveriesPage() error {
	l := v.list(deliveryFilters()...)
	names, err := v.eventTypeNames()
	if err != nil {
		return err
	}
	view := &deliveriesView{listView: l, Names: names, States: v.deliveryStates(l)}
	if v.inPortal() {
		if view.Endpoints, err = v.endpointChoices(l.Filters["endpoint_id"]); err != nil {
			return err
		}
	}
	return showList(v, l, "/v1/deliveries", "deliveries", lang.Text("Deliveries"), view, &view.Deliveries, nil)
}

// deliveryView is a delivery's page.
type deliveryView struct {
	*client.Delivery
	Endpoint *client.Endpoint // nil: it was deleted
	Attempts []attemptView    // newest first
	More     bool             // and more than are shown
	Body     *bodyView        // as it was sent; nil: not known any more
	Due      bool             // the next attempt is not in the future
	Soon     bool             // what comes of it will be known in seconds
	Pair     bool             // there are two attempts to compare
}

// newsWithin is how long after it was due an attempt is looked for.
const newsWithin = 2 * time.Minute

// dueWhen says of the next attempt whether it is due, and whether its outcome
// is to be expected within seconds.
func dueWhen(next *time.Time, now time.Time) (due, soon bool) {
	if next == nil {
		return false, false
	}
	late := now.Sub(*next)
	return late >= 0, late > -5*time.Second && late < newsWithin
}

// attemptView is an attempt with what its page says beside.
type attemptView struct {
	client.Attempt
	Parts  []part
	Answer *bodyView // nil: no answer came
	Binary bool      // the answer is no text: it is shown in base64
	Advice lang.Message
	Open   bool
}

// maxAttempts are shown on a page.
const maxAttempts = 50

func (v *visit) deliveryPage() error {
	path := "/v1/deliveries/" + url.PathEscape(v.r.PathValue("id"))
	d, err := read[client.Delivery](v, ofProject, path, nil)
	if err != nil {
		return err
	}
	view := &deliveryView{Delivery: d}
	view.Due, view.Soon = dueWhen(d.NextDueAt, time.Now())
	attempts, err := read[listed[client.Attempt]](v, ofProject, path+"/attempts", url.Values{"limit": {itoa(maxAttempts)}})
	if err != nil {
		return err
	}
	view.More, view.Pair = attempts.NextCursor != "", len(attempts.Data) > 1
	for i, a := range slices.Backward(attempts.Data) {
		view.Attempts = append(view.Attempts, viewAttempt(&a, i == len(attempts.Data)-1))
		if view.Body == nil && a.Request.BodyEncoding == "text" {
			view.Body = viewBody(a.Request.Body)
		}
	}
	if view.Endpoint, err = read[client.Endpoint](v, ofProject, "/v1/endpoints/"+url.PathEscape(d.EndpointID), nil); isStatus(err, http.StatusNotFound) {
		view.Endpoint, err = nil, nil
	}
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "delivery", lang.Text("Delivery of %s", d.Type), view)
}

func viewAttempt(a *client.Attempt, open bool) attemptView {
	v := attemptView{Attempt: *a, Parts: drawTimings(&a.Timings), Open: open}
	status := 0
	if a.Response != nil {
		status = a.Response.Status
		v.Answer = viewBody(a.Response.Body)
		if v.Binary = a.Response.BodyEncoding == "base64"; v.Binary {
			v.Answer.Size = base64.StdEncoding.DecodedLen(v.Answer.Size)
		}
	}
	if a.Error != nil {
		v.Advice = store.Advice(store.Class(a.Error.Class), status)
	}
	return v
}

func (v *visit) retryDelivery() error  { return v.changeDelivery("retry", "retried") }
func (v *visit) cancelDelivery() error { return v.changeDelivery("cancel", "cancelled") }

func (v *visit) changeDelivery(action, done string) error {
	id := url.PathEscape(v.r.PathValue("id"))
	if _, err := do[client.Delivery](v, ofProject, http.MethodPost, "/v1/deliveries/"+id+"/"+action, nil, ""); err != nil {
		return err
	}
	return v.redirect(v.base() + "/deliveries/" + id + "?done=" + done)
}
