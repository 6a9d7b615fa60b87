package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// What a check-up looks at, in its order.
const (
	checkAccepts   = "accepts"   // what is signed rightly
	checkInTime    = "in_time"   // its answer
	checkVerifies  = "verifies"  // it refuses what is signed wrongly
	checkDuplicate = "duplicate" // the same event once more
	checkDirect    = "direct"    // it redirects nobody
	checkEncrypted = "encrypted" // https, with a good certificate
)

func checkNames() []string {
	return []string{checkAccepts, checkInTime, checkVerifies, checkDuplicate, checkDirect, checkEncrypted}
}

// How a check comes out.
const (
	checkPassed  = "passed"
	checkWarning = "warning"
	checkFailed  = "failed"
	checkUnknown = "unknown"
)

func checkResults() []string {
	return []string{checkPassed, checkWarning, checkFailed, checkUnknown}
}

// checkupView is what a check-up found.
type checkupView struct {
	Result string      `json:"result"` // the worst of the checks, but unknown
	Checks []checkView `json:"checks"`
}

type checkView struct {
	Check   string        `json:"check"`
	Result  string        `json:"result"`
	Status  *int          `json:"status"`  // of the answer that it is judged by
	Took    *float64      `json:"took_ms"` // likewise
	Message string        `json:"message" lang:"kept"`
	Error   *attemptError `json:"error"`
}

const (
	checkupQuick = 5 * time.Second  // what an answer takes at most where work is done after it
	checkupLimit = 30 * time.Second // after which nothing more is sent
	probeLimit   = 15 * time.Second // that one request of it waits for its answer
	noAnswerTime = 30 * time.Second // where the dialect says none
)

// knocked is what came of one request of a check-up.
type knocked struct {
	sent   bool
	resp   *egress.Response // where it answered
	failed *egress.Error    // where it did not
}

func (k *knocked) answered() bool { return k.resp != nil && k.failed == nil }

func (k *knocked) took() time.Duration {
	if k.resp == nil {
		return 0
	}
	return k.resp.Timings.Total
}

func (k *knocked) status() int {
	if !k.answered() {
		return 0
	}
	return k.resp.Status
}

func (k *knocked) isSuccess() bool  { return k.status()/100 == 2 }
func (k *knocked) isRedirect() bool { return k.status()/100 == 3 }

// says is the answer in words, as in "404 Not Found".
func (k *knocked) says() string {
	return strings.TrimSpace(strconv.Itoa(k.status()) + " " + http.StatusText(k.status()))
}

// checkup is one under way: a test event that is signed rightly, the same
// signed wrongly, and the first once more.
type checkup struct {
	endpoint             *store.Endpoint
	limit                time.Duration // that a delivery waits for its answer
	signed, wrong, again knocked
}

func (s *server) checkupEndpoint(c *call, _ *none) (checkupView, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return checkupView{}, err
	}
	if s.prober == nil {
		return checkupView{}, store.ErrClosed
	}
	done, err := s.checkups.take(senderOf(c.key), e.ID, time.Now())
	if err != nil {
		return checkupView{}, err
	}
	defer done()
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{}) // that of the request ends sooner than its answer may come
	up := &checkup{endpoint: e, limit: s.answerTime(c, e)}
	if err := up.run(c.r.Context(), s.prober); err != nil {
		return checkupView{}, err
	}
	return up.view(), nil
}

// answerTime is how long a delivery to an endpoint waits for its answer.
func (s *server) answerTime(c *call, e *store.Endpoint) time.Duration {
	if e.Settings.Timeout > 0 {
		return e.Settings.Timeout
	}
	p, err := s.store.Project(c.r.Context(), c.key.ProjectID)
	if err != nil {
		return noAnswerTime
	}
	if d, ok := s.dialects(p.Dialect); ok && d.Delivery.Response > 0 {
		return time.Duration(d.Delivery.Response)
	}
	return noAnswerTime
}

// run sends the three, one after the other. Where the first has no answer the
// others would have none either, and somebody waits.
func (up *checkup) run(ctx context.Context, p Prober) error {
	begun, event := time.Now(), webhook.NewID()
	rehearse := func(number int) (*egress.Response, time.Duration, error) {
		return p.Rehearse(ctx, up.endpoint.ID, event, begun, number)
	}
	wait, err := up.signed.knock(rehearse(1))
	if err != nil {
		return err
	}
	if wait > 0 {
		return kindTooMany.problem("the endpoint takes no request now: its rate is used up, or as many are under way as may be").
			with("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	if !up.signed.answered() {
		return nil
	}
	if _, err := up.wrong.knock(p.Probe(ctx, up.endpoint.ID)); err != nil {
		return err
	}
	if !up.signed.isSuccess() || time.Since(begun) > checkupLimit {
		return nil
	}
	_, err = up.again.knock(rehearse(2))
	return err
}

// knock takes what came of a request. wait: it was not sent, the endpoint
// takes none for so long.
func (k *knocked) knock(resp *egress.Response, wait time.Duration, err error) (time.Duration, error) {
	if wait > 0 {
		return wait, nil
	}
	if err != nil && !errors.As(err, &k.failed) {
		return 0, err
	}
	k.sent, k.resp = true, resp
	return 0, nil
}

func (up *checkup) view() checkupView {
	v := checkupView{Result: checkPassed, Checks: []checkView{up.accepts(), up.inTime(), up.verifies(), up.duplicate(), up.direct(), up.encrypted()}}
	for _, c := range v.Checks {
		if c.Result == checkFailed || c.Result == checkWarning && v.Result == checkPassed {
			v.Result = c.Result
		}
	}
	return v
}

// judged is a check of one answer.
func judged(name string, k *knocked) checkView {
	v := checkView{Check: name, Result: checkUnknown}
	switch {
	case k.answered():
		v.Status, v.Took = new(k.status()), new(inMillis(k.took()))
	case k.failed != nil:
		v.Error = &attemptError{Class: string(k.failed.Class), Detail: k.failed.Detail}
	}
	return v
}

func (v checkView) comes(result, message string) checkView {
	v.Result, v.Message = result, message
	return v
}

func (up *checkup) accepts() checkView {
	k := &up.signed
	v := judged(checkAccepts, k)
	switch status := k.status(); {
	case !k.answered():
		return v.comes(checkFailed, lang.Keep("No answer came: %s", k.failed.Detail))
	case k.isSuccess():
		return v.comes(checkPassed, lang.Keep("It answered %s to a test event that is signed as every delivery is.", k.says()))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return v.comes(checkFailed, lang.Keep("It answered %s to what is signed rightly: has the receiver this endpoint's secret, and does it take the bytes of the body as they came?", k.says()))
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		return v.comes(checkFailed, lang.Keep("The server there answered %s: does the path of the URL exist, and does it take a POST?", k.says()))
	case k.isRedirect():
		return v.comes(checkFailed, lang.Keep("The receiver answered %s; redirects are never followed: set the endpoint's URL to the final address.", k.says()))
	}
	return v.comes(checkFailed, lang.Keep("It answered %s to a test event that is signed as every delivery is; only an answer from 200 to 299 says that it has it.", k.says()))
}

func inSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

func (up *checkup) inTime() checkView {
	k := &up.signed
	v := judged(checkInTime, k)
	limit, quick := inSeconds(up.limit), inSeconds(checkupQuick)
	switch {
	case k.answered() && k.took() > up.limit:
		return v.comes(checkFailed, lang.Keep("It took longer than a delivery waits, %s. Keep the event, answer at once, and do the work afterwards.", limit))
	case k.answered() && k.took() > checkupQuick:
		return v.comes(checkWarning, lang.Keep("It took longer than %s; a delivery waits %s. Keep the event, answer at once, and do the work afterwards.", quick, limit))
	case k.answered():
		return v.comes(checkPassed, lang.Keep("It answered within %s; a delivery waits %s.", quick, limit))
	case k.failed.Class == store.ClassTimeout && up.limit > probeLimit:
		return v.comes(checkWarning, lang.Keep("No answer came within %s, the longest that a check-up waits; a delivery waits %s.", inSeconds(probeLimit), limit))
	case k.failed.Class == store.ClassTimeout:
		return v.comes(checkFailed, lang.Keep("It took longer than a delivery waits, %s. Keep the event, answer at once, and do the work afterwards.", limit))
	}
	return v.comes(checkUnknown, lang.Keep("It gave no answer whose time could be taken."))
}

func (up *checkup) verifies() checkView {
	v := judged(checkVerifies, &up.wrong)
	if !up.wrong.answered() {
		if up.wrong.failed == nil {
			return v.comes(checkUnknown, notSent())
		}
		return v.comes(checkUnknown, lang.Keep("No answer came: %s", up.wrong.failed.Detail))
	}
	p := viewProbe(up.wrong.resp)
	switch p.Verdict {
	case verdictAccepts:
		return v.comes(checkFailed, p.Message)
	case verdictVerifies, verdictRefuses:
		if !up.signed.isSuccess() {
			return v.comes(checkUnknown, lang.Keep("It refused what is signed wrongly with %s, but what is signed rightly too, so that this says nothing.", up.wrong.says()))
		}
		return v.comes(checkPassed, lang.Keep("It took what is signed rightly, and refused what is signed wrongly with %s.", up.wrong.says()))
	}
	return v.comes(checkUnknown, p.Message)
}

func notSent() string {
	return lang.Keep("It was not asked: its rate is used up, or what was sent before had no success.")
}

func (up *checkup) duplicate() checkView {
	k := &up.again
	v := judged(checkDuplicate, k)
	switch {
	case !k.sent:
		return v.comes(checkUnknown, notSent())
	case !k.answered():
		return v.comes(checkFailed, lang.Keep("No answer came: %s", k.failed.Detail))
	case k.isSuccess():
		return v.comes(checkPassed, lang.Keep("It answered %s to the same event once more. Whether it did its work twice cannot be seen from outside: keep the ids of the events that you have taken.", k.says()))
	}
	return v.comes(checkFailed, lang.Keep("It answered %s to the same event once more. An event comes again where an answer was lost, and again until it is taken: answer 200 to one that you have.", k.says()))
}

func (up *checkup) direct() checkView {
	for _, k := range []*knocked{&up.signed, &up.wrong, &up.again} {
		if k.isRedirect() {
			return judged(checkDirect, k).comes(checkFailed, lang.Keep("The receiver answered %s; redirects are never followed: set the endpoint's URL to the final address.", k.says()))
		}
	}
	v := checkView{Check: checkDirect}
	if !up.signed.answered() {
		return v.comes(checkUnknown, lang.Keep("No answer came, so that nothing is known of this."))
	}
	return v.comes(checkPassed, lang.Keep("It answers by itself, and redirects to nowhere else."))
}

func (up *checkup) encrypted() checkView {
	v := checkView{Check: checkEncrypted}
	k := &up.signed
	switch secure := strings.HasPrefix(strings.ToLower(up.endpoint.URL), "https:"); {
	case !secure:
		return v.comes(checkWarning, lang.Keep("The URL begins with http: whoever is on the way can read what is sent. Take one that begins with https."))
	case k.answered():
		return v.comes(checkPassed, lang.Keep("The connection is encrypted, and the certificate of the server is good."))
	case k.failed.Class == store.ClassTLS:
		return judged(checkEncrypted, k).comes(checkFailed, lang.Keep("No answer came: %s", k.failed.Detail))
	}
	return v.comes(checkUnknown, lang.Keep("No answer came, so that nothing is known of this."))
}
