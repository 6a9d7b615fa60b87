package dashboard_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// stop is what is wrong with where the focus is; empty: nothing.
const stop = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body) return "";
	const s = getComputedStyle(e), r = e.getBoundingClientRect(), what = e.outerHTML.slice(0, 160);
	if (s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2) return "nobody sees that it has the focus: " + what;
	if (r.width < 2 || r.height < 2 || r.bottom <= 0 || r.top >= innerHeight || r.right <= 0 || r.left >= innerWidth) return "it has the focus out of sight: " + what;
	return "";
})()`

// still has pages move nothing by themselves: what is scrolled to is there at once.
func (b *browser) still() {
	b.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}})
}

func (b *browser) keys(text string) { b.Helper(); b.run(chromedp.KeyEvent(text)) }

// reach goes to something by Tab alone. Wherever it comes by, one sees where one is.
func (b *browser) reach(selector string) {
	b.Helper()
	at := `document.activeElement.matches(` + quoted(selector) + `)`
	for range 120 {
		if eval[bool](b, at) {
			return
		}
		b.keys(kb.Tab)
		if wrong := eval[string](b, stop); wrong != "" {
			b.Errorf("on the way to %s: %s", selector, wrong)
		}
	}
	b.Fatalf("Tab does not reach %s on %s:\n%s", selector, b.path(), b.text())
}

func quoted(text string) string { return "`" + text + "`" }

// leave presses a key where the focus is, which leads to another page.
func (b *browser) leave(key string) { b.Helper(); b.arrive(chromedp.KeyEvent(key)) }

// TestFirstWebhookByKeyboard goes from the first start to a delivered webhook
// by keys alone, in both languages.
func TestFirstWebhookByKeyboard(t *testing.T) {
	t.Parallel()
	for language, words := range map[string][]string{
		"en":    {"It was taken.", "The endpoint is made."},
		"pt-BR": {"Foi aceita.", "O endpoint foi criado."},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			b := chromium(t, s.url)
			b.still()
			b.prefers(language + ".")
			b.open(pathOf(s.welcome))
			if got := eval[string](b, `document.documentElement.lang`); got != language {
				t.Fatalf("the page is in %s", got)
			}
			b.reach("a.skip")
			b.keys(kb.Enter)
			b.waitFor(`document.activeElement.id === "main"`)
			b.reach("#email")
			b.keys("ana@example.com")
			b.reach("#password")
			b.keys(ownerPassword)
			b.reach("#again")
			b.keys(ownerPassword)
			b.leave(kb.Enter)
			b.reach("a[href='/projects/new']")
			b.leave(kb.Enter)
			b.reach("a.skip") // stands first on every page
			b.reach("#name")
			b.keys("shop")
			b.reach("input[name=environment]")
			b.keys(kb.ArrowDown)
			if !eval[bool](b, `document.querySelector("input[value=development]").checked`) {
				t.Error("an arrow does not choose")
			}
			b.reach("main form button[type=submit]")
			b.leave(" ")
			b.reach("main .first a.button")
			b.leave(kb.Enter)
			b.reach("#consumer")
			b.keys("acme")
			b.reach("#url")
			b.keys(s.receiver.URL + "/hook")
			b.reach("input[name=all]")
			b.keys(" ")
			if eval[bool](b, `document.querySelector("input[name=all]").checked`) {
				t.Error("Space does not untick")
			}
			b.keys(" ")
			b.reach("main form.card button[type=submit]")
			b.leave(kb.Enter)
			if text := b.text(); !strings.Contains(text, "whsec_") || !strings.Contains(text, words[1]) {
				t.Fatalf("no secret:\n%s", text)
			}
			b.reach("form[action$='/test'] button")
			b.leave(" ")
			<-s.receiver.came
			b.waitFor(`document.querySelector("h1 .s-delivered")`)
			if text := b.text(); !strings.Contains(text, words[0]) {
				t.Errorf("not the attempt:\n%s", text)
			}
			// The menu opens and closes by keys, too.
			b.reach("details.menu summary")
			b.keys(kb.Enter)
			b.waitFor(`document.querySelector("details.menu").open`)
			b.reach("details.menu .pick")
			b.keys(kb.Escape)
			b.waitFor(`!document.querySelector("details.menu").open && document.activeElement.matches("details.menu summary")`)
			b.calm("by keyboard")
		})
	}
}

// TestFocusIsSeen walks pages by Tab: on each every stop is in sight, and marked.
func TestFocusIsSeen(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	pages := seed(t, s, "shop", "")
	b := chromium(t, s.url)
	b.signedIn(owner)
	b.still()
	for _, p := range pages {
		b.open(p.path)
		first := ""
		for n := range 400 {
			b.keys(kb.Tab)
			if wrong := eval[string](b, stop); wrong != "" {
				t.Errorf("%s: %s", p.name, wrong)
			}
			at := eval[string](b, `document.activeElement === document.body ? "" : Array.from(document.querySelectorAll("*")).indexOf(document.activeElement) + ""`)
			if n == 0 {
				first = at
				if !eval[bool](b, `document.activeElement.matches("a.skip")`) {
					t.Errorf("%s: the first stop is no way to the content", p.name)
				}
			} else if at == "" || at == first {
				break
			}
		}
	}
}

// TestTailInChromium: hundreds of events a second do not make the page too long,
// nor slow to answer, and it says that it shows a part.
func TestTailInChromium(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	p, c := s.project("shop")
	b := chromium(t, s.url)
	b.signedIn(owner)
	b.open("/p/" + p.ID + "/events/live")
	b.waitFor(`document.getElementById("tail-says").textContent.includes("What comes in")`)
	flood := flooding(t, c)
	b.waitFor(`/^showing 20 of (more than )?[0-9,]{3,} a second$/.test(document.getElementById("tail-says").textContent)`)
	b.waitFor(`document.getElementById("tail").tBodies[0].rows.length === 200`)
	eval[bool](b, `window.__most = 0; new MutationObserver(() => { window.__most = Math.max(window.__most, document.getElementById("tail").tBodies[0].rows.length) }).observe(document.getElementById("tail").tBodies[0], {childList: true}); true`)
	// A press answers in the midst of it: everything stands still.
	b.run(chromedp.Click(chromedp.CSS("#tail-pause")))
	b.waitFor(`document.getElementById("tail-says").textContent.startsWith("Paused") && document.getElementById("tail-pause").getAttribute("aria-pressed") === "true"`)
	held := eval[string](b, `document.getElementById("tail").tBodies[0].rows[0].dataset.id`)
	came := flood.sent()
	for flood.sent() < came+1000 {
		eval[bool](b, `new Promise(done => setTimeout(() => done(true), 100))`)
	}
	if now := eval[string](b, `document.getElementById("tail").tBodies[0].rows[0].dataset.id`); now != held {
		t.Error("it goes on while it is paused")
	}
	b.run(chromedp.Click(chromedp.CSS("#tail-pause")))
	b.waitFor(`document.getElementById("tail").tBodies[0].rows[0].dataset.id !== ` + quoted(held))
	b.waitFor(`document.getElementById("tail-says").textContent.startsWith("showing 20 of ")`)
	if most := eval[int](b, `window.__most`); most > 200+20 {
		t.Errorf("%d rows", most)
	}
	b.accessible("the live list")
	flood.stop()
	// It ends with the session, and then asks to sign in.
	owner.post("/signout")
	b.waitFor(`location.pathname === "/signin"`)
	b.calm("the live list")
}
