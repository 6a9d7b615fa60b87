package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Sample is what a test sends in place of the dialect's test event.
type Sample struct {
	Type string
	Data []byte // nil: the type's first example
	// ExamplesOnly: who asks may send no data, and is not told to.
	ExamplesOnly bool
}

// Test makes the dialect's test event for one endpoint alone and has it kept.
// Errors: [store.ErrNotFound], [ErrInactive], [ErrDialect].
func (i *Ingester) Test(ctx context.Context, project, endpoint store.ID) (Result, error) {
	return i.TestSample(ctx, project, endpoint, nil)
}

// TestSample is Test with an event of a type (nil: the dialect's). Data that
// the caller chose is held to the rules of events. Errors: also [FieldErrors].
func (i *Ingester) TestSample(ctx context.Context, project, endpoint store.ID, sample *Sample) (Result, error) {
	for range matchTries {
		r, err := i.testOnce(ctx, project, endpoint, sample)
		if err == nil {
			err = r.Err
		}
		if !errors.Is(err, store.ErrStale) {
			return r, err
		}
	}
	return Result{}, ErrBusy
}

func (i *Ingester) testOnce(ctx context.Context, project, endpoint store.ID, sample *Sample) (Result, error) {
	// The version is read before the endpoint: a change between the two is seen.
	e, err := i.store.Endpoint(ctx, project, endpoint)
	if err != nil {
		return Result{}, err
	}
	subs, err := i.store.Subscriptions(ctx, project, e.Consumer)
	if err != nil {
		return Result{}, fmt.Errorf("subscriptions: %w", err)
	}
	if e, err = i.store.Endpoint(ctx, project, endpoint); err != nil {
		return Result{}, err
	}
	if e.State != store.Active {
		return Result{}, ErrInactive
	}
	d, ok := i.dialects(subs.Project.Dialect)
	if e.Consumer == store.SystemConsumer {
		d, ok = webhook.Standard(), true // as the server's own events
	}
	if !ok {
		return Result{}, fmt.Errorf("%w: %s", ErrDialect, subs.Project.Dialect)
	}
	eventType, data, err := i.testEvent(ctx, subs, d, e, sample)
	if err != nil {
		return Result{}, err
	}
	accepted, err := i.store.Accept(ctx, []*store.Acceptance{{
		Event: &store.Event{
			ProjectID: project, Consumer: e.Consumer, Type: eventType, Time: time.Now().UTC(), Data: data,
			Dialect: d.Ref(), Test: true,
		},
		Endpoints: []store.ID{endpoint}, Version: subs.Version,
	}})
	if err != nil {
		return Result{}, fmt.Errorf("keep the test event: %w", err)
	}
	a := accepted[0]
	return Result{EventID: a.EventID, Deliveries: a.Deliveries, Unreached: a.Unreached, Err: a.Err}, nil
}

// testEvent is what a test sends: its type and data.
func (i *Ingester) testEvent(ctx context.Context, subs *store.Subscriptions, d *webhook.Dialect, e *store.Endpoint, sample *Sample) (string, []byte, error) {
	if sample == nil || sample.Type == d.Test.Type && sample.Data == nil {
		var id webhook.ID // of the test, as the contract shows it; the event has its own
		_, _ = rand.Read(id[:])
		eventType, data := d.NewTest(id)
		return eventType, data, nil
	}
	var errs FieldErrors
	errs.AddText("/type", CheckType(sample.Type))
	r := &Request{Project: subs.Project.ID, Type: sample.Type, Consumer: e.Consumer, Data: sample.Data}
	if r.Data != nil {
		i.checkData(r, &errs)
	}
	if len(errs) > 0 {
		return "", nil, errs
	}
	if r.Data == nil {
		var err error
		if r.Data, err = i.example(ctx, subs.Project.ID, e.Consumer, d, sample); err != nil {
			return "", nil, err
		}
	}
	if err := d.CheckEvent(r.Consumer, r.Data); err != nil {
		return "", nil, misfit(err)
	}
	if subs.Rules != nil && e.Consumer != store.SystemConsumer {
		if err := i.judge(ctx, r, subs.Rules, d); err != nil {
			return "", nil, err
		}
	}
	return r.Type, r.Data, nil
}

// example is the first of a type: the project's own, else the dialect's; for
// the operator's endpoints the server's.
func (i *Ingester) example(ctx context.Context, project store.ID, consumer string, d *webhook.Dialect, sample *Sample) ([]byte, error) {
	name := sample.Type
	if consumer == store.SystemConsumer {
		return operationalExample(name)
	}
	t, err := i.store.EventType(ctx, project, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	known := catalogued(d, name)
	switch {
	case t != nil && len(t.Examples) > 0:
		return t.Examples[0], nil
	case known != nil && len(known.Example) > 0:
		return known.Example, nil
	case sample.ExamplesOnly:
		return nil, FieldErrors{{Pointer: "/type", Detail: lang.Text("has no example in this project, and with this key only examples are sent; GET /v1/event-types/{name} shows a type's examples, and without a type the test event is sent")}}
	case t == nil && known == nil:
		var errs FieldErrors
		errs.Add("/type", "is not an event type of this project, so there is no example to send; send data too, or see the types with GET /v1/event-types")
		return nil, errs
	}
	var errs FieldErrors
	errs.Add("/data", "is missing: the event type %s has no example; send data too, or give the type an example", name)
	return nil, errs
}

func operationalExample(name string) ([]byte, error) {
	for _, t := range store.OperationalTypes() {
		if t.Name == name {
			return t.Examples[0], nil
		}
	}
	return nil, FieldErrors{{Pointer: "/type", Detail: lang.Text("is not a type of operational events; see them with GET /v1/event-types?source=server")}}
}
