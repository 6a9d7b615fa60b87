package dashboard_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/malote-dev/malote/client"
)

// kept fails where a form was not taken, and looks at the page that it leads to.
func (v *visitor) kept(p *seen, texts ...string) {
	v.s.Helper()
	if p.status != http.StatusSeeOther {
		v.s.Fatalf("%d %s", p.status, p.body)
	}
	v.get(p.header.Get("Location")).mentions(v.s.T, texts...)
}

// TestEndpointSettings: all that can be changed of an endpoint is changed by a
// form, what is secret stays without being shown, and what is wrong is said at its field.
func TestEndpointSettings(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	p, c := s.project("shop")
	e, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: s.receiver.URL + "/hook", EventTypes: []string{"*"}, Headers: map[string]string{"X-Tenant": "canary-1", "X-Old": "canary-2"}})
	s.no(err)
	at := "/p/" + p.ID + "/endpoints/" + e.ID
	owner.get(at).mentions(t, at+"/edit")
	page := owner.get(at + "/edit")
	page.mentions(t, "X-Tenant: [redacted]", `value="acme"`, "the contract says")
	if strings.Contains(page.body, "canary") {
		t.Error("a secret is shown")
	}
	form := []string{
		"url", s.receiver.URL + "/moved", "name", "Moved", "description", "of the shop", "event_types", "invoice.paid", "more", "task.*, order.made", "channels", "eu, br", "filter", "data.amount > 100",
		"rate_limit", "120", "concurrency", "3", "timeout", "9", "retry_schedule", "10, 60 3600", "headers", "x-tenant: [redacted]\nX-New: canary-3\n", "auth", "bearer", "auth_token", "canary-4", "auth_username", "left over",
		"told", "these", "emails", "ops@example.com, dev@example.com",
	}
	owner.kept(owner.post(at+"/edit", form...), "Moved", "The change was kept.")
	e, err = c.Endpoint(t.Context(), e.ID)
	s.no(err)
	got := fmt.Sprintln(e.URL == s.receiver.URL+"/moved", e.Name, e.Description, e.EventTypes, e.Channels, e.Filter, *e.RateLimit, *e.Concurrency, *e.Timeout, e.RetrySchedule, e.Headers, e.Auth.Type, *e.Emails)
	if want := "true Moved of the shop [invoice.paid task.* order.made] [br eu] data.amount > 100 120 3 9 [10 60 3600] map[X-New:[redacted] X-Tenant:[redacted]] bearer [ops@example.com dev@example.com]\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	page = owner.get(at + "/edit")
	page.mentions(t, `value="10, 60, 3600"`, `value="120"`, `value="[redacted]"`, "set here")
	if strings.Contains(page.body, "canary") {
		t.Error("a secret is shown")
	}
	owner.post(at+"/edit", "url", "nonsense", "all", "1", "rate_limit", "99999", "timeout", "999", "filter", "data.(", "auth", "bearer").mentions(t, `id="w-url"`, `id="w-rate_limit"`, `id="w-timeout"`, `id="w-filter"`, `value="99999"`)
	owner.post(at+"/edit", "url", s.receiver.URL, "all", "1", "rate_limit", "many").mentions(t, `id="w-rate_limit"`, `value="many"`)
	owner.kept(owner.post(at+"/edit", "url", s.receiver.URL+"/moved", "all", "1", "one_attempt", "1", "told", "nobody"), "The change was kept.")
	e, err = c.Endpoint(t.Context(), e.ID)
	s.no(err)
	if e.RateLimit != nil || e.Filter != "" || e.Auth != nil || len(e.Headers) != 0 || e.RetrySchedule == nil || len(e.RetrySchedule) != 0 || e.Emails == nil || len(*e.Emails) != 0 {
		t.Errorf("%+v", e)
	}
	owner.kept(owner.post(at+"/edit", "url", s.receiver.URL+"/moved", "all", "1"), "The change was kept.")
	if e, err = c.Endpoint(t.Context(), e.ID); err != nil || e.RetrySchedule != nil || e.Emails != nil {
		t.Errorf("%v %+v", err, e)
	}
	owner.kept(owner.post(at+"/missed", "since", "2026-01-31T09:00", "once", "m"), "in the background")
	owner.kept(owner.post(at+"/delete"), "Nothing was deleted")
	owner.kept(owner.post(at+"/delete", "sure", "1"), "The endpoint is deleted.")
}

// TestEventTypesByForms: types are made, described, deprecated and deleted.
func TestEventTypesByForms(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	viewer := s.invited(owner, "vera@example.com", "viewer")
	p, c := s.project("shop")
	at := "/p/" + p.ID + "/event-types"
	owner.get(at+"/new").mentions(t, "New event type")
	owner.post(at, "name", "invoice.paid", "schema", "{", "sample", "nonsense").mentions(t, `id="w-schema"`, "is not JSON", `value="invoice.paid"`)
	owner.post(at, "name", "no such name!", "once", "x").mentions(t, `id="w-name"`)
	owner.kept(owner.post(at, "once", "one", "name", "invoice.paid", "description", "An invoice was paid.", "description_pt", "Uma fatura foi paga.", "tags", "billing, for all",
		"schema", `{"type":"object"}`, "sample", `{"amount":1}`, "validate", "1"), "The change was kept.", "Uma fatura foi paga.", "for all", "&#34;amount&#34;: 1")
	made, err := c.EventType(t.Context(), "invoice.paid")
	s.no(err)
	if !made.Validate || len(made.Tags) != 2 || len(made.Examples) != 1 {
		t.Errorf("%+v", made)
	}
	owner.post(at+"/invoice.paid", "schema", `{"type":"object"}`, "sample", `[]`).mentions(t, `class="wrong"`)
	owner.kept(owner.post(at+"/invoice.paid", "deprecated", "1", "deprecation", "Use the other.", "replaced_by", "invoice.settled"), "deprecated", "Use the other.")
	made, err = c.EventType(t.Context(), "invoice.paid")
	s.no(err)
	if !made.Deprecated || made.ReplacedBy != "invoice.settled" || string(made.Schema) != "null" && len(made.Schema) > 0 || len(made.Examples) != 0 {
		t.Errorf("%+v", made)
	}
	viewer.get(at+"/invoice.paid").mentions(t, "Use the other.")
	if p := viewer.post(at+"/invoice.paid", "description", "x"); p.status != http.StatusForbidden {
		t.Error(p.status)
	}
	owner.kept(owner.post(at+"/invoice.paid/delete"), "Nothing was deleted")
	owner.kept(owner.post(at+"/invoice.paid/delete", "sure", "1"), "It is deleted.")
}

// TestKeysByForms: an owner makes keys, which are shown once, and revokes them.
func TestKeysByForms(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	operator := s.invited(owner, "otto@example.com", "operator")
	p, _ := s.project("shop")
	at := "/p/" + p.ID + "/keys"
	owner.post(at, "name", "x", "scopes", "").mentions(t, `class="wrong"`)
	made := owner.post(at, "once", "one", "name", "backend", "scopes", "events:write", "scopes", "events:read", "expires_at", "2099-01-31T09:00")
	key := regexp.MustCompile(`mlt_dev_[a-z0-9]{39}`).FindString(made.body)
	if made.status != http.StatusCreated || key == "" {
		t.Fatalf("%d %s", made.status, made.body)
	}
	me, err := s.client(key).Me(t.Context())
	s.no(err)
	if me.Name != "backend" || fmt.Sprint(me.Scopes) != "[events:read events:write]" || me.ExpiresAt == nil {
		t.Errorf("%+v", me)
	}
	page := owner.get(at)
	page.mentions(t, "backend", me.Prefix)
	if strings.Contains(page.body, key) {
		t.Error("the key is shown again")
	}
	if p := operator.get(at); p.status != http.StatusOK || strings.Contains(p.body, "/revoke") {
		t.Errorf("%d: an operator is offered what is refused", p.status)
	}
	for _, path := range []string{at, at + "/" + me.ID + "/revoke"} {
		if p := operator.post(path, "name", "x", "all", "1"); p.status != http.StatusForbidden {
			t.Errorf("an operator did %s: %d", path, p.status)
		}
	}
	owner.kept(owner.post(at+"/"+me.ID+"/revoke"), "The key is revoked", "revoked")
	if _, err := s.client(key).Me(t.Context()); err == nil {
		t.Error("a revoked key is good")
	}
}

// TestProjectSettings: a project is changed by a form; each setting says where
// its value comes from.
func TestProjectSettings(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	operator := s.invited(owner, "otto@example.com", "operator")
	p, _ := s.project("shop")
	at := "/p/" + p.ID + "/settings"
	owner.get(at).mentions(t, "standard", "default", "the contract", "--per-endpoint", "Requests at once to an endpoint")
	operator.get(at).mentions(t, "An owner may change these.")
	if p := operator.post(at, "name", "x"); p.status != http.StatusForbidden {
		t.Error(p.status)
	}
	owner.post(at, "name", "shop", "portal_color", "green", "portal_origins", "nonsense", "emails", "nobody", "host", "a b").mentions(t, `id="w-portal_color"`, `id="w-portal_origins"`, `id="w-emails"`, `id="w-host"`, `value="green"`)
	owner.kept(owner.post(at, "name", "Loja", "portal_name", "Loja & Cia", "portal_color", "#0055aa", "portal_origins", "https://a.example\nhttps://b.example", "emails", "ops@example.com", "host", "hooks.shop.example", "language", "pt-BR", "known_types_only", "1"),
		"Loja &amp; Cia", "set here", "The change was kept.")
	got, err := s.root.Project(t.Context(), p.ID)
	s.no(err)
	if got.Name != "Loja" || got.PortalColor != "#0055aa" || len(got.PortalOrigins) != 2 || len(got.Emails) != 1 || got.Host != "hooks.shop.example" || got.Language != "pt-BR" || !got.KnownTypesOnly {
		t.Errorf("%+v", got)
	}
	owner.kept(owner.post(at, "name", "Loja"), "default")
	if got, err = s.root.Project(t.Context(), p.ID); err != nil || got.PortalColor != "" || got.Host != "" || len(got.Emails) != 0 || got.KnownTypesOnly {
		t.Errorf("%v %+v", err, got)
	}
}

// TestConsumerPage: a consumer's settings, and the links that open its portal,
// which end with whoever made them.
func TestConsumerPage(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	owner := c.owner()
	operator := c.invited(owner, "otto@example.com", "operator")
	at := "/p/" + c.project.ID + "/consumers/acme"
	owner.get("/p/"+c.project.ID+"/consumers").mentions(t, at)
	owner.post(at, "name", "Acme", "emails", "nonsense").mentions(t, `id="w-emails"`, `value="nonsense"`)
	owner.kept(owner.post(at, "name", "Acme Ltda.", "emails", "a@example.com", "language", "en"), "Acme Ltda.", "The change was kept.")
	link := regexp.MustCompile(`http://[^<"]+/portal/open/[^<"]+`)
	operator.post(at+"/portal", "hours", "nonsense").mentions(t, `class="wrong"`)
	made := operator.post(at+"/portal", "once", "one", "hours", "2", "manage", "1")
	found := link.FindString(made.body)
	if made.status != http.StatusCreated || found == "" {
		t.Fatalf("%d %s", made.status, made.body)
	}
	v := c.visitor()
	if p := v.post(pathOf(found)); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	v.get("/portal").mentions(t, "Orders")
	v.post("/portal/endpoints/" + c.good.ID + "/pause")
	if e, err := c.client.Endpoint(t.Context(), c.good.ID); err != nil || e.State != "paused" {
		t.Errorf("%v %s", err, e.State)
	}
	if p := operator.get(at); strings.Contains(p.body, found) || !strings.Contains(p.body, "may change") {
		t.Errorf("%d: the link is shown again, or no session is", p.status)
	}
	for s, err := range c.client.PortalSessions(t.Context(), "acme") {
		c.no(err)
		if !strings.HasPrefix(s.MadeBy, "per_") {
			t.Errorf("%+v", s)
		}
	}
	// Who may no longer do it takes the portal along.
	people := owner.get("/people").body
	_, rest, _ := strings.Cut(people[strings.Index(people, "otto@example.com"):], `action="/people/`)
	person, _, _ := strings.Cut(rest, `"`)
	owner.post("/people/"+person, "role", "viewer")
	if p := v.get("/portal"); p.status != http.StatusUnauthorized {
		t.Errorf("the portal outlives the rights of who opened it: %d", p.status)
	}
	again := owner.post(at+"/portal", "hours", "1")
	v = c.visitor()
	v.post(pathOf(link.FindString(again.body)))
	v.get("/portal").mentions(t, "You may look only.")
	owner.kept(owner.post(at+"/portal/end"), "There is none.")
	if p := v.get("/portal"); p.status != http.StatusUnauthorized {
		t.Errorf("%d", p.status)
	}
	owner.kept(owner.post(at+"/delete"), "Nothing was deleted")
	owner.kept(owner.post(at+"/delete", "sure", "1"), "It is deleted.")
}
