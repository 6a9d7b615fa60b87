package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/malote-dev/malote/client"
)

// TestFirstWebhookByClicking goes from the first start to a delivered webhook
// with a mouse alone, over plain http on this machine, where Chromium keeps
// cookies that are for https alone.
func TestFirstWebhookByClicking(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := chromium(t, s.url)
	b.open(pathOf(s.welcome))
	b.fill("#email", "ana@example.com")
	b.fill("#password", ownerPassword)
	b.fill("#again", ownerPassword)
	b.press("main button[type=submit]")
	if at := b.path(); at != "/projects" {
		t.Fatalf("at %s:\n%s", at, b.text())
	}
	b.press("a[href='/projects/new']")
	b.fill("#name", "shop")
	b.run(chromedp.Click(chromedp.CSS("input[value=development]")))
	b.press("main form button[type=submit]")
	b.press("main .first a.button")
	b.fill("#consumer", "acme")
	b.fill("#url", s.receiver.URL+"/hook")
	b.press("main form.card button[type=submit]")
	if text := b.text(); !strings.Contains(text, "whsec_") {
		t.Fatalf("no secret:\n%s", text)
	}
	b.press("form[action$='/test'] button")
	<-s.receiver.came
	// The page keeps itself up to date.
	if !eval[bool](b, `new Promise(done => { let left = 300; const look = () => document.querySelector("h1 .s-delivered") ? done(true) : left-- ? setTimeout(look, 100) : done(false); look() })`) {
		t.Fatalf("not delivered:\n%s", b.text())
	}
	if text := b.text(); !strings.Contains(text, "webhook-signature") || !strings.Contains(text, "It was taken.") {
		t.Errorf("not the attempt:\n%s", text)
	}
	b.calm("the first webhook")
}

// show is a page of a seeded server.
type show struct{ name, path string }

// seed makes a project with everything that pages show, and lists the pages.
// text is put wherever somebody may write.
func seed(t *testing.T, s *site, name, text string) []show {
	t.Helper()
	p, c := s.project(name)
	base := "/p/" + p.ID
	quoted := inJSON(t, text)
	good, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", Name: plain(text, "Orders"), URL: s.receiver.URL + "/hook", EventTypes: []string{"*"}, Description: plain(text, "of the shop")})
	s.no(err)
	bad := newReceiver(t)
	bad.answers(http.StatusInternalServerError, http.Header{"X-Hostile": {plain(text, "none")}, "Content-Type": {"text/html"}}, "<h1>Broken</h1>"+text)
	failing, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "globex", URL: bad.URL + "/broken", EventTypes: []string{"invoice.*"}})
	s.no(err)
	var last, failed string
	for i := range 12 {
		last = s.event(c, "acme", "invoice.paid", fmt.Sprintf(`{"invoice":"inv_%d","amount":"%d.90","currency":"BRL","customer":{"name":%s,"tags":["a","b"]}}`, i, 10*i, quoted))
	}
	s.settled(c, last)
	for range 3 {
		a, err := c.Send(t.Context(), client.NewEvent{Type: "invoice.refused", Consumer: "globex", Data: []byte(`{"why":` + quoted + `}`), IdempotencyKey: ""})
		s.no(err)
		failed = a.ID
	}
	bads := s.settled(c, failed)
	s.again(c, bads[0])
	nobody, err := c.Send(t.Context(), client.NewEvent{Type: "invoice.paid", Consumer: "nobody", Data: []byte(`{"note":` + quoted + `}`)})
	s.no(err)
	paused, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "initech", Name: "Backup", URL: s.receiver.URL + "/backup", EventTypes: []string{"order.made"}})
	s.no(err)
	_, err = c.PauseEndpoint(t.Context(), paused.ID)
	s.no(err)
	_, err = c.CreateEventType(t.Context(), client.NewEventType{Name: "invoice.paid", EventTypeChange: client.EventTypeChange{Description: client.Set(plain(text, "An invoice was paid.")), Tags: client.Set([]string{"billing"})}})
	s.no(err)
	_, err = c.PutConsumer(t.Context(), "acme", client.ConsumerChange{Name: client.Set(plain(text, "Acme Ltda."))})
	s.no(err)
	goods := s.settled(c, last)
	inspector, inspected := s.inspected(c, text)
	return []show{
		{"inspectors", base + "/inspect"}, {"inspector", base + "/inspect/" + inspector}, {"inspected", base + "/inspect/" + inspector + "/requests/" + inspected[0]},
		{"inspected-form", base + "/inspect/" + inspector + "/requests/" + inspected[1]}, {"inspected-compared", base + "/inspect/" + inspector + "/compare?a=" + inspected[1] + "&b=" + inspected[0]},
		{"overview", base}, {"events", base + "/events"}, {"events-live", base + "/events/live?type=invoice.paid"}, {"deliveries-live", base + "/deliveries/live"}, {"events-live-wrong", base + "/events/live?from=x"}, {"events-none", base + "/events?type=none.such"}, {"events-wrong", base + "/events?from=x"},
		{"event", base + "/events/" + last}, {"event-nobody", base + "/events/" + nobody.ID},
		{"deliveries", base + "/deliveries"}, {"delivery", base + "/deliveries/" + goods[0].ID}, {"delivery-failing", base + "/deliveries/" + bads[0].ID},
		{"delivery-compared", base + "/deliveries/" + bads[0].ID + "/compare"}, {"delivery-edited", base + "/deliveries/" + bads[0].ID + "/edit"},
		{"endpoints", base + "/endpoints"}, {"endpoint", base + "/endpoints/" + good.ID}, {"endpoint-failing", base + "/endpoints/" + failing.ID}, {"endpoint-paused", base + "/endpoints/" + paused.ID},
		{"endpoint-new", base + "/endpoints/new"}, {"endpoint-edit", base + "/endpoints/" + good.ID + "/edit"}, {"consumers", base + "/consumers"}, {"consumer", base + "/consumers/acme"}, {"event-types", base + "/event-types"},
		{"event-type", base + "/event-types/invoice.paid"}, {"event-type-new", base + "/event-types/new"}, {"dialects", base + "/dialects?event=" + last}, {"keys", base + "/keys"}, {"settings", base + "/settings"}, {"audit", base + "/audit"},
		{"projects", "/projects"}, {"project-new", "/projects/new"}, {"people", "/people"}, {"nodes", "/nodes"}, {"account", "/account"}, {"verify", "/verify"}, {"missing", base + "/events/evt_nothing"},
	}
}

// inJSON quotes a text and leaves in it what need not be escaped.
func inJSON(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// plain is a text where the API takes it (no line breaks or control
// characters, not too long), else another.
func plain(text, other string) string {
	if text == "" || len(text) > 200 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return other
	}
	return text
}

// TestPagesInChromium looks at every page in both languages and both colours:
// axe finds nothing, the policy reports nothing, nothing is wider than the
// window. With -screens DIR it keeps pictures at three widths.
func TestPagesInChromium(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	s.invited(owner, "otto@example.com", "operator")
	owner.post("/people", "email", "vera@example.com", "role", "viewer")
	pages := seed(t, s, "shop", "")
	b := chromium(t, s.url)
	for _, view := range []string{"en.light", "en.dark", "pt-BR.light", "pt-BR.dark"} {
		b.prefers(view)
		for _, p := range append(slices.Clone(pages), show{"signin", "/signin"}) {
			if p.name == "signin" {
				b.forget()
				b.prefers(view)
			} else if p.name == pages[0].name {
				b.signedIn(owner)
			}
			where := p.name + " " + view
			b.open(p.path)
			b.accessible(where)
			b.calm(where)
			for _, width := range []int64{390, 1024, 1440} {
				b.wide(width)
				b.fits(fmt.Sprintf("%s at %d", where, width))
				if strings.HasPrefix(view, "en") || width == 1440 && strings.HasSuffix(view, "light") {
					b.picture(fmt.Sprintf("%s-%s-%d", p.name, strings.ReplaceAll(view, ".", "-"), width))
				}
			}
		}
	}
}

// TestWatchersBite: what the tests of pages look for, they find.
func TestWatchersBite(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := chromium(t, s.url)
	b.open("/signin")
	b.accessible("before")
	b.calm("before")
	eval[bool](b, `document.querySelector("main").insertAdjacentHTML("beforeend", "<button></button><p id=pale>pale</p>");
		document.getElementById("pale").className = "dim"; document.documentElement.style.setProperty("--dim", "#eee"); true`)
	var found []string
	for _, v := range b.violations() {
		found = append(found, v.ID)
	}
	if !slices.Contains(found, "button-name") || !slices.Contains(found, "color-contrast") {
		t.Errorf("axe found %v", found)
	}
	for _, inline := range []string{
		`document.body.insertAdjacentHTML("beforeend", "<p style='color:red'>x</p>")`,
		`document.body.insertAdjacentHTML("beforeend", "<img src='https://elsewhere.example/x.png'>")`,
		`document.body.appendChild(Object.assign(document.createElement("script"), {textContent: "window.__ran=1"}))`,
		`document.body.insertAdjacentHTML("beforeend", "<button id=bad onclick='window.__ran=1'></button>"); document.getElementById("bad").click()`,
	} {
		eval[bool](b, inline+`; new Promise(done => setTimeout(() => done(true), 50))`)
		if got := b.reports(); len(got) == 0 || !strings.HasPrefix(got[0], "policy: ") {
			t.Errorf("%s: %v", inline, got)
		}
	}
	if eval[bool](b, `"__ran" in window`) {
		t.Error("an inline script ran")
	}
}

// hostile is what people have written where others look.
func hostile() []string {
	return []string{
		`<script>window.__ran=1;alert(1)</script>`,
		`"><img src=x onerror="window.__ran=1">`,
		`'-alert(1)-' onmouseover=window.__ran=1 x='`,
		`</code></pre><svg onload=window.__ran=1>`,
		`{{.Page}}{{printf "%s" 1}} ${window.__ran=1}`,
		`javascript:window.__ran=1//`,
		"\u202eevil\u2066 \u200btext\u2069\u202c", // other directions
		"\x1b[2J\x1b]0;title\x07 \x00 ansi",
		`hx-get="/signout" data-hx-on:load="window.__ran=1" <div hx-on="htmx:load: window.__ran=1" hx-get="/x" hx-trigger="load">`,
		strings.Repeat("A", 60_000),
		strings.Repeat("<b>", 5_000),
	}
}

// TestHostileText puts each text into every field that pages show: nothing
// runs, nothing is reported, nothing breaks out of its place.
func TestHostileText(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	b := chromium(t, s.url)
	b.signedIn(owner)
	for i, text := range hostile() {
		name := plain(text, "hostile")
		if len(name) > 60 {
			name = name[:60]
		}
		for _, p := range seed(t, s, fmt.Sprintf("%d %s", i, name), text) {
			where := fmt.Sprintf("%.40q on %s", text, p.name)
			b.open(p.path)
			b.calm(where)
			b.fits(where)
			ran := eval[int](b, `window.__ran || 0`)
			frames := eval[int](b, `document.querySelectorAll("main img, main iframe, main script, main [onload], main [onerror], main [hx-get]:not(#live)").length`)
			if ran != 0 || frames != 0 {
				t.Errorf("%s: ran %d, broke out %d", where, ran, frames)
			}
			if strings.ContainsAny(b.text(), "\u202e\u2066\x1b") {
				t.Errorf("%s: a control character is in the page", where)
			}
		}
	}
}
