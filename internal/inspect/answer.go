package inspect

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Parameters of the address that stand in for what the inspector answers. What
// of them cannot be used is as if it were not there.
const (
	paramStatus = "malote_status" // from 200 to 599
	paramBody   = "malote_body"
	paramDelay  = "malote_delay" // up to 30s: 3s, 250ms, or 3
	paramFail   = "malote_fail"  // percent
)

// Bounds of what they may say.
const (
	minStatus = 200
	maxStatus = 599
	maxDelay  = 30 * time.Second
	maxBody   = 64 << 10
)

// answer is what one request gets.
type answer struct {
	status  int
	headers []webhook.Field
	body    []byte
	delay   time.Duration
	failed  bool // by chance
}

// answerTo is what an inspector says, or the parameters of the address.
func answerTo(i *store.Inspector, r *http.Request) answer {
	a := answer{status: i.Answer.Status, headers: i.Answer.Headers, body: i.Answer.Body, delay: i.Answer.Delay}
	rate, failure := i.Answer.FailRate, i.Answer.FailStatus
	if q, err := url.ParseQuery(r.URL.RawQuery); err == nil {
		if n, ok := number(q, paramStatus, minStatus, maxStatus); ok {
			a.status = n
		}
		if n, ok := number(q, paramFail, 0, 100); ok {
			rate = n
		}
		if d, ok := delayOf(q.Get(paramDelay)); ok {
			a.delay = d
		}
		if body := q.Get(paramBody); q.Has(paramBody) && len(body) <= maxBody {
			a.body = []byte(body)
		}
	}
	if chance(rate) {
		return answer{status: within(failure), delay: a.delay, failed: true}
	}
	a.status = within(a.status)
	return a
}

// within is a status that may be sent as a final one.
func within(status int) int {
	if status < minStatus || status > maxStatus {
		return http.StatusOK
	}
	return status
}

func number(q url.Values, name string, least, most int) (int, bool) {
	n, err := strconv.Atoi(q.Get(name))
	return n, err == nil && n >= least && n <= most
}

func delayOf(text string) (time.Duration, bool) {
	d, err := time.ParseDuration(text)
	if n, e := strconv.Atoi(text); e == nil {
		d, err = time.Duration(min(max(n, -1), 3600))*time.Second, nil
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
		case <-r.Context().Done(): // the sender is gone, or the server stops
			return
		}
	}
	a.setHeaders(w.Header())
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
