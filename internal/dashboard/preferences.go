package dashboard

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// viewCookie keeps how a browser wants to see pages: a language's tag and a
// theme, with a dot between, as in "pt-BR.dark", either of which may be empty;
// and where the portal shows no tabs, ".bare".
const (
	viewCookie = "__Host-malote-view"
	viewBare   = "bare"
)

// Themes that a visitor may choose; empty is what the system has.
func themes() []string { return []string{"", "light", "dark"} }

// prefer finds the language and the theme: chosen here, else the browser's.
func (v *visit) prefer() {
	v.lang = lang.Accepted(v.r.Header["Accept-Language"])
	c, err := v.r.Cookie(viewCookie)
	if err != nil {
		return
	}
	tag, rest, _ := strings.Cut(c.Value, ".")
	theme, how, _ := strings.Cut(rest, ".")
	v.bare = how == viewBare
	if l, ok := lang.Tagged(tag); ok {
		v.lang = l
	}
	if slices.Contains(themes(), theme) {
		v.theme = theme
	}
}

// setPreferences keeps what a form chose; what it does not name stays.
func (v *visit) setPreferences() error {
	if err := v.form(); err != nil {
		return err
	}
	tag, theme := v.lang.Tag(), v.theme
	if chosen := v.field("lang"); chosen != "" {
		if _, ok := lang.Tagged(chosen); ok {
			tag = chosen
		}
	}
	if v.r.Form.Has("theme") && slices.Contains(themes(), v.field("theme")) {
		theme = v.field("theme")
	}
	v.keepView(tag, theme)
	return v.redirect(inside(v.field("back")))
}

// keepView has the browser remember how it wants to see pages.
func (v *visit) keepView(tag, theme string) {
	value := tag + "." + theme
	if v.bare {
		value += "." + viewBare
	}
	v.setCookie(viewCookie, value, 365*24*time.Hour)
}

// setCookie keeps something in the browser for a time; none at all takes it away.
func (v *visit) setCookie(name, value string, age time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(age / time.Second)}
	if age <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}
