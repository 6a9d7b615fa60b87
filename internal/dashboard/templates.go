package dashboard

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"path"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

//go:embed pages/*.tmpl portal/*.tmpl
var pageFiles embed.FS

// templates are the pages in each language, by name.
type templates struct {
	of map[lang.Language]map[string]*template.Template
}

func loadTemplates(a *assets) (*templates, error) {
	t := &templates{of: map[lang.Language]map[string]*template.Template{}}
	for _, l := range languages() {
		t.of[l] = map[string]*template.Template{}
		if err := t.load(l, a, "pages", ""); err != nil {
			return nil, err
		}
		if err := t.load(l, a, "portal", "portal/"); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// load reads the pages of a directory, with its layout around them; their
// names begin with before.
func (t *templates) load(l lang.Language, a *assets, dir, before string) error {
	files, err := pageFiles.ReadDir(dir)
	if err != nil {
		return err
	}
	base := template.New("layout.tmpl").Funcs(words(l)).Funcs(template.FuncMap{"asset": a.url})
	for _, name := range []string{dir + "/layout.tmpl", "pages/parts.tmpl"} {
		if base, err = parseInto(base, name); err != nil {
			return err
		}
	}
	for _, f := range files {
		if f.Name() == "layout.tmpl" || f.Name() == "parts.tmpl" {
			continue
		}
		p, err := base.Clone()
		if err == nil {
			p, err = parseInto(p, dir+"/"+f.Name())
		}
		if err != nil {
			return err
		}
		t.of[l][before+strings.TrimSuffix(f.Name(), path.Ext(f.Name()))] = p
	}
	return nil
}

func languages() []lang.Language { return []lang.Language{lang.English, lang.Portuguese} }

func parseInto(t *template.Template, name string) (*template.Template, error) {
	text, err := pageFiles.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if path.Base(name) != t.Name() {
		t = t.New(name)
	}
	t, err = t.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t.Lookup("layout.tmpl"), nil
}

func (t *templates) write(w io.Writer, name string, l lang.Language, data *shell) error {
	p := t.of[l][name]
	if p == nil {
		return fmt.Errorf("no page is called %s", name)
	}
	return p.ExecuteTemplate(w, "layout.tmpl", data)
}

// part writes a part of a page alone.
func (t *templates) part(w io.Writer, page string, l lang.Language, name string, data any) error {
	p := t.of[l][page]
	if p == nil {
		return fmt.Errorf("no page is called %s", page)
	}
	return p.ExecuteTemplate(w, name, data)
}

// shell is what stands around every page.
type shell struct {
	Lang, Theme string
	Languages   []choice
	Title       lang.Message
	Visitor     *store.Person
	Project     *client.Project
	Nav, Server []navItem
	Back        string // to this page, for forms that come back
	Done        lang.Message
	Version     string
	Page        any
	Base        string               // before the paths of endpoints and deliveries
	Look        *look                // of the portal; nil: not known whose it is
	Portal      *store.PortalSession // who looks at the portal; nil: nobody
	Embedded    bool                 // in a frame
	Bare        bool                 // without tabs
	May         func(role string) bool
}

// choice is one of several.
type choice struct {
	Value, Label string
	Chosen       bool
}

// navItem is a link of the navigation.
type navItem struct {
	Label   lang.Message
	Path    string
	Icon    string
	Current bool
}

func (v *visit) shell(title lang.Message, page any) *shell {
	s := &shell{
		Lang: v.lang.Tag(), Theme: v.theme, Title: title, Project: v.project, Back: v.here(), Version: v.d.version, Page: page,
		May: func(role string) bool { return v.may(store.Role(role)) }, Done: v.done(),
	}
	for _, l := range languages() {
		s.Languages = append(s.Languages, choice{l.Tag(), map[lang.Language]string{lang.English: "English", lang.Portuguese: "Português"}[l], l == v.lang})
	}
	if v.inPortal() {
		return v.portalShell(s)
	}
	if v.visitor == nil {
		return s
	}
	s.Visitor = v.visitor.Person
	server := []navItem{{Label: lang.Text("Projects"), Path: "/projects", Icon: "projects"}, {Label: lang.Text("Verify"), Path: "/verify", Icon: "verify"}, {Label: lang.Text("Your account"), Path: "/account", Icon: "account"}}
	if v.may(store.RoleOwner) {
		server = append(server, navItem{Label: lang.Text("People"), Path: "/people", Icon: "people"}, navItem{Label: lang.Text("Nodes"), Path: "/nodes", Icon: "nodes"})
	}
	s.Server = v.nav(server)
	if v.project != nil {
		base := v.base()
		s.Base = base
		s.Nav = v.nav([]navItem{
			{Label: lang.Text("Overview"), Path: base, Icon: "overview"},
			{Label: lang.Text("Messages"), Path: base + "/events", Icon: "events"},
			{Label: lang.Text("Deliveries"), Path: base + "/deliveries", Icon: "deliveries"},
			{Label: lang.Text("Endpoints"), Path: base + "/endpoints", Icon: "endpoints"},
			{Label: lang.Text("Consumers"), Path: base + "/consumers", Icon: "consumers"},
			{Label: lang.Text("Event types"), Path: base + "/event-types", Icon: "types"},
			{Label: lang.Text("Inspector"), Path: base + "/inspect", Icon: "inspect"},
			{Label: lang.Text("Dialects"), Path: base + "/dialects", Icon: "dialects"},
			{Label: lang.Text("API keys"), Path: base + "/keys", Icon: "keys"},
			{Label: lang.Text("Settings"), Path: base + "/settings", Icon: "settings"},
			{Label: lang.Text("Audit log"), Path: base + "/audit", Icon: "audit"},
		})
	}
	return s
}

// portalShell is what stands around a page of the portal.
func (v *visit) portalShell(s *shell) *shell {
	s.Base, s.Look, s.Bare = portalPath, v.look, v.bare
	if s.Look == nil {
		s.Look = &look{}
	}
	if v.portal == nil {
		s.Embedded = s.Look.Frame || strings.HasPrefix(v.r.Header.Get("Authorization"), "Bearer ")
		return s
	}
	s.Portal, s.Embedded = v.portal.session, v.portal.embedded
	s.Nav = v.nav([]navItem{
		{Label: lang.Text("Endpoints"), Path: portalPath, Icon: "endpoints"},
		{Label: lang.Text("Deliveries"), Path: portalPath + "/deliveries", Icon: "deliveries"},
		{Label: lang.Text("Event types"), Path: portalPath + "/event-types", Icon: "types"},
		{Label: lang.Text("Verify"), Path: portalPath + "/verify", Icon: "docs"},
	})
	return s
}

// nav marks the item that the visitor is at: the longest that the path begins with.
func (v *visit) nav(items []navItem) []navItem {
	longest := ""
	for _, n := range items {
		if p := v.r.URL.Path; (p == n.Path || strings.HasPrefix(p, n.Path+"/")) && len(n.Path) > len(longest) {
			longest = n.Path
		}
	}
	for i := range items {
		items[i].Current = items[i].Path == longest
	}
	return items
}

// done is what a form before this page did, by the code in the address.
func (v *visit) done() lang.Message {
	switch v.r.URL.Query().Get("done") {
	case "paused":
		return lang.Text("The endpoint is paused. What is sent to it is kept.")
	case "resumed":
		return lang.Text("The endpoint is active again. What was kept is being sent.")
	case "retried":
		return lang.Text("The delivery is due now.")
	case "edited":
		return lang.Text("What you sent is on its way. This is its delivery.")
	case "cancelled":
		return lang.Text("The delivery was cancelled.")
	case "tested":
		return lang.Text("A test event is on its way. This is its delivery.")
	case "recovering":
		return lang.Text("What failed is being sent again, in the background.")
	case "replayed":
		return lang.Text("The message is being sent again.")
	case "ended":
		return lang.Text("The session was ended.")
	case "password":
		return lang.Text("The password was changed. Every other session was ended.")
	case "changed":
		return lang.Text("The change was kept.")
	case "deleted":
		return lang.Text("The endpoint is deleted.")
	case "kept":
		return lang.Text("Nothing was deleted: the box was not ticked.")
	case "removed":
		return lang.Text("It is deleted.")
	case "revoked":
		return lang.Text("The key is revoked: it opens nothing any more.")
	case "uninvited":
		return lang.Text("The invitation was revoked.")
	}
	return lang.Message{}
}
