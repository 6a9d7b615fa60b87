package api

import (
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits of bodies in bytes. A single event may have as much around its data
// as envelope allows.
const (
	smallBody   = 64 << 10
	projectBody = 128 << 10 // a logo is in it
	noBody      = 1 << 10   // what takes no fields takes an empty body, or {}
	batchBody   = 8 << 20
	envelope    = 16 << 10
)

// MaxBatch is how many events one batch may hold.
const MaxBatch = 1000

// route is one method on one path.
type route struct {
	method  string
	pattern string // of net/http.ServeMux, without the method
	summary string
	scope   scope
	root    bool  // a root key may, too
	whole   bool  // a key of one consumer may not
	safe    bool  // changes nothing, though it is no GET
	body    int64 // limit in bytes; 0: none is read
	status  int   // of the success
	action

	speaks  bool                   // its answer has texts for people
	observe [6]prometheus.Observer // by the status's first digit
}

// action is what a route does, and with which types: a description of the API
// is made of them.
type action struct {
	in    reflect.Type // of the body; nil: none
	query reflect.Type // of the parameters; nil: none
	out   reflect.Type // of the success's body; nil: not JSON
	once  bool         // takes an Idempotency-Key
	run   func(*call) error
}

// none is the input of a route that takes no fields.
type none struct{}

// routes is the whole API, one function for each group.
func (s *server) routes() []*route {
	return slices.Concat(
		s.projectRoutes(),
		s.keyRoutes(),
		s.consumerRoutes(),
		s.portalRoutes(),
		s.endpointRoutes(),
		s.linkRoutes(),
		s.eventTypeRoutes(),
		s.eventRoutes(),
		s.dialectRoutes(),
		s.deliveryRoutes(),
		s.replayRoutes(),
		s.statsRoutes(),
		s.auditRoutes(),
		s.inspectorRoutes(),
		s.mailRoutes(),
		s.serverRoutes(),
	)
}

func (s *server) projectRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/projects", summary: "Create a project", scope: root, body: projectBody, status: 201, action: creates(s.createProject)},
		{method: "GET", pattern: "/v1/projects", summary: "List projects", scope: root, status: 200, action: asks(s.listProjects)},
		{method: "PATCH", pattern: "/v1/projects/{id}", summary: "Change a project: its name, host name, event types, addresses for notices", scope: root, body: projectBody, status: 200, action: takes(s.patchProject)},
		{method: "GET", pattern: "/v1/projects/{id}", summary: "Read a project", scope: root, status: 200, action: gives(s.getProject)},
		{method: "DELETE", pattern: "/v1/projects/{id}", summary: "Delete a project that has no endpoints", scope: root, body: noBody, status: 200, action: takes(s.deleteProject)},
	}
}

func (s *server) keyRoutes() []*route {
	return []*route{
		{method: "GET", pattern: "/v1/me", summary: "What is this key?", scope: anyKey, status: 200, action: gives(s.getMe)},
		{method: "GET", pattern: "/v1/egress-addresses", summary: "Where do webhooks come from?", scope: anyKey, status: 200, action: gives(s.getEgress)},
		{method: "POST", pattern: "/v1/projects/{id}/keys", summary: "Create a key", scope: keysWrite, root: true, whole: true, body: smallBody, status: 201, action: creates(s.createKey)},
		{method: "GET", pattern: "/v1/projects/{id}/keys", summary: "List a project's keys", scope: keysRead, root: true, whole: true, status: 200, action: asks(s.listKeys)},
		{method: "DELETE", pattern: "/v1/projects/{id}/keys/{key}", summary: "Revoke a key", scope: keysWrite, root: true, whole: true, body: noBody, status: 200, action: takes(s.revokeKey)},
		{method: "POST", pattern: "/v1/keys", summary: "Create a root key", scope: root, body: smallBody, status: 201, action: creates(s.createRootKey)},
		{method: "GET", pattern: "/v1/keys", summary: "List the root keys", scope: root, status: 200, action: asks(s.listRootKeys)},
		{method: "DELETE", pattern: "/v1/keys/{key}", summary: "Revoke a root key", scope: root, body: noBody, status: 200, action: takes(s.revokeRootKey)},
	}
}

func (s *server) consumerRoutes() []*route {
	return []*route{
		{method: "PUT", pattern: "/v1/consumers/{uid}", summary: "Create or change a consumer: its name, addresses for notices", scope: consumersWrite, body: smallBody, status: 200, action: takes(s.putConsumer)},
		{method: "GET", pattern: "/v1/consumers", summary: "List consumers", scope: consumersRead, status: 200, action: asks(s.listConsumers)},
		{method: "GET", pattern: "/v1/consumers/{uid}", summary: "Read a consumer", scope: consumersRead, status: 200, action: gives(s.getConsumer)},
		{method: "DELETE", pattern: "/v1/consumers/{uid}", summary: "Delete a consumer with its endpoints", scope: consumersWrite, body: noBody, status: 200, action: takes(s.deleteConsumer)},
	}
}

func (s *server) endpointRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/endpoints", summary: "Create an endpoint", scope: endpointsWrite, body: smallBody, status: 201, action: creates(s.createEndpoint)},
		{method: "GET", pattern: "/v1/endpoints", summary: "List endpoints", scope: endpointsRead, status: 200, action: asks(s.listEndpoints)},
		{method: "POST", pattern: "/v1/endpoints/preview", summary: "See which events an endpoint would have got", scope: eventsRead, safe: true, body: int64(s.ingest.MaxData()) + envelope, status: 200, action: takes(s.previewEndpoint)},
		{method: "GET", pattern: "/v1/endpoints/{id}", summary: "Read an endpoint", scope: endpointsRead, status: 200, action: gives(s.getEndpoint)},
		{method: "PATCH", pattern: "/v1/endpoints/{id}", summary: "Change an endpoint", scope: endpointsWrite, body: smallBody, status: 200, action: takes(s.patchEndpoint)},
		{method: "DELETE", pattern: "/v1/endpoints/{id}", summary: "Delete an endpoint", scope: endpointsWrite, body: noBody, status: 200, action: takes(s.deleteEndpoint)},
		{method: "POST", pattern: "/v1/endpoints/{id}/secret/rotate", summary: "Rotate an endpoint's signing secret", scope: endpointsWrite, body: smallBody, status: 200, action: creates(s.rotateSecret)},
		{method: "POST", pattern: "/v1/endpoints/{id}/pause", summary: "Pause an endpoint", scope: endpointsWrite, body: noBody, status: 200, action: takes(s.pauseEndpoint)},
		{method: "POST", pattern: "/v1/endpoints/{id}/resume", summary: "Resume an endpoint", scope: endpointsWrite, body: noBody, status: 200, action: takes(s.resumeEndpoint)},
		{method: "POST", pattern: "/v1/endpoints/{id}/test", summary: "Send a test event to an endpoint", scope: endpointsWrite, body: int64(s.ingest.MaxData()) + envelope, status: 202, action: takes(s.testEndpoint)},
		{method: "POST", pattern: "/v1/endpoints/{id}/probe", summary: "Ask whether an endpoint's receiver verifies", scope: endpointsWrite, body: noBody, status: 200, action: takes(s.probeEndpoint)},
		{method: "POST", pattern: "/v1/endpoints/{id}/checkup", summary: "Check an endpoint's receiver up", scope: endpointsWrite, body: noBody, status: 200, action: takes(s.checkupEndpoint)},
	}
}

func (s *server) eventRoutes() []*route {
	single := int64(s.ingest.MaxData()) + envelope
	return []*route{
		{method: "POST", pattern: "/v1/events", summary: "Send an event", scope: eventsWrite, body: single, status: 202, action: reads[eventInput, eventAccepted](s.postEvent)},
		{method: "POST", pattern: "/v1/events/batch", summary: "Send up to 1,000 events", scope: eventsWrite, body: batchBody, status: 202, action: reads[batchInput, batchAnswer](s.postBatch)},
		{method: "GET", pattern: "/v1/events", summary: "List events", scope: eventsRead, status: 200, action: asks(s.listEvents)},
		{method: "GET", pattern: "/v1/events/{id}", summary: "Read an event with its data", scope: eventsRead, status: 200, action: gives(s.getEvent)},
	}
}

func (s *server) dialectRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/verify", summary: "Explain why a request verifies, or why it does not", scope: anyKey, safe: true, body: maxExplainRoute, status: 200, action: takes(s.verify)},
		{method: "POST", pattern: "/v1/dialects/preview", summary: "See an event in every dialect", scope: eventsRead, safe: true, whole: true, body: int64(s.ingest.MaxData()) + envelope, status: 200, action: takes(s.renderEvent)},
	}
}

func (s *server) deliveryRoutes() []*route {
	return []*route{
		{method: "GET", pattern: "/v1/deliveries", summary: "List deliveries", scope: deliveriesRead, status: 200, action: asks(s.listDeliveries)},
		{method: "GET", pattern: "/v1/deliveries/{id}", summary: "Read a delivery", scope: deliveriesRead, status: 200, action: gives(s.getDelivery)},
		{method: "GET", pattern: "/v1/deliveries/{id}/attempts", summary: "List a delivery's attempts", scope: deliveriesRead, status: 200, action: asks(s.listAttempts)},
		{method: "POST", pattern: "/v1/deliveries/{id}/retry", summary: "Make a delivery due now", scope: deliveriesWrite, body: noBody, status: 202, action: takes(s.retryDelivery)},
		{method: "POST", pattern: "/v1/deliveries/{id}/sign", summary: "Sign a delivery's request anew, and show it", scope: deliveriesWrite, body: noBody, status: 200, action: takes(s.signDelivery)},
		{method: "POST", pattern: "/v1/deliveries/{id}/cancel", summary: "End a pending delivery", scope: deliveriesWrite, body: noBody, status: 200, action: takes(s.cancelDelivery)},
	}
}

func (s *server) serverRoutes() []*route {
	return []*route{
		{method: "GET", pattern: "/v1/nodes", summary: "List the processes that serve", scope: root, status: 200, action: gives(s.listNodes)},
		{method: "GET", pattern: "/healthz", summary: "Is the process alive?", scope: public, status: 200, action: gives(s.healthz)},
		{method: "GET", pattern: "/readyz", summary: "Would a 2xx be true?", scope: public, status: 200, action: gives(s.readyz)},
		{method: "GET", pattern: "/metrics", summary: "Metrics for Prometheus", scope: public, status: 200, action: action{run: s.metricsPage}},
		{method: "GET", pattern: "/openapi.json", summary: "This API, described in OpenAPI 3.1", scope: public, status: 200, action: action{run: s.openAPI}},
		{method: "GET", pattern: "/docs", summary: "This API, described for people", scope: public, status: 200, action: action{run: s.docsPage}},
		{method: "GET", pattern: "/openapi/{document}", summary: "A company's own API, described in OpenAPI 3.1", scope: public, status: 200, action: action{run: s.openAPIOf}},
		{method: "GET", pattern: "/docs/{contract}", summary: "A company's own API, described for people", scope: public, status: 200, action: action{run: s.docsPageOf}},
	}
}

// takes is an action with a JSON body.
func takes[In, Out any](h func(*call, *In) (Out, error)) action {
	return action{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), run: func(c *call) error {
		if err := noQuery(c); err != nil {
			return err
		}
		if err := noIdempotencyKey(c); err != nil {
			return err
		}
		body, err := c.body()
		if err != nil {
			return err
		}
		var in In
		if err := decodeBody(body, &in); err != nil {
			return err
		}
		out, err := h(c, &in)
		if err != nil {
			return err
		}
		return c.answer(out)
	}}
}

// asks is an action with parameters in the query.
func asks[Query, Out any](h func(*call, *Query) (Out, error)) action {
	return action{query: reflect.TypeFor[Query](), out: reflect.TypeFor[Out](), run: func(c *call) error {
		var q Query
		if err := c.query(&q); err != nil {
			return err
		}
		out, err := h(c, &q)
		if err != nil {
			return err
		}
		return c.answer(out)
	}}
}

// gives is an action that takes nothing but its path.
func gives[Out any](h func(*call) (Out, error)) action {
	return action{out: reflect.TypeFor[Out](), run: func(c *call) error {
		if err := noQuery(c); err != nil {
			return err
		}
		out, err := h(c)
		if err != nil {
			return err
		}
		return c.answer(out)
	}}
}

// waits is an action with parameters in the query that may find nothing: then
// out is nil, and the answer 204.
func waits[Query, Out any](h func(*call, *Query) (out *Out, err error)) action {
	return action{query: reflect.TypeFor[Query](), out: reflect.TypeFor[Out](), run: func(c *call) error {
		var q Query
		if err := c.query(&q); err != nil {
			return err
		}
		out, err := h(c, &q)
		if err != nil {
			return err
		}
		if out == nil {
			c.status = http.StatusNoContent
			c.w.WriteHeader(c.status)
			return nil
		}
		return c.answer(out)
	}}
}

// reads is an action that reads its body by itself; In describes it.
func reads[In, Out any](h func(*call, []byte) (Out, error)) action {
	return action{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), once: true, run: func(c *call) error {
		if err := noQuery(c); err != nil {
			return err
		}
		body, err := c.body()
		if err != nil {
			return err
		}
		out, err := h(c, body)
		if err != nil {
			return err
		}
		return c.answer(out)
	}}
}

// resource is one path with its methods.
type resource struct {
	s       *server
	methods map[string]*route
	allow   string
}

func (s *server) serveMux(routes []*route) *http.ServeMux {
	paths := map[string]*resource{}
	mux := http.NewServeMux()
	for _, rt := range routes {
		s.metrics.prepare(rt)
		rt.speaks = speaks(rt.out)
		res := paths[rt.pattern]
		if res == nil {
			res = &resource{s: s, methods: map[string]*route{}}
			paths[rt.pattern] = res
			mux.Handle(rt.pattern, res)
		}
		res.methods[rt.method] = rt
		if rt.method == "GET" {
			res.methods["HEAD"] = rt
		}
	}
	for _, res := range paths {
		var names []string
		for m := range res.methods {
			names = append(names, m)
		}
		slices.Sort(names)
		res.allow = strings.Join(names, ", ")
	}
	mux.Handle("/", &resource{s: s}) // everything else
	return mux
}

// ServeHTTP answers every request; what ServeMux would redirect or answer in
// plain text is a problem like any other.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := r.URL.EscapedPath()
	odd := path.Clean(p) != p || r.Method == http.MethodConnect
	switch {
	case s.outside != nil && (isOutside(r.URL.Path) || odd && isOutside(path.Clean(r.URL.Path))):
		s.outside.ServeHTTP(w, r)
	case odd:
		(&resource{s: s}).ServeHTTP(w, r)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

func (res *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := res.methods[r.Method]
	if rt == nil {
		rt = res.s.metrics.unknown
	}
	c := res.s.begin(rt, w, r)
	defer c.end()
	switch {
	case res.methods == nil && r.URL.Path == "/":
		c.fail(kindRoute.problem("this is the address of an API, and no page is here").fixed("Read /docs of this server, or for programs /openapi.json."))
	case res.methods == nil:
		c.fail(kindRoute.problem("no route has this path"))
	case rt == res.s.metrics.unknown && res.preflight(c):
	case rt == res.s.metrics.unknown:
		c.fail(kindMethod.problemf("this path takes %s", res.allow).with("Allow", res.allow))
	default:
		c.run()
	}
}
