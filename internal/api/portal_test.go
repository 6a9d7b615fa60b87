package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/malote-dev/malote/internal/store"
)

// TestPortalSession: what a customer's page does with its token, and how it ends.
func TestPortalSession(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Production)
	before := time.Now()
	made := st.do(key, "POST", "/v1/consumers/acme/portal-sessions", `{"access":"manage","expires_in":600}`).want(201)
	token := made.text("token")
	if !strings.HasPrefix(token, "mlt_portal_") || !strings.HasPrefix(token, made.text("prefix")) || mistyped(token) || len(token) != len("mlt_portal_")+39 {
		t.Errorf("%s", made.body)
	}
	if end, err := time.Parse(time.RFC3339, made.text("expires_at")); err != nil || end.Sub(before) < 10*time.Minute-time.Second || end.Sub(before) > 11*time.Minute {
		t.Errorf("it ends %v: %v", end, err)
	}
	st.do(key, "GET", "/v1/consumers/acme", nil).want(200) // it was made

	endpoint := st.do(token, "POST", "/v1/endpoints", `{"url":"https://example.com/hook","event_types":["*"]}`).want(201)
	if endpoint.text("consumer") != "acme" || !strings.HasPrefix(endpoint.text("secret"), "whsec_") {
		t.Errorf("%s", endpoint.body)
	}
	id := endpoint.text("id")
	st.do(token, "PATCH", "/v1/endpoints/"+id, `{"secret":null}`).want(200)
	st.do(token, "POST", "/v1/endpoints/"+id+"/test", nil).want(202)
	st.do(token, "POST", "/v1/endpoints", `{"consumer":"zeta","url":"https://example.com/hook","event_types":["*"]}`).problem(kindForbidden)
	st.do(token, "POST", "/v1/endpoints", `{"consumer":"_system","url":"https://example.com/hook","event_types":["*"]}`).problem(kindForbidden)
	st.do(token, "POST", "/v1/events", `{"type":"a","data":1}`).problem(kindForbidden)
	st.do(token, "POST", "/v1/consumers/acme/portal-sessions", nil).problem(kindForbidden)
	st.do(token, "GET", "/v1/audit", nil).problem(kindForbidden)
	if me := st.do(token, "GET", "/v1/me", nil).want(200).object(); me["kind"] != "portal" || me["access"] != "manage" || me["consumer"] != "acme" || me["id"] != made.text("id") {
		t.Errorf("%v", me)
	}
	log := st.do(key, "GET", "/v1/audit?actor="+made.text("id"), nil).want(200)
	if n := len(log.object()["data"].([]any)); n != 2 || !strings.Contains(string(log.body), `"kind":"portal"`) {
		t.Errorf("%s", log.body)
	}

	read := st.do(key, "POST", "/v1/consumers/acme/portal-sessions", nil).want(201)
	if read.text("access") != "read" {
		t.Errorf("%s", read.body)
	}
	st.do(read.text("token"), "GET", "/v1/endpoints/"+id, nil).want(200)
	st.do(read.text("token"), "POST", "/v1/endpoints/"+id+"/pause", nil).problem(kindForbidden)

	list := st.walk(key, "/v1/consumers/acme/portal-sessions")
	if !slices.Equal(list, []string{made.text("id"), read.text("id")}) {
		t.Errorf("%v", list)
	}
	st.do(key, "DELETE", "/v1/consumers/acme/portal-sessions/"+made.text("id"), nil).want(200)
	if a := st.do(token, "GET", "/v1/me", nil).problem(kindKeyWrong); !strings.Contains(string(a.body), "was ended") {
		t.Errorf("%s", a.body)
	}
	st.do(key, "DELETE", "/v1/consumers/acme/portal-sessions/"+made.text("id"), nil).problem(kindNotFound)
	if n := st.do(key, "DELETE", "/v1/consumers/acme/portal-sessions", nil).want(200).object()["ended"]; n != 1.0 {
		t.Errorf("%v were ended", n)
	}
	st.do(read.text("token"), "GET", "/v1/me", nil).problem(kindKeyWrong)

	// With its consumer, and with its key.
	again := st.session(key, "acme", store.PortalRead).text("token")
	st.do(key, "DELETE", "/v1/consumers/acme", nil).want(200)
	st.do(again, "GET", "/v1/me", nil).problem(kindKeyWrong)
	again = st.session(key, "acme", store.PortalRead).text("token")
	keyID := st.do(key, "GET", "/v1/me", nil).text("id")
	st.do(st.root, "DELETE", "/v1/projects/"+project+"/keys/"+keyID, nil).want(200)
	st.do(again, "GET", "/v1/me", nil).problem(kindKeyWrong)
}

func TestPortalSessionsAreChecked(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("tarefa", store.Production)
	at := "/v1/consumers/7/portal-sessions"
	for body, pointer := range map[string]string{
		`{"access":"admin"}`: "/access", `{"access":""}`: "/access", `{"expires_in":59}`: "/expires_in", `{"expires_in":86401}`: "/expires_in", `{"expires_in":-1}`: "/expires_in",
	} {
		st.do(key, "POST", at, body).problem(kindInvalid, pointer)
	}
	for _, body := range []string{`{"expires_in":60}`, `{"expires_in":86400}`, `{"access":null,"expires_in":null}`, ``} {
		st.do(key, "POST", at, body).want(201)
	}
	st.do(key, "POST", "/v1/consumers/_system/portal-sessions", nil).problem(kindInvalid)
	st.do(key, "POST", "/v1/consumers/acme/portal-sessions", nil).problem(kindInvalid) // tarefa's are digits
	st.do(key, "POST", "/v1/consumers/*/portal-sessions", nil).problem(kindInvalid)
	st.do(key, "GET", "/v1/consumers/8/portal-sessions", nil).problem(kindNotFound)
	st.do(key, "DELETE", "/v1/consumers/8/portal-sessions", nil).problem(kindNotFound)

	// A key gives away only what it has.
	narrow := st.key(project, "portal:write", "endpoints:read", "event_types:read", "events:read", "deliveries:read")
	st.do(narrow, "POST", at, `{"access":"read"}`).want(201)
	if a := st.do(narrow, "POST", at, `{"access":"manage"}`).problem(kindForbidden); !strings.Contains(string(a.body), "endpoints:write, deliveries:write") {
		t.Errorf("%s", a.body)
	}

	// The same again is the same.
	one := st.do(key, "POST", at, `{}`, "Idempotency-Key", "k").want(201)
	if two := st.do(key, "POST", at, `{}`, "Idempotency-Key", "k").want(201); string(one.body) != string(two.body) {
		t.Errorf("%s\n%s", one.body, two.body)
	}

	// It ends with its key.
	end := time.Now().Add(20 * time.Minute).UTC().Truncate(time.Millisecond)
	short := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", map[string]any{"scopes": []string{"*"}, "expires_at": end}).want(201).text("key")
	if got := st.do(short, "POST", at, `{"expires_in":7200}`).want(201).text("expires_at"); got != end.Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("it ends %s, its key %s", got, end)
	}
}

func TestPortalSessionsAreBounded(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Production)
	p, err := projectID.Parse(project)
	if err != nil {
		t.Fatal(err)
	}
	by, err := keyID.Parse(st.do(key, "GET", "/v1/me", nil).text("id"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxSessions {
		s := &store.PortalSession{ProjectID: p, Consumer: "acme", Access: store.PortalRead, MadeBy: by, ExpiresAt: time.Now().Add(time.Hour)}
		if _, err := st.db.CreatePortalSessionOnce(t.Context(), s, HashKey(fmt.Sprint(i)), maxSessions, nil); err != nil {
			t.Fatal(err)
		}
	}
	if a := st.do(key, "POST", "/v1/consumers/acme/portal-sessions", nil).problem(kindConflict); !strings.Contains(string(a.body), "1000 portal sessions") {
		t.Errorf("%s", a.body)
	}
	st.do(key, "POST", "/v1/consumers/zeta/portal-sessions", nil).want(201)
	if n := len(st.walk(key, "/v1/consumers/acme/portal-sessions?limit=250")); n != maxSessions {
		t.Errorf("%d are listed", n)
	}
}

// TestAKeyMintsASubsetOfItself: whatever scopes a key has and asks for, what
// it gets to make may do no more than it does itself, and not for longer.
func TestAKeyMintsASubsetOfItself(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, _ := st.project("standard", store.Production)
	known := append(Scopes(), allScopes)
	ends := []time.Time{{}, time.Now().Add(time.Hour).UTC().Truncate(time.Second), time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)}
	// What a set of scopes is: written out, so that it is not the code's own word.
	all := func(scopes []string) map[string]bool {
		out := map[string]bool{}
		for _, s := range scopes {
			out[s] = true
			for _, k := range known {
				if s == "*" && k != "keys:write" {
					out[k] = true
				}
			}
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		has := rapid.SliceOfNDistinct(rapid.SampledFrom(known), 1, len(known), rapid.ID).Draw(t, "has")
		asks := rapid.SliceOfNDistinct(rapid.SampledFrom(known), 1, 4, rapid.ID).Draw(t, "asks")
		ends0, ends1 := rapid.SampledFrom(ends).Draw(t, "ends"), rapid.SampledFrom(ends).Draw(t, "asked end")
		access := rapid.SampledFrom([]string{"read", "manage"}).Draw(t, "access")
		body := func(scopes []string, end time.Time) map[string]any {
			in := map[string]any{"scopes": scopes}
			if !end.IsZero() {
				in["expires_at"] = end
			}
			return in
		}
		key := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", body(has, ends0)).want(201).text("key")
		may := all(has)

		allowed := may["keys:write"] && (ends0.IsZero() || !ends1.IsZero() && !ends1.After(ends0))
		for s := range all(asks) {
			allowed = allowed && may[s]
		}
		made := st.do(key, "POST", "/v1/projects/"+project+"/keys", body(asks, ends1))
		if want := map[bool]int{true: http.StatusCreated, false: http.StatusForbidden}[allowed]; made.status != want {
			t.Fatalf("a key with %v until %v asks for %v until %v: %d, want %d: %s", has, ends0, asks, ends1, made.status, want, made.body)
		}

		gives := map[string][]string{"read": portalReads, "manage": portalManages}[access]
		allowed = may["portal:write"]
		for _, s := range gives {
			allowed = allowed && may[s]
		}
		session := st.do(key, "POST", "/v1/consumers/acme/portal-sessions", map[string]any{"access": access, "expires_in": 86400})
		if want := map[bool]int{true: http.StatusCreated, false: http.StatusForbidden}[allowed]; session.status != want {
			t.Fatalf("a key with %v asks for %s: %d, want %d: %s", has, access, session.status, want, session.body)
		}
		if allowed {
			me := st.do(session.text("token"), "GET", "/v1/me", nil).want(200).object()
			for _, s := range me["scopes"].([]any) {
				if !may[s.(string)] {
					t.Fatalf("a session of a key with %v has %v", has, s)
				}
			}
			if end, _ := time.Parse(time.RFC3339, me["expires_at"].(string)); !ends0.IsZero() && end.After(ends0) {
				t.Fatalf("a session of a key that ends %v ends %v", ends0, end)
			}
		}
		if n := st.do(st.root, "DELETE", "/v1/consumers/acme", nil).status; n != http.StatusForbidden { // a root key does not
			t.Fatal(n)
		}
	})
}

// TestAProjectsKeyMakesKeys: what a backend does for its customers, without a root key.
func TestAProjectsKeyMakesKeys(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, star := st.project("placaflow", store.Production)
	at := "/v1/projects/" + project + "/keys"
	maker := st.key(project, "keys:write", "keys:read", "webhooks:read", "webhooks:write")
	st.do(star, "POST", at, `{"scopes":["webhooks:read"]}`).problem(kindForbidden) // * is not keys:write
	st.do(star, "GET", at, nil).want(200)
	made := st.do(maker, "POST", at, `{"consumer":"condominio-1","prefix":"pk_","scopes":["webhooks:read","webhooks:write"]}`).want(201)
	st.do(maker, "POST", at, `{"scopes":["webhooks:read","endpoints:read","*"]}`).problem(kindForbidden, "/scopes/1", "/scopes/2")
	st.do(made.text("key"), "GET", "/v1/me", nil).want(200)
	st.do(maker, "DELETE", at+"/"+made.text("id"), nil).want(200)
	st.do(made.text("key"), "GET", "/v1/me", nil).problem(kindKeyWrong)
	starID := st.do(star, "GET", "/v1/me", nil).text("id")
	st.do(maker, "DELETE", at+"/"+starID, nil).problem(kindForbidden)
	st.do(star, "GET", "/v1/me", nil).want(200)
	for _, sc := range []string{"keys:read", "portal:write", "links:read"} {
		st.do(st.root, "POST", at, map[string]any{"consumer": "c", "scopes": []string{sc}}).problem(kindInvalid, "/scopes/0")
	}
}

func TestRootKeys(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Production)
	own := st.do(st.root, "GET", "/v1/me", nil).want(200)
	if own.text("kind") != "root" || own.object()["project"] != nil {
		t.Errorf("%s", own.body)
	}
	if a := st.do(st.root, "DELETE", "/v1/keys/"+own.text("id"), nil).problem(kindConflict); !strings.Contains(string(a.body), `{\"last\":true}`) {
		t.Errorf("%s", a.body)
	}
	st.do(st.root, "POST", "/v1/keys", `{"expires_at":"2020-01-01T00:00:00Z"}`).problem(kindInvalid, "/expires_at")
	st.do(st.root, "POST", "/v1/keys", map[string]any{"name": strings.Repeat("n", 201)}).problem(kindInvalid, "/name")
	next := st.do(st.root, "POST", "/v1/keys", `{"name":"next"}`).want(201)
	if !strings.HasPrefix(next.text("key"), "mlt_root_") {
		t.Errorf("%s", next.body)
	}
	st.do(next.text("key"), "DELETE", "/v1/keys/"+own.text("id"), nil).want(200)
	st.do(st.root, "GET", "/v1/projects", nil).problem(kindKeyWrong)
	st.root = next.text("key")
	projectKey := st.do(key, "GET", "/v1/me", nil).text("id")
	st.do(st.root, "DELETE", "/v1/keys/"+projectKey, nil).problem(kindNotFound)
	if got := st.walk(st.root, "/v1/keys"); !slices.Equal(got, []string{own.text("id"), next.text("id")}) {
		t.Errorf("%v", got)
	}
	// One that ends makes none that stays.
	short := st.do(st.root, "POST", "/v1/keys", map[string]any{"expires_at": time.Now().Add(time.Hour)}).want(201).text("key")
	st.do(short, "POST", "/v1/keys", nil).problem(kindForbidden, "/expires_at")
	st.do(st.root, "DELETE", "/v1/keys/"+next.text("id"), nil).want(200) // the short one is there
	st.do(short, "DELETE", "/v1/keys/"+st.do(short, "GET", "/v1/me", nil).text("id"), `{"last":true}`).want(200)
	st.do(short, "GET", "/v1/projects", nil).problem(kindKeyWrong)
}

func TestConsumersAreListed(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Production)
	for _, uid := range []string{"b", "a-1", "a-2", "a-3", "%C3%A7"} {
		st.do(key, "PUT", "/v1/consumers/"+uid, nil)
	}
	uids := func(a *answer) (out []string) {
		for _, c := range a.want(200).object()["data"].([]any) {
			out = append(out, c.(map[string]any)["uid"].(string))
		}
		return out
	}
	first := st.do(key, "GET", "/v1/consumers?limit=2&uid_prefix=a-", nil)
	next := first.object()["next_cursor"].(string)
	rest := st.do(key, "GET", "/v1/consumers?limit=2&uid_prefix=a-&cursor="+next, nil)
	if got := append(uids(first), uids(rest)...); !slices.Equal(got, []string{"a-1", "a-2", "a-3"}) || rest.object()["next_cursor"] != nil {
		t.Errorf("%v", got)
	}
	st.do(key, "GET", "/v1/consumers?cursor="+next, nil).problem(kindShape, "?cursor")
	if got := uids(st.do(key, "GET", "/v1/consumers", nil)); !slices.Equal(got, []string{"a-1", "a-2", "a-3", "b"}) {
		t.Errorf("%v", got)
	}
	own := st.boundKey(project, "a-2", allScopes)
	if got := uids(st.do(own, "GET", "/v1/consumers", nil)); !slices.Equal(got, []string{"a-2"}) {
		t.Errorf("%v", got)
	}
	if got := uids(st.do(own, "GET", "/v1/consumers?uid_prefix=b", nil)); len(got) != 0 {
		t.Errorf("%v", got)
	}
	st.do(key, "DELETE", "/v1/consumers/a-2", nil).want(200)
	st.do(own, "GET", "/v1/consumers", nil).problem(kindKeyWrong) // its key went with it
}
