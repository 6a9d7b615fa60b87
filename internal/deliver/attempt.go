package deliver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

const (
	defaultConnect = 10 * time.Second
	maxConnect     = 10 * time.Second
	defaultTotal   = 30 * time.Second
	// An attempt that ends this much later than its deadlines was not late
	// itself: this process was stopped, or starved of CPU.
	stallAfter  = 2 * time.Second
	keptScratch = 512 << 10 // bytes of a body buffer that is worth keeping
)

// attempt is one request as it ended.
type attempt struct {
	at, ended time.Time
	dialect   *webhook.Dialect // nil: unknown; the delivery waits until it is known again
	resp      *egress.Response // nil: nothing was sent
	result    result
	ours      bool // the fault is probably on this side, and nothing was sent
	cancelled bool // by our own stop
}

// scratch is what an attempt works in; a worker uses it again and again.
type scratch struct {
	message webhook.Message
	request egress.Request
	body    []byte
	fields  []webhook.Field
}

func (s *scratch) clean() {
	clear(s.fields)
	s.message, s.request = webhook.Message{}, egress.Request{}
	if cap(s.body) > keptScratch {
		s.body = nil
	}
}

// send is a worker: it makes one attempt after another, as long as there is
// one to make.
func (e *Engine) send(it *item) {
	s := e.scratch.Get().(*scratch)
	for it != nil {
		a := e.attempt(it, s)
		s.clean()
		it = e.settle(it, &a)
	}
	e.scratch.Put(s)
}

// attempt builds body and headers, signs, and sends. Whatever goes wrong,
// even a panic, is this attempt's alone.
func (e *Engine) attempt(it *item, s *scratch) (a attempt) {
	w := it.work
	a.at = time.Now()
	defer func() {
		if p := recover(); p != nil {
			e.panicked(it, p)
			a.result = result{Class: store.ClassUnknown, Detail: lang.Keep("internal error while sending; the request may have arrived")}
			if a.resp == nil {
				a.result = result{Class: store.ClassRender, Detail: lang.Keep("internal error while making the request")}
			}
		}
		a.ended = time.Now()
	}()
	if w.Attempts == 0 {
		e.metrics.wait.Observe(a.at.Sub(w.CreatedAt).Seconds())
	}
	if err := e.render(it, s, &a); err != nil {
		a.result = result{Class: store.ClassRender, Detail: err.Error()}
		return a
	}
	if err := it.config.faulty; err != nil { // without it nothing leaves; a new one heals it
		a.result = result{Class: store.ClassTLS, Detail: err.Error()}
		return a
	}
	s.request.Until = e.store.LeaseEnds()
	a.resp = &egress.Response{} // from here on it may have left
	resp, err := e.sender.Send(it.while, &s.request)
	it.config.redact(resp)
	a.resp = resp
	a.classify(it.while, err, s.request.Connect+s.request.Total)
	if a.result.Status == http.StatusUnauthorized || a.result.Status == http.StatusForbidden {
		a.result.Hint = it.config.hint(a.dialect, a.at)
	}
	return a
}

// panicked logs a panic without what it was about: the value may quote a payload.
func (e *Engine) panicked(it *item, p any) {
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	e.log.Error("panic in an attempt", "delivery", it.work.ID.String(), "endpoint", it.work.EndpointID.String(),
		"panic", what, "stack", string(debug.Stack()))
}

// render fills the request: a function of event, endpoint and dialect, but
// for the time and the number of the attempt.
func (e *Engine) render(it *item, s *scratch, a *attempt) (err error) {
	w, c := it.work, it.config
	var ok bool
	if a.dialect, ok = e.dialects(w.Event.Dialect); !ok {
		return errors.New(lang.Keep("the dialect %q is not known to this server; start it with the file that defines it", w.Event.Dialect))
	}
	rule := &a.dialect.Delivery
	s.message = webhook.Message{
		ID: w.Event.ID, Type: w.Event.Type, Time: w.Event.Time, Data: w.Event.Data,
		Endpoint: w.EndpointID, WireID: c.endpoint.Settings.WireID, Delivery: w.ID, Consumer: c.endpoint.Consumer,
		BodyID: w.Event.BodyID, Test: w.Event.Test,
	}
	if s.body, err = a.dialect.AppendBody(s.body[:0], &s.message); err != nil {
		return errors.New(lang.Keep("the body cannot be made: %s", reason(err)))
	}
	signer, err := c.signer(a.dialect, a.at)
	if err != nil {
		return errors.New(lang.Keep("the signature cannot be made: %s", reason(err)))
	}
	try := webhook.Try{Number: it.number(), At: a.at, Previous: it.previous()}
	if s.fields, err = signer.AppendFields(s.fields[:0], &s.message, try, s.body); err != nil {
		return errors.New(lang.Keep("the headers cannot be made: %s", reason(err)))
	}
	secrets := len(c.headers)
	if sendsSecret(a.dialect) {
		secrets += tokenLast(s.fields, a.dialect.Signature.Header)
	}
	s.fields = append(s.fields, c.headers...)
	s.request = egress.Request{
		URL: c.url, Fields: s.fields, Redact: secrets, Body: s.body,
		Connect: orDefault(time.Duration(rule.Connect), defaultConnect),
		Total:   orDefault(time.Duration(rule.Response), defaultTotal),
		Whole:   time.Duration(rule.Total),
		MaxBody: it.answer, MaxOK: answerMin, Identity: c.identity,
	}
	if c.timeout > 0 {
		s.request.Total, s.request.Whole = c.timeout, 0
	}
	return nil
}

// reason says what the dialect refuses, as a text that is known again.
func reason(err error) string {
	var bad *webhook.SecretError
	switch {
	case errors.As(err, &bad):
		return lang.Keep("the secret %s", bad.Reason)
	case errors.Is(err, webhook.ErrNoSecret):
		return lang.Keep("no secret to sign with")
	}
	return err.Error()
}

// classify reads what Send returned.
func (a *attempt) classify(ctx context.Context, err error, limit time.Duration) {
	if err == nil {
		a.result = result{Status: a.resp.Status, RetryAfter: a.resp.RetryAfter}
		return
	}
	var failed *egress.Error
	if !errors.As(err, &failed) {
		failed = &egress.Error{Class: store.ClassUnknown, Detail: err.Error()}
	}
	a.result = result{Status: a.resp.Status, Class: failed.Class, Detail: failed.Detail}
	a.ours = failed.Ours
	if failed.Class == store.ClassCancelled && ctx.Err() != nil {
		if context.Cause(ctx) == errLapsed {
			a.cut()
		} else {
			a.cancelled = true
		}
		return
	}
	if time.Since(a.at) < limit+stallAfter {
		return
	}
	switch failed.Class {
	case store.ClassDNS, store.ClassConnect, store.ClassTLS:
		a.ours = true // stopped before anything was sent: as if it had not been tried
	case store.ClassTimeout, store.ClassReset:
		a.result.Class, a.result.Spared = store.ClassUnknown, true
		a.result.Detail = lang.Keep("this server stood still for %s during the attempt; the request may have arrived",
			time.Since(a.at).Round(time.Second))
	}
}

// written is when the request left; zero: it did not.
func (a *attempt) written() time.Time {
	if a.resp == nil || a.ours {
		return time.Time{}
	}
	t := a.resp.Timings
	return a.at.Add(t.DNS + t.Connect + t.TLS)
}
