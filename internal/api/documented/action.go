package documented

import "reflect"

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
