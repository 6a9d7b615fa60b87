package api

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// stage is one project with something of everything in it.
type stage struct {
	project, full, readOnly, bound      string
	endpoint, event, delivery, consumer string
	ids                                 map[string]string // of one object of each kind, as a path names it
}

// Kinds of objects that have a name in paths, queries and bodies.
const (
	aProject    = "project"
	aConsumer   = "consumer"
	anEndpoint  = "endpoint"
	anEvent     = "event"
	aDelivery   = "delivery"
	aReplay     = "replay"
	aType       = "event type"
	aKey        = "key" // in nobody's hands
	aRootKey    = "root key"
	aSession    = "portal session"
	aLink       = "one-time link"
	aToken      = "one-time link's token" // of a link of its own
	aMailbox    = "token of a mailbox"
	anInspector = "inspector"
	aRequest    = "request that arrived"
	aContract   = "contract"
	aDocument   = "document"
)

// objects says what the parameters of paths name: by the pattern up to the
// parameter, else by the parameter alone.
var objects = map[string]string{
	"/v1/projects/{id}": aProject, "/v1/endpoints/{id}": anEndpoint, "/v1/events/{id}": anEvent, "/v1/deliveries/{id}": aDelivery, "/v1/replays/{id}": aReplay, "/v1/keys/{key}": aRootKey, "/v1/inspectors/{id}": anInspector, "/m/{token}": aMailbox,
	"{uid}": aConsumer, "{name}": aType, "{key}": aKey, "{session}": aSession, "{link}": aLink, "{token}": aToken, "{document}": aDocument, "{contract}": aContract, "{request}": aRequest,
}

// owners says whose an object is: of one consumer, of the project, or (empty)
// nobody's.
var owners = map[string]string{
	aProject: aProject, aConsumer: aConsumer, anEndpoint: aConsumer, anEvent: aConsumer, aDelivery: aConsumer, aReplay: aConsumer, aType: aProject, aKey: aProject,
	aRootKey: "", aSession: aConsumer, aLink: aConsumer, aToken: "", aMailbox: "", aContract: "", aDocument: "", anInspector: aProject, aRequest: aProject,
}

// kindOf is what a parameter of a pattern names; empty: nothing says so.
func kindOf(pattern, parameter string) string {
	upTo := pattern[:strings.Index(pattern, "{"+parameter+"}")+len(parameter)+2]
	if kind := objects[upTo]; kind != "" {
		return kind
	}
	return objects["{"+parameter+"}"]
}

// stage makes one whose consumer is acme.
func (st *site) stage(dialect string) *stage { st.t.Helper(); return st.stageOf(dialect, "acme") }

func (st *site) stageOf(dialect, consumer string) *stage {
	st.t.Helper()
	g := &stage{consumer: consumer}
	g.project, _ = st.project(dialect, store.Development)
	g.full = st.key(g.project, allScopes, string(keysWrite))
	g.readOnly = st.key(g.project, scopesToRead()...)
	g.bound = st.boundKey(g.project, "other", allScopes)
	g.ids = map[string]string{aProject: g.project, aConsumer: consumer, aType: "billed." + consumer, aContract: "placaflow", aDocument: "placaflow.json"}
	st.do(g.full, "POST", "/v1/event-types", map[string]any{"name": g.ids[aType]}).want(201)
	g.endpoint = st.endpoint(g.full, consumer)
	g.event = st.do(g.full, "POST", "/v1/events", `{"type":"a","consumer":"`+consumer+`","data":{"canary":"`+dialect+`"}}`).want(202).text("id")
	page := st.do(g.full, "GET", "/v1/deliveries?event_id="+g.event, nil).want(200).object()
	g.delivery = page["data"].([]any)[0].(map[string]any)["id"].(string)
	g.ids[anEndpoint], g.ids[anEvent], g.ids[aDelivery] = g.endpoint, g.event, g.delivery
	g.ids[aKey] = st.do(st.root, "POST", "/v1/projects/"+g.project+"/keys", `{"scopes":["keys:write"]}`).want(201).text("id")
	g.ids[aRootKey] = st.do(st.root, "POST", "/v1/keys", `{"name":"another"}`).want(201).text("id")
	g.ids[aSession] = st.session(g.full, consumer, store.PortalRead).text("id")
	g.ids[aLink] = st.do(g.full, "POST", "/v1/endpoints/"+g.endpoint+"/secret-links", nil).want(201).text("id")
	g.ids[aReplay] = st.do(g.full, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","consumer":"`+consumer+`"}`).want(202).text("id")
	st.over(g.full, g.ids[aReplay])
	g.ids[aMailbox] = st.mailbox(g).Reveal()
	g.ids[anInspector] = st.do(g.full, "POST", "/v1/inspectors", `{"dialect":"tarefa","secret":"whsec_abc123def456"}`).want(201).text("id")
	g.ids[aRequest] = st.arrive(g.ids[anInspector], &store.InspectedRequest{Method: "POST", Body: []byte("{}"), BodyBytes: 2})
	g.ids[aToken] = strings.TrimPrefix(st.do(g.full, "POST", "/v1/endpoints/"+g.endpoint+"/secret-links", nil).want(201).text("path"), linkPath)
	return g
}

// arrive keeps a request of an inspector, and returns its id.
func (st *site) arrive(inspector string, r *store.InspectedRequest) string {
	st.t.Helper()
	id, err := inspectorID.Parse(inspector)
	if err != nil {
		st.t.Fatal(err)
	}
	r.InspectorID, r.Received, r.Version, r.Remote = id, time.Now().UnixMicro(), "HTTP/1.1", "192.0.2.7:4711"
	if r.Status == 0 {
		r.Status = 200
	}
	if err := st.db.KeepInspected(st.t.Context(), r); err != nil {
		st.t.Fatal(err)
	}
	return requestID.Format(r.ID)
}

// empty deletes all consumers of a project.
func (st *site) empty(key string) {
	st.t.Helper()
	for _, c := range st.do(key, "GET", "/v1/consumers", nil).want(200).object()["data"].([]any) {
		st.do(key, "DELETE", "/v1/consumers/"+c.(map[string]any)["uid"].(string), nil).want(200)
	}
}

// mailbox writes to an address of a stage's project, and returns its token.
func (st *site) mailbox(g *stage) secret.Text {
	st.t.Helper()
	const uid = "mailed"
	st.do(g.full, "PUT", "/v1/consumers/"+uid, `{"emails":["ti@`+g.consumer+`.example"]}`).want(201)
	st.do(g.full, "POST", "/v1/endpoints", `{"consumer":"`+uid+`","url":"https://example.com/","event_types":["*"]}`).want(201)
	ctx, project := st.t.Context(), st.idOfProject(g)
	subs, err := st.db.Subscriptions(ctx, project, uid)
	if err != nil {
		st.t.Fatal(err)
	}
	// Not through the API, whose events tests count.
	event := &store.Event{ProjectID: project, Consumer: uid, Type: "a", Data: []byte("1"), Dialect: "standard/1"}
	kept, err := st.db.Accept(ctx, []*store.Acceptance{{Event: event, Endpoints: []store.ID{subs.Endpoints[0].EndpointID}, Version: subs.Version}})
	if err != nil || kept[0].Err != nil {
		st.t.Fatal(err, kept)
	}
	page, err := st.db.Deliveries(ctx, project, store.Filter{EventID: kept[0].EventID, Limit: 1})
	if err != nil {
		st.t.Fatal(err)
	}
	d := page.Items[0]
	done := make(chan error, 1)
	st.db.Finish(&store.Outcome{
		Work:  &store.Work{ID: d.ID, EndpointID: d.EndpointID, Event: event},
		State: store.Failed, Reason: "exhausted", Attempt: store.Attempt{Number: 1, At: time.Now(), Status: 500, Class: store.ClassStatus},
	}, func(err error) { done <- err })
	if err := <-done; err != nil {
		st.t.Fatal(err)
	}
	if _, err := st.db.TendMails(ctx, 100); err != nil {
		st.t.Fatal(err)
	}
	mails, _, err := st.db.Mails(ctx, 100)
	if err != nil || len(mails) == 0 {
		st.t.Fatal("no mail: ", err)
	}
	return mails[len(mails)-1].Token
}

func scopesToRead() (reads []string) {
	for _, s := range Scopes() {
		if strings.HasSuffix(s, ":read") {
			reads = append(reads, s)
		}
	}
	return reads
}

// boundKey makes a key of one consumer.
func (st *site) boundKey(project, consumer string, scopes ...string) string {
	st.t.Helper()
	return st.do(st.root, "POST", "/v1/projects/"+project+"/keys", map[string]any{"scopes": scopes, "consumer": consumer}).want(201).text("key")
}

// session makes a portal session of a consumer, for an hour.
func (st *site) session(key, consumer string, access store.PortalAccess) *answer {
	st.t.Helper()
	return st.do(key, "POST", "/v1/consumers/"+consumer+"/portal-sessions", map[string]any{"access": access}).want(201)
}

// path fills a pattern with the ids of a stage.
func (g *stage) path(pattern string) string { return g.pathWith(pattern, "", "") }

// pathWith puts another id in the place of one parameter.
func (g *stage) pathWith(pattern, parameter, id string) string {
	for _, p := range pathParameters(pattern) {
		v := g.ids[kindOf(pattern, p)]
		if p == parameter {
			v = id
		}
		pattern = strings.Replace(pattern, "{"+p+"}", v, 1)
	}
	return pattern
}

// inputs that a route takes, so that only the key decides.
var inputs = map[string]string{
	"POST /v1/projects":            `{"name":"matrix","environment":"production"}`,
	"PATCH /v1/projects/{id}":      `{"host":"api.example.com"}`,
	"POST /v1/projects/{id}/keys":  `{"scopes":["keys:write"]}`,
	"PUT /v1/consumers/{uid}":      `{"name":"n"}`,
	"POST /v1/endpoints/preview":   `{"events":[{"type":"a","data":1}]}`,
	"POST /v1/endpoints":           `{"consumer":"acme","url":"https://example.com/","event_types":["*"]}`,
	"PATCH /v1/endpoints/{id}":     `{"description":"d"}`,
	"POST /v1/event-types":         `{"name":"matrix"}`,
	"PATCH /v1/event-types/{name}": `{"description":"d"}`,
	"POST /v1/event-types/import":  `{"openapi":{"openapi":"3.1.0","webhooks":{"imported":{"post":{}}}}}`,
	"POST /v1/events":              `{"type":"a","consumer":"acme","data":1}`,
	"POST /v1/events/batch":        `{"events":[{"type":"a","consumer":"acme","data":1}]}`,
	"POST /v1/replays":             `{"kind":"recover","from":"2020-01-01T00:00:00Z","consumer":"acme"}`,
	"POST /v1/mail/test":           `{"to":"ana@example.com"}`,
	"POST /v1/dialects/preview":    `{"type":"a","data":{"n":1}}`,
	"POST /v1/verify":              `{"dialect":"tarefa","secrets":["whsec_abc"],"headers":[{"name":"x-webhook-signature","value":"sha256=00"}],"body":"{}"}`,
	"PATCH /v1/inspectors/{id}":    `{"name":"n"}`,

	"POST /v1/inspectors/{id}/requests/{request}/replay": `{"url":"https://example.com/"}`,

	"POST /v1/endpoints/{id}/recover":        `{"since":"2026-01-31T09:30:00Z"}`,
	"POST /v1/endpoints/{id}/replay-missing": `{"since":"2026-01-31T09:30:00Z"}`,
}

func bodyFor(route string) any {
	if in, ok := inputs[route]; ok {
		return in
	}
	return nil
}

// last orders routes: those come last that take away what others need.
func last(rt *route) string {
	order := map[string]string{
		"/v1/endpoints/{id}": "3", "/v1/consumers/{uid}": "4", "/v1/projects/{id}": "5", "/v1/event-types/{name}": "1", "/v1/deliveries/{id}/cancel": "1",
		"/v1/consumers/{uid}/portal-sessions": "2", "/v1/consumers/{uid}/portal-sessions/{session}": "1",
		"/v1/inspectors/{id}": "3", "/v1/inspectors/{id}/requests": "2", "/v1/inspectors/{id}/requests/{request}": "1",
	}
	if rt.method == "DELETE" || rt.pattern == "/v1/deliveries/{id}/cancel" {
		return order[rt.pattern]
	}
	return "0"
}

// inOrder are all routes, in an order in which each can do its work.
func (st *site) inOrder() []*route {
	routes := st.server.routes()
	slices.SortStableFunc(routes, func(x, y *route) int { return strings.Compare(last(x), last(y)) })
	return routes
}

var requestIDs = regexp.MustCompile(`req_[0-9a-z]{26}`)

func blank(body []byte) string { return requestIDs.ReplaceAllString(string(body), "req_") }

// others are all scopes but one.
func others(s scope) []string {
	return slices.DeleteFunc(Scopes(), func(o string) bool { return o == string(s) })
}
