package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// A contract's probe (the circuit breaker's is another thing) asks whether a
// receiver verifies, and a rehearsal whether it takes what is signed rightly.
// They are no deliveries: nothing keeps them, and the breaker hears nothing of
// them. But each is a request like any other to the receiver, so
// it waits for nobody and counts: in the endpoint's rate, and in flight.

// Longest times of a probe: somebody waits for what comes of it.
const (
	probeConnect = 5 * time.Second
	probeTotal   = 15 * time.Second
	probeAgain   = time.Second
)

// Probe sends a request whose signature is no secret's to an endpoint, whatever
// its state, and waits for the answer: whoever verifies answers 401. Where
// wait is not zero it was not sent: the endpoint's rate is used up for so
// long, or as much is in flight to it as may be.
// Errors: [store.ErrNotFound]; an [*egress.Error] where no answer came;
// [store.ErrClosed] (the engine does not run); in words where the endpoint's secrets do not decrypt.
func (e *Engine) Probe(ctx context.Context, endpoint store.ID) (resp *egress.Response, wait time.Duration, err error) {
	return e.knock(ctx, endpoint, func(c *config, now time.Time) (*egress.Request, error) {
		return e.knocking(c, webhook.NewID(), now, func(d *webhook.Dialect, m *webhook.Message) ([]webhook.Field, []byte, error) {
			return d.NewProbe(m, webhook.Try{Number: 1, At: now})
		})
	})
}

// Rehearse is [Engine.Probe] with the dialect's test event, signed as every
// delivery is. event is its id, made is when it happened, and number is the
// attempt's, from 1: the same event with the next number is the same once more.
func (e *Engine) Rehearse(ctx context.Context, endpoint, event store.ID, made time.Time, number int) (resp *egress.Response, wait time.Duration, err error) {
	return e.knock(ctx, endpoint, func(c *config, now time.Time) (*egress.Request, error) {
		return e.knocking(c, event, made, func(d *webhook.Dialect, m *webhook.Message) (fields []webhook.Field, body []byte, err error) {
			m.Type, m.Data = d.NewTest(m.ID)
			m.Delivery = event
			if body, err = d.AppendBody(nil, m); err != nil {
				return nil, nil, err
			}
			signer, err := c.signer(d, now)
			if err != nil {
				return nil, nil, err
			}
			try := webhook.Try{Number: number, At: now}
			if number > 1 {
				try.Previous = made
			}
			fields, err = signer.AppendFields(nil, m, try, body)
			return fields, body, err
		})
	})
}

// knock sends one request that is no delivery.
func (e *Engine) knock(ctx context.Context, endpoint store.ID, request func(c *config, now time.Time) (*egress.Request, error)) (resp *egress.Response, wait time.Duration, err error) {
	known, err := e.store.Lane(ctx, endpoint)
	if err != nil {
		return nil, 0, err
	}
	c := e.configure(known)
	if c.faulty != nil {
		return nil, 0, &egress.Error{Class: store.ClassTLS, Detail: c.faulty.Error()}
	}
	now := time.Now()
	r, err := request(c, now)
	if err != nil {
		return nil, 0, &egress.Error{Class: store.ClassRender, Detail: err.Error()}
	}
	var sent []time.Time
	if c.rate > 0 {
		if sent, err = e.store.RecentSends(ctx, endpoint, now.Add(-rateWindow-maxConnect), c.rate); err != nil {
			return nil, 0, err
		}
	}
	l, wait, err := e.beginProbe(c, sent, now)
	if err != nil || wait > 0 {
		return nil, wait, err
	}
	var written time.Time
	defer func() { e.endProbe(l, c, written) }()
	// Before it leaves: what a crash cuts off counts too, and what was sent
	// without a rate counts when there is one.
	if err := e.store.NoteProbe(ctx, endpoint, now); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.sending, cancel)()
	at := time.Now()
	written = at
	resp, err = e.sender.Send(ctx, r)
	c.redact(resp)
	if t := resp.Timings; err == nil {
		written = at.Add(t.DNS + t.Connect + t.TLS)
	}
	return resp, 0, err
}

// knocking renders such a request, with all that a delivery would have beside
// it: else a gateway in front of the receiver answers in its place.
func (e *Engine) knocking(c *config, event store.ID, made time.Time, render func(*webhook.Dialect, *webhook.Message) ([]webhook.Field, []byte, error)) (*egress.Request, error) {
	d, ok := e.dialects(c.project.Dialect)
	if c.endpoint.Consumer == store.SystemConsumer {
		d, ok = webhook.Standard(), true
	}
	if !ok {
		return nil, errors.New(lang.Keep("the dialect %q is not known to this server; start it with the file that defines it", c.project.Dialect))
	}
	fields, body, err := render(d, &webhook.Message{
		ID: event, Time: made.UTC().Truncate(time.Millisecond), Endpoint: c.endpoint.ID, WireID: c.endpoint.Settings.WireID, Delivery: webhook.NewID(),
		Consumer: c.endpoint.Consumer, BodyID: c.project.BodyID, Test: true,
	})
	if err != nil {
		return nil, errors.New(lang.Keep("the body cannot be made: %s", reason(err)))
	}
	secrets := len(c.headers)
	if sendsSecret(d) {
		secrets += tokenLast(fields, d.Signature.Header)
	}
	rule := &d.Delivery
	total := orDefault(c.timeout, orDefault(time.Duration(rule.Response), defaultTotal))
	return &egress.Request{
		URL: c.url, Fields: append(fields, c.headers...), Redact: secrets, Body: body,
		Connect: min(orDefault(time.Duration(rule.Connect), defaultConnect), probeConnect), Total: min(total, probeTotal),
		Identity: c.identity,
	}, nil
}

// beginProbe takes the slots of a request, or says how long there are none.
func (e *Engine) beginProbe(c *config, sent []time.Time, now time.Time) (l *lane, wait time.Duration, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running || e.stopping {
		return nil, 0, store.ErrClosed
	}
	if l = e.lane(c.endpoint.ID, now); l == nil {
		l = e.guest(c.endpoint.ID)
	}
	h := e.host(c.url)
	c.host = h
	wait = e.probeWait(l, c, sent, now)
	if wait > 0 {
		h.configs--
		e.tidy(h)
		return nil, wait, nil
	}
	l.busy = now
	l.gate.inFlight++
	l.gate.rate.busy++
	h.inFlight++
	e.inFlight++
	l.shard.busy++
	return l, 0, nil
}

// guest is a lane for a request to an endpoint that another process sends to:
// it is judged by what the store knows.
func (e *Engine) guest(id store.ID) *lane {
	l := newLane(id, &e.others, e.limits.PerEndpoint)
	l.kin.leave()
	l.dropped = true
	return l
}

// probeWait is how long a probe has to wait; 0: not at all. A rate that the
// lane does not know yet is judged by what the store knows of it.
func (e *Engine) probeWait(l *lane, c *config, sent []time.Time, now time.Time) time.Duration {
	if l.gate.inFlight >= c.slots || c.host.inFlight >= e.limits.PerHost || e.inFlight >= e.limits.Global {
		return probeAgain
	}
	if c.rate == 0 {
		return 0
	}
	crashed := l.shard.crashed
	if lost := crashed.Add(rateWindow + maxConnect).Sub(now); !l.rated && !crashed.IsZero() && lost > 0 {
		return lost // nobody knows what a crash cut off
	}
	r := rate{limit: c.rate, busy: l.gate.rate.busy, sent: l.gate.rate.sent}
	if !l.rated {
		r.sent = nil
		for _, t := range sent {
			r.insert(earlier(t.Add(maxConnect), now))
		}
	}
	ok, at := r.admit(now)
	switch {
	case ok:
		return 0
	case at.IsZero():
		return probeAgain
	}
	return max(at.Sub(now), time.Millisecond)
}

// endProbe gives the slots back.
func (e *Engine) endProbe(l *lane, c *config, written time.Time) {
	e.mu.Lock()
	defer e.unlock()
	now := time.Now()
	h := c.host
	e.inFlight--
	h.inFlight--
	h.configs--
	l.gate.inFlight--
	l.gate.rate.done(written)
	l.busy = now
	l.shard.busy--
	e.callUp(h, now)
	e.tidy(h)
	e.callOne(&e.crowd, 2, now)
	e.place(l, now)
	e.vacated(l.shard)
	e.pump(now)
	if e.stopping {
		e.signal()
	}
}
