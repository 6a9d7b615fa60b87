package documented

import (
	"encoding/json"
	"reflect"
)

// action is what a route does, and with which types: the description of the
// API is made of them.
type action struct {
	in, query, out reflect.Type // nil: none
	run            func(*call) (any, error)
}

// gives is an action that takes nothing but its path.
func gives[Out any](h func(*call) (*Out, error)) action {
	return action{out: reflect.TypeFor[Out](), run: func(c *call) (any, error) { return h(c) }}
}

// takes is an action with a JSON body.
func takes[In, Out any](h func(*call, *In) (*Out, error)) action {
	return action{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), run: func(c *call) (any, error) {
		var in In
		if err := c.read(&in); err != nil {
			return nil, err
		}
		return h(c, &in)
	}}
}

// creates is takes for what makes something. With the header Idempotency-Key, of
// which the companies say nothing, a repeat makes nothing and gets the first answer.
func creates[In, Out any](h func(*call, *In) (*Out, error)) action {
	a := takes(h)
	a.run = func(c *call) (any, error) {
		body, err := c.body(maxBody)
		if err != nil {
			return nil, err
		}
		leave, err := c.claims(body)
		if err != nil {
			return nil, err
		}
		defer leave()
		var in In
		if c.before == nil {
			if err := decode(body, &in); err != nil {
				return nil, err
			}
			out, err := h(c, &in)
			if err != nil || c.before == nil {
				return out, err
			}
		}
		c.Header().Set("Idempotent-Replayed", "true")
		return json.RawMessage(c.before), nil
	}
	return a
}

// asks is an action that reads its parameters by itself; Query describes them.
func asks[Query, Out any](h func(*call) (*Out, error)) action {
	a := gives(h)
	a.query = reflect.TypeFor[Query]()
	return a
}

// receives is an action that reads its body by itself; In describes it.
func receives[In, Out any](h func(*call) (*Out, error)) action {
	a := gives(h)
	a.in = reflect.TypeFor[In]()
	return a
}

// ends is an action whose success has no body.
func ends(h func(*call) error) action {
	return action{run: func(c *call) (any, error) { return nil, h(c) }}
}
