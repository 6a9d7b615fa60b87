package dashboard

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// dialectsView is one event in every dialect, the project's first.
type dialectsView struct {
	Event, Type, Data string
	Names             []string // event types
	Problem           *problemView
	Of                *client.DialectPreviewed // nil: what was asked for cannot be shown
	Dialects          []dialectView
}

// dialectView is the event in one of them.
type dialectView struct {
	*client.DialectRequest
	Name     string
	Own      bool // it is the project's
	Body     *bodyView
	Raw      *bodyView // the body as it is sent, where Body shows it on lines of its own
	Snippets []snippet
}

func (v *visit) dialectsPage() error {
	if err := v.form(); err != nil {
		return err
	}
	view := &dialectsView{Event: strings.TrimSpace(v.r.Form.Get("event")), Type: strings.TrimSpace(v.r.Form.Get("type")), Data: strings.TrimSpace(v.r.Form.Get("data"))}
	var err error
	if view.Names, err = v.eventTypeNames(); err != nil {
		return err
	}
	title := lang.Text("Dialects")
	in := client.DialectPreview{EventID: view.Event}
	if view.Event == "" {
		in.Type = view.Type
		in.Data = json.RawMessage(view.Data)
	}
	if view.Data != "" && !json.Valid([]byte(view.Data)) {
		view.Problem = v.wrongAt("data", "Data", lang.Text("The data is not JSON."), lang.Text("Look for a comma, a quotation mark or a bracket that is missing or too many."))
		return v.show(http.StatusUnprocessableEntity, "dialects", title, view)
	}
	v.fields = map[string]formField{"event_id": {"event", "Or a stored message, by its id"}}
	view.Of, err = do[client.DialectPreviewed](v, ofProject, http.MethodPost, "/v1/dialects/preview", in, "")
	var p *client.Error
	switch {
	case errors.As(err, &p) && p.Status/100 == 4 && p.Status != http.StatusUnauthorized && p.Status != http.StatusForbidden:
		if view.Problem = v.problem(p); p.Status == http.StatusNotFound && view.Event != "" { // of all that was asked for, only that may be missing
			view.Problem.add("event", lang.Text("Or a stored message, by its id").In(v.lang), view.Problem.Text)
		}
		return v.show(http.StatusUnprocessableEntity, "dialects", title, view)
	case err != nil:
		return err
	}
	if view.Dialects, err = v.inDialects(view.Of); err != nil {
		return err
	}
	return v.show(http.StatusOK, "dialects", title, view)
}

// inDialects gives each its code that verifies; that of the project stands first.
func (v *visit) inDialects(of *client.DialectPreviewed) (out []dialectView, err error) {
	for i := range of.Dialects {
		r := &of.Dialects[i]
		d := dialectView{DialectRequest: r, Body: viewBody(r.Body)}
		if d.Body.JSON && d.Body.Text != r.Body {
			d.Raw = rawBody(r.Body)
		}
		d.Name, _, _ = strings.Cut(r.Dialect, "/")
		d.Own = d.Name == v.project.Dialect
		if known, ok := v.d.api.Dialect(r.Dialect); ok {
			if d.Snippets, err = snippets(known); err != nil {
				return nil, err
			}
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b dialectView) int {
		switch {
		case a.Own && !b.Own:
			return -1
		case b.Own && !a.Own:
			return 1
		}
		return 0
	})
	return out, nil
}
