package dashboard_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestScriptsHaveSources: each script that is served is bundled from a source
// of its name, or is by others, with its licence.
func TestScriptsHaveSources(t *testing.T) {
	t.Parallel()
	served, err := filepath.Glob("assets/*.js")
	if err != nil || len(served) == 0 {
		t.Fatal(served, err)
	}
	for _, path := range served {
		name := strings.TrimSuffix(filepath.Base(path), ".js")
		source := filepath.Join("scripts", name+".ts")
		if other, ok := strings.CutSuffix(name, ".min"); ok {
			source = filepath.Join("assets", other+".LICENSE")
		}
		if _, err := os.Stat(source); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	sources, err := filepath.Glob("scripts/*.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		if _, err := os.Stat(filepath.Join("assets", strings.TrimSuffix(filepath.Base(path), ".ts")+".js")); err != nil {
			t.Errorf("%s: %v; go generate ./internal/dashboard bundles it", path, err)
		}
	}
}

// TestElementsInChromium: elements of any page do what they are for, and are
// read as they are where there is nothing to do.
func TestElementsInChromium(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := chromium(t, s.url)
	b.open("/signin")
	put := func(html string) {
		t.Helper()
		eval[bool](b, `document.getElementById("main").insertAdjacentHTML("beforeend", `+quoted(html)+`), true`)
	}
	eval[bool](b, `Object.defineProperty(navigator, "clipboard", {value: {writeText: async t => { window.__copied = t }}}), true`)
	put(`<copy-text id="copied" label="Copy it" done="Copied it"><pre>a
&lt;b&gt;</pre></copy-text><copy-text id="nothing" label="Copy it" done="Copied it">text</copy-text>`)
	b.run(chromedp.Click(chromedp.CSS("#copied button")))
	b.waitFor(`document.querySelector("#copied button").textContent === "Copied it"`)
	if got := eval[string](b, `window.__copied`); got != "a\n<b>" {
		t.Errorf("copied %q", got)
	}
	if eval[bool](b, `document.querySelector("#nothing button") !== null`) {
		t.Error("nothing to copy has a button")
	}

	put(`<local-time id="local"><time datetime="2026-01-31T09:00:00Z" title="in UTC">then</time></local-time><local-time id="never"><time datetime="nonsense">never</time></local-time>`)
	if title := eval[string](b, `document.querySelector("#local time").title`); !strings.HasPrefix(title, "Jan 3") || !strings.HasSuffix(title, " · in UTC") {
		t.Errorf("the local time is %q", title)
	}
	if eval[bool](b, `document.querySelector("#never time").hasAttribute("title")`) {
		t.Error("nonsense is a time")
	}

	eval[bool](b, `document.addEventListener("malote:again", e => { e.preventDefault(); window.__again = (window.__again || 0) + 1 }), true`)
	put(`<count-down id="soon"></count-down><count-down id="far"><time datetime="2999-01-31T09:00:00Z">far</time></count-down><count-down id="past"><time datetime="2020-01-31T09:00:00Z">past</time></count-down>`)
	eval[bool](b, `soon.innerHTML = "<time datetime='" + new Date(Date.now() + 90_000).toISOString() + "'>soon</time>", true`)
	b.waitFor(`/^1:[0-2][0-9]$/.test(document.querySelector("#soon time").textContent)`)
	if far, past := eval[string](b, `far.textContent`), eval[string](b, `past.textContent`); far != "far" || past != "past" {
		t.Errorf("%q, %q", far, past)
	}
	if eval[bool](b, `"__again" in window`) {
		t.Error("the page was read again before anything was due")
	}
	eval[bool](b, `soon.innerHTML = "<time datetime='" + new Date(Date.now() + 1_500).toISOString() + "'>now</time>", true`)
	b.waitFor(`window.__again > 0`)
	eval[bool](b, `soon.remove(), window.__after = window.__again, true`)
	eval[bool](b, `new Promise(done => setTimeout(() => done(true), 1_500))`)
	if eval[bool](b, `window.__again !== window.__after`) {
		t.Error("what is gone counts on")
	}
	b.calm("elements")
}
