package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// pageSize is how many rows a list shows at once.
const pageSize = 50

// listView is what every list shows around its rows.
type listView struct {
	Filters  map[string]string
	Filtered bool
	Live     string // address of the same list, live
	First    string // address of the first page; empty: this is it
	Next     string // address of the next page; empty: this is the last
	Problem  *problemView

	asked url.Values // of the API
}

// list takes the filters that a list knows from the address, and the cursor.
func (v *visit) list(names ...string) *listView {
	given := v.r.URL.Query()
	q := url.Values{"limit": {itoa(pageSize)}}
	l := &listView{Filters: map[string]string{}, asked: q}
	for _, name := range names {
		value := strings.TrimSpace(given.Get(name))
		l.Filters[name] = value
		if value == "" {
			continue
		}
		l.Filtered = true
		if name == "from" || name == "until" {
			value = moment(value)
		}
		q.Set(name, value)
	}
	l.Live = strings.Replace(v.address(l, ""), v.r.URL.EscapedPath(), v.r.URL.EscapedPath()+"/live", 1)
	if cursor := given.Get("cursor"); cursor != "" {
		q.Set("cursor", cursor)
		l.First = v.address(l, "")
	}
	return l
}

// showList shows a page of what the API lists under a path, as view, which l is
// part of and rows are in. Where it was asked for in a way that the API refuses
// there are no rows, and what is wrong. also reads what goes with the rows; nil: nothing does.
func showList[T any](v *visit, l *listView, path, name string, title lang.Message, view any, rows *[]T, also func() error) error {
	got, err := read[listed[T]](v, ofProject, path, l.asked)
	var p *client.Error
	switch {
	case errors.As(err, &p) && p.Status == http.StatusBadRequest:
		l.Problem = v.problem(p)
		return v.show(http.StatusBadRequest, name, title, view)
	case err != nil:
		return err
	}
	if *rows = got.Data; got.NextCursor != "" {
		l.Next = v.address(l, got.NextCursor)
	}
	if also != nil {
		if err := also(); err != nil {
			return err
		}
	}
	return v.show(http.StatusOK, name, title, view)
}

// address of the list that is shown, with its filters.
func (v *visit) address(l *listView, cursor string) string {
	q := url.Values{}
	for name, value := range l.Filters {
		if value != "" {
			q.Set(name, value)
		}
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if len(q) == 0 {
		return v.r.URL.EscapedPath()
	}
	return v.r.URL.EscapedPath() + "?" + q.Encode()
}

// moment reads a time as a form's field writes it (UTC), else as it is.
func moment(text string) string {
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.Format(time.RFC3339)
		}
	}
	return text
}
