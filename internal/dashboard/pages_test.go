package dashboard_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/webhook"
)

func TestSigningIn(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.visitor()
	if p := v.get("/"); p.status != http.StatusSeeOther || p.header.Get("Location") != "/signin?next=%2F" {
		t.Errorf("%d %v", p.status, p.header)
	}
	v.get(pathOf(s.welcome)).mentions(t, "Welcome to Malote", `name="email"`)
	v.post(pathOf(s.welcome), "email", "ana", "password", "short", "again", "short").mentions(t, "is not a mail address", "is too short")
	owner := s.owner()
	if p := v.get(pathOf(s.welcome)); p.status != http.StatusNotFound {
		t.Errorf("the link was good twice: %d", p.status)
	}
	if p := owner.get("/"); p.header.Get("Location") != "/projects" {
		t.Errorf("%d %v", p.status, p.header)
	}
	for _, wrong := range [][2]string{{"ana@example.com", "not the password"}, {"nobody@example.com", ownerPassword}, {"", ""}} {
		if p := v.post("/signin", "email", wrong[0], "password", wrong[1]); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.body, "The e-mail or the password is not right.") || len(v.cookies) > 0 {
			t.Errorf("%q: %d %v", wrong, p.status, v.cookies)
		}
	}
	p := v.post("/signin", "email", " ANA@example.com", "password", ownerPassword, "next", "/account")
	if p.status != http.StatusSeeOther || v.cookies["__Host-malote"] == "" {
		t.Fatalf("%d %v", p.status, v.cookies)
	}
	cookie := p.header.Get("Set-Cookie")
	for _, part := range []string{"__Host-malote=mlt_console_", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie lacks %s: %s", part, cookie)
		}
	}
	if to := v.get(p.header.Get("Location")).header.Get("Location"); to != "/account" {
		t.Errorf("went to %q", to)
	}
	v.get("/account").mentions(t, "ana@example.com", "Where you are signed in")

	stolen := s.visitor()
	stolen.cookies["__Host-malote"] = v.cookies["__Host-malote"]
	if p := v.post("/signout"); p.status != http.StatusSeeOther || v.cookies["__Host-malote"] != "" {
		t.Errorf("%d %v", p.status, v.cookies)
	}
	if p := stolen.get("/account"); p.status != http.StatusSeeOther {
		t.Errorf("a session that was signed out is good: %d", p.status)
	}
}

func TestCookieThatIsNotKeptIsSaid(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.visitor()
	p := v.post(pathOf(s.welcome), "email", "ana@example.com", "password", ownerPassword, "again", ownerPassword)
	clear(v.cookies) // as a browser over plain http elsewhere
	v.get(p.header.Get("Location")).mentions(t, "the browser did not keep the cookie")
}

// TestGuessesAreFew: after some tries with one address from one network it is
// over for a while, also with the right password.
func TestGuessesAreFew(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.owner()
	v := s.visitor()
	for range 10 {
		if p := v.post("/signin", "email", "ana@example.com", "password", "guess"); p.status != http.StatusUnprocessableEntity {
			t.Fatal(p.status)
		}
	}
	p := v.post("/signin", "email", "ana@example.com", "password", ownerPassword)
	if p.status != http.StatusTooManyRequests || p.header.Get("Retry-After") == "" || len(v.cookies) > 0 {
		t.Errorf("%d %v", p.status, p.header)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	viewer, operator := s.invited(owner, "vera@example.com", "viewer"), s.invited(owner, "otto@example.com", "operator")
	project, c := s.project("shop")
	e, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: s.receiver.URL, EventTypes: []string{"*"}})
	s.no(err)
	base := "/p/" + project.ID
	if p := viewer.get(base + "/endpoints/" + e.ID); p.status != http.StatusOK || strings.Contains(p.body, "/pause") {
		t.Errorf("%d: a viewer is offered what is refused", p.status)
	}
	for _, path := range []string{base + "/endpoints/" + e.ID + "/pause", base + "/endpoints/" + e.ID + "/rotate", base + "/endpoints", "/people", "/projects"} {
		if p := viewer.post(path); p.status != http.StatusForbidden {
			t.Errorf("a viewer did %s: %d", path, p.status)
		}
	}
	for _, path := range []string{"/people", "/projects"} {
		if p := operator.post(path, "name", "x", "environment", "production", "dialect", "standard"); p.status != http.StatusForbidden {
			t.Errorf("an operator did %s: %d", path, p.status)
		}
	}
	if p := operator.post(base + "/endpoints/" + e.ID + "/pause"); p.status != http.StatusSeeOther {
		t.Errorf("%d %s", p.status, p.body)
	}
	audit := owner.get(base + "/audit?action=endpoint.pause")
	audit.mentions(t, "otto@example.com", "endpoint.pause")

	if p := operator.get("/nodes"); p.status != http.StatusForbidden {
		t.Errorf("an operator sees the nodes: %d", p.status)
	}
	owner.get("/nodes").mentions(t, "256", "serving", "chief")

	// Who is kept out is out at once, also in the midst of something.
	people := owner.get("/people").body
	at := strings.Index(people, "otto@example.com")
	at += strings.Index(people[at:], `action="/people/`) + len(`action="`)
	path, _, _ := strings.Cut(people[at:], `"`)
	if p := owner.post(path, "role", "operator", "disabled", "1"); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	if p := operator.post(base + "/endpoints/" + e.ID + "/resume"); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/signin") {
		t.Errorf("%d %v", p.status, p.header)
	}
	if p := s.visitor().post("/signin", "email", "otto@example.com", "password", ownerPassword); p.status != http.StatusUnprocessableEntity {
		t.Error(p.status)
	}
}

// TestForeignForms: a page of another site changes nothing.
func TestForeignForms(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	for _, h := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}} {
		owner.header = h
		if p := owner.post("/projects", "name", "x", "environment", "production", "dialect", "standard"); p.status != http.StatusForbidden {
			t.Errorf("%v: %d", h, p.status)
		}
	}
	owner.header = http.Header{"Sec-Fetch-Site": {"same-origin"}}
	if p := owner.post("/projects", "name", "x", "environment", "production", "dialect", "standard"); p.status != http.StatusSeeOther {
		t.Errorf("%d %s", p.status, p.body)
	}
}

// TestNextStaysHere: no link to the sign-in leads to another site.
func TestNextStaysHere(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/v1/projects", "\t//evil.example", "/\n/evil.example"} {
		if to := owner.get("/signin?next=" + url.QueryEscape(next)).header.Get("Location"); to != "/" {
			t.Errorf("%q led to %q", next, to)
		}
		if to := owner.post("/preferences", "lang", "en", "back", next).header.Get("Location"); to != "/" {
			t.Errorf("%q led to %q", next, to)
		}
	}
}

// TestAPIIsNotInTheWay: no page takes a path of an API, and the other way round.
func TestAPIIsNotInTheWay(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.visitor()
	for _, path := range []string{"/v1/projects", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/api/webhooks", "/s/x", "/nothing"} {
		if p := v.get(path); strings.Contains(p.header.Get("Content-Security-Policy"), "script-src") || p.header.Get("Location") != "" {
			t.Errorf("%s is a page: %d", path, p.status)
		}
	}
	p, err := s.root.CreateProject(t.Context(), client.NewProject{Name: "bound", Environment: "production", Dialect: "placaflow", Host: "hooks.shop.example"})
	s.no(err)
	_ = p
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/signin", nil)
	s.no(err)
	r.Host = "hooks.shop.example"
	resp, err := v.http.Do(r)
	s.no(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a page under a customer's host name: %d %v", resp.StatusCode, resp.Header)
	}
}

// TestPreferences: language by the browser, else by choice; likewise colours.
func TestPreferences(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.visitor()
	v.get("/signin").mentions(t, `<html lang="en">`, "Sign in")
	v.header = http.Header{"Accept-Language": {"pt-BR,pt;q=0.9,en;q=0.8"}}
	v.get("/signin").mentions(t, `<html lang="pt-BR">`, "Entrar", "Senha")
	v.post("/preferences", "lang", "en", "back", "/signin")
	v.post("/preferences", "theme", "dark", "back", "/signin")
	v.get("/signin").mentions(t, `<html lang="en" data-theme="dark">`)
	v.post("/preferences", "theme", "", "back", "/signin")
	v.post("/preferences", "lang", "klingon", "theme", "pink", "back", "/signin")
	v.get("/signin").mentions(t, `<html lang="en">`)
}

// TestFirstWebhookByForms goes from nothing to a delivered webhook without a
// script, and on to what an operator does with it.
func TestFirstWebhookByForms(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.owner()
	follow := func(p *seen) *seen {
		t.Helper()
		if p.status != http.StatusSeeOther {
			t.Fatalf("%d %s", p.status, p.body)
		}
		return v.get(p.header.Get("Location"))
	}
	v.post("/projects", "name", "", "environment", "production", "dialect", "nonsense").mentions(t, `aria-invalid="true"`)
	p := v.post("/projects", "name", "shop", "environment", "development", "dialect", "standard")
	base := p.header.Get("Location")
	follow(p).mentions(t, "First steps")
	v.post(base+"/endpoints", "consumer", "acme", "url", "nonsense", "all", "1").mentions(t, `id="url-wrong"`, `value="acme"`)
	made := v.post(base+"/endpoints", "once", "the same form", "consumer", "acme", "url", s.receiver.URL+"/hook", "event_types", "invoice.paid", "more", "task.*, order.made")
	made.mentions(t, "whsec_", "invoice.paid, task.*, order.made")
	again := v.post(base+"/endpoints", "once", "the same form", "consumer", "acme", "url", s.receiver.URL+"/hook", "event_types", "invoice.paid", "more", "task.*, order.made")
	at := base + "/endpoints/" + endpointIn(t, made.body)
	if endpointIn(t, again.body) != endpointIn(t, made.body) {
		t.Error("a form that was sent twice made two endpoints")
	}
	if p := v.get(at); strings.Contains(p.body, "whsec_") {
		t.Error("the secret is shown again")
	}
	tested := v.post(at + "/test")
	follow(tested).mentions(t, "A test event is on its way")
	<-s.receiver.came
	follow(v.post(at+"/pause")).mentions(t, "is paused", "/resume")
	v.post(at+"/test").mentions(t, `role="alert"`)
	follow(v.post(at+"/resume")).mentions(t, "active again")
	v.post(at+"/rotate", "once", "r").mentions(t, "whsec_")
	v.post(at+"/recover", "since", "nonsense").mentions(t, `role="alert"`)
	follow(v.post(at+"/recover", "since", "2026-01-31T09:00")).mentions(t, "in the background")
	delivery, _, _ := strings.Cut(tested.header.Get("Location"), "?")
	follow(v.post(delivery+"/retry")).mentions(t, "is due now")
	<-s.receiver.came
	v.get(delivery).mentions(t, "webhook-signature", "/hook")
}

func endpointIn(t *testing.T, body string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, "/endpoints/ep_")
	if !ok {
		t.Fatalf("no endpoint in %s", body)
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') })
	return "ep_" + rest[:end]
}

// TestVerifyPage: a webhook that is pasted is explained, in both languages,
// and the secret stands nowhere.
func TestVerifyPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	viewer := s.invited(owner, "vera@example.com", "viewer")
	project, _ := s.project("shop")
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	h, body, err := webhook.Standard().Sign(&webhook.Message{ID: webhook.NewID(), Type: "a.b", Data: []byte(`{"n":"<b>&"}`), Time: time.Now()}, webhook.Try{}, secret)
	s.no(err)
	headers := "POST /hook HTTP/1.1\r\n"
	for name, values := range h {
		headers += name + ": " + values[0] + "\r\n"
	}
	for _, path := range []string{"/verify", "/p/" + project.ID + "/verify"} {
		viewer.get(path).mentions(t, `action="`+path+`"`, "standard")
		p := viewer.post(path, "secret", secret, "headers", headers, "body", string(body))
		p.mentions(t, "It is genuine", "the header webhook-id", "It ends without a line end.")
		if strings.Contains(p.body, secret) || strings.Contains(p.body, "<b>&") {
			t.Error("the secret or a tag is in the page")
		}
	}
	viewer.post("/verify", "secret", secret, "headers", headers, "body", string(body)+"\r\n").mentions(t, "The body is not the one that was signed.", "a line end was added behind it", "It ends with a line end: LF.")
	viewer.post("/verify", "secret", secret, "headers", headers, "body", string(body)+"\n", "crlf", "1").mentions(t, "It ends with a line end: CRLF.")
	viewer.post("/verify", "secret", " "+secret, "headers", headers, "body", string(body)).mentions(t, "without the white space around it")
	viewer.post("/verify", "secret", secret, "headers", headers, "body", string(body), "at", "2026-01-31T09:30").mentions(t, "its time is too far away")
	viewer.post("/verify", "headers", "no header").mentions(t, `role="alert"`, "Line 1 of the headers is none.")
	viewer.post("/verify", "at", "nonsense").mentions(t, `role="alert"`, `id="w-at">What was given is no time.`, "<strong>Came in (UTC):</strong>", `value="nonsense"`)
	viewer.post("/verify", "dialect", "nonsense").mentions(t, `role="alert"`, `id="w-dialect"`, "is not a dialect of this server")
	viewer.get("/verify").mentions(t, "at most 1 MiB")
	large := strings.Repeat("x", 1<<20)
	viewer.post("/verify", "secret", secret, "headers", headers, "body", large).mentions(t, `aria-label="What came of it"`)
	viewer.post("/verify", "secret", secret, "headers", headers, "body", large+"x").mentions(t, `role="alert"`, "<strong>Body:</strong>", `id="w-body"`)
	if p := viewer.post("/verify", "body", strings.Repeat("x", 5<<20)); p.status != http.StatusRequestEntityTooLarge || !strings.Contains(p.body, "The form takes 4096 KiB in all") {
		t.Errorf("5 MiB: %d %s", p.status, p.body)
	}
	if p := s.visitor().get("/verify"); p.status != http.StatusSeeOther {
		t.Errorf("somebody who is not signed in: %d", p.status)
	}
	viewer.post("/preferences", "lang", "pt-BR", "back", "/verify")
	viewer.post("/verify", "secret", secret, "headers", headers, "body", strings.ReplaceAll(string(body), ",", ", ")).mentions(t, "O corpo não é o que foi assinado.", "o segredo está certo, mas o corpo mudou no caminho")
}

// TestVerifyPageTakesAFile: its bytes are the body, whatever they are.
func TestVerifyPageTakesAFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	const secret = "It's a Secret to Everybody"
	body := []byte("\xff\x00\r\n")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, value := range map[string]string{"dialect": "github", "secret": secret, "headers": "x-hub-signature-256: sha256=" + hex.EncodeToString(mac.Sum(nil)), "body": ""} {
		s.no(w.WriteField(name, value))
	}
	part, err := w.CreateFormFile("file", "body.bin")
	s.no(err)
	_, err = part.Write(body)
	s.no(err)
	s.no(w.Close())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/verify", &form)
	s.no(err)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range owner.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := owner.http.Do(r)
	s.no(err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	s.no(err)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "It is genuine") || !strings.Contains(string(page), "base64") {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
}

// TestDialectsPage: a message, a sample of a type, or data of one's own, in
// every contract, with code that verifies each.
func TestDialectsPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	viewer := s.invited(owner, "vera@example.com", "viewer")
	project, c := s.project("shop")
	sent, err := c.Send(t.Context(), client.NewEvent{Type: "invoice.paid", Consumer: "7", Data: []byte(`{"invoice":"inv_42"}`)})
	s.no(err)
	at := "/p/" + project.ID + "/dialects"
	viewer.get("/p/"+project.ID+"/events/"+sent.ID).mentions(t, at+"?event="+sent.ID)
	viewer.get(at+"?event="+sent.ID).mentions(t, "inv_42", "X-Webhook-Signature", "Stripe-Signature", "webhook-signature", "crypto.createHmac", "hash_hmac", sent.ID)
	viewer.get(at).mentions(t, "X-ConnectVets-Signature")
	viewer.post(at, "type", "a.b", "data", `[1]`).mentions(t, "This contract cannot carry the event:", "webhook-signature")
	viewer.post(at, "type", "a.b", "data", `{`).mentions(t, `role="alert"`, "<strong>Data:</strong>", `id="w-data"`, "is not JSON")
	viewer.get(at+"?event=nonsense").mentions(t, `role="alert"`, "<strong>Or a stored message, by its id:</strong>", `id="w-event"`, `value="nonsense"`)
	viewer.get(at+"?event="+strings.Replace(sent.ID, sent.ID[8:12], "0000", 1)).mentions(t, `role="alert"`, `id="w-event"`)
	viewer.get(at+"?type=%20a+b").mentions(t, `role="alert"`, "<strong>Event type:</strong>", `id="w-type"`)
}
