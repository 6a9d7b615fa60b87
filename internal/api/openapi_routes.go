package api

import "github.com/malote-dev/malote/internal/store"

// routeWords say of a route what the table of routes does not.
type routeWords struct {
	id       string // operationId
	tag      string
	text     string
	in       typeWords // where the type of the body stands for two things
	also     []int     // statuses of a success, besides the route's
	problems []int     // statuses, besides those that follow from the route's declaration
	example  string    // a body, in JSON
	media    string    // of the answer, where it is not JSON
	pages    bool      // what is no success is of that media type, too
}

// tags are the groups of routes.
var tags = []documentTag{
	{"Projects", "One product in one environment. These routes take a root key."},
	{"Consumers", "Your customers, known by your own ids."},
	{"Endpoints", "URLs of a consumer, with the event types that each wants."},
	{"Event types", "What events there are: described, with schemas and examples. Those of the project's dialect are there from the start."},
	{"Events", "What happened: kept with its deliveries in one durable commit."},
	{"Deliveries", "Events on their way to endpoints, and every attempt."},
	{"Dialects", "The wire contracts: why a request verifies in one, or does not."},
	{"Replays", "What failed, or was missed, sent again: by filter in the background, or one event at once."},
	{"Stats", "What happened to a project, a consumer or an endpoint, counted."},
	{"Inspectors", "Throw-away addresses that keep what arrives, for people and tests to look at."},
	{"Access", "Who may do what, and who did what: keys, sessions for a customer's own pages, links that show a secret once, the audit log."},
	{"Server", "How the server is, and what it can do. These routes take no key."},
}

// routesWords are the routes, by method and pattern.
var routesWords = merged(accessRoutes, replayRoutes, keyRoutesWords, statsRoutes, catalogueRoutes, mailRoutesWords, nodeRoutes, dialectRoutesWords, inspectorRoutesWords, map[string]routeWords{
	"POST /v1/projects":        {id: "createProject", tag: "Projects", text: "A project is one product in one environment.", problems: []int{409, 422}, example: `{"name":"Shop","environment":"production","dialect":"standard"}`},
	"GET /v1/projects":         {id: "listProjects", tag: "Projects", text: "Oldest first."},
	"GET /v1/projects/{id}":    {id: "getProject", tag: "Projects"},
	"DELETE /v1/projects/{id}": {id: "deleteProject", tag: "Projects", text: "Its keys and portal sessions end at once, its name and its host name are free. What was sent stays until it is pruned, and so does its audit log, which is still read with its id. A project that has endpoints is a 409: delete its consumers first.", problems: []int{409}},
	"PATCH /v1/projects/{id}":  {id: "updateProject", tag: "Projects", text: "What is absent stays; null takes the host name away.", problems: []int{409, 422}, example: `{"host":"api.example.com"}`},

	"PUT /v1/consumers/{uid}":    {id: "putConsumer", tag: "Consumers", text: "201 where it is new, 200 where it was there. An endpoint creates its consumer on first mention.", also: []int{201}, problems: []int{422}, example: `{"name":"Acme Ltda"}`},
	"GET /v1/consumers":          {id: "listConsumers", tag: "Consumers", text: "By uid. A key of one consumer sees its own."},
	"GET /v1/consumers/{uid}":    {id: "getConsumer", tag: "Consumers"},
	"DELETE /v1/consumers/{uid}": {id: "deleteConsumer", tag: "Consumers", text: "What waits for its endpoints is cancelled, keys that act for it are revoked, its portal sessions ended."},

	"POST /v1/endpoints":                    {id: "createEndpoint", tag: "Endpoints", text: "The answer shows the endpoint's secret; later answers do only in dialects whose contract says so.", problems: []int{409, 422}, example: `{"consumer":"acme","url":"https://example.com/webhooks","event_types":["task.*","invoice.paid"]}`},
	"GET /v1/endpoints":                     {id: "listEndpoints", tag: "Endpoints", text: "Newest first."},
	"POST /v1/endpoints/preview":            {id: "previewEndpoint", tag: "Endpoints", text: "Changes nothing. Judges events by event types, channels and filter as they would be when they are accepted.", problems: []int{422, 429}, example: `{"consumer":"acme","event_types":["invoice.*"],"filter":"double(data.amount) > 50.0","limit":20}`},
	"GET /v1/endpoints/{id}":                {id: "getEndpoint", tag: "Endpoints"},
	"PATCH /v1/endpoints/{id}":              {id: "updateEndpoint", tag: "Endpoints", text: "What is absent stays, null clears. After the answer nothing new is sent with the old configuration.", in: endpointPatch, problems: []int{409, 422}, example: `{"rate_limit":120,"secret":null,"secret_overlap":3600}`},
	"DELETE /v1/endpoints/{id}":             {id: "deleteEndpoint", tag: "Endpoints", text: "What waits for it is cancelled; its history stays."},
	"POST /v1/endpoints/{id}/secret/rotate": {id: "rotateEndpointSecret", tag: "Endpoints", text: "The same as a change of secret by PATCH, and safe to repeat with an Idempotency-Key: a secret that the server makes is in this answer alone.", problems: []int{409, 422}, example: `{"secret_overlap":3600}`},
	"POST /v1/endpoints/{id}/pause":         {id: "pauseEndpoint", tag: "Endpoints", text: "Stops sending; deliveries are kept."},
	"POST /v1/endpoints/{id}/resume":        {id: "resumeEndpoint", tag: "Endpoints", text: "Makes a paused or disabled endpoint active; what was kept is sent, oldest first, or with skip cancelled.", example: `{"skip":true}`},
	"POST /v1/endpoints/{id}/test":          {id: "testEndpoint", tag: "Endpoints", text: "Sends to this endpoint alone, signed like any delivery: the dialect's test event, or the first example of a type, or data of yours; one a second.", problems: []int{409, 422, 429}, example: `{"type":"invoice.paid","data":{"invoice":"inv_42"}}`},

	"POST /v1/endpoints/{id}/probe":   {id: "probeEndpoint", tag: "Endpoints", text: "Sends a request whose signature is wrong, as the contract documents it or else its test event, and says what came of it: a receiver that verifies answers 401. Also where the endpoint is paused; nothing is kept of it; one a second.", problems: []int{429}},
	"POST /v1/endpoints/{id}/checkup": {id: "checkupEndpoint", tag: "Endpoints", text: "Sends the dialect's test event signed rightly, a request whose signature is wrong, and the first once more, and says of each what was answered and what that means. Also where the endpoint is paused; nothing is kept of it, and in the endpoint's rate it counts. May take up to a minute where the receiver is slow.", problems: []int{429}},

	"POST /v1/events":       {id: "createEvent", tag: "Events", text: "The 202 means: event and deliveries are on disk, in one commit.", problems: []int{409, 422}, example: `{"type":"invoice.paid","consumer":"acme","data":{"invoice":"inv_42","amount":"99.90"}}`},
	"POST /v1/events/batch": {id: "createEvents", tag: "Events", text: "What is wrong with one event does not stop the others; where none could be kept the answer is a problem.", problems: []int{409, 422}, example: `{"events":[{"type":"invoice.paid","consumer":"acme","data":{"n":1},"idempotency_key":"invoice-1"}]}`},
	"GET /v1/events":        {id: "listEvents", tag: "Events", text: "Newest first, without their data."},
	"GET /v1/events/{id}":   {id: "getEvent", tag: "Events", text: "The data stands byte for byte as it came. Why an endpoint did not get it: POST /v1/endpoints/preview with both ids."},

	"GET /v1/deliveries":               {id: "listDeliveries", tag: "Deliveries", text: "Newest first, pending and final as one."},
	"GET /v1/deliveries/{id}":          {id: "getDelivery", tag: "Deliveries"},
	"GET /v1/deliveries/{id}/attempts": {id: "listAttempts", tag: "Deliveries", text: "Oldest first: the request as it was sent and the answer as it came."},
	"POST /v1/deliveries/{id}/retry":   {id: "retryDelivery", tag: "Deliveries", text: "One that is over is tried once more, its attempt numbers going on.", problems: []int{409}},
	"POST /v1/deliveries/{id}/sign":    {id: "signDelivery", tag: "Deliveries", text: "The request as the next attempt would send it, signed now, also as a command line of curl: to try a receiver by hand. Nothing is sent. Values that are secret are not shown; put them in yourself.", problems: []int{409}},
	"POST /v1/deliveries/{id}/cancel":  {id: "cancelDelivery", tag: "Deliveries", text: "A 2xx that still comes in counts: the delivery is then delivered.", problems: []int{409}},

	"GET /healthz":            {id: "healthz", tag: "Server"},
	"GET /readyz":             {id: "readyz", tag: "Server", text: "200 where an accepted event would be kept; else 503 with the reason.", problems: []int{503}},
	"GET /metrics":            {id: "metrics", tag: "Server", media: "text/plain"},
	"GET /openapi.json":       {id: "openapi", tag: "Server", text: "This document.", also: []int{304}},
	"GET /openapi/{document}": {id: "openapiOf", tag: "Server", text: "The calls that the company had published, and those of ours in its style.", also: []int{304}},
	"GET /docs/{contract}":    {id: "docsOf", tag: "Server", text: "The same as a page.", also: []int{304}, media: "text/html"},
	"GET /docs":               {id: "docs", tag: "Server", text: "This document as a page.", also: []int{304}, media: "text/html"},
})

// problemsOf lists the statuses that a route may answer besides a success.
func (rt *route) problemsOf(words routeWords) []int {
	out := words.problems
	if rt.out != nil { // checks its query, at least that there is none
		out = append(out, 400, 500)
	} else {
		out = append(out, 500)
	}
	if rt.scope != public {
		out = append(out, 401, 403, 503)
	}
	if len(pathParameters(rt.pattern)) > 0 {
		out = append(out, 404)
	}
	if rt.body > 0 {
		out = append(out, 408, 413, 415)
	}
	if rt.body > firstRead {
		out = append(out, 429) // of one caller, only so much is taken in at once
	}
	return out
}

func deliveryStates() []string {
	return []string{string(store.Pending), string(store.Delivered), string(store.Failed), string(store.Cancelled)}
}

func errorClasses() (names []string) {
	for _, c := range []store.Class{
		store.ClassStatus, store.ClassRedirect, store.ClassTimeout, store.ClassConnect, store.ClassReset, store.ClassDNS, store.ClassTLS,
		store.ClassProtocol, store.ClassBlocked, store.ClassRender, store.ClassUnknown, store.ClassCancelled,
	} {
		names = append(names, string(c))
	}
	return names
}
