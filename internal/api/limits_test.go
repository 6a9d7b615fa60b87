package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/match"
	schemas "github.com/malote-dev/malote/internal/schema"
	"github.com/malote-dev/malote/internal/store"
)

// TestLimits is each limit of a field, a list or a parameter: as much as is
// allowed is taken, and one more is refused, with the field named.
func TestLimits(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	x := func(n int) string { return strings.Repeat("x", n) }
	texts := func(n int, form string) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(form, i))
		}
		return out
	}
	made := 0
	endpoint := func(field string, value any) string {
		in := map[string]any{"consumer": "limits", "url": "https://example.com/", "event_types": []string{"*"}}
		in[field] = value
		return jsonOf(t, in)
	}
	eventType := func(field string, value any) string {
		made++
		in := map[string]any{"name": fmt.Sprintf("limits.n%d", made)}
		in[field] = value
		return jsonOf(t, in)
	}
	event := func(field string, value any) string {
		in := map[string]any{"type": "a", "consumer": "acme", "data": 1}
		in[field] = value
		return jsonOf(t, in)
	}
	nested := func(n int) json.RawMessage { return json.RawMessage(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	headers := func(n int) map[string]string {
		out := map[string]string{}
		for _, name := range texts(n, "X-H%d") {
			out[name] = "v"
		}
		return out
	}
	waits := func(n int) []int { return slices.Repeat([]int{1}, n) }
	keysAt, endpointsAt, typesAt := "POST /v1/projects/"+project+"/keys", "POST /v1/endpoints", "POST /v1/event-types"
	for what, c := range map[string]struct {
		key, route string
		limit      int
		body       func(n int) string // or, of a GET, the rest of the path
		pointer    string
	}{
		"name of a project":       {st.root, "POST /v1/projects", maxName, func(n int) string { return `{"name":"` + x(n) + `","environment":"development"}` }, "/name"},
		"name of a key":           {st.root, keysAt, maxName, func(n int) string { return `{"scopes":["*"],"name":"` + x(n) + `"}` }, "/name"},
		"prefix of a key":         {st.root, keysAt, maxKeyPrefix, func(n int) string { return `{"scopes":["*"],"prefix":"` + x(n-1) + `_"}` }, "/prefix"},
		"consumer of a key":       {st.root, keysAt, ingest.MaxUID, func(n int) string { return `{"scopes":["*"],"consumer":"` + x(n) + `"}` }, "/consumer"},
		"name of a consumer":      {key, "PUT /v1/consumers/a", maxName, func(n int) string { return `{"name":"` + x(n) + `"}` }, "/name"},
		"e-mails of a consumer":   {key, "PUT /v1/consumers/b", store.MaxEmails, func(n int) string { return jsonOf(t, map[string]any{"emails": texts(n, "a%d@example.com")}) }, "/emails"},
		"e-mail":                  {key, "PUT /v1/consumers/c", store.MaxEmail, func(n int) string { return `{"emails":["` + address(n) + `"]}` }, "/emails/0"},
		"name of an endpoint":     {key, endpointsAt, maxName, func(n int) string { return endpoint("name", x(n)) }, "/name"},
		"url":                     {key, endpointsAt, maxURL, func(n int) string { return endpoint("url", "https://example.com/"+x(n-20)) }, "/url"},
		"description":             {key, endpointsAt, maxDescription, func(n int) string { return endpoint("description", x(n)) }, "/description"},
		"event types":             {key, endpointsAt, maxEventTypes, func(n int) string { return endpoint("event_types", texts(n, "t.%d")) }, "/event_types"},
		"an event type's pattern": {key, endpointsAt, ingest.MaxType, func(n int) string { return endpoint("event_types", []string{x(n) + ".*"}) }, "/event_types/0"},
		"headers":                 {key, endpointsAt, maxHeaders, func(n int) string { return endpoint("headers", headers(n)) }, "/headers"},
		"bytes of headers":        {key, endpointsAt, maxHeaderBytes, func(n int) string { return endpoint("headers", map[string]string{"X-Long": x(n - 6)}) }, "/headers"},
		"name of a header":        {key, endpointsAt, maxHeaderName, func(n int) string { return endpoint("headers", map[string]string{x(n): "v"}) }, "/headers/"},
		"rate":                    {key, endpointsAt, maxRate, func(n int) string { return endpoint("rate_limit", n) }, "/rate_limit"},
		"concurrency":             {key, endpointsAt, store.MaxConcurrency, func(n int) string { return endpoint("concurrency", n) }, "/concurrency"},
		"timeout":                 {key, endpointsAt, int(store.MaxTimeout.Seconds()), func(n int) string { return endpoint("timeout", n) }, "/timeout"},
		"waits":                   {key, endpointsAt, store.MaxWaits, func(n int) string { return endpoint("retry_schedule", waits(n)) }, "/retry_schedule"},
		"a wait":                  {key, endpointsAt, int(store.MaxWait.Seconds()), func(n int) string { return endpoint("retry_schedule", []int{n}) }, "/retry_schedule/0"},
		"all waits": {key, endpointsAt, int(store.MaxSchedule.Seconds()), func(n int) string {
			w := int(store.MaxWait.Seconds())
			return endpoint("retry_schedule", []int{w, w, w, w, n - 4*w})
		}, "/retry_schedule"},
		"channels of an endpoint": {key, endpointsAt, store.MaxChannels, func(n int) string { return endpoint("channels", texts(n, "c%d")) }, "/channels"},
		"filter":                  {key, endpointsAt, match.MaxFilter, func(n int) string { return endpoint("filter", `"`+x(n-6)+`"==""`) }, "/filter"},
		"e-mails of an endpoint":  {key, endpointsAt, store.MaxEmails, func(n int) string { return endpoint("emails", texts(n, "a%d@example.com")) }, "/emails"},
		"user name": {key, endpointsAt, maxCredential, func(n int) string {
			return endpoint("auth", map[string]string{"type": "basic", "username": x(n), "password": "p"})
		}, "/auth/username"},
		"password": {key, endpointsAt, maxCredential, func(n int) string {
			return endpoint("auth", map[string]string{"type": "basic", "username": "u", "password": x(n)})
		}, "/auth/password"},
		"token":                 {key, endpointsAt, maxToken, func(n int) string { return endpoint("auth", map[string]string{"type": "bearer", "token": x(n)}) }, "/auth/token"},
		"overlap":               {key, "PATCH /v1/endpoints/" + ep, maxOverlap, func(n int) string { return fmt.Sprintf(`{"secret":null,"secret_overlap":%d}`, n) }, "/secret_overlap"},
		"portal session":        {key, "POST /v1/consumers/acme/portal-sessions", maxSession, func(n int) string { return fmt.Sprintf(`{"access":"read","expires_in":%d}`, n) }, "/expires_in"},
		"one-time link":         {key, "POST /v1/endpoints/" + ep + "/secret-links", maxLink, func(n int) string { return fmt.Sprintf(`{"expires_in":%d}`, n) }, "/expires_in"},
		"name of an event type": {key, typesAt, ingest.MaxType, func(n int) string { return eventType("name", x(n)) }, "/name"},
		"tags":                  {key, typesAt, maxTags, func(n int) string { return eventType("tags", texts(n, "t%d")) }, "/tags"},
		"tag":                   {key, typesAt, maxTag, func(n int) string { return eventType("tags", []string{x(n)}) }, "/tags/0"},
		"examples":              {key, typesAt, maxExamples, func(n int) string { return eventType("examples", texts(n, "e%d")) }, "/examples"},
		"patterns of a schema": {key, typesAt, schemas.MaxPatterns, func(n int) string {
			parts := map[string]any{}
			for _, p := range texts(n, "^%d$") {
				parts["p"+p] = map[string]string{"pattern": p}
			}
			return eventType("schema", map[string]any{"properties": parts})
		}, "/schema/properties/p"},
		"objects of a schema": {key, typesAt, schemas.MaxObjects, func(n int) string {
			return eventType("schema", map[string]any{"allOf": slices.Repeat([]bool{true}, n-1)})
		}, "/schema"},
		"description of a type": {key, typesAt, maxDescription, func(n int) string { return eventType("description", x(n)) }, "/description"},
		"type of an event":      {key, "POST /v1/events", ingest.MaxType, func(n int) string { return event("type", x(n)) }, "/type"},
		"consumer of an event":  {key, "POST /v1/events", ingest.MaxUID, func(n int) string { return event("consumer", x(n)) }, "/consumer"},
		"channels of an event":  {key, "POST /v1/events", ingest.MaxChannels, func(n int) string { return event("channels", texts(n, "c%d")) }, "/channels"},
		"depth of data":         {key, "POST /v1/events", ingest.MaxDepth, func(n int) string { return event("data", nested(n)) }, ""},
		"events of a batch": {key, "POST /v1/events/batch", MaxBatch, func(n int) string {
			return `{"events":[` + strings.TrimSuffix(strings.Repeat(event("data", 1)+",", n), ",") + `]}`
		}, "/events"},
		"events of a preview": {key, "POST /v1/endpoints/preview", maxPreviewed, func(n int) string { return fmt.Sprintf(`{"consumer":"acme","limit":%d}`, n) }, "/limit"},
		"samples of a preview": {key, "POST /v1/endpoints/preview", maxPreviewed, func(n int) string {
			return `{"events":[` + strings.TrimSuffix(strings.Repeat(`{"type":"a","data":1},`, n), ",") + `]}`
		}, "/events"},
		"types of a replay": {key, "POST /v1/replays", maxEventTypes, func(n int) string {
			return jsonOf(t, map[string]any{"kind": "recover", "from": "2020-01-01T00:00:00Z", "dry_run": true, "event_types": texts(n, "t.%d")})
		}, "/event_types"},
		"page":                      {key, "GET /v1/deliveries", maxLimit, func(n int) string { return fmt.Sprintf("?limit=%d", n) }, "limit"},
		"page of endpoints":         {key, "GET /v1/endpoints", maxLimit, func(n int) string { return fmt.Sprintf("?limit=%d", n) }, "limit"},
		"consumer of a list":        {key, "GET /v1/events", maxParameter, func(n int) string { return "?consumer=" + x(n) }, "consumer"},
		"idempotency key of a list": {key, "GET /v1/events", maxParameter, func(n int) string { return "?idempotency_key=" + x(n) }, "idempotency_key"},
	} {
		for _, n := range []int{c.limit, c.limit + 1} {
			method, path, _ := strings.Cut(c.route, " ")
			body := c.body(n)
			if method == "GET" {
				path, body = path+body, ""
			}
			a := st.do(c.key, method, path, body)
			switch {
			case n == c.limit && a.status >= 300:
				t.Errorf("%s: %d, as many as are allowed, are refused: %d %s", what, n, a.status, a.body)
			case n > c.limit && (a.status < 400 || a.status >= 500 || !strings.Contains(string(a.body), c.pointer)):
				t.Errorf("%s: %d, one too many: %d %s", what, n, a.status, a.body)
			}
		}
	}
	for n, want := range map[int]int{ingest.MaxKey: 202, ingest.MaxKey + 1: 400} {
		if a := st.do(key, "POST", "/v1/events", event("data", 1), "Idempotency-Key", x(n)); a.status != want {
			t.Errorf("an Idempotency-Key of %d characters: %d %s", n, a.status, a.body)
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// address is an e-mail address of n characters whose parts have their lengths.
func address(n int) string {
	const local, domain = 64, 63
	rest := n - local - 1
	var labels []string
	for rest > 0 {
		l := min(domain, rest)
		if rest-l == 1 { // no room for a dot and a label
			l--
		}
		labels = append(labels, strings.Repeat("d", l))
		rest -= l + 1
	}
	return strings.Repeat("l", local) + "@" + strings.Join(labels, ".")
}

// TestCaps: as many endpoints of a consumer and secrets of an endpoint as are
// allowed, and one more.
func TestCaps(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	project := st.projectOf(key)
	var making sync.WaitGroup
	for range 8 { // together, so that they share commits
		making.Go(func() {
			for range (maxEndpoints - 8) / 8 {
				e := &store.Endpoint{ProjectID: project, Consumer: "acme", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}}
				if err := st.db.CreateEndpoint(t.Context(), e, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	making.Wait()
	const body = `{"consumer":"acme","url":"https://example.com/","event_types":["*"]}`
	var last string
	for range maxEndpoints - (maxEndpoints-8)/8*8 {
		last = st.do(key, "POST", "/v1/endpoints", body).want(201).text("id")
	}
	if a := st.do(key, "POST", "/v1/endpoints", body).problem(kindConflict); !strings.Contains(string(a.body), fmt.Sprint(maxEndpoints)) {
		t.Errorf("%s", a.body)
	}
	st.do(key, "POST", "/v1/endpoints", strings.Replace(body, "acme", "zeta", 1)).want(201)
	st.do(key, "DELETE", "/v1/endpoints/"+last, nil).want(200)
	one := st.do(key, "POST", "/v1/endpoints", body).want(201).text("id")

	for range maxSecrets - 1 {
		st.do(key, "POST", "/v1/endpoints/"+one+"/secret/rotate", nil).want(200)
	}
	if a := st.do(key, "POST", "/v1/endpoints/"+one+"/secret/rotate", nil).problem(kindConflict); !strings.Contains(string(a.body), fmt.Sprint(maxSecrets)) {
		t.Errorf("%s", a.body)
	}
	st.do(key, "POST", "/v1/endpoints/"+one+"/secret/rotate", `{"secret_overlap":0}`).want(200) // which ends all others
}
