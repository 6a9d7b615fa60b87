package dashboard

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// overviewView is a project at a glance.
type overviewView struct {
	Stats     *client.Stats // of the last 24 hours
	Now       *nowView
	Chart     *chart
	Span      string   // of time that it shows
	Spans     []choice // that it can show
	Failing   []failingView
	OldestDue time.Time // of the whole server; zero: nothing is due
	Endpoints bool      // there is one at least
	Events    bool
}

// nowView is what a project does at this time, a minute.
type nowView struct {
	Words lang.Message
	stats *client.Stats
}

// failingView is an endpoint that something is wrong with.
type failingView struct {
	client.Endpoint
	Stats *client.Stats
	Why   string // of its last failure
	Seen  int    // failed deliveries among those that were looked at
}

// How much the overview looks at, and shows.
const (
	lookedAt   = 100
	maxFailing = 8
)

func (v *visit) overviewPage() error {
	view := &overviewView{OldestDue: v.d.store.Health(v.r.Context()).OldestDue}
	var err error
	if view.Stats, err = read[client.Stats](v, ofProject, "/v1/stats", nil); err != nil {
		return err
	}
	if view.Now, err = v.now(); err != nil {
		return err
	}
	if err := v.chartOver(view); err != nil {
		return err
	}
	if view.Failing, err = v.failing(); err != nil {
		return err
	}
	endpoints, err := read[listed[client.Endpoint]](v, ofProject, "/v1/endpoints", url.Values{"limit": {"1"}})
	if err != nil {
		return err
	}
	events, err := read[listed[client.Event]](v, ofProject, "/v1/events", url.Values{"limit": {"1"}})
	if err != nil {
		return err
	}
	view.Endpoints, view.Events = len(endpoints.Data) > 0, len(events.Data) > 0
	return v.show(http.StatusOK, "overview", lang.Text("Overview"), view)
}

// standardSpan is shown where the address says nothing.
const standardSpan = "24h"

// spans are the times that the overview's chart can show, by what the address
// says.
func spans() []span {
	return []span{
		{"60m", lang.Text("60 minutes"), func(_ *visit, view *overviewView) (*client.Stats, error) { return view.Now.stats, nil }},
		{standardSpan, lang.Text("24 hours"), func(_ *visit, view *overviewView) (*client.Stats, error) { return view.Stats, nil }},
		{"30d", lang.Text("30 days"), func(v *visit, _ *overviewView) (*client.Stats, error) {
			return read[client.Stats](v, ofProject, "/v1/stats", url.Values{"interval": {"day"}})
		}},
	}
}

type span struct {
	Value string
	Label lang.Message
	stats func(*visit, *overviewView) (*client.Stats, error)
}

// now says how much comes in and goes out a minute: in the last one that is
// over.
func (v *visit) now() (*nowView, error) {
	stats, err := read[client.Stats](v, ofProject, "/v1/stats", url.Values{"interval": {"minute"}})
	if err != nil {
		return nil, err
	}
	n := len(stats.Buckets)
	if n < 2 {
		return &nowView{stats: stats}, nil
	}
	b := &stats.Buckets[n-2]
	return &nowView{stats: stats, Words: lang.Text("%s, %s in the last full minute",
		lang.Count(events(b), "%d event", "%d events"), lang.Count(b.Delivered+b.Failed, "%d delivery", "%d deliveries"))}, nil
}

// chartOver draws what the address asks for.
func (v *visit) chartOver(view *overviewView) error {
	all := spans()
	at := func(value string) int {
		return slices.IndexFunc(all, func(s span) bool { return s.Value == value })
	}
	asked := at(v.r.URL.Query().Get("span"))
	if asked < 0 {
		asked = at(standardSpan)
	}
	chosen := all[asked]
	view.Span = chosen.Value
	for _, s := range all {
		view.Spans = append(view.Spans, choice{s.Value, s.Label.In(v.lang), s.Value == chosen.Value})
	}
	stats, err := chosen.stats(v, view)
	if err != nil {
		return err
	}
	view.Chart = drawStats(stats)
	return nil
}

// failing finds the endpoints that fail now: those that are disabled, and those
// of the last deliveries that failed or wait for another attempt. Worst first.
func (v *visit) failing() ([]failingView, error) {
	found := map[string]*failingView{}
	var order []*failingView
	note := func(id string) *failingView {
		f := found[id]
		if f == nil {
			f = &failingView{Endpoint: client.Endpoint{ID: id}}
			found[id] = f
			order = append(order, f)
		}
		return f
	}
	disabled, err := read[listed[client.Endpoint]](v, ofProject, "/v1/endpoints", url.Values{"state": {"disabled"}, "limit": {itoa(maxFailing)}})
	if err != nil {
		return nil, err
	}
	for _, e := range disabled.Data {
		note(e.ID)
	}
	since := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	for _, state := range []string{"failed", "pending"} {
		ds, err := read[listed[client.Delivery]](v, ofProject, "/v1/deliveries", url.Values{"state": {state}, "from": {since}, "limit": {itoa(lookedAt)}})
		if err != nil {
			return nil, err
		}
		for _, d := range ds.Data {
			if d.LastError == nil {
				continue
			}
			f := note(d.EndpointID)
			if f.Seen++; f.Why == "" {
				f.Why = d.LastError.Detail
			}
		}
	}
	slices.SortStableFunc(order, func(a, b *failingView) int { return cmp.Compare(b.Seen, a.Seen) })
	return v.failingNow(order[:min(len(order), maxFailing)])
}

// failingNow reads the endpoints; one that is gone, or delivers again since, is none.
func (v *visit) failingNow(order []*failingView) (out []failingView, err error) {
	for _, f := range order {
		path := "/v1/endpoints/" + url.PathEscape(f.ID)
		e, err := read[client.Endpoint](v, ofProject, path, nil)
		var p *client.Error
		if errors.As(err, &p) && p.Status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		f.Endpoint = *e
		if f.Stats, err = read[client.Stats](v, ofProject, path+"/stats", nil); err != nil {
			return nil, err
		}
		if e.State == "disabled" || f.Stats.InARow > 0 {
			out = append(out, *f)
		}
	}
	slices.SortStableFunc(out, func(a, b failingView) int {
		if da, db := a.State == "disabled", b.State == "disabled"; da != db {
			if da {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Stats.InARow, a.Stats.InARow)
	})
	return out, nil
}
