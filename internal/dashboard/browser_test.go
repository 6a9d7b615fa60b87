package dashboard_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// screens is where pictures of all pages go, for people to look at.
var screens = flag.String("screens", "", "directory for pictures of every page; empty: none are made")

//go:embed testdata/axe-4.14.1.min.js
var axe string

// browser is a real Chromium with one tab.
type browser struct {
	testing.TB
	ctx context.Context
	url string

	mu    sync.Mutex
	wrong []string // exceptions and dialogs
}

// watch notes what no page may do, before anything of a page runs.
const watch = `window.__wrong = [];
document.addEventListener("securitypolicyviolation", e => window.__wrong.push("policy: " + e.violatedDirective + " " + e.blockedURI + " " + e.sample));
window.addEventListener("error", e => window.__wrong.push("error: " + e.message));`

// chromium starts one, or skips.
func chromium(t testing.TB, url string) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		t.Skip("MISSING PROGRAM: chromium is not installed: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en"),
		chromedp.Flag("disable-site-isolation-trials", true), chromedp.Flag("disable-features", "IsolateOrigins,site-per-process,Translate")) // frames are asked as pages are
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, over := context.WithTimeout(ctx, 25*time.Minute)
	b := &browser{TB: t, ctx: ctx, url: url}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits for it
		over()
		cancel()
		stop()
	})
	if err := chromedp.Listen(ctx, func(event any) {
		if d, ok := event.(*page.EventJavascriptDialogOpening); ok {
			b.note("dialog: " + d.Message)
			go func() { _, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{}) }()
		}
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			b.note("exception: " + e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
	b.wide(1440)
	return b
}

func (b *browser) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, what)
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// ask runs what has an answer.
func ask[T any](b *browser, a chromedp.Action[T]) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// eval asks a page itself.
func eval[T any](b *browser, script string) T {
	b.Helper()
	return ask(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// call gives the browser an order.
func call[P, R any](b *browser, order cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, order, params); err != nil {
		b.Fatal(err)
	}
}

// wide is how many pixels the window has from side to side.
func (b *browser) wide(pixels int64) {
	b.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: pixels, Height: 900, DeviceScaleFactor: 1, Mobile: pixels < 500})
}

func (b *browser) open(path string) { b.Helper(); b.run(chromedp.Navigate(b.url + path)) }

// press clicks what a person would, and waits for the page that comes.
func (b *browser) press(selector string) {
	b.Helper()
	b.arrive(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// arrive does something and waits for the page that it leads to.
func (b *browser) arrive(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if _, err := chromedp.RunResponse(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

func (b *browser) fill(selector, text string) {
	b.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (b *browser) text() string { b.Helper(); return eval[string](b, `document.body.innerText`) }
func (b *browser) path() string { b.Helper(); return eval[string](b, `location.pathname`) }

// calm fails where a page did what none may.
func (b *browser) calm(where string) {
	b.Helper()
	for _, w := range b.reports() {
		b.Errorf("%s: %s", where, w)
	}
}

// accessible fails for each thing that axe finds.
func (b *browser) accessible(where string) {
	b.Helper()
	for _, v := range b.violations() {
		b.Errorf("%s: %s: %s\n\t%s", where, v.ID, v.Help, strings.Join(v.Nodes, "\n\t"))
	}
}

// violation is what axe finds.
type violation struct {
	ID, Help string
	Nodes    []string
}

func (b *browser) violations() (violations []violation) {
	b.Helper()
	eval[bool](b, axe+"\n;true")
	found := eval[string](b, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html + " — " + (n.any[0] || n.all[0] || n.none[0] || {}).message)}))))`)
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.Fatal(err)
	}
	return violations
}

// reports are what no page may do, since the last time.
func (b *browser) reports() []string {
	b.Helper()
	wrong := eval[[]string](b, `(window.__wrong || []).splice(0)`)
	b.mu.Lock()
	defer b.mu.Unlock()
	wrong = append(wrong, b.wrong...)
	b.wrong = nil
	return wrong
}

// fits fails where a page is wider than the window.
func (b *browser) fits(where string) {
	b.Helper()
	if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		b.Errorf("%s: %d pixels wider than the window", where, over)
	}
}

// picture keeps one, if pictures are wanted.
func (b *browser) picture(name string) {
	b.Helper()
	if *screens == "" {
		return
	}
	png := ask(b, chromedp.FullScreenshot(100))
	if err := os.MkdirAll(*screens, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screens, name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}

// signedIn takes a visitor's cookie over.
func (b *browser) signedIn(v *visitor) {
	b.Helper()
	b.cookie("__Host-malote", v.cookies["__Host-malote"])
}

// prefers a language and colours.
func (b *browser) prefers(view string) {
	b.Helper()
	b.cookie("__Host-malote-view", view)
}

func (b *browser) cookie(name, value string) {
	b.Helper()
	call(b, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: b.url, Path: "/", Secure: new(true), HTTPOnly: new(true)})
}

// forget makes it a browser that nobody has used.
func (b *browser) forget() { b.Helper(); call(b, network.ClearBrowserCookies, cdp.Empty{}) }

// waitFor looks until something is so.
func (b *browser) waitFor(condition string) {
	b.Helper()
	script := `new Promise(done => { const so = !!(` + condition + `); so ? done(true) : setTimeout(() => done(false), 100) })`
	for b.ctx.Err() == nil {
		so, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		if err == nil && so { // where it failed, another page came meanwhile
			return
		}
	}
	b.Fatalf("never: %s", condition)
}

// frames are those of one origin, within pages of others.
type frames struct {
	*browser
	in runtime.ExecutionContextID // of the latest one; guarded by the browser's mu; 0: there is none
}

// frames notes those that come from here on.
func (b *browser) frames(origin string) *frames {
	b.Helper()
	f := &frames{browser: b}
	if err := chromedp.Listen(b.ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExecutionContextsCleared:
			f.in = 0
		case *runtime.EventExecutionContextCreated:
			if e.Context.Origin == origin {
				f.in = e.Context.ID
			}
		}
	}); err != nil {
		b.Fatal(err)
	}
	return f
}

// script asks the frame for a text; without one it is empty.
func (f *frames) script(script string) string {
	f.Helper()
	f.mu.Lock()
	in := f.in
	f.mu.Unlock()
	if in == 0 {
		return ""
	}
	got, err := chromedp.Call(f.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: script, ContextID: in, ReturnByValue: new(true)})
	if err != nil || got.Result == nil {
		return ""
	}
	var text string
	_ = json.Unmarshal(got.Result.Value, &text)
	return text
}

// waitFor looks until something is so in the frame.
func (f *frames) waitFor(condition string) {
	f.Helper()
	for left := 600; f.script(`String(!!(`+condition+`))`) != "true"; left-- {
		eval[bool](f.browser, `new Promise(done => setTimeout(() => done(true), 100))`)
		if left == 0 {
			f.Fatalf("never in the frame: %s\n%s", condition, f.script(`document.body.innerText`))
		}
	}
}
