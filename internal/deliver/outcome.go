package deliver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Reasons of deliveries that failed.
const (
	reasonExhausted = "exhausted" // the schedule was used up
	reasonGone      = "gone"      // the receiver answered 410
	reasonRender    = "render"    // the request could not be made
)

// health is what an attempt says of the receiver, for the circuit breaker and
// the slow start.
type health uint8

const (
	healthUnknown health = iota // nothing: it never got there, or the fault was ours
	healthUp                    // it answered, whatever it said, with less than a 500
	healthDown                  // no answer, or a 5xx
)

// result is an attempt as it ended, before it is judged.
type result struct {
	Status     int         // 0: no answer
	Class      store.Class // of a transport failure; empty where an answer came
	Detail     string
	RetryAfter string // the header's value
	// Spared: this side was at fault after the request may have left. It is
	// recorded, and the schedule cannot end with it.
	Spared bool
	Hint   string // what may be behind it, known from the endpoint
}

// verdict is what follows from an attempt.
type verdict struct {
	State     store.State
	Due       time.Time // with Pending
	Reason    string    // with Failed
	Class     store.Class
	Detail    string
	Effect    store.Effect // without Clear, which depends on the endpoint
	HoldUntil time.Time    // the endpoint asked for no request before; zero: it did not
	Health    health
}

// judge decides what came of a delivery's attempt of that number (from 1). It
// is a pure function: d is the dialect that the event was rendered with, waits
// is its schedule or the endpoint's own, now is when the attempt ended, rnd (0
// to 1, without 1) spreads the wait where the rule allows jitter.
func judge(d *webhook.Dialect, waits schedule, number int, r result, now time.Time, rnd float64) verdict {
	rule := &d.Delivery
	if r.Class == "" && d.Acknowledged(r.Status) {
		return verdict{State: store.Delivered, Health: healthUp}
	}
	v := verdict{State: store.Pending, Class: r.Class, Detail: r.Detail, Health: healthOf(r)}
	if r.Class == "" {
		v.Class, v.Detail = classOf(r.Status)
		v.Detail += r.Hint
	}
	switch {
	case v.Class == store.ClassRender:
		v.State, v.Reason = store.Failed, reasonRender
		return v
	case r.Status == http.StatusGone && rule.Gone:
		v.State, v.Reason = store.Failed, reasonGone
		v.Effect.Disable = lang.Keep("the receiver answered 410 Gone")
		return v
	}
	asked := asksToWait(rule, r, now)
	if asked > 0 {
		v.HoldUntil = now.Add(asked)
	}
	wait, ok := waits.pause(rule.Jitter, number, rnd)
	if !ok && r.Spared {
		wait, ok = waits.lastPause(rule.Jitter, rnd), true
	}
	if !ok {
		v.State, v.Reason = store.Failed, reasonExhausted
		v.Effect = store.Effect{Exhausted: true, Mark: rule.MarkExhausted, DisableAfter: rule.DisableAfter}
		return v
	}
	v.Due = roundUp(now.Add(max(wait, asked)))
	return v
}

// asksToWait is how long the receiver asked for no request; 0: it did not ask,
// or its dialect does not listen.
func asksToWait(rule *webhook.DeliveryRule, r result, now time.Time) time.Duration {
	if !rule.RetryAfter || r.Status != http.StatusTooManyRequests && r.Status != http.StatusServiceUnavailable {
		return 0
	}
	wait, _ := retryAfter(r.RetryAfter, now)
	return wait
}

func classOf(status int) (store.Class, string) {
	what := strconv.Itoa(status)
	if text := http.StatusText(status); text != "" {
		what += " " + text
	}
	switch {
	case status >= 300 && status <= 399:
		return store.ClassRedirect, lang.Keep("answered %s; redirects are never followed: set the endpoint's URL to the final address", what)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return store.ClassStatus, lang.Keep("answered %s; is the receiver checking the signature with this endpoint's secret?", what)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return store.ClassStatus, lang.Keep("answered %s; does the endpoint's path exist, and does it accept POST?", what)
	}
	return store.ClassStatus, lang.Keep("answered %s", what)
}

func healthOf(r result) health {
	if r.Spared {
		return healthUnknown
	}
	switch r.Class {
	case "":
		if r.Status >= 500 {
			return healthDown
		}
		return healthUp
	case store.ClassTimeout, store.ClassConnect, store.ClassReset, store.ClassDNS, store.ClassTLS, store.ClassProtocol:
		return healthDown
	}
	return healthUnknown
}
