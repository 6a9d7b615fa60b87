//go:build unix

package dashboard_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/internal/secret"
)

// TestTailOfManyProcesses: a live list shows what another process accepted, and
// ends when its visitor signed out at another.
func TestTailOfManyProcesses(t *testing.T) {
	t.Parallel()
	cluster, err := postgres.Start(t.Context(), postgres.Options{TCP: true})
	if errors.Is(err, postgres.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := cluster.Create(t.Context(), "webhooks", ""); err != nil {
		t.Fatal(err)
	}
	place := app.Options{Database: secret.Text(cluster.URL("webhooks"))}
	one := (&site{TB: t, T: t, receiver: newReceiver(t), master: secret.Text(app.NewMasterKey())}).start(place)
	two := (&site{TB: t, T: t, receiver: one.receiver, master: one.master, key: one.key}).start(place)
	elsewhere := two.owner() // the later start's link is the one that is good
	p, c := one.project("shop")
	_, err = c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: one.receiver.URL + "/hook", EventTypes: []string{"*"}})
	one.no(err)

	owner := one.visitor()
	owner.cookies["__Host-malote"] = elsewhere.cookies["__Host-malote"]
	base := "/p/" + p.ID
	events, deliveries := elsewhere.listen(base+"/events/live/stream"), elsewhere.listen(base+"/deliveries/live/stream")
	until(t, events, "live", func(m message) bool { return m.says != "" })
	id := one.event(c, "acme", "invoice.paid", "{}")
	until(t, events, "the other's event", func(m message) bool { return strings.Contains(m.html, id) })
	until(t, deliveries, "what came of it", func(m message) bool { return strings.Contains(m.html, "s-delivered") })
	owner.post("/signout")
	until(t, events, "over", func(m message) bool { return m.kind == "over" })
	until(t, deliveries, "over", func(m message) bool { return m.kind == "over" })
}
