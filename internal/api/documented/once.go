package documented

import (
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
)

// claims reads the request's Idempotency-Key, and the answer that the same
// request was given before. leave is called at the end.
func (c *call) claims(body []byte) (leave func(), err error) {
	keys := c.r.Header["Idempotency-Key"]
	switch {
	case len(keys) == 0:
		return func() {}, nil
	case len(keys) > 1:
		return nil, invalid("The header Idempotency-Key is given more than once")
	}
	if wrong := ingest.CheckKey(keys[0]); !wrong.IsZero() {
		return nil, invalid("The header Idempotency-Key " + wrong.String())
	}
	c.claim = api.ClaimOf(c.key, keys[0], c.r, body)
	if leave, err = c.d.store.TurnOf(c.r.Context(), c.claim); err != nil {
		return nil, err
	}
	if c.before, err = c.d.store.KeptAnswer(c.r.Context(), *c.claim); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// onceOf is what the store has to know of the request's claim; nil: it has none.
func (c *call) onceOf(view func(*store.Endpoint) any) *store.Once[store.Endpoint] {
	if c.claim == nil {
		return nil
	}
	return &store.Once[store.Endpoint]{Claim: *c.claim, Answer: func(e *store.Endpoint) ([]byte, error) { return api.Encode(view(e)) }}
}
