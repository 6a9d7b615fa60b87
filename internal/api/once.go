package api

import (
	"errors"
	"reflect"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
)

// creates is an action with a JSON body that makes something. With the header
// Idempotency-Key a repeat makes nothing: it gets the first answer, byte for
// byte, also the secret that was shown in it. What is refused is not kept, so
// that it may be sent again, corrected.
func creates[In, Out any](h func(*call, *In) (Out, error)) action {
	return action{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), once: true, run: func(c *call) error {
		if err := noQuery(c); err != nil {
			return err
		}
		body, err := c.body()
		if err != nil {
			return err
		}
		if c.claim, err = c.claims(body); err != nil {
			return err
		}
		if c.claim != nil { // before anything is judged: what was right then may be wrong now
			leave, err := c.s.store.TurnOf(c.r.Context(), c.claim)
			if err != nil {
				return err
			}
			defer leave()
			before, err := c.s.store.KeptAnswer(c.r.Context(), *c.claim)
			if before != nil || err != nil {
				return c.replay(before, err)
			}
		}
		var in In
		if err := decodeBody(body, &in); err != nil {
			return err
		}
		out, err := h(c, &in)
		if err != nil || c.before != nil {
			return c.replay(c.before, err)
		}
		return c.answer(out)
	}}
}

// claims is what the request's Idempotency-Key claims; nil: it has none.
func (c *call) claims(body []byte) (*store.Claim, error) {
	key, err := c.idempotencyKey()
	if err != nil {
		return nil, err
	}
	if _, given := c.r.Header["Idempotency-Key"]; !given {
		return nil, nil //nolint:nilnil // no key is no claim
	}
	if detail := ingest.CheckKey(key); !detail.IsZero() {
		return nil, keyProblem(detail)
	}
	return ClaimOf(c.key, key, c.r, body), nil
}

// onceOf is what the store has to know of the request's claim; nil: it has
// none. view is the answer to the creation.
func onceOf[T any](c *call, view func(*T) any) *store.Once[T] {
	if c.claim == nil {
		return nil
	}
	return &store.Once[T]{Claim: *c.claim, Answer: func(made *T) ([]byte, error) { return encode(view(made)) }}
}

// replay answers as before.
func (c *call) replay(before []byte, err error) error {
	if errors.Is(err, store.ErrReused) {
		return kindKeyReused.problem("this Idempotency-Key was used with another request within the last 24 hours; nothing was made")
	}
	if err != nil {
		return err
	}
	c.w.Header()["Idempotent-Replayed"] = isTrue
	c.write(isJSON, before)
	return nil
}
