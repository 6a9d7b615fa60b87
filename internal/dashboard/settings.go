package dashboard

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/webhook"
)

// Setting is one that holds for the whole server, as its operator set it.
type Setting struct {
	Name    lang.Message
	Option  string // as in --per-endpoint
	Value   string
	Default bool // nobody set it
}

// projectSettingsView is a project's settings.
type projectSettingsView struct {
	*client.Project
	Mails, Origins string // as they were filled in
	Languages      []choice
	Logo           string    // address of the portal's; empty: there is none
	Contract       []Setting // what the dialect says
	Server         []Setting
	Problem        *problemView
}

func (v *visit) settingsOfProject() error {
	return v.showSettings(http.StatusOK, &projectSettingsView{
		Project: v.project, Mails: strings.Join(v.project.Emails, ", "), Origins: strings.Join(v.project.PortalOrigins, "\n"),
	})
}

func (v *visit) showSettings(status int, view *projectSettingsView) error {
	if p, err := v.d.store.Project(v.r.Context(), v.projectID); err == nil {
		view.Logo = viewLook(p).Logo
	}
	view.Languages, view.Server = tongues(view.Language), v.d.settings
	if d, ok := v.d.api.Dialect(v.project.Dialect); ok {
		view.Contract = contract(d, v.lang)
	}
	return v.show(status, "settings", lang.Text("Settings"), view)
}

// contract is what a dialect sets of deliveries.
func contract(d *webhook.Dialect, l lang.Language) []Setting {
	rate := lang.Text("no limit").In(l)
	if d.Limits.RatePerMinute > 0 {
		rate = number(d.Limits.RatePerMinute, l)
	}
	waits := make([]string, len(d.Delivery.Schedule))
	for i, w := range d.Delivery.Schedule {
		waits[i] = shortTime(time.Duration(w))
	}
	return []Setting{
		{Name: lang.Text("At most a minute"), Value: rate},
		{Name: lang.Text("Timeout (seconds)"), Value: strconv.FormatFloat(time.Duration(d.Delivery.Response).Seconds(), 'f', -1, 64)},
		{Name: lang.Text("Waits between attempts"), Value: strings.Join(waits, ", ")},
		{Name: lang.Text("https alone in production"), Value: yesNo(d.Limits.HTTPSInProduction).In(l)},
		{Name: lang.Text("A 410 disables the endpoint"), Value: yesNo(d.Delivery.Gone).In(l)},
	}
}

// shortTime writes 5m0s as 5m.
func shortTime(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}

func yesNo(yes bool) lang.Message {
	if yes {
		return lang.Text("yes")
	}
	return lang.Text("no")
}

// changeLogo keeps the picture that was sent with the form; without one there is none.
func (v *visit) changeLogo() error {
	if err := v.formWithFile(); err != nil {
		return err
	}
	in := map[string]any{"portal_logo": nil}
	if v.field("none") == "" {
		file, _, err := v.r.FormFile("logo")
		if err != nil {
			return v.redirect(v.base() + "/settings")
		}
		defer file.Close()
		logo, err := io.ReadAll(io.LimitReader(file, maxForm))
		if err != nil {
			return errForm
		}
		in["portal_logo"] = base64.StdEncoding.EncodeToString(logo)
	}
	if _, err := do[client.Project](v, serverWide, http.MethodPatch, "/v1/projects/"+url.PathEscape(v.project.ID), in, ""); err != nil {
		problem := v.problemOf(err)
		if problem == nil {
			return err
		}
		return v.showSettings(http.StatusUnprocessableEntity, &projectSettingsView{
			Project: v.project, Mails: strings.Join(v.project.Emails, ", "), Origins: strings.Join(v.project.PortalOrigins, "\n"), Problem: problem,
		})
	}
	return v.redirect(v.base() + "/settings?done=changed")
}

func (v *visit) changeProject() error {
	if err := v.form(); err != nil {
		return err
	}
	p := *v.project
	p.Name, p.Host, p.Language, p.KnownTypesOnly = v.field("name"), v.field("host"), v.field("language"), v.field("known_types_only") != ""
	p.PortalName, p.PortalColor = v.field("portal_name"), v.field("portal_color")
	view := &projectSettingsView{Project: &p, Mails: v.field("emails"), Origins: v.field("portal_origins")}
	in := map[string]any{
		"name": p.Name, "host": textOrNull(p.Host), "language": textOrNull(p.Language), "known_types_only": p.KnownTypesOnly, "emails": parts(view.Mails),
		"portal_name": textOrNull(p.PortalName), "portal_color": textOrNull(p.PortalColor), "portal_origins": parts(view.Origins),
	}
	if _, err := do[client.Project](v, serverWide, http.MethodPatch, "/v1/projects/"+url.PathEscape(p.ID), in, ""); err != nil {
		view.Problem = v.problemOf(err)
		if view.Problem == nil {
			return err
		}
		return v.showSettings(http.StatusUnprocessableEntity, view)
	}
	return v.redirect(v.base() + "/settings?done=changed")
}
