package documented

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/store"
)

// access is what a route asks of its caller.
type access string

// A public route takes no key: a secret in its path stands for one. The
// others take a consumer's key with a scope.
const (
	public access = "public"
	read   access = api.WebhooksRead
	write  access = api.WebhooksWrite
)

// route is one method on one path of a contract.
type route struct {
	method  string
	pattern string
	access  access
	status  int  // of the success
	own     bool // not in the company's documentation: a sibling of ours in its style
	action
}

// contract is a company's API.
type contract struct {
	name    string // of its dialect
	missing string // what it says of an endpoint that there is not
	style   style
	routes  []route
	mux     *http.ServeMux
}

// resource is one path with its methods.
type resource struct {
	methods map[string]*route
	allow   string
}

func newContract(d *Door, name string, s style, routes []route) *contract {
	c := &contract{name: name, missing: "Webhook not found", style: s, routes: routes, mux: http.NewServeMux()}
	paths := map[string]*resource{}
	for i := range routes {
		rt := &routes[i]
		res := paths[rt.pattern]
		if res == nil {
			res = &resource{methods: map[string]*route{}}
			paths[rt.pattern] = res
			c.mux.Handle(rt.pattern, res)
		}
		res.methods[rt.method] = rt
	}
	for _, res := range paths {
		var names []string
		for m := range res.methods {
			names = append(names, m)
		}
		slices.Sort(names)
		res.allow = strings.Join(names, ", ")
	}
	c.mux.Handle("/", &resource{})
	return c
}

// ServeHTTP answers a request whose contract is known.
func (res *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := w.(*call)
	c.r = r // with the values of the path
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rt := res.methods[method]
	switch {
	case rt == nil && c.contract.name != "" && c.key == nil && c.address == nil:
		c.fail(unauthorized()) // who has no key learns nothing of the routes
	case res.methods == nil:
		c.fail(&fault{status: http.StatusNotFound, err: "Not found"})
	case rt == nil:
		c.fail((&fault{status: http.StatusMethodNotAllowed, err: "Method not allowed"}).with("Allow", res.allow))
	default:
		c.run(rt)
	}
}

// run is every request to a route that exists: who asks, may he, what is it.
func (c *call) run(rt *route) {
	c.status, c.route = rt.status, rt
	if err := c.authorize(rt.access); err != nil {
		c.fail(err)
		return
	}
	if c.key != nil {
		request, _ := store.RequestName.Parse(c.Header().Get("X-Request-Id"))
		c.r = c.r.WithContext(store.WithActor(c.r.Context(), store.KeyActor(c.key, request)))
	}
	out, err := rt.run(c)
	if err != nil {
		c.fail(err)
		return
	}
	c.answer(out)
}

// rejudge asks again who the caller is and what he may: he may have held the
// body back for long.
func (c *call) rejudge() error {
	ctx := c.r.Context()
	if c.address != nil {
		path, _ := pathSecret(c.r.URL.Path)
		a, err := c.d.store.EndpointByPath(ctx, path)
		if errors.Is(err, store.ErrNotFound) {
			return notActive()
		}
		if err != nil {
			return err
		}
		if a.Endpoint == nil || c.address.Endpoint == nil || a.Endpoint.ID != c.address.Endpoint.ID {
			return notActive()
		}
		c.address = a
		return nil
	}
	if c.key == nil {
		return nil
	}
	key, err := api.KeyOf(ctx, c.d.store, c.r.Header)
	if err != nil {
		return err
	}
	c.key = key
	return c.authorize(c.route.access)
}

func (c *call) authorize(a access) error {
	switch {
	case a == public:
		return nil
	case c.key == nil:
		return unauthorized()
	case c.key.Consumer == "" || c.key.Consumer == store.SystemConsumer:
		return &fault{status: http.StatusForbidden, err: "Forbidden", message: "This API takes the key of one customer; this key is for the whole project"}
	case !api.Allows(c.key, string(a)):
		return &fault{status: http.StatusForbidden, err: "Forbidden", message: "This key lacks the scope " + string(a)}
	}
	return nil
}

// Route describes one call of a company's API.
type Route struct {
	Method, Pattern string
	Scope           string // of the key; empty where Public
	Public          bool   // it takes no key
	Status          int    // of the success
	Own             bool   // not in the company's documentation: a sibling in its style
}

// Routes lists the calls of a dialect's company, none where it documents no API.
func Routes(dialect string) []Route {
	var out []Route
	c := New(Options{}).contracts[dialect]
	if c == nil {
		return nil
	}
	for _, rt := range c.routes {
		d := Route{Method: rt.method, Pattern: rt.pattern, Public: rt.access == public, Status: rt.status, Own: rt.own}
		if !d.Public {
			d.Scope = string(rt.access)
		}
		out = append(out, d)
	}
	return out
}
