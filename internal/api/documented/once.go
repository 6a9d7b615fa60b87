package documented

import (
	"bytes"
	"encoding/json"

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
	c.claim = &store.Claim{
		Project: c.key.ProjectID, Consumer: c.key.Consumer, Caller: c.key.ID, Key: keys[0], Request: store.HashRequest(c.r.Method, c.r.URL.Path, body),
	}
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
	return &store.Once[store.Endpoint]{Claim: *c.claim, Answer: func(e *store.Endpoint) ([]byte, error) { return encode(view(e)) }}
}

// encode writes an answer as it goes out.
func encode(out any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(out)
	return b.Bytes(), err
}
