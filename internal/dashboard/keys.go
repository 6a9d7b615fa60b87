package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/lang"
)

// keysView is a project's keys, with the form that makes one.
type keysView struct {
	Keys                          []client.Key
	Once, Name, Consumer, Expires string
	All                           bool
	Scopes                        []choice
	Next                          bool        // there are more than are shown
	Made                          *client.Key // just now: it is shown this once
	Problem                       *problemView
}

func (v *visit) keysPath() string {
	return "/v1/projects/" + url.PathEscape(v.project.ID) + "/keys"
}

func (v *visit) keysPage() error {
	view := &keysView{All: true}
	if err := v.listKeys(view, nil); err != nil {
		return err
	}
	return v.show(http.StatusOK, "keys", lang.Text("API keys"), view)
}

// listKeys fills in what the page shows, newest first.
func (v *visit) listKeys(view *keysView, chosen []string) error {
	got, err := read[listed[client.Key]](v, ofProject, v.keysPath(), url.Values{"limit": {itoa(maxNames)}})
	if err != nil {
		return err
	}
	slices.Reverse(got.Data)
	view.Keys, view.Next, view.Once, view.Scopes = got.Data, got.NextCursor != "", newOnce(), nil
	for _, s := range api.Scopes() {
		view.Scopes = append(view.Scopes, choice{s, s, slices.Contains(chosen, s)})
	}
	return nil
}

func (v *visit) createKey() error {
	if err := v.form(); err != nil {
		return err
	}
	view := &keysView{Name: v.field("name"), Consumer: v.field("consumer"), Expires: v.field("expires_at"), All: v.field("all") != ""}
	chosen := v.r.Form["scopes"]
	scopes := append([]string{}, chosen...)
	if view.All {
		scopes = []string{"*"}
	}
	in := map[string]any{"name": view.Name, "scopes": scopes, "consumer": textOrNull(view.Consumer), "expires_at": nil}
	if view.Expires != "" {
		in["expires_at"] = moment(view.Expires)
	}
	made, err := do[client.Key](v, ofProject, http.MethodPost, v.keysPath(), in, v.field("once"))
	if failed := v.listKeys(view, chosen); failed != nil {
		return failed
	}
	if err != nil {
		return v.again(err, "keys", lang.Text("API keys"), view, &view.Problem)
	}
	view = &keysView{All: true, Made: made}
	if err := v.listKeys(view, nil); err != nil {
		return err
	}
	return v.show(http.StatusCreated, "keys", lang.Text("API keys"), view)
}

func (v *visit) revokeKey() error {
	if _, err := do[json.RawMessage](v, ofProject, http.MethodDelete, v.keysPath()+"/"+url.PathEscape(v.r.PathValue("key")), nil, ""); err != nil {
		return err
	}
	return v.redirect(v.base() + "/keys?done=revoked")
}
