package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
)

// TestEveryCallOfReplays goes through replays against a real server.
func TestEveryCallOfReplays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	root, url, _ := setup(t)
	p := must(root.CreateProject(ctx, client.NewProject{Name: "Loja", Environment: "development"}))(t)
	c := connect(t, url, must(root.CreateKey(ctx, p.ID, client.NewKey{Scopes: []string{"*"}}))(t).Key)
	e := must(c.CreateEndpoint(ctx, client.NewEndpoint{Consumer: "acme", URL: "https://example.com/", EventTypes: []string{"a"}}))(t)
	sent := must(c.Send(ctx, client.NewEvent{Type: "a", Consumer: "acme", Data: []byte(`1`)}))(t)
	d := all(t, c.Deliveries(ctx, client.DeliveryFilter{EventID: sent.ID}))[0]
	must(c.CancelDelivery(ctx, d.ID))(t)

	cancelled := client.NewReplay{Kind: client.Recover, EndpointID: e.ID, States: []string{"cancelled"}, EventTypes: []string{"a"}, From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), IdempotencyKey: "k"}
	if n := must(c.CountReplay(ctx, cancelled))(t); n.Matched != 1 || n.More {
		t.Errorf("%+v", n)
	}
	r := must(c.CreateReplay(ctx, cancelled))(t)
	if again := must(c.CreateReplay(ctx, cancelled))(t); again.ID != r.ID || r.Kind != client.Recover || r.EndpointID != e.ID || r.Consumer != "acme" || r.Matched != 1 || r.From == nil || r.Until == nil {
		t.Errorf("%+v %+v", r, again)
	}
	if r = over(t, c, r.ID); r.State != "done" || r.Done != 1 || *r.Progress != 1 || r.FinishedAt == nil || r.States[0] != "cancelled" || r.EventTypes[0] != "a" {
		t.Errorf("%+v", r)
	}
	if got := must(c.Delivery(ctx, d.ID))(t); got.State != "pending" {
		t.Errorf("%+v", got)
	}
	if _, err := c.CancelReplay(ctx, r.ID); !isKind(err, "conflict") {
		t.Errorf("%v", err)
	}
	late := must(c.CreateEndpoint(ctx, client.NewEndpoint{Consumer: "acme", URL: "https://example.com/", EventTypes: []string{"a"}}))(t)
	for want, start := range map[string]func(context.Context, string, time.Time) (*client.Replay, error){client.Recover: c.RecoverEndpoint, client.Missed: c.ReplayMissing} {
		if r := must(start(ctx, late.ID, time.Now().Add(-time.Hour)))(t); r.Kind != want || over(t, c, r.ID).State != "done" {
			t.Errorf("%+v", r)
		}
	}
	if rs := all(t, c.Replays(ctx, client.ReplayFilter{EndpointID: late.ID, Consumer: "acme", State: "done", PageSize: 1})); len(rs) != 2 {
		t.Errorf("%d replays", len(rs))
	}
	if got := must(c.ReplayEvent(ctx, sent.ID, e.ID))(t); got.EventID != sent.ID || len(got.Again) != 1 || got.Again[0] != d.ID || len(got.New) != 0 {
		t.Errorf("%+v", got)
	}
	if got := must(c.ReplayEvent(ctx, sent.ID, ""))(t); len(got.Again) != 2 {
		t.Errorf("%+v", got)
	}
}

func over(t *testing.T, c *client.Client, id string) *client.Replay {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if r := must(c.Replay(t.Context(), id))(t); r.State != "running" {
			return r
		}
	}
	t.Fatalf("%s is not over", id)
	return nil
}
