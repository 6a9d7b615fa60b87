package api

import (
	"net/url"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// has checks that an answer says all of these texts.
func (a *answer) has(texts ...string) *answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(a.body), text) {
			a.t.Errorf("%s: not said: %s\n%s", a.what, text, a.body)
		}
	}
	return a
}

// TestURLsAreJudgedAtOnce: what the environment decides is named, and what
// else is wrong with the URL, too.
func TestURLsAreJudgedAtOnce(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, production := st.project("standard", store.Production)
	_, development := st.project("standard", store.Development)
	of := func(url string) string { return `{"consumer":"acme","url":"` + url + `","event_types":["*"]}` }
	st.do(production, "POST", "/v1/endpoints", of("http://localhost:3000/x")).problem(kindInvalid, "/url", "/url").
		has("environment production the dialect standard takes https only", "environment development", "loopback", `"detail":"/url is http, and`)
	st.do(production, "POST", "/v1/endpoints", of("http://example.com/x")).problem(kindInvalid, "/url").has("environment development")
	st.do(production, "POST", "/v1/endpoints", of("https://localhost:3000/x")).problem(kindInvalid, "/url").has("loopback")
	st.do(development, "POST", "/v1/endpoints", of("http://example.com/x")).want(201)
}

// TestTestsSayWhatTheKeyMay: who may send examples only is not told to send data.
func TestTestsSayWhatTheKeyMay(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	bound := st.do(st.root, "POST", "/v1/projects/"+id+"/keys", `{"scopes":["endpoints:read","endpoints:write"],"consumer":"acme"}`).want(201).text("key")
	a := st.do(bound, "POST", "/v1/endpoints/"+ep+"/test", `{"type":"never.seen"}`).problem(kindInvalid, "/type").has("with this key only examples are sent")
	if strings.Contains(string(a.body), "send data") {
		t.Errorf("%s", a.body)
	}
	st.do(key, "POST", "/v1/endpoints/"+ep+"/test", `{"type":"never.seen"}`).problem(kindInvalid, "/type").has("send data too")
}

// TestWhatIsNotThereIsNamed: a 404 says what of, and where to look.
func TestWhatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	none := strings.Repeat("0", 26)
	for _, c := range []struct{ key, path, detail, fix string }{
		{key, "GET /v1/consumers/nobody", "no consumer that this key may see has this uid", "Check the uid"},
		{key, "GET /v1/consumers/nobody/stats", "no consumer that this key may see has this uid", "Check the uid"},
		{key, "GET /v1/event-types/none", "no event type has this name", "GET /v1/event-types"},
		{key, "GET /v1/endpoints/ep_" + none, "nothing of this project has this id", "same project"},
		{key, "DELETE /v1/consumers/acme/portal-sessions/ses_" + none, "no portal session", "portal-sessions lists"},
		{key, "DELETE /v1/endpoints/" + ep + "/secret-links/lnk_" + none, "no one-time link", "secret-links lists"},
		{key, "GET /v1/inspectors/ins_" + none + "/requests/req_" + none, "no request of this inspector", "requests lists"},
		{st.root, "GET /v1/projects/prj_" + none, "no project has this id", "GET /v1/projects lists"},
		{st.root, "GET /v1/projects/prj_" + none + "/keys", "no project has this id", "GET /v1/projects lists"},
		{st.root, "DELETE /v1/projects/" + id + "/keys/key_" + none, "no key of this project", "/keys lists"},
		{st.root, "DELETE /v1/keys/key_" + none, "no root key", "GET /v1/keys"},
		{"", "GET /docs/nothing", "no API with a description", "Use one of placaflow; this server's own API is described at /docs"},
	} {
		method, path, _ := strings.Cut(c.path, " ")
		st.do(c.key, method, path, nil).problem(kindNotFound).has(`"detail":"`+c.detail, c.fix)
	}
	st.do("", "GET", "/", nil).problem(kindRoute).has("Read /docs of this server")
	st.do("", "GET", "/nothing", nil).problem(kindRoute).has("/docs of this server lists")
}

// TestEverythingWrongIsCounted: once for each place, and not as fewer than
// there are.
func TestEverythingWrongIsCounted(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	members := make([]string, 40)
	query := url.Values{}
	for i, name := range numbered("x", 40) {
		members[i] = `"` + name + `":1`
		query.Set(name, "1")
	}
	st.do(key, "POST", "/v1/endpoints", "{"+strings.Join(members, ",")+"}").want(400).has("at least 20 fields are wrong")
	st.do(key, "GET", "/v1/events?"+query.Encode(), nil).want(400).has("at least 20 parameters are wrong")
	st.do(key, "GET", "/v1/events?limit=0&x=1", nil).problem(kindShape, "?limit", "?x").has("2 parameters are wrong: limit, x")
	st.do(key, "POST", "/v1/event-types", `{"name":"a.b","replaced_by":"b b"}`).problem(kindInvalid, "/replaced_by", "/replaced_by").
		has(`"detail":"/replaced_by may hold only the characters a-z, A-Z, 0-9, _, . and -; is of a type`)
	waits := `{"consumer":"a","url":"https://example.com/","event_types":["*"],"retry_schedule":[` + strings.Repeat("1,", 30) + `1]}`
	st.do(key, "POST", "/v1/endpoints", waits).problem(kindInvalid, "/retry_schedule").has("has 31 waits; send at most 30")
}

// TestItemsThatAreNoEvents: the pointer leads to the item.
func TestItemsThatAreNoEvents(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	const good = `{"type":"a","consumer":"c","data":1}`
	st.do(key, "POST", "/v1/events/batch", `{"events":[`+good+`,7]}`).want(202).has(`"pointer":"/events/1"`, "/events/1 is a number; send an event as an object")
	st.do(key, "POST", "/v1/events/batch", `{"events":[7,{"type":1}]}`).problem(kindShape, "/events/0", "/events/1/type")
}

// TestReplaysOfTheFuture are refused, also when they are only counted.
func TestReplaysOfTheFuture(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	st.do(key, "POST", "/v1/replays", `{"kind":"recover","from":"2999-01-01T00:00:00Z"}`).problem(kindInvalid, "/from").has("lies in the future")
	st.do(key, "POST", "/v1/replays", `{"kind":"recover","from":"2999-01-01T00:00:00Z","dry_run":true}`).problem(kindInvalid, "/from")
	st.do(key, "POST", "/v1/endpoints/"+ep+"/recover", `{"since":"2999-01-01T00:00:00Z"}`).problem(kindInvalid, "/since")
	st.do(key, "POST", "/v1/endpoints/"+ep+"/replay-missing", `{"since":"2999-01-01T00:00:00Z"}`).problem(kindInvalid, "/since")
}

// TestOperatorsAskForWhatComes: the system consumer's endpoints get the
// server's own events alone.
func TestOperatorsAskForWhatComes(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	of := func(types string) string {
		return `{"consumer":"_system","url":"https://ops.example.com/","event_types":` + types + `}`
	}
	st.do(key, "POST", "/v1/endpoints", of(`["endpoint.*","invoice.paid","invoices.*"]`)).problem(kindInvalid, "/event_types/1", "/event_types/2").has("endpoint.disabled", "secret.rotated")
	ep := st.do(key, "POST", "/v1/endpoints", of(`["endpoint.*","delivery.failed"]`)).want(201).text("id")
	st.do(key, "PATCH", "/v1/endpoints/"+ep, `{"event_types":["invoice.paid"]}`).problem(kindInvalid, "/event_types/0")
	st.do(key, "PATCH", "/v1/endpoints/"+ep, `{"event_types":["*"]}`).want(200)
	st.do(key, "POST", "/v1/endpoints", of(`["a b"]`)).problem(kindInvalid, "/event_types/0")
}

// TestImportsSayWhatTheyLeft: a type without a schema is not validated, and
// says so.
func TestImportsSayWhatTheyLeft(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	const doc = `{"openapi":"3.1.0","webhooks":{
		"bare":{"post":{}},
		"xml":{"post":{"requestBody":{"content":{"application/xml":{"schema":{"type":"object"}}}}}},
		"full":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"object"}}}}}}}}`
	a := st.do(key, "POST", "/v1/event-types/import", `{"openapi":`+doc+`,"validate":true}`).want(200).
		has(`"name":"bare","outcome":"created","remark":"the document has no schema for it, so its data is not validated"`,
			`"remark":"its body is not application/json but application/xml`, `"name":"full","outcome":"created"}`)
	if n := strings.Count(string(a.body), "remark"); n != 2 {
		t.Errorf("%d remarks: %s", n, a.body)
	}
	a = st.do(key, "POST", "/v1/event-types/import", `{"openapi":`+doc+`}`).want(200)
	if n := strings.Count(string(a.body), "remark"); n != 1 { // nobody asked for validation
		t.Errorf("%d remarks: %s", n, a.body)
	}
}
