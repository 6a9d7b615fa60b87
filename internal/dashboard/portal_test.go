package dashboard_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/webhook"
)

const portalCookie = "__Host-malote-portal"

// marker stands in all that belongs to another consumer.
const marker = "xq7another"

// customer is a consumer with endpoints that succeed and fail, beside another
// whose everything has [marker] in it.
type customer struct {
	*site
	project                *client.Project
	client                 *client.Client
	good, failing, foreign *client.Endpoint
	delivery, bad          string // of the customer
	foreignDelivery        string
}

func (s *site) customer(text string) *customer {
	s.Helper()
	c := &customer{site: s}
	c.project, c.client = s.project("shop")
	_, err := c.client.CreateEventType(s.Context(), client.NewEventType{Name: "invoice.paid", EventTypeChange: client.EventTypeChange{
		Description: client.Set(plain(text, "An invoice was paid.")), Examples: client.Set([]json.RawMessage{json.RawMessage(`{"invoice":` + inJSON(s.T, text) + `}`)}),
	}})
	s.no(err)
	c.good, err = c.client.CreateEndpoint(s.Context(), client.NewEndpoint{Consumer: "acme", Name: plain(text, "Orders"), URL: s.receiver.URL + "/hook", EventTypes: []string{"*"}, Description: plain(text, "of the shop")})
	s.no(err)
	broken := newReceiver(s.T)
	broken.answers(http.StatusInternalServerError, http.Header{"X-Hostile": {plain(text, "none")}}, "<h1>Broken</h1>"+text)
	c.failing, err = c.client.CreateEndpoint(s.Context(), client.NewEndpoint{Consumer: "acme", URL: broken.URL + "/broken", EventTypes: []string{"invoice.refused"}})
	s.no(err)
	c.foreign, err = c.client.CreateEndpoint(s.Context(), client.NewEndpoint{Consumer: marker, Name: marker, URL: s.receiver.URL + "/" + marker, EventTypes: []string{"*"}, Description: marker})
	s.no(err)
	c.delivery = s.settled(c.client, s.event(c.client, "acme", "invoice.paid", `{"note":`+inJSON(s.T, text)+`}`))[0].ID
	c.foreignDelivery = s.settled(c.client, s.event(c.client, marker, "invoice.paid", `{"note":"`+marker+`"}`))[0].ID
	sent, err := c.client.Send(s.Context(), client.NewEvent{Type: "invoice.refused", Consumer: "acme", Data: []byte(`{"note":"x"}`)})
	s.no(err)
	for _, d := range s.settled(c.client, sent.ID) {
		if d.EndpointID == c.failing.ID {
			c.bad = d.ID
		}
	}
	return c
}

func (c *customer) session(access string) *client.PortalSession {
	c.Helper()
	p, err := c.client.CreatePortalSession(c.Context(), "acme", client.NewPortalSession{Access: access})
	c.no(err)
	return p
}

// opened is a browser without scripts that opened the portal by its link.
func (c *customer) opened(access string) *visitor {
	c.Helper()
	v := c.visitor()
	if p := v.post(c.session(access).Path); p.status != http.StatusSeeOther || v.cookies[portalCookie] == "" {
		c.Fatalf("%d %s", p.status, p.body)
	}
	return v
}

// pages of the portal, for one who may do as access says.
func (c *customer) pages(access string) []show {
	out := []show{
		{"portal-endpoints", "/portal"}, {"portal-endpoint", "/portal/endpoints/" + c.good.ID}, {"portal-endpoint-failing", "/portal/endpoints/" + c.failing.ID},
		{"portal-deliveries", "/portal/deliveries"}, {"portal-deliveries-wrong", "/portal/deliveries?from=x"}, {"portal-deliveries-none", "/portal/deliveries?type=none.such"},
		{"portal-delivery", "/portal/deliveries/" + c.delivery}, {"portal-delivery-failing", "/portal/deliveries/" + c.bad}, {"portal-event-types", "/portal/event-types"}, {"portal-verify", "/portal/verify"},
	}
	if access == "manage" {
		out = append(out, show{"portal-new", "/portal/endpoints/new"}, show{"portal-edit", "/portal/endpoints/" + c.good.ID + "/edit"})
	}
	return out
}

func TestPortalOpensOnce(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalName: client.Set("Loja & Cia"), PortalColor: client.Set("#FFD400")})
	c.no(err)
	v, s := c.visitor(), c.session("read")
	for range 2 { // what looks at links opens none
		v.get(s.Path).mentions(t, "Loja &amp; Cia", `method="post"`, "/portal/colours/ffd400.css")
	}
	p := v.post(s.Path)
	if p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	for _, part := range []string{portalCookie + "=mlt_portal_", "Path=/", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age="} {
		if !strings.Contains(p.header.Get("Set-Cookie"), part) {
			t.Errorf("the cookie lacks %s: %v", part, p.header["Set-Cookie"])
		}
	}
	if v.cookies[portalCookie] == s.Token {
		t.Error("the cookie is the token that others have")
	}
	v.get(p.header.Get("Location")).mentions(t, "Orders", "Loja &amp; Cia")
	for _, method := range []string{"GET", "POST"} {
		if p := c.visitor().send(method, s.Path, nil); p.status != http.StatusNotFound || !strings.Contains(p.body, "This link is over") {
			t.Errorf("%s: the link was good twice: %d", method, p.status)
		}
	}
	c.visitor().get(p.header.Get("Location")).mentions(t, "The browser kept no cookie")
	if p := c.visitor().get("/portal"); p.status != http.StatusUnauthorized || !strings.Contains(p.body, "This visit is over") {
		t.Errorf("%d", p.status)
	}

	// It ends at once.
	_, err = c.client.EndPortalSession(t.Context(), "acme", s.ID)
	c.no(err)
	if p := v.get("/portal"); p.status != http.StatusUnauthorized {
		t.Errorf("a session that was ended is good: %d", p.status)
	}
	v = c.opened("read")
	stolen := c.visitor()
	stolen.cookies[portalCookie] = v.cookies[portalCookie]
	v.post("/portal/signout").mentions(t, "You are signed out")
	if p := stolen.get("/portal"); p.status != http.StatusUnauthorized || v.cookies[portalCookie] != "" {
		t.Errorf("%d %v", p.status, v.cookies)
	}
	css := v.get("/portal/colours/ffd400.css")
	css.mentions(t, "--brand:#ffd400;--brand-ink:#000000")
	if p := v.get("/portal/colours/red;}.css"); p.status != http.StatusNotFound {
		t.Error(p.status)
	}
}

// TestPortalAsWished: the address of a link says how the pages look and where
// it leads, within the portal alone.
func TestPortalAsWished(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	v := c.visitor()
	opens := func(query string) *seen {
		t.Helper()
		p := v.post(c.session("read").Path + query)
		if p.status != http.StatusSeeOther {
			t.Fatalf("%d %s", p.status, p.body)
		}
		return p
	}
	endpoint := "/portal/endpoints/" + c.good.ID
	p := opens("?lang=pt-BR&theme=dark&tabs=none&next=" + url.QueryEscape(endpoint+"?x=1"))
	if to := p.header.Get("Location"); to != endpoint+"?opened=1&x=1" {
		t.Errorf("it leads to %s", to)
	}
	v.get(endpoint).mentions(t, `lang="pt-BR" data-theme="dark"`, `class="portal bare"`)
	v.post("/preferences", "lang", "en")
	v.get(endpoint).mentions(t, `lang="en" data-theme="dark"`, `class="portal bare"`)
	opens("?theme=auto")
	v.get(endpoint).mentions(t, `<html lang="en">`, `class="portal"`)
	v.get(c.session("read").Path+"?lang=pt-BR").mentions(t, `lang="pt-BR"`)
	for _, next := range []string{"", "https://evil.example/", "//evil.example", "/signin", "/portal/../signin", "/portalx", `/portal\\evil`, "javascript:1", "/p/" + c.project.ID} {
		if to := opens("?next=" + url.QueryEscape(next)).header.Get("Location"); to != "/portal?opened=1" {
			t.Errorf("%q leads to %s", next, to)
		}
	}
}

// TestPortalByForms does everything that a customer does, without a script.
func TestPortalByForms(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	v := c.opened("manage")
	follow := func(p *seen) *seen {
		t.Helper()
		if p.status != http.StatusSeeOther {
			t.Fatalf("%d %s", p.status, p.body)
		}
		return v.get(p.header.Get("Location"))
	}
	v.get("/portal/endpoints/new").mentions(t, "An invoice was paid.", "Sample")
	v.post("/portal/endpoints", "url", "nonsense", "all", "1").mentions(t, `id="url-wrong"`)
	made := v.post("/portal/endpoints", "once", "one form", "url", c.receiver.URL+"/mine", "event_types", "invoice.paid", "consumer", marker)
	made.mentions(t, "whsec_", "Send a test to see that it receives.")
	at := "/portal/endpoints/" + endpointIn(t, made.body)
	e, err := c.client.Endpoint(t.Context(), endpointIn(t, made.body))
	c.no(err)
	if e.Consumer != "acme" {
		t.Errorf("made for %s", e.Consumer)
	}
	if p := v.get(at); strings.Contains(p.body, "whsec_") {
		t.Error("the secret is shown again")
	}
	follow(v.post(at+"/test", "type", "invoice.paid")).mentions(t, "A test event is on its way", "invoice.paid")
	<-c.receiver.came
	follow(v.post(at+"/pause")).mentions(t, "is paused")
	if p := v.post(at + "/test"); strings.Contains(p.body, "/v1/") || !strings.Contains(p.body, `role="alert"`) {
		t.Errorf("%d speaks of routes: %s", p.status, p.body)
	}
	follow(v.post(at+"/resume")).mentions(t, "active again")
	v.post(at+"/checkup").mentions(t, "The receiver is not ready yet.")
	v.post(at+"/rotate", "once", "r").mentions(t, "whsec_")
	v.get(at+"/edit").mentions(t, `value="invoice.paid" checked`)
	v.post(at+"/edit", "url", "nonsense", "all", "1").mentions(t, `id="url-wrong"`)
	follow(v.post(at+"/edit", "url", c.receiver.URL+"/moved", "name", "Moved", "all", "1")).mentions(t, "Moved", "The change was kept.")
	follow(v.post(at+"/recover", "since", "2026-01-31T09:00", "once", "x")).mentions(t, "in the background")
	follow(v.post(at+"/missed", "since", "2026-01-31T09:00", "once", "xm")).mentions(t, "in the background")
	<-c.receiver.came
	follow(v.post("/portal/deliveries/"+c.delivery+"/retry")).mentions(t, "is due now")
	v.get("/portal/deliveries/"+c.bad).mentions(t, "500", "What probably mends it", "webhook-signature")
	follow(v.post(at+"/delete")).mentions(t, "Nothing was deleted")
	follow(v.post(at+"/delete", "sure", "1")).mentions(t, "The endpoint is deleted.")
	for e, err := range c.client.Audit(t.Context(), client.AuditFilter{Action: "endpoint.delete"}) {
		c.no(err)
		if e.Actor.Kind != "portal" {
			t.Errorf("%+v", e)
		}
	}
}

// TestPortalOfOneConsumer walks every page: nothing of another consumer is on
// any, nor under any address.
func TestPortalOfOneConsumer(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	v := c.opened("manage")
	seen := map[string]bool{}
	queue := []string{"/portal"}
	for _, p := range c.pages("manage") {
		queue = append(queue, p.path)
	}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		p := v.get(path)
		if strings.Contains(p.body, marker) || p.status >= 500 {
			t.Errorf("%s: %d has what is another's", path, p.status)
		}
		for _, part := range strings.Split(p.body, `href="`)[1:] {
			if to, _, _ := strings.Cut(part, `"`); strings.HasPrefix(to, "/portal") && !strings.HasPrefix(to, "/portal/colours") {
				queue = append(queue, strings.ReplaceAll(to, "&amp;", "&"))
			}
		}
	}
	if len(seen) < 12 {
		t.Errorf("saw only %v", seen)
	}
	for _, path := range []string{"/portal/endpoints/" + c.foreign.ID, "/portal/endpoints/" + c.foreign.ID + "/edit", "/portal/deliveries/" + c.foreignDelivery, "/portal/deliveries?endpoint_id=" + c.foreign.ID} {
		if p := v.get(path); strings.Contains(p.body, marker) || p.status == http.StatusOK && !strings.Contains(p.body, "Nothing fits") {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	for _, action := range []string{"pause", "rotate", "test", "recover", "missed", "edit", "delete"} {
		p := v.post("/portal/endpoints/"+c.foreign.ID+"/"+action, "since", "2026-01-31T09:00", "sure", "1", "url", c.receiver.URL, "all", "1")
		if p.status != http.StatusNotFound || strings.Contains(p.body, marker) {
			t.Errorf("%s: %d", action, p.status)
		}
	}
	if p := v.get("/p/" + c.project.ID); p.status != http.StatusSeeOther {
		t.Errorf("a customer is in the console: %d", p.status)
	}
}

// TestPortalThatReads changes nothing and is offered nothing that would.
func TestPortalThatReads(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	v := c.opened("read")
	before, err := c.client.Endpoint(t.Context(), c.good.ID)
	c.no(err)
	for _, p := range c.pages("read") {
		got := v.get(p.path)
		for _, part := range strings.Split(got.body, `action="`)[1:] {
			if to, _, _ := strings.Cut(part, `"`); to != "/preferences" && to != "/portal/signout" && to != "/portal/verify" { // which changes nothing
				t.Errorf("%s offers %s", p.path, to)
			}
		}
	}
	at := "/portal/endpoints/" + c.good.ID
	for _, path := range []string{"/portal/endpoints", at + "/pause", at + "/resume", at + "/rotate", at + "/test", at + "/recover", at + "/missed", at + "/edit", at + "/delete", "/portal/deliveries/" + c.delivery + "/retry"} {
		if p := v.post(path, "url", c.receiver.URL, "all", "1", "sure", "1", "since", "2026-01-31T09:00"); p.status != http.StatusForbidden {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	after, err := c.client.Endpoint(t.Context(), c.good.ID)
	c.no(err)
	if after.UpdatedAt != before.UpdatedAt || after.State != "active" {
		t.Errorf("changed: %+v", after)
	}
}

// TestPortalVerifies: a customer who may only look has explained what it got,
// by an endpoint's secret that it does not see.
func TestPortalVerifies(t *testing.T) {
	t.Parallel()
	c := open(t, func(o *app.Options) {
		o.EgressAddresses = []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32"), netip.MustParsePrefix("2001:db8::/64")}
	}).customer("")
	v := c.opened("read")
	h, body, err := webhook.Standard().Sign(&webhook.Message{ID: webhook.NewID(), Type: "a.b", Time: time.Now(), Data: []byte(`{"name":"João"}`)}, webhook.Try{}, c.good.Secret)
	c.no(err)
	head := ""
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		head += name + ": " + h.Get(name) + "\r\n"
	}
	asks := func(pairs ...string) *seen {
		t.Helper()
		p := v.post("/portal/verify", append(pairs, "headers", head)...)
		if strings.Contains(p.body, c.good.Secret) || strings.Contains(p.body, marker) {
			t.Errorf("it says a secret, or what is another's:\n%s", p.body)
		}
		for _, signature := range regexp.MustCompile(`v1,[A-Za-z0-9+/=]{40,}`).FindAllString(html.UnescapeString(p.body), -1) {
			if signature != h.Get("webhook-signature") {
				t.Errorf("the endpoint's secret signs for whoever looks: %s", signature)
			}
		}
		return p
	}
	v.get("/portal/verify?endpoint_id="+c.good.ID).mentions(t, `<option value="`+c.good.ID+`" selected>`, "Why does it not verify?", "203.0.113.7\n2001:db8::/64\n")
	asks("endpoint_id", c.good.ID, "body", string(body)).mentions(t, "It is genuine")
	asks("endpoint_id", c.good.ID, "body", string(body)+"\r\n").mentions(t, "The body is not the one that was signed.", "a line end was added behind it", "the endpoint&#39;s secret")
	asks("endpoint_id", c.failing.ID, "body", string(body)).mentions(t, "The signature fits none of the secrets.")
	asks("endpoint_id", c.good.ID, "body", string(body), "secret", " ").mentions(t, "and the one that your code has is another")
	asks("body", string(body)).mentions(t, "There is no secret that it could be verified with.")
	if p := asks("endpoint_id", c.foreign.ID, "body", string(body)); p.status != http.StatusUnprocessableEntity {
		t.Errorf("another's endpoint: %d", p.status)
	}
	if p := v.post("/portal/verify", "endpoint_id", c.failing.ID, "secret", c.good.Secret, "headers", head, "body", string(body)); !strings.Contains(p.body, "which is none of this endpoint") || strings.Contains(p.body, c.good.Secret) {
		t.Errorf("%d %s", p.status, p.body)
	}
	v.post("/portal/verify", "headers", "no header").mentions(t, "Line 1 of the headers is none.", `aria-invalid="true"`)
}

// TestPortalFraming: only the page for frames may be framed, by those that the
// project names.
func TestPortalFraming(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	v, s := c.opened("manage"), c.session("manage")
	frame, _, _ := strings.Cut(s.EmbedPath, "#")
	if !strings.HasSuffix(s.EmbedPath, "#"+s.Token) || strings.Contains(frame, s.Token) {
		t.Errorf("the token is before the #: %s", s.EmbedPath)
	}
	framed := func(path, by string) {
		t.Helper()
		p := v.get(path)
		if policy := p.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; frame-ancestors "+by) || (p.header.Get("X-Frame-Options") == "DENY") != (by == "'none'") {
			t.Errorf("%s: %s, %v", path, policy, p.header["X-Frame-Options"])
		}
	}
	framed(frame, "'none'")
	for _, wrong := range []string{"https://app.example.com/path", "http://app.example.com", "*", "https://*", "https://a.example 'self'", "https://a.example;script-src", "app.example.com", "https://", "https://u@a.example"} {
		if _, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalOrigins: client.Set([]string{wrong})}); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
	_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalOrigins: client.Set([]string{"https://App.Example.com/", "http://localhost:3000"})})
	c.no(err)
	framed(frame, "https://app.example.com http://localhost:3000")
	for _, p := range c.pages("manage") {
		framed(p.path, "'none'")
	}
	framed("/signin", "'none'")

	// The pages that the script asks for have the token as a bearer, and no cookie.
	bearer := c.visitor()
	bearer.header = http.Header{"Authorization": {"Bearer " + s.Token}}
	p := bearer.get("/portal/endpoints/" + c.good.ID)
	p.mentions(t, "embedded", "Orders")
	if len(bearer.cookies) > 0 || strings.Contains(p.body, "/portal/signout") || strings.Contains(p.body, s.Token) {
		t.Errorf("%v", bearer.cookies)
	}
	bearer.header = http.Header{"Authorization": {"Bearer mlt_portal_nothing"}}
	if p := bearer.get("/portal"); p.status != http.StatusUnauthorized {
		t.Error(p.status)
	}
}

// TestPortalInChromium looks at every page of the portal in both languages and
// both colours, with a company's colour that is hard to read.
func TestPortalInChromium(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalName: client.Set("Loja Aurora"), PortalColor: client.Set("#e8590c")})
	c.no(err)
	b := chromium(t, c.url)
	for _, access := range []string{"manage", "read"} {
		b.forget()
		b.open(c.session(access).Path) // the script presses the button
		b.waitFor(`location.pathname === "/portal"`)
		for _, view := range []string{"en.light", "en.dark", "pt-BR.light", "pt-BR.dark"} {
			b.prefers(view)
			for _, p := range c.pages(access) {
				where := p.name + " " + view
				b.open(p.path)
				b.accessible(where)
				b.calm(where)
				for _, width := range []int64{390, 1024, 1440} {
					b.wide(width)
					b.fits(fmt.Sprintf("%s at %d", where, width))
					if access == "manage" && (strings.HasPrefix(view, "en") || width == 1440) {
						b.picture(fmt.Sprintf("%s-%s-%d", p.name, strings.ReplaceAll(view, ".", "-"), width))
					}
				}
			}
		}
	}
	for _, colour := range []string{"#ffff00", "#000000", "#ffffff", "#777777", "#00b3ff"} {
		_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalColor: client.Set(colour)})
		c.no(err)
		b.forget()
		b.open(c.session("manage").Path)
		b.waitFor(`location.pathname === "/portal"`)
		for _, view := range []string{"en.light", "en.dark"} {
			b.prefers(view)
			b.open("/portal/endpoints/" + c.failing.ID)
			b.accessible(colour + " " + view)
		}
	}
}

// TestPortalHostileText: nothing that others wrote runs in the portal, on any
// page, for whoever may look or manage.
func TestPortalHostileText(t *testing.T) {
	t.Parallel()
	for _, text := range hostile() {
		c := open(t).customer(text)
		company := plain(text, "Loja")
		_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalName: client.Set(cut(company, 60))})
		c.no(err)
		b := chromium(t, c.url)
		harmless := func(page string) {
			t.Helper()
			where := fmt.Sprintf("%.40q on %s", text, page)
			b.calm(where)
			b.fits(where)
			if ran, broke := eval[int](b, `window.__ran || 0`), eval[int](b, `document.querySelectorAll("main img, main iframe, main script, main [onload], main [onerror], main [hx-get]").length`); ran != 0 || broke != 0 {
				t.Errorf("%s: ran %d, broke out %d", where, ran, broke)
			}
			if strings.ContainsAny(b.text()+eval[string](b, `document.title`), "\u202e\u2066\x1b") {
				t.Errorf("%s: a control character is in the page", where)
			}
		}
		b.open("/portal/embed/" + c.project.ID)
		harmless("the frame's page")
		for _, access := range []string{"read", "manage"} {
			b.forget()
			b.open(c.session(access).Path)
			b.waitFor(`location.pathname === "/portal"`)
			for _, p := range c.pages(access) {
				b.open(p.path)
				harmless(p.name + " for " + access)
			}
		}
		b.open("/portal/endpoints/" + c.failing.ID)
		b.press("#checkup form button")
		harmless("a check-up")
		b.open("/portal/endpoints/new")
		eval[bool](b, fmt.Sprintf(`(() => { const f = document.querySelector("main form.card"); f.noValidate = true; for (const e of f.querySelectorAll("input:not([type=checkbox]):not([type=hidden])")) e.value = %s; return true })()`, inJSON(t, text)))
		b.press("main form.card button[type=submit]")
		b.waitFor(`document.querySelector("[role=alert]")`)
		harmless("a form that is wrong")
		b.open("/portal/deliveries?type=" + url.QueryEscape(cut(text, 2000)) + "&from=" + url.QueryEscape(cut(text, 2000)))
		harmless("filters")
		b.run(chromedp.Click(chromedp.CSS("details.menu summary")))
		b.press("form[action='/portal/signout'] button")
		harmless("signed out")
	}
}

// front stands before a server and keeps what was asked of it.
type front struct {
	url string
	mu  sync.Mutex
	all []*http.Request
}

func (s *site) front() *front {
	s.Helper()
	to, err := url.Parse(s.url)
	s.no(err)
	f := &front{}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.all = append(f.all, r.Clone(r.Context()))
		f.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	s.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	f.url = server.URL
	return f
}

// TestPortalInAFrame shows it in a page of another site, where no cookie of it
// goes out: one looks, adds an endpoint, sends it a test and goes back.
func TestPortalInAFrame(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	s, front := c.session("manage"), c.front()
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1><iframe title="Webhooks" width="1000" height="900" src="`+front.url+s.EmbedPath+`"></iframe>
<script>addEventListener("message", e => { (window.said = window.said || []).push(e.data.malote) })</script>`)
	}))
	t.Cleanup(outer.Close)
	origin := strings.Replace(outer.URL, "127.0.0.1", "localhost", 1) // another site
	b := chromium(t, front.url)
	b.open(c.session("manage").Path) // so there is a cookie that could be sent
	b.waitFor(`location.pathname === "/portal"`)
	frames := b.frames(front.url)
	b.url = origin
	b.open("/")
	_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalOrigins: client.Set([]string{"https://elsewhere.example"})})
	c.no(err)
	b.open("/") // by a page that the project does not name
	if at := frames.script(`document.readyState`); at != "" && frames.script(`String(!!document.querySelector("main"))`) == "true" {
		t.Error("a page that the project does not name frames the portal")
	}
	_, err = c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalOrigins: client.Set([]string{origin})})
	c.no(err)
	front.mu.Lock()
	front.all = nil
	front.mu.Unlock()
	b.open("/")
	frames.waitFor(`!!document.querySelector("article.endpoint")`)
	b.picture("portal-in-a-frame")
	frames.script(`document.querySelector("main .primary").click(); ""`)
	frames.waitFor(`!!document.getElementById("url")`)
	frames.script(`document.getElementById("url").value = "` + c.receiver.URL + `/framed"; document.querySelector("main form button[type=submit]").click(); ""`)
	frames.waitFor(`document.body.innerText.includes("whsec_")`)
	frames.script(`document.querySelector("form[action$='/test'] button").click(); ""`)
	<-c.receiver.came
	frames.waitFor(`document.body.innerText.includes("A test event is on its way")`)
	frames.script(`history.back(); ""`)
	frames.waitFor(`!!document.querySelector(".crumb")`)
	if kept := frames.script(`location.href + document.cookie + JSON.stringify(history.state)`); strings.Contains(kept, s.Token) || strings.Contains(kept, "mlt_") {
		t.Errorf("the token is kept: %s", kept)
	}
	_, err = c.client.EndPortalSession(t.Context(), "acme", s.ID)
	c.no(err)
	frames.script(`document.querySelector(".tabs a").click(); ""`)
	frames.waitFor(`document.body.innerText.includes("This visit is over")`)
	b.waitFor(`(window.said || []).includes("over") && window.said.includes("height")`)

	front.mu.Lock()
	defer front.mu.Unlock()
	bearers := 0
	for _, r := range front.all {
		if strings.Contains(r.RequestURI, "mlt_") || r.Header.Get("Cookie") != "" || strings.Contains(r.Header.Get("Referer"), "mlt_") {
			t.Errorf("%s %s: cookie %q, referer %q", r.Method, r.RequestURI, r.Header.Get("Cookie"), r.Header.Get("Referer"))
		}
		if r.Header.Get("Authorization") == "Bearer "+s.Token {
			bearers++
		}
	}
	if bearers < 5 {
		t.Errorf("%d requests carried the token of %d", bearers, len(front.all))
	}
}
