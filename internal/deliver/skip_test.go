package deliver

import (
	"context"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestResumeSkips: nothing that was held is sent after the answer, and what
// comes later is.
func TestResumeSkips(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{after: time.Second, status: 500})
		r.accept(ep, 400)
		after(500 * time.Millisecond)
		r.update(ep, setState(store.Paused))
		r.accept(ep, 100)
		_, skipped, inFlight, err := r.db.ResumeSkipping(context.Background(), ep.ProjectID, ep.ID, func(e *store.Endpoint) error {
			setState(store.Active)(e)
			return nil
		})
		must(t, err)
		if skipped.Count != 500 || inFlight != 16 {
			t.Errorf("%+v with %d in flight", skipped, inFlight)
		}
		r.accept(ep, 10)
		after(time.Second)
		r.always(reply{})
		after(time.Hour)
		if n := len(r.got(ep)); n < 16+10 || n > 16+20 {
			t.Errorf("%d arrivals", n)
		}
		if s := r.states(ep); s[store.Delivered] != 10 || s[store.Cancelled] != 500 {
			t.Errorf("%v", s)
		}
		r.quiet()
	})
}
