package deliver

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// TestAnUnknownDialectHolds: its deliveries wait, without losing a try and
// without holding up anybody else, and go out once it is known again.
func TestAnUnknownDialectHolds(t *testing.T) {
	known, err := webhook.NewCatalog()
	must(t, err)
	source := bytes.Replace(webhook.Standard().Source(), []byte(`"name": "standard"`), []byte(`"name": "acme"`), 1)
	acme, err := webhook.ParseDialect("acme.json", source)
	must(t, err)
	all, err := webhook.NewCatalog(acme)
	must(t, err)
	inBubble(t, func(t *testing.T, r *rig) {
		held := []*store.Endpoint{r.endpoint("acme", "a"), r.endpoint("acme", "b"), r.endpoint("acme", "c"), r.endpoint("acme", "d")}
		other := r.endpoint("standard", "other")
		for _, e := range held {
			r.update(e, setState(store.Paused))
			r.accept(e, 2)
		}
		r.halt()
		r.catalog = known
		r.start()
		for _, e := range held {
			r.update(e, setState(store.Active))
		}
		time.Sleep(10 * time.Minute)
		r.accept(other, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(r.got(other)); n != 1 {
			t.Errorf("the neighbour got %d, want 1", n)
		}
		for _, e := range held {
			if got := r.states(e); got[store.Pending] != 2 || len(r.attempts(r.deliveries(e)[0])) != 0 {
				t.Errorf("%v, %d attempts", got, len(r.attempts(r.deliveries(e)[0])))
			}
		}
		if n := strings.Count(r.log.String(), "wait for their dialect"); n != len(held) {
			t.Errorf("said %d times, want once for each endpoint:\n%s", n, r.log)
		}
		r.halt()
		r.catalog = all
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, e := range held {
			if got := r.states(e); got[store.Delivered] != 2 {
				t.Errorf("after its return: %v", got)
			}
		}
	}, func(r *rig) { r.catalog = all })
}
