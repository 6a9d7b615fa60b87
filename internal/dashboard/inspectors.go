package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// The inspector: throw-away addresses that show what arrives there. Its answers
// are a stranger's, and come from another listener; here stand only pages about
// them.

func inspectPages() []*page {
	const at = "/p/{project}/inspect"
	const one, request = at + "/{id}", at + "/{id}/requests/{request}"
	return []*page{
		{"GET", "/inspect", store.RoleViewer, "", (*visit).inspectDoor},
		{"GET", at, store.RoleViewer, "", (*visit).inspectorsPage},
		{"POST", at, store.RoleOperator, "", (*visit).createInspector},
		{"GET", one, store.RoleViewer, "", (*visit).inspectorPage},
		{"POST", one, store.RoleOperator, "", (*visit).changeInspector},
		{"GET", one + "/stream", store.RoleViewer, "", (*visit).tailInspector},
		{"GET", one + "/compare", store.RoleViewer, "", (*visit).compareInspected},
		{"POST", one + "/clear", store.RoleOperator, "", (*visit).clearInspector},
		{"POST", one + "/delete", store.RoleOperator, "", (*visit).deleteInspector},
		{"GET", request, store.RoleViewer, "", (*visit).inspectedPage},
		{"POST", request + "/replay", store.RoleOperator, "", (*visit).replayInspected},
		{"POST", request + "/delete", store.RoleOperator, "", (*visit).deleteInspected},
	}
}

// inspectDoor leads to the inspectors of the one project, or to the choice of one.
func (v *visit) inspectDoor() error {
	ps, err := read[listed[client.Project]](v, serverWide, "/v1/projects", url.Values{"limit": {"2"}})
	if err != nil {
		return err
	}
	if len(ps.Data) == 1 {
		return v.redirect("/p/" + ps.Data[0].ID + "/inspect")
	}
	return v.redirect("/projects")
}

// inspectorsView is the list, and the form for a new one.
type inspectorsView struct {
	Inspectors []client.Inspector
	More       bool // there are more than are shown
	Once, Name string
	Ends       string // seconds that are chosen; empty: it does not
	Dialects   []choice
	Expires    []choice
	Problem    *problemView
}

const maxInspectorsShown = 100

func (v *visit) inspectorsPage() error {
	return v.showInspectors(http.StatusOK, &inspectorsView{Ends: "604800"})
}

func (v *visit) showInspectors(status int, view *inspectorsView) error {
	all, err := read[listed[client.Inspector]](v, ofProject, "/v1/inspectors", url.Values{"limit": {itoa(maxInspectorsShown)}})
	if err != nil {
		return err
	}
	view.Inspectors, view.More, view.Once = all.Data, all.NextCursor != "", newOnce()
	view.Dialects = v.inspectorDialects(v.field("dialect"))
	for _, e := range []struct {
		seconds string
		label   lang.Message
	}{{"3600", lang.Text("in an hour")}, {"86400", lang.Text("in a day")}, {"604800", lang.Text("in a week")}, {"", lang.Text("never")}} {
		view.Expires = append(view.Expires, choice{e.seconds, e.label.In(v.lang), e.seconds == view.Ends})
	}
	return v.show(status, "inspectors", lang.Text("Inspector"), view)
}

// inspectorDialects are those that requests may be verified by, or none.
func (v *visit) inspectorDialects(chosen string) []choice {
	out := v.dialects(chosen)
	if chosen == "" {
		for i := range out {
			out[i].Chosen = false
		}
	}
	return append([]choice{{"", lang.Text("none: what arrives is not verified").In(v.lang), chosen == ""}}, out...)
}

func (v *visit) createInspector() error {
	if err := v.form(); err != nil {
		return err
	}
	in := client.NewInspector{Name: v.field("name"), Dialect: v.field("dialect"), Secret: v.r.PostFormValue("secret")}
	body := map[string]any{"name": in.Name}
	if in.Dialect != "" {
		body["dialect"] = in.Dialect
	}
	if in.Secret != "" {
		body["secret"] = in.Secret
	}
	if e := v.field("expires_in"); e != "" {
		body["expires_in"] = numeric(e)
	}
	v.fields = map[string]formField{"expires_in": {"expires_in", "It ends"}}
	made, err := do[client.Inspector](v, ofProject, http.MethodPost, "/v1/inspectors", body, v.field("once"))
	if err != nil {
		view := &inspectorsView{Name: in.Name, Ends: v.field("expires_in")}
		if view.Problem = v.problemOf(err); view.Problem == nil {
			return err
		}
		return v.showInspectors(http.StatusUnprocessableEntity, view)
	}
	return v.redirect(v.base() + "/inspect/" + url.PathEscape(made.ID))
}

// inspectorView is the page of one.
type inspectorView struct {
	*client.Inspector
	Requests []inspectedRow
	Next     string // address of the next page; empty: there is none
	First    string // address of the first, where this is another
	Search   string
	Source   string // address of what goes on; empty: an older page, or a search
	Kept     int
	Dialects []choice
	Answer   answerForm
	Problem  *problemView
	Compare  bool   // there are two to compare
	Of       string // the form that was refused: "answer" or "settings"; empty: none
	Named    string // in the form
	Chosen   string // dialect in the form
	NoSecret bool   // ticked in the form
}

// inspectedRow is a request in the list.
type inspectedRow struct {
	*client.InspectedRequest
	Base   string // of the inspector's pages
	Judged bool   // the list has a column for verdicts
	Why    lang.Message
}

// answerForm is what the inspector answers, as a form has it.
type answerForm struct {
	Status, Delay, FailRate, FailStatus string
	Headers, Body                       string
	Base64                              bool
}

func inspectorPath(id string) string { return "/v1/inspectors/" + url.PathEscape(id) }

func (v *visit) inspectorPage() error { return v.showInspector(http.StatusOK, &inspectorView{}) }

func (v *visit) inspectorBase() string {
	return v.base() + "/inspect/" + url.PathEscape(v.r.PathValue("id"))
}

func (v *visit) showInspector(status int, view *inspectorView) (err error) {
	id := v.r.PathValue("id")
	if view.Inspector, err = read[client.Inspector](v, ofProject, inspectorPath(id), nil); err != nil {
		return err
	}
	query, base := v.r.URL.Query(), v.inspectorBase()
	view.Search = strings.TrimSpace(query.Get("search"))
	asked := url.Values{"limit": {itoa(inspectedShown)}}
	for name, value := range map[string]string{"search": view.Search, "cursor": query.Get("cursor")} {
		if value != "" {
			asked.Set(name, value)
		}
	}
	rows, err := read[listed[client.InspectedRequest]](v, ofProject, inspectorPath(id)+"/requests", asked)
	v.fields = map[string]formField{"search": {"search", "Text in path, headers or body"}}
	if err != nil && view.Problem == nil {
		if view.Problem = v.problemOf(err); view.Problem == nil {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	if err == nil {
		view.Requests = v.inspectedRows(rows.Data, view.Judges())
		view.list(base, query, rows.NextCursor)
	}
	view.Kept, view.Compare = inspectedShown, len(view.Requests) > 1
	if view.Of != "settings" {
		view.Named, view.Chosen = view.Name, view.Dialect
	}
	view.Dialects = v.inspectorDialects(view.Chosen)
	if view.Of != "answer" {
		view.Answer = answerOf(&view.Inspector.Answer)
	}
	title := view.Name
	if title == "" {
		title = view.ID
	}
	return v.show(status, "inspector", lang.Text("Inspector %s", title), view)
}

// Judges reports whether what arrives is verified.
func (view *inspectorView) Judges() bool { return view.Dialect != "" && view.HasSecret }

// list says where the other pages of the list are, and whether this one goes on.
func (view *inspectorView) list(base string, query url.Values, next string) {
	q := url.Values{}
	if view.Search != "" {
		q.Set("search", view.Search)
	}
	if query.Get("cursor") != "" {
		view.First = base + "?" + q.Encode()
	} else if view.Search == "" {
		view.Source = base + "/stream"
		if view.Judges() {
			view.Source += "?judged=1"
		}
	}
	if next != "" {
		q.Set("cursor", next)
		view.Next = base + "?" + q.Encode()
	}
}

const inspectedShown = 50

func (v *visit) inspectedRows(rs []client.InspectedRequest, judged bool) []inspectedRow {
	out := make([]inspectedRow, len(rs))
	for i := range rs {
		out[i] = inspectedRow{InspectedRequest: &rs[i], Base: v.inspectorBase(), Judged: judged}
		if d := rs[i].Verdict; d != nil {
			out[i].Why = causeWord(d.Cause)
		}
	}
	return out
}

// causeWord is why a request does not verify, in a few words.
func causeWord(cause string) lang.Message {
	switch webhook.Cause(cause) {
	case "":
		return lang.Message{}
	case webhook.CauseNoSecret:
		return lang.Text("no usable secret")
	case webhook.CauseMissingHeader:
		return lang.Text("a header is missing")
	case webhook.CauseMalformed:
		return lang.Text("not written as the contract says")
	case webhook.CauseClock:
		return lang.Text("too old, or ahead of time")
	case webhook.CauseSecret:
		return lang.Text("secret read in another way")
	case webhook.CauseBody:
		return lang.Text("the body was changed")
	case webhook.CauseMismatch:
		return lang.Text("another secret, or another body")
	}
	return lang.Text("%s", cause)
}

// tailInspector streams what arrives, as it arrives at any process.
func (v *visit) tailInspector() error {
	path := inspectorPath(v.r.PathValue("id")) + "/requests"
	full := tailSays{Says: lang.Text("As many people look at live lists as may be (%d). Reload this page in a while.", maxStreams).In(v.lang)}
	seen, judged := map[string]bool{}, v.r.URL.Query().Get("judged") != ""
	return v.stream(tailEvery, full, func() (any, error) {
		rows, err := read[listed[client.InspectedRequest]](v, ofProject, path, url.Values{"limit": {itoa(inspectedShown)}})
		if isStatus(err, http.StatusUnauthorized) || isStatus(err, http.StatusForbidden) {
			return nil, errOver
		}
		if err != nil {
			return nil, err
		}
		before := seen
		seen = map[string]bool{}
		var fresh []client.InspectedRequest
		for i := range rows.Data {
			r := &rows.Data[i]
			state := r.ID + " " + itoa(r.Status) + " " + map[bool]string{true: "answered"}[r.AnsweredAt != nil]
			if seen[state] = true; !before[state] {
				fresh = append(fresh, *r)
			}
		}
		html, err := v.part("inspector", "inspectedrows", v.inspectedRows(fresh, judged))
		return tailSays{HTML: html, Says: lang.Text("Live. What comes in shows here.").In(v.lang)}, err
	})
}

// part says a part of a page alone.
func (v *visit) part(page, name string, data any) (string, error) {
	var b strings.Builder
	err := v.d.templates.part(&b, page, v.lang, name, data)
	return b.String(), err
}

// changeInspector takes the form with its answer, or that with the rest.
func (v *visit) changeInspector() error {
	if err := v.form(); err != nil {
		return err
	}
	view := &inspectorView{Of: "settings"}
	var body map[string]any
	if v.field("of") == "answer" {
		view.Of = "answer"
		var answer map[string]any
		if answer, view.Problem = v.answerGiven(&view.Answer); view.Problem != nil {
			return v.showInspector(http.StatusUnprocessableEntity, view)
		}
		body = map[string]any{"answer": answer}
	} else {
		body = v.inspectorGiven(view)
	}
	if _, err := do[client.Inspector](v, ofProject, http.MethodPatch, inspectorPath(v.r.PathValue("id")), body, ""); err != nil {
		if view.Problem = v.problemOf(err); view.Problem == nil {
			return err
		}
		return v.showInspector(http.StatusUnprocessableEntity, view)
	}
	return v.redirect(v.inspectorBase() + "?done=changed")
}

// inspectorGiven is what the form says of all but the answer.
func (v *visit) inspectorGiven(view *inspectorView) map[string]any {
	view.Named, view.Chosen, view.NoSecret = v.field("name"), v.field("dialect"), v.field("no_secret") != ""
	body := map[string]any{"name": view.Named, "dialect": textOrNull(view.Chosen)}
	switch s := v.r.PostFormValue("secret"); {
	case s != "":
		body["secret"] = s
	case view.NoSecret || view.Chosen == "":
		body["secret"] = nil
	}
	return body
}

func answerOf(a *client.InspectorAnswer) answerForm {
	f := answerForm{
		Status: itoa(a.Status), Delay: itoa(a.DelayMS), FailRate: itoa(a.FailRate), FailStatus: itoa(a.FailStatus), Body: a.Body, Base64: a.BodyEncoding == "base64",
	}
	names := make([]string, 0, len(a.Headers))
	for name := range a.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f.Headers += name + ": " + a.Headers[name] + "\n"
	}
	return f
}

// answerGiven is what the form says of the answer.
func (v *visit) answerGiven(f *answerForm) (map[string]any, *problemView) {
	*f = answerForm{
		Status: v.field("status"), Delay: v.field("delay"), FailRate: v.field("fail_rate"), FailStatus: v.field("fail_status"),
		Headers: v.r.PostFormValue("headers"), Body: strings.ReplaceAll(v.r.PostFormValue("body"), "\r\n", "\n"), Base64: v.field("base64") != "",
	}
	lines, problem := v.headerLines(f.Headers)
	if problem != nil {
		return nil, problem
	}
	headers := map[string]string{}
	for _, h := range lines {
		headers[h.Name] = h.Value
	}
	answer := map[string]any{"headers": headers, "body": f.Body}
	if f.Base64 {
		answer["body_encoding"] = "base64"
	}
	for name, text := range map[string]string{"status": f.Status, "delay_ms": f.Delay, "fail_rate": f.FailRate, "fail_status": f.FailStatus} {
		if text != "" {
			answer[name] = numeric(text)
		}
	}
	return answer, nil
}

func (v *visit) clearInspector() error {
	if _, err := do[client.Cleared](v, ofProject, http.MethodDelete, inspectorPath(v.r.PathValue("id"))+"/requests", nil, ""); err != nil {
		return err
	}
	return v.redirect(v.inspectorBase() + "?done=removed")
}

func (v *visit) deleteInspector() error {
	if _, err := do[client.Deleted](v, ofProject, http.MethodDelete, inspectorPath(v.r.PathValue("id")), nil, ""); err != nil {
		return err
	}
	return v.redirect(v.base() + "/inspect?done=removed")
}
