package dashboard_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/malote-dev/malote/client"
)

// reading is what the chart says of the time that its cursor is at.
const reading = `document.querySelector("time-chart .reading").value`

// TestChartInChromium: the overview's chart is drawn again with a cursor, which
// keys move and a page that keeps up to date leaves where it is.
func TestChartInChromium(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	p, c := s.project("shop")
	_, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: s.receiver.URL + "/hook", EventTypes: []string{"*"}})
	s.no(err)
	for range 3 {
		s.settled(c, s.event(c, "acme", "invoice.paid", "{}"))
	}
	base := "/p/" + p.ID
	page := owner.get(base)
	page.mentions(t, base+"?span=30d", "<svg viewBox", `<data value="3">3</data>`) // without a script, too
	owner.get(base+"?span=30d").mentions(t, `span=30d#over-time" aria-current="true"`, "Day")
	owner.get(base+"?span=60m").mentions(t, `span=60m#over-time" aria-current="true"`, "Minute", "in the last full minute", `<polyline class="events"`)
	owner.get(base+"?span=nonsense").mentions(t, `span=24h#over-time" aria-current="true"`)

	b := chromium(t, s.url)
	b.signedIn(owner)
	b.still()
	for _, view := range []string{"en.dark", "en.light", "pt-BR.light"} {
		b.prefers(view)
		b.open(base)
		b.waitFor(`document.querySelector("time-chart canvas") && document.querySelector("time-chart svg").closest("[hidden]")`)
		b.accessible("the chart, " + view)
		b.fits("the chart, " + view)
		b.picture("chart-" + view)
	}
	b.prefers("en.light")
	b.open(base)
	b.waitFor(reading + `.includes("delivered 3 · failed 0 · events 3")`) // without a cursor those of the latest hour
	b.reach("time-chart .plot")
	b.keys(kb.Home)
	b.waitFor(reading + `.includes("delivered 0")`)
	first := eval[string](b, reading)
	b.keys(kb.ArrowRight)
	b.waitFor(reading + ` !== ` + quoted(first))
	second := eval[string](b, reading)
	b.keys(kb.ArrowLeft)
	b.waitFor(reading + ` === ` + quoted(first))
	b.keys(kb.ArrowRight)
	b.waitFor(reading + ` === ` + quoted(second))
	// The page reads itself again, and something was delivered meanwhile.
	eval[bool](b, `document.activeElement.blur(), document.querySelector("time-chart").dataset.old = "1", true`)
	s.settled(c, s.event(c, "acme", "invoice.paid", "{}"))
	eval[bool](b, `htmx.ajax("GET", location.pathname, {source: "#live", target: "#live", select: "#live", swap: "outerHTML"}).then(() => true)`)
	b.waitFor(`!document.querySelector("time-chart").dataset.old && document.querySelector("time-chart canvas")`)
	if got := eval[string](b, reading); got != second {
		t.Errorf("after an update it reads %q, before %q", got, second)
	}
	b.reach("time-chart .plot")
	b.keys(kb.End)
	b.waitFor(reading + `.includes("delivered 4")`)
	b.keys(kb.ArrowLeft)
	b.keys(kb.Escape)
	b.waitFor(reading + `.includes("delivered 4")`)

	// A mouse reads it as well.
	b.run(chromedp.ScrollIntoView(chromedp.CSS("time-chart .plot")))
	eval[bool](b, `(() => { const over = document.querySelector(".u-over"), r = over.getBoundingClientRect(); over.dispatchEvent(new MouseEvent("mousemove", {clientX: r.left + 20, clientY: r.top + 20, bubbles: true})); return true })()`)
	b.waitFor(reading + `.includes("delivered 0")`)
	if text := eval[string](b, `document.getElementById("over-time").innerText`); !strings.Contains(text, "24 hours") {
		t.Errorf("the times to choose are missing:\n%s", text)
	}
	b.calm("the chart")
}
