package dashboard_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestJSONViewInChromium: a payload is a tree that keys go through; its tokens
// stay as they came, and a long one is shown by and by.
func TestJSONViewInChromium(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	p, c := s.project("shop")
	const data = `{"invoice":"inv_1","amount":12345678901234567890.10,"customer":{"full name":"Ana <b>","tags":["a","b"],"none":{}},"10":1e400,"2":true,"2":null,"l1":1,"l2":2,"l3":3}`
	event := s.event(c, "nobody", "invoice.paid", data)
	long := s.event(c, "nobody", "invoice.paid", `{"n":[`+strings.TrimSuffix(strings.Repeat("7,", 3000), ",")+`],"after":"last"}`)

	b := chromium(t, s.url)
	b.signedIn(owner)
	b.still()
	at := "/p/" + p.ID + "/events/"
	for _, view := range []string{"en.dark", "pt-BR.light", "en.light"} {
		b.prefers(view)
		b.open(at + event)
		b.waitFor(`document.querySelectorAll("json-view [role=treeitem]").length > 12`)
		b.accessible("a payload, " + view)
		b.fits("a payload, " + view)
		b.picture("json-" + view)
	}
	if eval[bool](b, `document.querySelector("json-view > button").checkVisibility()`) {
		t.Error("all is shown, and more is offered")
	}
	const said = `document.querySelector("json-view .at output").value`
	const rows = `document.querySelectorAll("json-view [role=treeitem]").length`
	text := eval[string](b, `document.querySelector("json-view .tree").innerText`)
	for _, token := range []string{"12345678901234567890.10", "1e400", `"Ana <b>"`, `"2": true`, `"2": null`, `"none": {}`} {
		if !strings.Contains(text, token) {
			t.Errorf("the tree lacks %s:\n%s", token, text)
		}
	}
	eval[bool](b, `Object.defineProperty(navigator, "clipboard", {value: {writeText: async t => { window.__copied = t }}}), true`)
	b.reach("json-view [role=treeitem]")
	for range 4 {
		b.keys(kb.ArrowDown)
	}
	b.waitFor(said + " === `$.customer[\"full name\"]`")
	b.keys(kb.ArrowDown + kb.ArrowRight + kb.ArrowRight)
	b.waitFor(said + " === `$.customer.tags[0]`")
	b.reach("json-view .at button")
	b.keys(kb.Enter)
	b.waitFor("window.__copied === `$.customer.tags[0]`")
	all := eval[int](b, rows)
	b.run(chromedp.Click(chromedp.CSS(`json-view [data-i="3"]`))) // customer
	b.waitFor(rows + ` < ` + strconv.Itoa(all) + ` && ` + said + ` === "$.customer"`)
	if folded := eval[string](b, `document.querySelector('json-view [data-i="3"]').innerText`); !strings.Contains(folded, "{…} 3") {
		t.Errorf("folded it is %q", folded)
	}
	b.run(chromedp.Click(chromedp.CSS("json-view .at button:last-of-type")))
	b.waitFor(`window.__copied && window.__copied.startsWith("{")`)
	if got := eval[string](b, `window.__copied`); got != "{\n  \"full name\": \"Ana <b>\",\n  \"tags\": [\n    \"a\",\n    \"b\"\n  ],\n  \"none\": {}\n}" {
		t.Errorf("copied %s", got)
	}

	// What is searched for is unfolded, and Enter goes on.
	b.fill("json-view input[type=search]", "tags")
	b.waitFor(said + ` === "$.customer.tags" && document.querySelector("json-view .found")`)
	eval[bool](b, `(() => { const i = document.querySelector("json-view input"); i.value = ""; i.dispatchEvent(new Event("input")); return true })()`)
	b.fill("json-view input[type=search]", "l") // in "full name", "null" and the last three
	b.keys(kb.Enter)
	b.waitFor(`document.querySelector("json-view .tools output").value.startsWith("2 / ")`)
	b.keys(kb.ArrowLeft) // of the field, not of the tree
	b.reach("json-view .tools button")
	b.keys(kb.Enter)
	b.waitFor(`!document.querySelector("json-view pre").hidden && getComputedStyle(document.querySelector("json-view .tree")).display === "none"`)
	b.accessible("as text")
	b.keys(kb.Enter)
	b.waitFor(`document.querySelector("json-view pre").hidden`)

	b.open(at + long)
	b.waitFor(rows + " === 500")
	b.run(chromedp.Click(chromedp.CSS("json-view .tree + button")))
	b.waitFor(rows + ` === 1000 && document.activeElement.dataset.i === "500"`)
	b.fill("json-view input[type=search]", "last")
	b.waitFor(`document.querySelector('json-view .found[aria-current]').innerText.includes("after")`)
	b.calm("payloads")
}
