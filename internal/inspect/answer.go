package inspect

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Parameters of the address that stand in for what the inspector answers. What
// of them cannot be used is said, and as if it were not there.
const (
	paramStatus = "malote_status" // from 200 to 599
	paramBody   = "malote_body"
	paramDelay  = "malote_delay" // up to 30s: 3s, 250ms, 3 or 0.2
	paramFail   = "malote_fail"  // percent

	paramPrefix = "malote_"
)

// IgnoredHeader names in the answer the parameters that could not be used.
const IgnoredHeader = "Malote-Ignored"

// wanted says what each parameter takes.
var wanted = map[string]string{
	paramStatus: "a status from 200 to 599", paramBody: "at most 65536 bytes", paramDelay: "up to 30s, as in 3s, 250ms or 0.2", paramFail: "percent, from 0 to 100",
}

// Bounds of what they may say.
const (
	minStatus = 200
	maxStatus = 599
	maxDelay  = 30 * time.Second
	maxBody   = 64 << 10

	maxIgnored     = 8  // parameters that are named
	maxIgnoredName = 40 // bytes of one
)

// answer is what one request gets.
type answer struct {
	status  int
	headers []webhook.Field
	body    []byte
	delay   time.Duration
	failed  bool     // by chance
	ignored []string // parameters that could not be used
}

// answerTo is what an inspector says, or the parameters of the address.
func answerTo(i *store.Inspector, r *http.Request) answer {
	a := answer{status: i.Answer.Status, headers: i.Answer.Headers, body: i.Answer.Body, delay: i.Answer.Delay}
	rate := i.Answer.FailRate
	q, _ := url.ParseQuery(r.URL.RawQuery) // what of it can be read
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if strings.HasPrefix(name, paramPrefix) && !a.take(name, q.Get(name), &rate) && len(a.ignored) < maxIgnored {
			a.ignored = append(a.ignored, plainName(name))
		}
	}
	if chance(rate) {
		return answer{status: within(i.Answer.FailStatus), delay: a.delay, failed: true, ignored: a.ignored}
	}
	a.status = within(a.status)
	return a
}

// take uses a parameter; false: it cannot be used.
func (a *answer) take(name, value string, rate *int) (ok bool) {
	switch name {
	case paramStatus:
		n, fits := number(value, minStatus, maxStatus)
		if ok = fits; ok {
			a.status = n
		}
	case paramFail:
		n, fits := number(value, 0, 100)
		if ok = fits; ok {
			*rate = n
		}
	case paramDelay:
		d, fits := delayOf(value)
		if ok = fits; ok {
			a.delay = d
		}
	case paramBody:
		if ok = len(value) <= maxBody; ok {
			a.body = []byte(value)
		}
	}
	return ok
}

// plainName is a parameter's name as a header can hold it.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '?'
	}, name[:min(len(name), maxIgnoredName)])
}

// sayIgnored names what was passed over, and what would have been taken.
func (a *answer) sayIgnored(h http.Header) {
	for _, name := range a.ignored {
		if what := wanted[name]; what != "" {
			h.Add(IgnoredHeader, name+": "+what)
			continue
		}
		h.Add(IgnoredHeader, name+": there is malote_status, malote_body, malote_delay and malote_fail")
	}
}

// within is a status that may be sent as a final one.
func within(status int) int {
	if status < minStatus || status > maxStatus {
		return http.StatusOK
	}
	return status
}

func number(text string, least, most int) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least && n <= most
}

// delayOf reads a time with its unit, or seconds.
func delayOf(text string) (time.Duration, bool) {
	d, err := time.ParseDuration(text)
	if f, e := strconv.ParseFloat(text, 64); e == nil && f >= 0 && f <= maxDelay.Seconds() {
		d, err = time.Duration(f*float64(time.Second)), nil
	}
	return d, err == nil && d >= 0 && d <= maxDelay
}

// answer sends it, and notes when it was out.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, kept *store.InspectedRequest, a *answer) {
	if a.delay > 0 {
		hold := time.NewTimer(a.delay)
		defer hold.Stop()
		select {
		case <-hold.C:
		case <-h.stop:
		case <-r.Context().Done(): // the sender is gone
			return
		}
	}
	a.setHeaders(w.Header())
	a.sayIgnored(w.Header())
	w.WriteHeader(a.status)
	if a.hasBody() {
		if _, err := w.Write(a.body); err != nil {
			return
		}
	}
	if http.NewResponseController(w).Flush() == nil { // whether the sender is gone by now says nothing
		h.store.InspectedAnswered(kept.ID, time.Now())
	}
}

// hasBody reports whether the status lets it have one.
func (a *answer) hasBody() bool {
	return a.status != http.StatusNoContent && a.status != http.StatusNotModified
}

func (a *answer) setHeaders(h http.Header) {
	if a.hasBody() {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	if len(a.body) > 0 {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	for _, f := range a.headers {
		if !store.ForbiddenAnswerHeader(f.Name) {
			h.Del(f.Name)
			h[f.Name] = []string{f.Value} // spelled as asked for
		}
	}
}
