package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/webhook"
)

// byKeyboard runs a journey in both languages, where a browser that nobody
// has used yet gets no press of a mouse.
func byKeyboard(t *testing.T, journey func(t *testing.T, language string)) {
	t.Helper()
	for _, language := range []string{"en", "pt-BR"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			journey(t, language)
		})
	}
}

// in is a text in one of the two languages.
func in(language, english, portuguese string) string {
	if language == "en" {
		return english
	}
	return portuguese
}

// reads fails where the page does not say something.
func (b *browser) reads(texts ...string) {
	b.Helper()
	for _, text := range texts {
		if got := b.text(); !strings.Contains(got, text) {
			b.Fatalf("%s does not say %q:\n%s", b.path(), text, got)
		}
	}
}

// sendsTo sends something for acme and waits until the first attempt is over.
func (s *site) sendsTo(c *client.Client, r *receiver, kind string) *client.Delivery {
	s.Helper()
	a, err := c.Send(s.Context(), client.NewEvent{Type: kind, Consumer: "acme", Data: []byte(`{"invoice":"inv_1"}`)})
	s.no(err)
	<-r.came
	return s.settled(c, a.ID)[0]
}

// delivered waits until a delivery is.
func (s *site) delivered(c *client.Client, id string) {
	s.Helper()
	for {
		d, err := c.Delivery(s.Context(), id)
		s.no(err)
		if d.State == "delivered" {
			return
		}
	}
}

// TestBreakAndMendByKeyboard makes an endpoint whose receiver breaks, reads on
// its page why, and has everything sent again when it is mended.
func TestBreakAndMendByKeyboard(t *testing.T) {
	t.Parallel()
	byKeyboard(t, func(t *testing.T, language string) {
		s := open(t)
		owner := s.owner()
		p, c := s.project("shop")
		b := chromium(t, s.url)
		b.signedIn(owner)
		b.still()
		b.prefers(language + ".")
		base := "/p/" + p.ID
		b.open(base)
		b.reach("nav a[href='" + base + "/endpoints']")
		b.leave(kb.Enter)
		b.reach("main a[href^='" + base + "/endpoints/new']")
		b.leave(kb.Enter)
		b.reach("main [name=consumer]")
		b.keys("acme")
		b.reach("main [name=url]")
		b.keys(s.receiver.URL + "/hook")
		b.leave(kb.Enter)
		b.reads("whsec_")

		s.receiver.answers(http.StatusInternalServerError, nil, "out of order")
		first, second := s.sendsTo(c, s.receiver, "invoice.paid"), s.sendsTo(c, s.receiver, "invoice.paid")
		b.reach("nav a[href='" + base + "']")
		b.leave(kb.Enter)
		b.reach("main a[href='" + base + "/endpoints/" + first.EndpointID + "']") // what fails stands there
		b.leave(kb.Enter)
		b.waitFor(`document.querySelector("h1 .s-failing")`)
		b.reads(in(language, "The last failure:", "A última falha:"), "500", in(language, "its own log, at that time, says why.", "o log dele, nesse horário, diz por quê."))

		s.receiver.answers(http.StatusOK, nil, "")
		b.reach("main a.main[href='" + base + "/deliveries/" + second.ID + "']")
		b.leave(kb.Enter)
		b.reads("out of order")
		b.reach("form[action$='/retry'] button")
		b.leave(" ")
		<-s.receiver.came
		b.waitFor(`document.querySelector("h1 .s-delivered")`) // by itself
		b.reach("main a[href='" + base + "/endpoints/" + first.EndpointID + "']")
		b.leave(kb.Enter)
		b.reach("form[action$='/recover'] button")
		b.leave(kb.Enter)
		b.reads(in(language, "What failed is being sent again, in the background.", "O que falhou está sendo reenviado, em segundo plano."))
		<-s.receiver.came
		s.delivered(c, first.ID)
		b.run(chromedp.Reload())
		b.waitFor(`document.querySelector("h1 .s-active") && document.querySelectorAll("main table.rows .s-delivered").length === 2`)
		b.calm("break and mend")
	})
}

// TestInspectorByKeyboard makes an address, sees a request come in live, reads
// why it is not genuine, sends it on and deletes it.
func TestInspectorByKeyboard(t *testing.T) {
	t.Parallel()
	byKeyboard(t, func(t *testing.T, language string) {
		s := open(t)
		owner := s.owner()
		p, c := s.project("shop")
		b := chromium(t, s.url)
		b.signedIn(owner)
		b.still()
		b.prefers(language + ".")
		b.open("/p/" + p.ID)
		b.reach("nav a[href='/p/" + p.ID + "/inspect']")
		b.leave(kb.Enter)
		b.reach("form[action$='/inspect'] [name=name]")
		b.keys("checkout")
		b.reach("form[action$='/inspect'] [name=dialect]")
		b.keys("standard")
		b.reach("form[action$='/inspect'] [name=secret]")
		b.keys(inspectSecret)
		b.leave(kb.Enter)
		b.reads("checkout")
		var at string
		for i, err := range c.Inspectors(t.Context()) {
			s.no(err)
			at = i.URL
		}
		h, body := signedTest(t)
		s.arrives(at+"/orders", h, append(body, '\n'))
		b.waitFor(`document.querySelectorAll("#tail tbody tr").length === 1`)
		if text := b.text(); strings.Contains(text, in(language, "Nothing arrived yet", "Nada chegou ainda")) {
			t.Errorf("beside what arrived:\n%s", text)
		}
		b.reach("#tail tbody a.main")
		b.leave(kb.Enter)
		b.reads("/orders", in(language, "The body is not the one that was signed.", "O corpo não é o que foi assinado."))
		b.reach("form[action$='/replay'] [name=url]")
		b.keys(s.receiver.URL + "/elsewhere")
		b.leave(kb.Enter)
		if got := <-s.receiver.came; got.URL.Path != "/elsewhere" {
			t.Errorf("it was sent to %s", got.URL)
		}
		b.reads("200 OK")
		b.reach("form[action$='/delete'] button")
		b.leave(" ")
		b.waitFor(`document.querySelectorAll("#tail tbody tr").length === 0`)
		b.calm("the inspector by keyboard")
	})
}

// TestPortalByKeyboard: a customer adds an endpoint, sends it a test, rotates
// its secret, and has sent again what failed.
func TestPortalByKeyboard(t *testing.T) {
	t.Parallel()
	byKeyboard(t, func(t *testing.T, language string) {
		c := open(t).customer("")
		mine := newReceiver(t)
		b := chromium(t, c.url)
		b.still()
		b.prefers(language + ".")
		b.open(c.session("manage").Path) // the script presses the button
		b.waitFor(`location.pathname === "/portal"`)
		c.addByKeys(b, b.page(), mine)
		b.reach("form[action$='/test'] button")
		b.leave(kb.Enter)
		<-mine.came
		b.waitFor(`document.querySelector("h1 .s-delivered")`) // by itself
		b.reads(in(language, "It was taken.", "Foi aceita."), "webhook-signature", "invoice.paid")
		b.reach("main a[href^='/portal/endpoints/']")
		b.leave(kb.Enter)
		if strings.Contains(b.text(), "whsec_") {
			t.Error("the secret is shown again")
		}
		b.reach("form[action$='/rotate'] button")
		b.leave(" ")
		b.reads("whsec_")

		mine.answers(http.StatusServiceUnavailable, nil, "closed for lunch")
		first, second := c.mineOf(mine, "invoice.paid"), c.mineOf(mine, "invoice.paid")
		b.reach(".tabs a[href='/portal']")
		b.leave(kb.Enter)
		b.reach("main h2 a[href='/portal/endpoints/" + first.EndpointID + "']")
		b.leave(kb.Enter)
		b.reads(in(language, "The last failure:", "A última falha:"), "503")
		mine.answers(http.StatusOK, nil, "")
		b.reach("main a.main[href='/portal/deliveries/" + second.ID + "']")
		b.leave(kb.Enter)
		b.reads("closed for lunch")
		b.reach("form[action$='/retry'] button")
		b.leave(" ")
		<-mine.came
		b.waitFor(`document.querySelector("h1 .s-delivered")`)
		b.reach("main a[href='/portal/endpoints/" + first.EndpointID + "']")
		b.leave(kb.Enter)
		b.reach("form[action$='/recover'] button")
		b.leave(kb.Enter)
		<-mine.came
		c.delivered(c.client, first.ID)
		b.calm("the portal by keyboard")
	})
}

// mineOf sends something that goes to a customer's own receiver, too.
func (c *customer) mineOf(mine *receiver, kind string) *client.Delivery {
	c.Helper()
	a, err := c.client.Send(c.Context(), client.NewEvent{Type: kind, Consumer: "acme", Data: []byte(`{"invoice":"inv_1"}`)})
	c.no(err)
	<-mine.came
	for {
		for d, err := range c.client.Deliveries(c.Context(), client.DeliveryFilter{EventID: a.ID}) {
			c.no(err)
			if d.EndpointID != c.good.ID && d.Attempts > 0 {
				return d
			}
		}
	}
}

// keyed is what keys go to: a page, or a frame within one.
type keyed interface {
	reach(selector string)
	leave(key string)
	reads(texts ...string)
}

func (b *browser) page() keyed { return b }

// addByKeys adds an endpoint that wants one type, and reads its secret.
func (c *customer) addByKeys(b *browser, at keyed, mine *receiver) {
	c.Helper()
	at.reach("main a.button.primary")
	at.leave(kb.Enter)
	at.reach("#url")
	b.keys(mine.URL + "/mine")
	at.reach("input[name=all]")
	b.keys(" ")
	at.reach("input[name=event_types][value='invoice.paid']")
	b.keys(" ")
	at.reach("main form.card button[type=submit]")
	at.leave(kb.Enter)
	at.reads("whsec_")
	at.reach("form[action$='/test'] select")
	b.keys("invoice")
}

// reach goes to something in the frame by Tab alone.
func (f *frames) reach(selector string) {
	f.Helper()
	for range 120 {
		if f.script(`String(document.activeElement.matches(`+quoted(selector)+`))`) == "true" {
			return
		}
		f.keys(kb.Tab)
		if wrong := f.script(stop); wrong != "" {
			f.Errorf("on the way to %s: %s", selector, wrong)
		}
	}
	f.Fatalf("Tab does not reach %s in the frame:\n%s", selector, f.script(`document.body.innerText`))
}

// leave presses a key where the focus is, which has the frame show another page.
func (f *frames) leave(key string) {
	f.Helper()
	f.script(`document.getElementById("main").dataset.old = "1"; ""`)
	f.keys(key)
	f.waitFor(`document.getElementById("main") && !document.getElementById("main").dataset.old`)
	if at := f.script(`document.activeElement.id`); at != "main" {
		f.Errorf("the focus is at %q and not where the new page begins", at)
	}
}

func (f *frames) reads(texts ...string) {
	f.Helper()
	for _, text := range texts {
		if got := f.script(`document.body.innerText`); !strings.Contains(got, text) {
			f.Fatalf("the frame does not say %q:\n%s", text, got)
		}
	}
}

// verifyByKeys takes the newest secret from an endpoint's page, has a webhook
// explained that is signed with it, and comes back.
func (f *frames) verifyByKeys(language string) {
	f.Helper()
	secret := f.script(`document.querySelector("pre.secret").innerText.trim()`)
	h, body, err := webhook.Standard().Sign(&webhook.Message{ID: webhook.NewID(), Type: "a.b", Time: time.Now(), Data: []byte(`{"n":1}`)}, webhook.Try{}, secret)
	if err != nil {
		f.Fatal(err)
	}
	f.reach("main a[href*='/portal/verify?endpoint_id=']")
	f.leave(kb.Enter)
	f.reach("#f-headers")
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		f.keys(name + ": " + h.Get(name) + kb.Enter)
	}
	f.reach("#f-body")
	f.keys(string(body))
	f.reach("#why button")
	f.leave(kb.Enter)
	f.reads(in(language, "It is genuine: signed with the secret, and not changed since.", "É autêntica"))
	f.script(`history.back(); ""`)
	f.waitFor(`!!document.querySelector("form[action$='/delete']")`)
}

// framed is a page of another site that has the portal in a frame, and the
// frame; query says how it is wished.
func (c *customer) framed(query string) (*browser, *frames) {
	c.Helper()
	path := strings.Replace(c.session("manage").EmbedPath, "#", "?"+query+"#", 1)
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Shop</title><a href="#here">Shop</a><iframe title="Webhooks" width="1000" height="800" src="` + c.url + path + `"></iframe>`))
	}))
	c.Cleanup(outer.Close)
	origin := strings.Replace(outer.URL, "127.0.0.1", "localhost", 1) // another site
	_, err := c.root.UpdateProject(c.Context(), c.project.ID, client.ProjectChange{PortalOrigins: client.Set([]string{origin})})
	c.no(err)
	b := chromium(c.T, origin)
	b.still()
	f := b.frames(c.url)
	b.open("/")
	return b, f
}

// TestPortalElement: a page of another site, whose own policy is strict, shows
// the portal by its element, which asks for another session when one is over.
func TestPortalElement(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src "+c.url+"; frame-src "+c.url)
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Shop</title><script src="` + c.url + `/portal/element.js" defer></script><h1>Shop</h1><malote-portal session="/session" lang="pt-BR" theme="dark" title="Seus webhooks"></malote-portal>`))
	})
	sessions := make(chan *client.PortalSession, 10)
	mux.HandleFunc("POST /session", func(w http.ResponseWriter, _ *http.Request) {
		p := c.session("manage")
		sessions <- p
		_, _ = w.Write([]byte(`{"embed_url":"` + c.url + p.EmbedPath + `"}`))
	})
	outer := httptest.NewServer(mux)
	t.Cleanup(outer.Close)
	origin := strings.Replace(outer.URL, "127.0.0.1", "localhost", 1)
	_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalOrigins: client.Set([]string{origin})})
	c.no(err)
	b := chromium(t, origin)
	f := b.frames(c.url)
	b.open("/")
	f.waitFor(`!!document.querySelector("article.endpoint") && document.documentElement.lang === "pt-BR" && document.documentElement.dataset.theme === "dark"`)
	if at := eval[string](b, `document.querySelector("malote-portal iframe").title`); at != "Seus webhooks" {
		t.Errorf("the frame is called %q", at)
	}
	f.script(`document.querySelector("main h2 a[href$='` + c.failing.ID + `']").click(); ""`)
	f.waitFor(`!!document.querySelector("form[action$='/delete']")`)
	b.waitFor(`document.querySelector("malote-portal iframe").clientHeight > 1200`) // as high as what is in it
	first := <-sessions
	_, err = c.client.EndPortalSession(t.Context(), "acme", first.ID)
	c.no(err)
	f.script(`document.querySelector(".tabs a[href='/portal/event-types']").click(); ""`)
	second := <-sessions
	f.waitFor(`!!document.querySelector("ul.types")`) // where the customer wanted to go
	_, err = c.client.EndPortalSession(t.Context(), "acme", second.ID)
	c.no(err)
	b.calm("the element")
	p := c.visitor().get("/portal/element.js")
	if len(p.body) > 2048 || p.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || !strings.HasPrefix(p.header.Get("Content-Type"), "text/javascript") {
		t.Errorf("%d bytes, %v", len(p.body), p.header)
	}
}

// TestPortalInAFrameAsWished: the address of a frame says how it looks, and
// which page stands first.
func TestPortalInAFrameAsWished(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	b, f := c.framed("lang=pt-BR&theme=dark&tabs=none&next=" + url.QueryEscape("/portal/deliveries?state=pending"))
	f.waitFor(`!!document.querySelector("table.rows")`)
	f.reads("Entregas", "invoice.refused")
	if got := f.script(`getComputedStyle(document.querySelector("header.bar")).display + document.documentElement.dataset.theme + document.querySelector("#state").value`); got != "nonedarkpending" {
		t.Errorf("it looks %s", got)
	}
	b.calm("a frame as it was wished")
}

// TestPortalInAFrameByKeyboard: from the page of another site Tab leads into
// the frame, and through everything there.
func TestPortalInAFrameByKeyboard(t *testing.T) {
	t.Parallel()
	byKeyboard(t, func(t *testing.T, language string) {
		c := open(t).customer("")
		mine := newReceiver(t)
		b, f := c.framed("lang=" + language)
		f.waitFor(`!!document.querySelector("article.endpoint")`)
		c.addByKeys(b, f, mine)
		f.reach("form[action$='/test'] button")
		f.leave(" ")
		<-mine.came
		f.waitFor(`!!document.querySelector("h1 .s-delivered")`) // by itself
		f.reads(in(language, "It was taken.", "Foi aceita."), "webhook-signature")
		f.reach("main a[href^='/portal/endpoints/']")
		f.leave(kb.Enter)
		f.reach("form[action$='/rotate'] button")
		f.leave(kb.Enter)
		f.reads("whsec_")
		f.verifyByKeys(language)
		f.reach("form[action$='/delete'] input")
		f.keys(" ")
		f.reach("form[action$='/delete'] button")
		f.leave(kb.Enter)
		f.reads(in(language, "The endpoint is deleted.", "O endpoint foi excluído."))
		b.calm("the portal in a frame by keyboard")
	})
}
