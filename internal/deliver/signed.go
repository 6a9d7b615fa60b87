package deliver

import (
	"context"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Sign makes the request of a delivery's next attempt, signed now, and sends
// nothing. Errors: [store.ErrNotFound] where the endpoint is gone; an
// [*egress.Error] where it cannot be made.
func (e *Engine) Sign(ctx context.Context, d *store.Delivery, event *store.Event) (*egress.Request, error) {
	known, err := e.store.Lane(ctx, d.EndpointID)
	if err != nil {
		return nil, err
	}
	c := e.configure(known)
	if c.url.Host == "" {
		return nil, &egress.Error{Class: store.ClassRender, Detail: lang.Keep("the endpoint's URL cannot be read")}
	}
	it := &item{config: c, work: &store.Work{ID: d.ID, EndpointID: d.EndpointID, Event: event, Attempts: d.Attempts, LastAt: d.FinishedAt}}
	s := &scratch{}
	if err := e.render(it, s, &attempt{at: time.Now()}); err != nil {
		return nil, &egress.Error{Class: store.ClassRender, Detail: err.Error()}
	}
	return &s.request, nil
}
