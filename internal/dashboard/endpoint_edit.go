package dashboard

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// settingsView is the form with all that can be changed of an endpoint.
type settingsView struct {
	*newEndpointView
	Filter, Channels, RateLimit, Concurrency, Timeout, Schedule, Headers string
	Once1                                                                bool // one attempt alone
	Told                                                                 string
	Emails                                                               string
	Auth                                                                 client.EndpointAuth
	Auths, Tells                                                         []choice
}

// Who is told by mail when an endpoint fails.
const (
	tellConsumer = ""
	tellNobody   = "nobody"
	tellThese    = "these"
)

func (v *visit) settingsPage() error {
	e, err := read[client.Endpoint](v, ofProject, "/v1/endpoints/"+url.PathEscape(v.r.PathValue("id")), nil)
	if err != nil {
		return err
	}
	view := &settingsView{
		newEndpointView: &newEndpointView{ID: e.ID, Consumer: e.Consumer, Name: e.Name, URL: e.URL, Description: e.Description, All: slices.Contains(e.EventTypes, "*")},
		Filter:          e.Filter, Channels: strings.Join(e.Channels, ", "), RateLimit: shownNumber(e.RateLimit), Concurrency: shownNumber(e.Concurrency), Timeout: shownNumber(e.Timeout),
		Once1: e.RetrySchedule != nil && len(e.RetrySchedule) == 0,
	}
	for _, w := range e.RetrySchedule {
		view.Schedule = strings.TrimPrefix(view.Schedule+", "+strconv.Itoa(w), ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		view.Headers += name + ": " + e.Headers[name] + "\n"
	}
	if e.Emails != nil {
		view.Told, view.Emails = tellThese, strings.Join(*e.Emails, ", ")
		if len(*e.Emails) == 0 {
			view.Told = tellNobody
		}
	}
	if e.Auth != nil {
		view.Auth = *e.Auth
	}
	if err := v.offer(view, e.EventTypes); err != nil {
		return err
	}
	return v.show(http.StatusOK, "editendpoint", lang.Text("Change the endpoint"), view)
}

// offer fills in what can be chosen.
func (v *visit) offer(view *settingsView, chosen []string) error {
	if err := v.prepare(view.newEndpointView, chosen); err != nil {
		return err
	}
	if view.More == "" {
		for _, t := range chosen {
			if t != "*" && !slices.ContainsFunc(view.Types, func(c choice) bool { return c.Value == t }) {
				view.More = strings.TrimPrefix(view.More+", "+t, ", ")
			}
		}
	}
	view.Auths, view.Tells = nil, nil
	for _, a := range []struct {
		kind string
		text lang.Message
	}{
		{"", lang.Text("the signature alone")}, {"basic", lang.Text("user name and password")}, {"bearer", lang.Text("a bearer token")}, {"mtls", lang.Text("a client certificate")},
	} {
		view.Auths = append(view.Auths, choice{a.kind, a.text.In(v.lang), a.kind == view.Auth.Type})
	}
	for _, t := range []struct {
		who  string
		text lang.Message
	}{
		{tellConsumer, lang.Text("whom the consumer names")}, {tellThese, lang.Text("these addresses")}, {tellNobody, lang.Text("nobody")},
	} {
		view.Tells = append(view.Tells, choice{t.who, t.text.In(v.lang), t.who == view.Told})
	}
	return nil
}

func (v *visit) changeSettings() error {
	base, chosen, err := v.endpointForm()
	if err != nil {
		return err
	}
	id := v.r.PathValue("id")
	base.ID = id
	view := &settingsView{
		newEndpointView: base, Filter: v.field("filter"), Channels: v.field("channels"), RateLimit: v.field("rate_limit"), Concurrency: v.field("concurrency"),
		Timeout: v.field("timeout"), Schedule: v.field("retry_schedule"), Once1: v.field("one_attempt") != "", Headers: v.r.PostFormValue("headers"), Told: v.field("told"), Emails: v.field("emails"),
		Auth: client.EndpointAuth{
			Type: v.field("auth"), Username: v.field("auth_username"), Password: v.r.PostFormValue("auth_password"), Token: v.field("auth_token"),
			Certificate: v.r.PostFormValue("auth_certificate"), PrivateKey: v.r.PostFormValue("auth_private_key"),
		},
	}
	before, err := read[client.Endpoint](v, ofProject, "/v1/endpoints/"+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	view.Consumer = before.Consumer
	_, err = do[client.Endpoint](v, ofProject, http.MethodPatch, "/v1/endpoints/"+url.PathEscape(id), view.change(before, chosen), "")
	if err != nil {
		if err := v.offer(view, chosen); err != nil {
			return err
		}
		return v.again(err, "editendpoint", lang.Text("Change the endpoint"), view, &view.Problem)
	}
	return v.endpointDone("changed")
}

// change is what the form says, as the API takes it.
func (view *settingsView) change(before *client.Endpoint, chosen []string) map[string]any {
	out := map[string]any{
		"name": view.Name, "url": view.URL, "description": view.Description, "event_types": view.wanted(chosen), "filter": textOrNull(view.Filter), "channels": parts(view.Channels),
		"rate_limit": numeric(view.RateLimit), "concurrency": numeric(view.Concurrency), "timeout": numeric(view.Timeout), "retry_schedule": nil, "emails": nil, "auth": view.auth(),
		"headers": headersOf(view.Headers, before.Headers),
	}
	switch {
	case view.Once1:
		out["retry_schedule"] = []int{}
	case view.Schedule != "":
		out["retry_schedule"] = numbers(view.Schedule)
	}
	switch view.Told {
	case tellNobody:
		out["emails"] = []string{}
	case tellThese:
		out["emails"] = parts(view.Emails)
	}
	return out
}

// auth is the type that was chosen, with the members that are its own.
func (view *settingsView) auth() any {
	a := client.EndpointAuth{Type: view.Auth.Type}
	switch a.Type {
	case "":
		return nil
	case "basic":
		a.Username, a.Password = view.Auth.Username, view.Auth.Password
	case "bearer":
		a.Token = view.Auth.Token
	case "mtls":
		a.Certificate, a.PrivateKey = view.Auth.Certificate, view.Auth.PrivateKey
	}
	return a
}

// headersOf reads a header a line; those that are not there any more are taken away.
func headersOf(text string, before map[string]string) map[string]any {
	out := map[string]any{}
	for name := range before {
		out[name] = nil
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		for known := range before { // whatever its case
			if strings.EqualFold(known, name) {
				name = known
			}
		}
		out[name] = strings.TrimSpace(value)
	}
	return out
}
