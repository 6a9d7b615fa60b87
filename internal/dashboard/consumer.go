package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// consumerView is a consumer's page.
type consumerView struct {
	*client.Consumer
	Mails     string // its addresses, as they were filled in
	Languages []choice
	Stats     *client.Stats
	Sessions  []client.PortalSession
	Once      string
	Link      string // of a portal session that was made just now; shown this once
	Until     *client.PortalSession
	Manage    bool
	Hours     string
	Problem   *problemView
}

// MayPortal reports whether portal sessions are shown: the operator's own
// endpoints have no portal.
func (view *consumerView) MayPortal() bool { return view.Sessions != nil }

func (v *visit) consumerPath() string {
	return "/v1/consumers/" + url.PathEscape(v.r.PathValue("uid"))
}

func (v *visit) consumerPage() error {
	return v.showConsumer(http.StatusOK, &consumerView{Hours: "1"})
}

// showConsumer shows the consumer of the path, with what view has already.
func (v *visit) showConsumer(status int, view *consumerView) (err error) {
	if view.Consumer == nil {
		if view.Consumer, err = read[client.Consumer](v, ofProject, v.consumerPath(), nil); err != nil {
			return err
		}
		view.Mails = strings.Join(view.Emails, ", ")
	}
	if view.Stats, err = read[client.Stats](v, ofProject, v.consumerPath()+"/stats", nil); err != nil {
		return err
	}
	got, err := read[listed[client.PortalSession]](v, ofProject, v.consumerPath()+"/portal-sessions", url.Values{"limit": {itoa(pageSize)}})
	if err != nil && !isStatus(err, http.StatusUnprocessableEntity) {
		return err
	}
	if err == nil {
		view.Sessions = append([]client.PortalSession{}, got.Data...)
	}
	view.Languages, view.Once = tongues(view.Language), newOnce()
	return v.show(status, "consumer", lang.Text("Consumer %s", view.UID), view)
}

func (v *visit) changeConsumer() error {
	if err := v.form(); err != nil {
		return err
	}
	in := map[string]any{"name": v.field("name"), "emails": parts(v.field("emails")), "language": textOrNull(v.field("language"))}
	if _, err := do[client.Consumer](v, ofProject, http.MethodPut, v.consumerPath(), in, ""); err != nil {
		before, failed := read[client.Consumer](v, ofProject, v.consumerPath(), nil)
		if failed != nil {
			return failed
		}
		before.Name, before.Language = v.field("name"), v.field("language")
		return v.consumerWrong(err, &consumerView{Consumer: before, Mails: v.field("emails"), Hours: "1"})
	}
	return v.consumerDone("changed")
}

// consumerWrong shows the page with what the API said.
func (v *visit) consumerWrong(err error, view *consumerView) error {
	if !isStatus(err, http.StatusUnprocessableEntity) && !isStatus(err, http.StatusConflict) && !isStatus(err, http.StatusBadRequest) {
		return err
	}
	view.Problem = v.problemOf(err)
	return v.showConsumer(http.StatusUnprocessableEntity, view)
}

func (v *visit) consumerDone(done string) error {
	return v.redirect(v.base() + "/consumers/" + url.PathEscape(v.r.PathValue("uid")) + "?done=" + done)
}

// makePortalLink makes a session, and shows the link that opens it once.
func (v *visit) makePortalLink() error {
	if err := v.form(); err != nil {
		return err
	}
	view := &consumerView{Manage: v.field("manage") != "", Hours: v.field("hours")}
	in := map[string]any{"access": "read", "expires_in": numeric(view.Hours)}
	if view.Manage {
		in["access"] = "manage"
	}
	if hours, err := strconv.Atoi(view.Hours); err == nil && hours < 1_000_000 {
		in["expires_in"] = hours * 3600
	}
	made, err := do[client.PortalSession](v, ofProject, http.MethodPost, v.consumerPath()+"/portal-sessions", in, v.field("once"))
	if err != nil {
		return v.consumerWrong(err, view)
	}
	view.Link, view.Until = v.origin()+made.Path, made
	return v.showConsumer(http.StatusCreated, view)
}

func (v *visit) endPortalSessions() error {
	if err := v.form(); err != nil {
		return err
	}
	path := v.consumerPath() + "/portal-sessions"
	if id := v.field("session"); id != "" {
		path += "/" + url.PathEscape(id)
	}
	if _, err := do[json.RawMessage](v, ofProject, http.MethodDelete, path, nil, ""); err != nil {
		return err
	}
	return v.consumerDone("ended")
}

func (v *visit) deleteConsumer() error {
	if err := v.form(); err != nil {
		return err
	}
	if v.field("sure") == "" {
		return v.consumerDone("kept")
	}
	if _, err := do[json.RawMessage](v, ofProject, http.MethodDelete, v.consumerPath(), nil, ""); err != nil {
		return err
	}
	return v.redirect(v.base() + "/consumers?done=removed")
}
