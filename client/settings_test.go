package client_test

import (
	"reflect"
	"testing"

	"github.com/malote-dev/malote/client"
)

// TestEndpointSettings: an endpoint's own settings there and back, and an
// event with channels.
func TestEndpointSettings(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	root, url, _ := setup(t)
	p := must(root.CreateProject(ctx, client.NewProject{Name: "Loja", Environment: "development"}))(t)
	c := connect(t, url, must(root.CreateKey(ctx, p.ID, client.NewKey{Scopes: []string{"*"}}))(t).Key)
	e := must(c.CreateEndpoint(ctx, client.NewEndpoint{
		Consumer: "acme", URL: "https://example.com/", EventTypes: []string{"*"}, Concurrency: 2, Timeout: 7, RetrySchedule: []int{},
		Channels: []string{"b", "a"}, Filter: "data.n > 1", Auth: &client.EndpointAuth{Type: "basic", Username: "u"},
	}))(t)
	if *e.Concurrency != 2 || *e.Timeout != 7 || e.RetrySchedule == nil || len(e.RetrySchedule) != 0 || !reflect.DeepEqual(e.Channels, []string{"a", "b"}) ||
		e.Filter != "data.n > 1" || e.Auth.Username != "u" || e.Auth.Password != "[redacted]" || e.Certificate != nil {
		t.Errorf("%+v", e)
	}
	e = must(c.UpdateEndpoint(ctx, e.ID, client.EndpointChange{RetrySchedule: client.Set([]int{60, 120}), Auth: client.Set(*e.Auth), Timeout: client.Null[int]()}))(t)
	if !reflect.DeepEqual(e.RetrySchedule, []int{60, 120}) || e.Auth == nil || e.Timeout != nil {
		t.Errorf("%+v", e)
	}
	for _, f := range []client.EndpointFilter{{}, {States: []string{"active", "paused"}, EventType: "t", Search: "EXAMPLE"}} {
		if es := all(t, c.Endpoints(ctx, f)); len(es) != 1 || es[0].ID != e.ID {
			t.Errorf("%+v: %+v", f, es)
		}
	}
	if es := all(t, c.Endpoints(ctx, client.EndpointFilter{States: []string{"disabled"}})); len(es) != 0 {
		t.Errorf("%+v", es)
	}
	sent := must(c.Send(ctx, client.NewEvent{Type: "t", Consumer: "acme", Data: []byte(`{"n":2}`), Channels: []string{"x", "b"}}))(t)
	if sent.Deliveries != 1 {
		t.Errorf("%+v", sent)
	}
	if ev := must(c.Event(ctx, sent.ID))(t); !reflect.DeepEqual(ev.Channels, []string{"b", "x"}) {
		t.Errorf("%+v", ev)
	}
	zero := 0
	rotated := must(c.RotateSecret(ctx, e.ID, client.Rotation{Overlap: &zero, IdempotencyKey: "r"}))(t)
	if again := must(c.RotateSecret(ctx, e.ID, client.Rotation{Overlap: &zero, IdempotencyKey: "r"}))(t); rotated.Secret == "" || again.Secret != rotated.Secret || len(again.Secrets) != 1 {
		t.Errorf("%+v", rotated)
	}
	batch := must(c.SendBatch(ctx, []client.NewEvent{
		{Type: "t", Consumer: "acme", Data: []byte(`{"n":2}`), Channels: []string{"x"}}, {Type: "t", Consumer: "acme", Data: []byte(`{"n":1}`), Channels: []string{"a"}},
	}, ""))(t)
	if batch.Results[0].Deliveries+batch.Results[1].Deliveries != 0 || batch.Results[0].Unreached == batch.Results[1].Unreached {
		t.Errorf("%+v", batch)
	}
	e = must(c.UpdateEndpoint(ctx, e.ID, client.EndpointChange{
		RetrySchedule: client.Null[[]int](), Auth: client.Null[client.EndpointAuth](), Filter: client.Set(""), Channels: client.Null[[]string](), Concurrency: client.Set(0),
	}))(t)
	if e.RetrySchedule != nil || e.Auth != nil || e.Filter != "" || len(e.Channels) != 0 || e.Concurrency != nil {
		t.Errorf("%+v", e)
	}
}

// TestPreview: the last events of a customer, one of them, and a sample.
func TestPreview(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	root, url, _ := setup(t)
	p := must(root.CreateProject(ctx, client.NewProject{Name: "Loja", Environment: "development"}))(t)
	c := connect(t, url, must(root.CreateKey(ctx, p.ID, client.NewKey{Scopes: []string{"*"}}))(t).Key)
	e := must(c.CreateEndpoint(ctx, client.NewEndpoint{Consumer: "acme", URL: "https://example.com/", EventTypes: []string{"*"}, Filter: "data.n > 1"}))(t)
	sent := must(c.Send(ctx, client.NewEvent{Type: "t", Consumer: "acme", Data: []byte(`{"n":2}`)}))(t)
	must(c.Send(ctx, client.NewEvent{Type: "t", Consumer: "acme", Data: []byte(`{"n":1}`)}))(t)
	got := must(c.PreviewEndpoint(ctx, client.Preview{EndpointID: e.ID}))(t)
	if got.Judged != 2 || got.Matched != 1 || got.More || got.Results[0].Reason != "filter" || !got.Results[1].Matched || got.Results[1].EventID != sent.ID {
		t.Errorf("%+v", got)
	}
	if got := must(c.PreviewEndpoint(ctx, client.Preview{EndpointID: e.ID, EventID: sent.ID}))(t); got.Results[0].DeliveryID == "" {
		t.Errorf("%+v", got)
	}
	if got := must(c.PreviewEndpoint(ctx, client.Preview{EndpointID: e.ID, Filter: new(string), Limit: 1}))(t); got.Matched != 1 || !got.More {
		t.Errorf("%+v", got)
	}
	sample := client.NewEvent{Type: "t", Data: []byte(`{"m":1.0}`), Channels: []string{"a"}, Timestamp: e.CreatedAt}
	got = must(c.PreviewEndpoint(ctx, client.Preview{EndpointID: e.ID, Channels: []string{"a"}, Events: []client.NewEvent{sample}}))(t)
	if r := got.Results[0]; !r.Matched || r.Problem != "missing_field" || r.EventID != "" || !r.Timestamp.Equal(e.CreatedAt) || r.Detail == "" {
		t.Errorf("%+v", r)
	}
	if _, err := c.PreviewEndpoint(ctx, client.Preview{}); !isKind(err, "invalid-value") {
		t.Errorf("%v", err)
	}
}
