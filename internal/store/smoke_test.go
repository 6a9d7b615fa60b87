package store_test

import (
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

func TestSmoke(t *testing.T) {
	ring, _ := secret.NewKeyring(secret.NewMasterKey())
	dir := t.TempDir()
	ctx := t.Context()
	open := func() *store.DB {
		db, err := store.Open(ctx, store.Options{Dir: dir, Keyring: ring})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	p := &store.Project{Name: "x", Environment: store.Production, Dialect: "standard"}
	if err := db.CreateProject(ctx, p); err != nil {
		t.Fatal(err)
	}
	e := &store.Endpoint{ProjectID: p.ID, Consumer: "c", URL: "http://x/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "s"}}}
	if err := db.CreateEndpoint(ctx, e, 0); err != nil {
		t.Fatal(err)
	}
	s, err := db.Subscriptions(ctx, p.ID, "c")
	if err != nil || len(s.Endpoints) != 1 {
		t.Fatal(s, err)
	}
	out, err := db.Accept(ctx, []*store.Acceptance{{Event: &store.Event{ProjectID: p.ID, Consumer: "c", Type: "a.b", Data: []byte("{}")}, Endpoints: []store.ID{e.ID}, Version: s.Version}})
	if err != nil || out[0].Err != nil {
		t.Fatal(out, err)
	}
	works, err := db.LoadDue(ctx, e.ID, store.Place{}, 10, 1<<20)
	if err != nil || len(works) != 1 {
		t.Fatal(works, err)
	}
	pe, err := db.PendingEndpoints(ctx, store.ID{}, 10)
	if err != nil || len(pe) != 1 {
		t.Fatal(pe, err)
	}
	t.Logf("%+v", db.Health(ctx))
	ds, err := db.Deliveries(ctx, p.ID, store.Filter{})
	if err != nil || len(ds.Items) != 1 || ds.Items[0].State != store.Pending {
		t.Fatal(ds, err)
	}
	done := make(chan error)
	db.Finish(&store.Outcome{Work: works[0], State: store.Failed, Reason: "exhausted", Attempt: store.Attempt{At: time.Now(), Number: 1, Status: 500}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	ds, err = db.Deliveries(ctx, p.ID, store.Filter{State: store.Failed})
	if err != nil || len(ds.Items) != 1 {
		t.Fatal(ds, err)
	}
	as, err := db.Attempts(ctx, p.ID, ds.Items[0].ID, 0, 10)
	if err != nil || len(as) != 1 || as[0].Status != 500 {
		t.Fatal(as, err)
	}
	if _, err := db.RetryDelivery(ctx, p.ID, ds.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	d, n, err := db.CancelDelivery(ctx, p.ID, ds.Items[0].ID)
	t.Log(d, n, err)
	if _, err := db.DeleteEndpoint(ctx, p.ID, e.ID); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Prune(ctx, time.Now().Add(time.Hour), 1000); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	ev, err := db.Events(ctx, p.ID, store.Filter{})
	if err != nil || len(ev.Items) != 0 {
		t.Fatal(ev, err)
	}
	if _, err := db.Reseal(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", db.Health(ctx))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
