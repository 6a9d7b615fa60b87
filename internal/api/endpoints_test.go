package api

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

func TestEndpointLife(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	made := st.do(key, "POST", "/v1/endpoints", `{"consumer":"acme","url":"HTTPS://Example.COM/hook?a=1","event_types":["b","a.*","b"],
		"description":"d","headers":{"Authorization":"Bearer canary","X-B":"2"},"rate_limit":60}`).want(201)
	id, secret := made.text("id"), made.text("secret")
	if !strings.HasPrefix(id, "ep_") || !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("%s", made.body)
	}
	want := map[string]any{
		"consumer": "acme", "url": "https://example.com/hook?a=1", "description": "d", "event_types": []any{"b", "a.*"},
		"headers": map[string]any{"Authorization": "[redacted]", "X-B": "[redacted]"}, "rate_limit": 60.0, "enabled": true,
		"state": "active", "state_reason": "", "failure_count": 0.0, "failed_at": nil,
	}
	got := made.object()
	for k, v := range want {
		if fmt.Sprint(got[k]) != fmt.Sprint(v) {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
	for _, name := range []string{"state_since", "created_at", "updated_at"} {
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", got[name].(string)); err != nil || time.Since(at) > time.Minute {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if _, err := st.db.Consumer(t.Context(), st.projectOf(key), "acme"); err != nil {
		t.Errorf("the consumer was not made on first mention: %v", err)
	}
	read := st.do(key, "GET", "/v1/endpoints/"+id, nil).want(200)
	if read.object()["secret"] != nil || strings.Contains(string(read.body), secret) || strings.Contains(string(read.body), "canary") {
		t.Errorf("a read shows a secret: %s", read.body)
	}

	patch := func(body string) map[string]any {
		return st.do(key, "PATCH", "/v1/endpoints/"+id, body).want(200).object()
	}
	if m := patch(`{}`); m["url"] != want["url"] || m["in_flight"] != 0.0 || fmt.Sprint(m["headers"]) != fmt.Sprint(want["headers"]) || m["rate_limit"] != 60.0 {
		t.Errorf("an empty change changes: %v", m)
	}
	m := patch(`{"url":"https://example.org/","event_types":["*"],"description":null,"rate_limit":null,"headers":{"x-b":null,"X-C":"3","Authorization":"[redacted]"}}`)
	if m["url"] != "https://example.org/" || fmt.Sprint(m["event_types"]) != "[*]" || m["description"] != "" || m["rate_limit"] != nil ||
		fmt.Sprint(m["headers"]) != "map[Authorization:[redacted] X-C:[redacted]]" {
		t.Errorf("%v", m)
	}
	e := st.stored(key, id)
	if len(e.Headers) != 2 || e.Headers[0].Value.Reveal() != "Bearer canary" || e.Headers[1].Value.Reveal() != "3" {
		t.Errorf("kept headers: %d", len(e.Headers))
	}
	if m := patch(`{"headers":null}`); fmt.Sprint(m["headers"]) != "map[]" {
		t.Errorf("%v", m)
	}
	if m := patch(`{"enabled":false}`); m["state"] != "paused" || m["enabled"] != false || m["state_reason"] == "" {
		t.Errorf("%v", m)
	}
	if m := patch(`{"enabled":true}`); m["state"] != "active" || m["state_reason"] != "" {
		t.Errorf("%v", m)
	}
	if m := st.do(key, "DELETE", "/v1/endpoints/"+id, nil).want(200).object(); m["deleted"] != true || m["in_flight"] != 0.0 {
		t.Errorf("%v", m)
	}
	st.do(key, "GET", "/v1/endpoints/"+id, nil).problem(kindNotFound)
	st.do(key, "DELETE", "/v1/endpoints/"+id, nil).problem(kindNotFound)
}

// projectOf a key, as the store knows it.
func (st *site) projectOf(key string) store.ID {
	st.t.Helper()
	k, err := st.db.KeyByHash(st.t.Context(), HashKey(key), time.Now())
	if err != nil {
		st.t.Fatal(err)
	}
	return k.ProjectID
}

// stored is an endpoint as the store keeps it.
func (st *site) stored(key, id string) *store.Endpoint {
	st.t.Helper()
	raw, err := endpointID.Parse(id)
	if err != nil {
		st.t.Fatal(err)
	}
	e, err := st.db.Endpoint(st.t.Context(), st.projectOf(key), raw)
	if err != nil {
		st.t.Fatal(err)
	}
	return e
}

func TestSecretRotation(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	id := st.endpoint(key, "1")
	patch := func(body string) *answer { return st.do(key, "PATCH", "/v1/endpoints/"+id, body) }
	first := st.stored(key, id).Secrets[0].Value.Reveal()
	secrets := func() string {
		var out []string
		for _, s := range st.stored(key, id).Secrets {
			left := "for good"
			if !s.ExpiresAt.IsZero() {
				left = time.Until(s.ExpiresAt).Round(time.Minute).String()
			}
			out = append(out, strings.Replace(s.Value.Reveal(), first, "first", 1)+" "+left)
		}
		return strings.Join(out, ", ")
	}
	check := func(want string) {
		t.Helper()
		if got := secrets(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	long := strings.Repeat("s", 30)
	if a := patch(`{"secret":"whsec_2` + long + `"}`).want(200); a.object()["secret"] != nil {
		t.Errorf("a chosen secret is shown: %s", a.body)
	}
	check("whsec_2" + long + " for good, first 24h0m0s")
	patch(`{"secret":"whsec_3` + long + `","secret_overlap":3600}`).want(200)
	check("whsec_3" + long + " for good, whsec_2" + long + " 1h0m0s, first 1h0m0s")
	patch(`{"secret_overlap":600}`).want(200)
	check("whsec_3" + long + " for good, whsec_2" + long + " 10m0s, first 10m0s")
	patch(`{"secret_overlap":7200}`).want(200) // an overlap is not made longer
	check("whsec_3" + long + " for good, whsec_2" + long + " 10m0s, first 10m0s")
	a := patch(`{"secret":null}`).want(200)
	made := a.text("secret")
	check(made + " for good, whsec_3" + long + " 24h0m0s, whsec_2" + long + " 10m0s, first 10m0s")
	if n := len(a.object()["secrets"].([]any)); n != 4 {
		t.Errorf("%d secrets shown in force", n)
	}
	patch(`{"secret":null}`).problem(kindConflict)
	check(made + " for good, whsec_3" + long + " 24h0m0s, whsec_2" + long + " 10m0s, first 10m0s")
	patch(`{"secret":"` + made + `"}`).want(200) // the same secret once more is no second one
	check(made + " for good, whsec_3" + long + " 24h0m0s, whsec_2" + long + " 10m0s, first 10m0s")
	patch(`{"secret_overlap":0}`).want(200)
	check(made + " for good")
	patch(`{"secret":"whsec_4` + long + `","secret_overlap":0}`).want(200)
	check("whsec_4" + long + " for good")
	patch(`{"secret_overlap":0}`).want(200)
	check("whsec_4" + long + " for good")
}

func TestOwnSecretAndVisibility(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, placaflow := st.project("placaflow", store.Development)
	in := `{"consumer":"acme","url":"https://example.com/","event_types":["*"],"secret":"my-own-secret-0123456789"}`
	id := st.do(placaflow, "POST", "/v1/endpoints", in).want(201).text("id")
	for _, path := range []string{"/v1/endpoints/" + id, "/v1/endpoints"} {
		if a := st.do(placaflow, "GET", path, nil); !strings.Contains(string(a.body), "my-own-secret-0123456789") {
			t.Errorf("placaflow shows its secrets in every list, but %s", a.body)
		}
	}
	_, tarefa := st.project("tarefa", store.Development)
	made := st.do(tarefa, "POST", "/v1/endpoints", `{"consumer":"7","url":"https://example.com/","event_types":["*"]}`).want(201)
	if !regexp.MustCompile(`^whsec_`).MatchString(made.text("secret")) {
		t.Errorf("%s", made.body)
	}
	for _, path := range []string{"/v1/endpoints/" + made.text("id"), "/v1/endpoints"} {
		if a := st.do(tarefa, "GET", path, nil); strings.Contains(string(a.body), "whsec_") {
			t.Errorf("tarefa shows a secret once, but %s", a.body)
		}
	}
}

func TestEndpointCap(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	for range 10 {
		st.endpoint(key, "1")
	}
	in := `{"consumer":"1","url":"https://example.com/","event_types":["*"]}`
	if a := st.do(key, "POST", "/v1/endpoints", in).problem(kindConflict); !strings.Contains(string(a.body), "has 10 endpoints already, the most that tarefa allows") {
		t.Errorf("%s", a.body)
	}
	st.endpoint(key, "2")
	id := st.walk(key, "/v1/endpoints?consumer=1")[0]
	st.do(key, "DELETE", "/v1/endpoints/"+id, nil).want(200)
	st.do(key, "POST", "/v1/endpoints", in).want(201)
}

// TestPlainHTTP: who may be sent to without TLS.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, c := range []struct {
		dialect     string
		environment store.Environment
		policy      bool
		want        int
	}{
		{"standard", store.Development, true, 201},
		{"connectvets", store.Production, true, 201}, // advises https, does not ask for it
		{"standard", store.Production, true, 422},
		{"tarefa", store.Development, true, 201},
		{"tarefa", store.Production, true, 422},
		{"standard", store.Development, false, 422},
		{"standard", store.Production, false, 422},
		{"tarefa", store.Production, false, 422},
	} {
		_, key := st.project(c.dialect, c.environment)
		st.server.policy.AllowHTTP = c.policy
		a := st.do(key, "POST", "/v1/endpoints", `{"consumer":"1","url":"http://example.com/","event_types":["*"]}`)
		if a.status != c.want {
			t.Errorf("%+v: %d %s", c, a.status, a.body)
		}
		st.do(key, "POST", "/v1/endpoints", `{"consumer":"1","url":"https://example.com/","event_types":["*"]}`).want(201)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.endpoint(key, "acme")
	if m := st.do(key, "POST", "/v1/endpoints/"+id+"/pause", nil).want(200).object(); m["state"] != "paused" || m["in_flight"] != 0.0 {
		t.Errorf("%v", m)
	}
	held := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202).object()
	if held["deliveries"] != 1.0 {
		t.Errorf("a paused endpoint does not keep its deliveries: %v", held)
	}
	st.do(key, "POST", "/v1/endpoints/"+id+"/test", nil).problem(kindConflict)
	if m := st.do(key, "POST", "/v1/endpoints/"+id+"/resume", `{}`).want(200).object(); m["state"] != "active" || m["in_flight"] != 0.0 {
		t.Errorf("%v", m)
	}
	st.do(key, "POST", "/v1/endpoints/"+id+"/pause", nil).want(200)
	st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202)
	if m := st.do(key, "POST", "/v1/endpoints/"+id+"/resume", `{"skip":true}`).want(200).object(); m["state"] != "active" || m["skipped"] != 2.0 {
		t.Errorf("%v", m)
	}
	for _, d := range st.do(key, "GET", "/v1/deliveries", nil).want(200).object()["data"].([]any) {
		if d := d.(map[string]any); d["state"] != "cancelled" || d["reason"] != "skipped" {
			t.Errorf("%v", d)
		}
	}
	if m := st.do(key, "POST", "/v1/endpoints/"+id+"/resume", `{"skip":true}`).want(200).object(); m["skipped"] != 0.0 {
		t.Errorf("%v", m)
	}
	paused := st.do(key, "POST", "/v1/endpoints", `{"consumer":"acme","url":"https://example.com/","event_types":["*"],"enabled":false}`).want(201)
	if paused.text("state") != "paused" {
		t.Errorf("%s", paused.body)
	}
}

func TestTestSend(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	id, other := st.endpoint(key, "1", "task.created"), st.endpoint(key, "1")
	a := st.do(key, "POST", "/v1/endpoints/"+id+"/test", nil).want(202)
	if m := a.object(); m["deliveries"] != 1.0 {
		t.Errorf("%s", a.body)
	}
	event := st.do(key, "GET", "/v1/events/"+a.text("event_id"), nil).want(200)
	var got struct {
		Type, Consumer string
		Test           bool
		Data           struct{ Message, TestID string }
	}
	if err := json.Unmarshal(event.body, &got); err != nil || got.Type != "test" || got.Consumer != "1" || !got.Test ||
		got.Data.Message == "" || !strings.HasPrefix(got.Data.TestID, "test_") {
		t.Errorf("%s %v", event.body, err)
	}
	d := st.do(key, "GET", "/v1/deliveries/"+a.text("delivery_id"), nil).want(200)
	if d.text("endpoint_id") != id || d.text("state") != "pending" {
		t.Errorf("%s", d.body)
	}
	if got := st.walk(key, "/v1/deliveries?endpoint_id="+other); len(got) != 0 {
		t.Errorf("another endpoint gets the test: %v", got)
	}
	if again := st.do(key, "POST", "/v1/endpoints/"+id+"/test", nil).problem(kindTooMany); again.header.Get("Retry-After") != "1" {
		t.Errorf("%v", again.header)
	}
	st.do(key, "POST", "/v1/endpoints/"+other+"/test", nil).want(202)
}

func TestTestPacer(t *testing.T) {
	t.Parallel()
	var p testPacer
	now := time.Unix(1_800_000_000, 0)
	id := func(n int) (id store.ID) {
		id[0], id[1], id[2] = byte(n>>16), byte(n>>8), byte(n)
		return id
	}
	if !p.admit(id(1), now) || p.admit(id(1), now.Add(testEvery-1)) || !p.admit(id(1), now.Add(testEvery)) {
		t.Error("one a second")
	}
	for n := range maxPaced {
		p.admit(id(n), now.Add(testEvery))
	}
	if p.admit(id(maxPaced+5), now.Add(testEvery)) || len(p.last) > maxPaced {
		t.Errorf("%d endpoints remembered", len(p.last))
	}
	if !p.admit(id(maxPaced+5), now.Add(2*testEvery)) || len(p.last) != 1 {
		t.Errorf("%d endpoints remembered", len(p.last))
	}
}

func TestEndpointLists(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	var all []string
	for i := range 5 {
		all = append([]string{st.endpoint(key, fmt.Sprintf("c%d", i%2))}, all...)
	}
	if got := st.walk(key, "/v1/endpoints?limit=2"); fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("got %v, want %v", got, all)
	}
	if got := st.walk(key, "/v1/endpoints?consumer=c1&limit=1"); len(got) != 2 {
		t.Errorf("%v", got)
	}
	_, empty := st.project("standard", store.Development)
	if a := st.do(empty, "GET", "/v1/endpoints", nil).want(200); string(a.body) != `{"data":[],"next_cursor":null}`+"\n" {
		t.Errorf("%s", a.body)
	}
}

// TestSystemEndpointsSpeakTheServersDialect: what the server itself has to say
// is signed in its own dialect, whatever the project speaks to its customers,
// so the secrets of such endpoints have to fit that.
func TestSystemEndpointsSpeakTheServersDialect(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, d := range webhook.Builtin() {
		_, key := st.project(d.Name, store.Development)
		in := map[string]any{"consumer": store.SystemConsumer, "url": "https://ops.example.com/", "event_types": []string{"*"}}
		a := st.do(key, "POST", "/v1/endpoints", in).want(201)
		path := "/v1/endpoints/" + a.text("id")
		for _, a := range []*answer{a, st.do(key, "PATCH", path, `{"secret":null}`).want(200)} {
			if _, err := webhook.Standard().NewSigner([]string{a.text("secret")}); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
		st.do(key, "PATCH", path, `{"secret":"not one of standard"}`).problem(kindInvalid, "/secret")
		if _, shown := st.do(key, "GET", path, nil).want(200).object()["secret"]; shown {
			t.Errorf("%s: the secret is shown again", d.Name)
		}
		test := st.do(key, "POST", path+"/test", nil).want(202).text("event_id")
		if got := st.do(key, "GET", "/v1/events/"+test, nil).want(200).text("dialect"); got != webhook.Standard().Ref() {
			t.Errorf("%s: the test speaks %s", d.Name, got)
		}
	}
}

// TestEndpointsAreFound: each filter of the list, together and wrong.
func TestEndpointsAreFound(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	a := st.do(key, "POST", "/v1/endpoints", `{"consumer":"a","url":"https://erp.example.com/in","event_types":["task.*"],"name":"Filial Sul"}`).want(201).text("id")
	b := st.do(key, "POST", "/v1/endpoints", `{"consumer":"a","url":"https://crm.example.com/in","event_types":["*"],"enabled":false,"description":"vendas"}`).want(201).text("id")
	c := st.do(key, "POST", "/v1/endpoints", `{"consumer":"b","url":"https://erp.example.com/b","event_types":["invoice.paid"]}`).want(201).text("id")
	for query, want := range map[string][]string{
		"": {c, b, a}, "state=active": {c, a}, "state=paused": {b}, "state=disabled": {}, "state=disabled,paused,active": {c, b, a},
		"event_type=task.created": {b, a}, "event_type=invoice.paid": {c, b}, "event_type=invoice.paid&state=active": {c},
		"search=ERP.example": {c, a}, "search=filial+SUL": {a}, "search=Vendas": {b}, "search=erp&consumer=b": {c}, "search=none": {},
	} {
		for _, more := range []string{"", "&limit=1"} {
			if got := st.walk(key, "/v1/endpoints?"+strings.TrimPrefix(query+more, "&")); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", query+more, got, want)
			}
		}
	}
	bound := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"consumer":"b"}`).want(201).text("key")
	if got := st.walk(bound, "/v1/endpoints?search=erp"); fmt.Sprint(got) != fmt.Sprint([]string{c}) {
		t.Errorf("%v", got)
	}
	for query, name := range map[string]string{
		"state=lost": "state", "state=active,": "state", "state=active,active,active,active": "state", "event_type=a+b": "event_type", "event_type=" + strings.Repeat("x", 129): "event_type",
		"search=": "search", "search=" + strings.Repeat("x", 513): "search", "event_type=*": "event_type",
	} {
		st.do(key, "GET", "/v1/endpoints?"+query, nil).problem(kindShape, "?"+name)
	}
	st.do(key, "GET", "/v1/endpoints?search="+strings.Repeat("x", 512)+"&event_type="+strings.Repeat("x", 128), nil).want(200)
	page := st.do(key, "GET", "/v1/endpoints?limit=1", nil).want(200)
	st.do(key, "GET", "/v1/endpoints?limit=1&state=active&cursor="+page.text("next_cursor"), nil).problem(kindShape, "?cursor")
}

// TestRotationIsSafeToRepeat: with an Idempotency-Key one secret is made, and
// whoever repeats gets it again.
func TestRotationIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	id := st.endpoint(key, "1")
	path := "/v1/endpoints/" + id + "/secret/rotate"
	rotate := func(idem, body string) *answer { return st.do(key, "POST", path, body, "Idempotency-Key", idem) }
	first := rotate("a", ``).want(200)
	again := rotate("a", ``).want(200)
	if string(first.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	kept := st.stored(key, id).Secrets
	if len(kept) != 2 || kept[0].Value.Reveal() != first.text("secret") || time.Until(kept[1].ExpiresAt).Round(time.Minute) != 24*time.Hour {
		t.Errorf("%d secrets", len(kept))
	}
	if signs := first.object()["secrets"].([]any)[0].(map[string]any)["signs_from"]; signs == nil {
		t.Errorf("nothing says when the new one signs: %s", first.body)
	}
	rotate("a", `{"secret_overlap":0}`).problem(kindKeyReused)
	own := "whsec_" + strings.Repeat("x", 40)
	if a := rotate("b", `{"secret":"`+own+`","secret_overlap":0}`).want(200); a.object()["secret"] != nil || len(a.object()["secrets"].([]any)) != 1 {
		t.Errorf("%s", a.body)
	}
	if kept := st.stored(key, id).Secrets; len(kept) != 1 || kept[0].Value.Reveal() != own {
		t.Errorf("%d secrets", len(kept))
	}
	for n := range 3 {
		st.do(key, "POST", path, nil).want(200)
		if kept := st.stored(key, id).Secrets; len(kept) != n+2 {
			t.Errorf("%d secrets", len(kept))
		}
	}
	rotate("c", ``).problem(kindConflict) // four overlap: nothing was done, and the key is free
	st.do(key, "PATCH", "/v1/endpoints/"+id, `{"secret_overlap":0}`).want(200)
	rotate("c", ``).want(200)
	for body, pointer := range map[string]string{
		`{"secret":"x"}`: "/secret", `{"secret_overlap":2592001}`: "/secret_overlap", `{"secret_type":"rsa"}`: "/secret_type", `{"secret_type":"ed25519"}`: "/secret_type",
	} {
		rotate("d", body).problem(kindInvalid, pointer)
	}
	rotate("d", `{"overlap":1}`).problem(kindShape, "/overlap")
	log := st.do(key, "GET", "/v1/audit?action=endpoint.rotate_secret&object="+id, nil).want(200)
	if len(log.object()["data"].([]any)) != 7 {
		t.Errorf("%s", log.body)
	}

	// A receiver that verifies with a public key goes on doing so.
	_, std := st.project("standard", store.Development)
	pair := st.do(std, "POST", "/v1/endpoints", `{"consumer":"1","url":"https://example.com/","event_types":["*"],"secret_type":"ed25519"}`).want(201)
	a := st.do(std, "POST", "/v1/endpoints/"+pair.text("id")+"/secret/rotate", nil, "Idempotency-Key", "x").want(200)
	if a.text("public_key") == pair.text("public_key") || a.object()["secret"] != nil {
		t.Errorf("%s", a.body)
	}
}
