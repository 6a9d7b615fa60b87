package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Prober sends requests that are no deliveries to an endpoint, by the one
// way out that there is. wait says that it was not sent: the endpoint takes
// none before. An answer that did not come is an [*egress.Error].
type Prober interface {
	Probe(ctx context.Context, endpoint store.ID) (resp *egress.Response, wait time.Duration, err error)
	// Rehearse sends the dialect's test event, signed rightly: event is its id
	// and made when it happened; the same with the next number is the same once more.
	Rehearse(ctx context.Context, endpoint, event store.ID, made time.Time, number int) (resp *egress.Response, wait time.Duration, err error)
}

// What a probe says of a receiver.
const (
	verdictVerifies = "verifies"
	verdictAccepts  = "accepts"
	verdictRefuses  = "refuses"
	verdictMissing  = "missing"
	verdictFails    = "fails"
	verdictNoAnswer = "no_answer"
)

func verdicts() []string {
	return []string{verdictVerifies, verdictAccepts, verdictRefuses, verdictMissing, verdictFails, verdictNoAnswer}
}

// probeView is what came of a probe.
type probeView struct {
	Verdict string        `json:"verdict"`
	Status  *int          `json:"status"`
	Message string        `json:"message" lang:"kept"`
	Error   *attemptError `json:"error"`
	Took    float64       `json:"took_ms"`
}

func (s *server) probeEndpoint(c *call, _ *none) (probeView, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return probeView{}, err
	}
	if s.prober == nil {
		return probeView{}, store.ErrClosed
	}
	if !s.probes.admit(e.ID, time.Now()) {
		return probeView{}, kindTooMany.problem("an endpoint takes one probe a second").with("Retry-After", "1")
	}
	resp, wait, err := s.prober.Probe(c.r.Context(), e.ID)
	var failed *egress.Error
	switch {
	case wait > 0:
		return probeView{}, kindTooMany.problem("the endpoint takes no request now: its rate is used up, or as many are under way as may be").
			with("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	case errors.As(err, &failed):
		v := probeView{
			Verdict: verdictNoAnswer, Error: &attemptError{Class: string(failed.Class), Detail: failed.Detail},
			Message: lang.Keep("No answer came: %s", failed.Detail),
		}
		if resp != nil {
			v.Took = inMillis(resp.Timings.Total)
		}
		return v, nil
	case err != nil:
		return probeView{}, err
	}
	return viewProbe(resp), nil
}

func viewProbe(resp *egress.Response) probeView {
	v := probeView{Status: &resp.Status, Took: inMillis(resp.Timings.Total)}
	what := strconv.Itoa(resp.Status)
	if text := http.StatusText(resp.Status); text != "" {
		what += " " + text
	}
	switch status := resp.Status; {
	case status == http.StatusUnauthorized:
		v.Verdict, v.Message = verdictVerifies, lang.Keep("The receiver listens and verifies: it answered 401 to a request whose signature is wrong.")
	case status >= 200 && status <= 299:
		v.Verdict, v.Message = verdictAccepts, lang.Keep("The receiver answered %s to a request whose signature is wrong: it does not verify. Whoever knows its URL can send it events; have it verify, and answer 401.", what)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		v.Verdict, v.Message = verdictMissing, lang.Keep("The server there answered %s: does the path of the URL exist, and does it take a POST?", what)
	case status >= 400 && status <= 499:
		v.Verdict, v.Message = verdictRefuses, lang.Keep("The receiver answered %s: it may verify, or refuse for another reason, as something in front of it may. A receiver that verifies answers 401.", what)
	case status >= 300 && status <= 399:
		v.Verdict, v.Message = verdictFails, lang.Keep("The receiver answered %s; redirects are never followed: set the endpoint's URL to the final address.", what)
	default:
		v.Verdict, v.Message = verdictFails, lang.Keep("The receiver answered %s: it fails before it has verified, or while it does.", what)
	}
	return v
}
