package dashboard_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/malote-dev/malote/client"
)

// slow is a throttled connection, as Chromium makes one.
type slow struct {
	Offline            bool    `json:"offline"`
	Latency            float64 `json:"latency"`            // milliseconds until an answer begins
	DownloadThroughput float64 `json:"downloadThroughput"` // bytes a second
	UploadThroughput   float64 `json:"uploadThroughput"`
}

var throttle = cdp.Command[slow, cdp.Empty]{Method: "Network.emulateNetworkConditions"}

// slow4G is what Lighthouse calls so, with a processor of a quarter.
const slowProcessor = 4

func slow4G() slow {
	return slow{Latency: 150, DownloadThroughput: 1.6e6 / 8, UploadThroughput: 750e3 / 8}
}

// paces notes when something was painted first, and when a field takes the
// focus after all is read that the page waits for.
const paces = `window.__paint = window.__usable = 0;
new PerformanceObserver(l => l.getEntriesByName("first-contentful-paint").forEach(e => window.__paint = e.startTime)).observe({type: "paint", buffered: true});
addEventListener("DOMContentLoaded", () => setTimeout(() => { const f = document.querySelector("main input, main a"); f.focus(); if (document.activeElement === f) window.__usable = performance.now(); }));`

// BenchmarkFirstPage opens the first pages in a browser that has nothing of
// them yet, over a slow connection: milliseconds until something is seen, and
// until a field takes input. -benchtime 5x opens each five times.
func BenchmarkFirstPage(b *testing.B) {
	s := open(b)
	owner := s.owner()
	p, c := s.project("shop")
	_, err := c.CreateEndpoint(b.Context(), client.NewEndpoint{Consumer: "acme", URL: s.receiver.URL + "/hook", EventTypes: []string{"*"}})
	s.no(err)
	for range 20 {
		s.event(c, "acme", "invoice.paid", "{}")
	}
	for _, first := range []show{{"signin", "/signin"}, {"overview", "/p/" + p.ID}} {
		b.Run(first.name, func(b *testing.B) {
			var painted, usable []float64
			for b.Loop() {
				w := chromium(b, s.url)
				if first.name != "signin" {
					w.signedIn(owner)
				}
				call(w, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: paces})
				call(w, throttle, slow4G())
				call(w, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: slowProcessor})
				w.open(first.path)
				w.waitFor(`window.__usable > 0 && window.__paint > 0`)
				painted, usable = append(painted, eval[float64](w, `window.__paint`)), append(usable, eval[float64](w, `window.__usable`))
				_ = chromedp.Cancel(w.ctx)
			}
			b.ReportMetric(0, "ns/op") // of the whole browser: says nothing
			b.ReportMetric(median(painted), "paint-ms")
			b.ReportMetric(median(usable), "usable-ms")
			b.ReportMetric(slices.Max(usable), "usable-max-ms")
		})
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// What a page may weigh, in bytes over the wire, and how often it may ask for
// something before it is whole.
const (
	mostScripts  = 60_000
	mostRequests = 8 // the page, its styles, its icon, and scripts: the frame of the portal, which loads no other page, has all of them
	firstWeighs  = 25_000
	overWeighs   = 90_000
)

// weight of a page over the wire, with all that it loads.
type weight struct{ page, scripts, all, requests int }

// weigh reads a page as a browser with an empty cache does. Scripts that hold
// up what is seen, or stand in the page itself, are mistakes.
func (v *visitor) weigh(path string) (w weight) {
	v.s.Helper()
	p := v.get(path)
	w.page, w.all, w.requests = len(p.body), len(p.body), 1
	head, _, _ := strings.Cut(p.body, "</head>")
	for _, tag := range regexp.MustCompile(`<(script|link)\b[^>]*>`).FindAllString(p.body, -1) {
		address := regexp.MustCompile(` (?:src|href)="([^"]+)"`).FindStringSubmatch(tag)
		script := strings.HasPrefix(tag, "<script")
		if address == nil || script && !strings.HasSuffix(tag, ` defer>`) || !strings.Contains(head, tag) {
			v.s.Errorf("%s: %s holds up the page, or stands in it", path, tag)
			continue
		}
		size := v.weighAsset(address[1])
		w.all += size
		w.requests++
		if script {
			w.scripts += size
		}
	}
	return w
}

// weighAsset is how many bytes of an asset go over the wire.
func (v *visitor) weighAsset(path string) int {
	v.s.Helper()
	v.header.Set("Accept-Encoding", "gzip") // named, it is not unpacked
	defer v.header.Del("Accept-Encoding")
	p := v.get(path)
	if p.status != http.StatusOK {
		v.s.Errorf("%s: %d", path, p.status)
	}
	return len(p.body)
}

// TestPagesAreLight: no page loads more than 60 kB of scripts, compressed, nor
// waits for one before it shows; the first ones weigh little in all.
func TestPagesAreLight(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	c := s.customer("")
	portal := c.opened("manage")
	check := func(v *visitor, p show, most int) {
		w := v.weigh(p.path)
		t.Logf("%-24s page %6d scripts %6d all %6d requests %d", p.name, w.page, w.scripts, w.all, w.requests)
		if w.scripts == 0 || w.scripts > mostScripts || w.requests > mostRequests || most > 0 && w.all > most {
			t.Errorf("%s: %+v", p.name, w)
		}
	}
	check(s.visitor(), show{"signin", "/signin"}, firstWeighs)
	for _, p := range seed(t, s, "seeded", "") {
		most := 0
		if p.name == "overview" {
			most = overWeighs
		}
		check(owner, p, most)
	}
	for _, p := range c.pages("manage") {
		check(portal, p, 0)
	}
	frame, _, _ := strings.Cut(c.session("manage").EmbedPath, "#")
	check(s.visitor(), show{"portal-frame", frame}, 0)
}
