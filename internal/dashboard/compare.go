package dashboard

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// compareView is two attempts of a delivery, side by side.
type compareView struct {
	ID       string
	A, B     int // numbers
	Attempts []int
	Groups   []comparedGroup
}

type comparedGroup struct {
	Name lang.Message
	Rows []comparedRow
}

// comparedRow is one thing of both; what one has not is empty.
type comparedRow struct{ Name, A, B string }

// Differs reports whether both are not the same.
func (r comparedRow) Differs() bool { return r.A != r.B }

func (v *visit) comparePage() error {
	id := v.r.PathValue("id")
	attempts, err := read[listed[client.Attempt]](v, ofProject, "/v1/deliveries/"+url.PathEscape(id)+"/attempts", url.Values{"limit": {itoa(maxAttempts)}})
	if err != nil {
		return err
	}
	all := attempts.Data
	if len(all) < 2 {
		return errNoPage
	}
	a, b := chosenAttempt(all, v.r.URL.Query().Get("a"), len(all)-2), chosenAttempt(all, v.r.URL.Query().Get("b"), len(all)-1)
	view := &compareView{ID: id, A: a.Number, B: b.Number, Groups: v.compared(a, b)}
	for i := range all {
		view.Attempts = append(view.Attempts, all[i].Number)
	}
	return v.show(http.StatusOK, "compare", lang.Text("Two attempts compared"), view)
}

// chosenAttempt finds one by its number, else the one at an index.
func chosenAttempt(all []client.Attempt, number string, or int) *client.Attempt {
	n, err := strconv.Atoi(number)
	if i := slices.IndexFunc(all, func(a client.Attempt) bool { return a.Number == n }); err == nil && i >= 0 {
		or = i
	}
	return &all[or]
}

func (v *visit) compared(a, b *client.Attempt) []comparedGroup {
	say := func(f lang.Format) string { return lang.Text(f).In(v.lang) }
	both := func(name lang.Format, of func(*client.Attempt) string) comparedRow {
		return comparedRow{say(name), of(a), of(b)}
	}
	result := []comparedRow{
		both("Answer", func(a *client.Attempt) string {
			if a.Response == nil {
				return say("no answer")
			}
			return a.Response.Line
		}),
		both("Error", func(a *client.Attempt) string {
			if a.Error == nil {
				return ""
			}
			return lang.Recall(a.Error.Detail).In(v.lang)
		}),
		both("Took", func(a *client.Attempt) string { return millis(a.Timings.Total, v.lang) }),
	}
	request := append([]comparedRow{{say("Request"), a.Request.Line, b.Request.Line}}, comparedHeaders(a.Request.Headers, b.Request.Headers)...)
	groups := []comparedGroup{{lang.Text("Result"), result}, {lang.Text("Request"), request}}
	if a.Response == nil && b.Response == nil {
		return groups
	}
	ra, rb := cmp.Or(a.Response, &client.Response{}), cmp.Or(b.Response, &client.Response{})
	answer := append(comparedHeaders(ra.Headers, rb.Headers), comparedRow{say("Body"), shown(ra.Body), shown(rb.Body)})
	return append(groups, comparedGroup{lang.Text("Answer"), answer})
}

// comparedHeaders lists the headers of both by name, in the order of the first.
func comparedHeaders(a, b []client.Header) (rows []comparedRow) {
	at := map[string]int{} // by name, and how often it came before
	row := func(seen map[string]int, name string) *comparedRow {
		k := strings.ToLower(name)
		seen[k]++
		k += "\n" + itoa(seen[k])
		i, ok := at[k]
		if !ok {
			i = len(rows)
			at[k] = i
			rows = append(rows, comparedRow{Name: name})
		}
		return &rows[i]
	}
	seen := map[string]int{}
	for _, h := range a {
		row(seen, h.Name).A = h.Value
	}
	clear(seen)
	for _, h := range b {
		row(seen, h.Name).B = h.Value
	}
	return rows
}

func shown(body string) string {
	v := viewBody(body)
	if v.Cut {
		return v.Text + "…"
	}
	return v.Text
}
