package dashboard

import (
	"bytes"
	"maps"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// The live tail: what comes in, as it comes in. Once a second the list is asked
// for what is new in it, as it is by whoever reloads its page; so it shows what
// every process of the server keeps, and costs what that costs.
const (
	tailEvery  = time.Second
	tailShown  = 20              // rows that are shown of a second
	tailKept   = 200             // rows that stand on the page
	tailMargin = 5 * time.Second // in which rows of other processes appear, and change
	tailPages  = 4               // of the list that are read in a second at most
	tailPage   = 250
)

// tailView is the page, with its newest rows.
type tailView struct {
	*listView
	Names      []string
	States     []choice
	Events     []client.Event
	Deliveries []client.Delivery
	Kind       string // "events" or "deliveries"
	Source     string // address of what goes on; empty: the filters are wrong
	List       string // address of the list with the same filters
	Kept       int
}

func (v *visit) tailEventsPage() error {
	l := v.list(eventFilters()...)
	view := &tailView{listView: l}
	return showTail(v, view, "events", "/v1/events", lang.Text("Messages, live"), &view.Events)
}

func (v *visit) tailDeliveriesPage() error {
	l := v.list(deliveryFilters()...)
	view := &tailView{listView: l, States: v.deliveryStates(l)}
	return showTail(v, view, "deliveries", "/v1/deliveries", lang.Text("Deliveries, live"), &view.Deliveries)
}

func showTail[T any](v *visit, view *tailView, kind, path string, title lang.Message, rows *[]T) (err error) {
	if view.Names, err = v.eventTypeNames(); err != nil {
		return err
	}
	l := view.listView
	l.asked.Set("limit", itoa(tailShown))
	l.asked.Del("cursor")
	view.Kind, view.Kept = kind, tailKept
	view.List = v.address(l, "")
	query := ""
	if u, err := url.Parse(view.List); err == nil && u.RawQuery != "" {
		query = "?" + u.RawQuery
	}
	view.List = v.base() + "/" + kind + query
	return showList(v, l, path, "tail", title, view, rows, func() error {
		l.Next, l.First = "", ""
		view.Source = v.base() + "/" + kind + "/live/stream" + query
		return nil
	})
}

// tailSays is one message: rows to be put before the others, or in the place of
// those with their ids.
type tailSays struct {
	HTML string `json:"html"`
	Says string `json:"says"`
}

func (v *visit) tailEvents() error {
	return tail(v, "/v1/events", eventFilters(), "eventrow", "E", func(e *client.Event) (string, string) { return e.ID, "" })
}

func (v *visit) tailDeliveries() error {
	return tail(v, "/v1/deliveries", deliveryFilters(), "deliveryrow", "D", func(d *client.Delivery) (string, string) {
		return d.ID, d.State + " " + itoa(d.Attempts)
	})
}

// tail streams what is new in a list. row and as name a row's template and
// itself in it; of is its id, and what may change of it.
func tail[T any](v *visit, path string, filters []string, row, as string, of func(*T) (id, state string)) error {
	l := v.list(filters...)
	l.asked.Del("cursor")
	l.asked.Set("limit", itoa(tailPage))
	t := &tailing[T]{v: v, path: path, asked: l.asked, of: of, last: time.Now(), seen: map[string]sighting{}}
	full := tailSays{Says: lang.Text("As many people look at live lists as may be (%d). Reload this page in a while.", maxStreams).In(v.lang)}
	return v.stream(tailEvery, full, func() (any, error) {
		fresh, says, err := t.look(time.Now())
		if err != nil {
			return nil, err
		}
		html, err := v.rows(row, as, fresh)
		return tailSays{HTML: html, Says: says}, err
	})
}

// tailing is a list that is looked at again and again.
type tailing[T any] struct {
	v     *visit
	path  string
	asked url.Values
	of    func(*T) (id, state string)
	last  time.Time // it was looked at
	first bool      // it was once
	seen  map[string]sighting
}

// sighting is a row as it was seen last.
type sighting struct {
	state string
	at    time.Time
}

// look finds rows to show: new ones, and such as changed. It reads no more of
// the list than some pages.
func (t *tailing[T]) look(now time.Time) (fresh []T, says string, err error) {
	q := maps.Clone(t.asked)
	since := t.last.Add(-tailMargin).UTC().Format(time.RFC3339Nano)
	if from, err := time.Parse(time.RFC3339, q.Get("from")); err != nil || from.Before(t.last.Add(-tailMargin)) {
		q.Set("from", since)
	}
	count, more := 0, false
	for pages := 1; ; pages++ {
		got, err := read[listed[T]](t.v, ofProject, t.path, q)
		if err != nil {
			return nil, "", t.ended(err)
		}
		old := 0
		for i := range got.Data {
			id, state := t.of(&got.Data[i])
			before, known := t.seen[id]
			if t.seen[id] = (sighting{state, now}); known {
				old++
			} else {
				count++
			}
			if (!known || before.state != state) && len(fresh) < tailShown {
				fresh = append(fresh, got.Data[i])
			}
		}
		if got.NextCursor == "" || old > len(got.Data)/2 {
			break
		}
		if more = pages == tailPages; more {
			break
		}
		q.Set("cursor", got.NextCursor)
	}
	says = t.says(count, more, now)
	t.last, t.first = now, true
	maps.DeleteFunc(t.seen, func(_ string, s sighting) bool { return now.Sub(s.at) > 2*tailMargin })
	return fresh, says, nil
}

// says is how much came, and how much of it is shown.
func (t *tailing[T]) says(count int, more bool, now time.Time) string {
	l := t.v.lang
	if !t.first {
		return lang.Text("Live. What comes in shows here.").In(l)
	}
	rate := int(math.Round(float64(count) / max(now.Sub(t.last).Seconds(), .5)))
	switch {
	case more:
		return lang.Text("showing %d of more than %s a second", tailShown, number(rate, l)).In(l)
	case count > tailShown:
		return lang.Text("showing %d of %s a second", tailShown, number(rate, l)).In(l)
	}
	return lang.Count(rate, "live: %d a second", "live: %d a second").In(l)
}

// ended is what an error means to a stream.
func (t *tailing[T]) ended(err error) error {
	if isStatus(err, http.StatusBadRequest) { // what is asked for ends before now
		return &streamEnd{tailSays{Says: lang.Text("Nothing more comes in that fits these filters.").In(t.v.lang)}}
	}
	return ended(err)
}

// ended is an error of a route to a stream: whom it refuses sees no more.
func ended(err error) error {
	if isStatus(err, http.StatusUnauthorized) || isStatus(err, http.StatusForbidden) {
		return errOver
	}
	return err
}

// rows says each of some in its template.
func (v *visit) rows(name, as string, items any) (string, error) {
	var b bytes.Buffer
	err := v.d.templates.part(&b, "tail", v.lang, name+"s", map[string]any{as + "s": items, "Base": v.base()})
	return b.String(), err
}
