package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/internal/store"
)

func TestEveryRouteDeclares(t *testing.T) {
	t.Parallel()
	st := setup(t)
	known := append(Scopes(), string(root), string(public), string(anyKey))
	open := []string{"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/openapi/{document}", "/docs/{contract}", "/s/{token}", "/m/{token}", "/m/{token}/start"}
	seen := map[string]bool{}
	for _, rt := range st.server.routes() {
		name := rt.method + " " + rt.pattern
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
		if !slices.Contains(known, string(rt.scope)) {
			t.Errorf("%s has the scope %q", name, rt.scope)
		}
		if rt.scope == public && !slices.Contains(open, rt.pattern) {
			t.Errorf("%s needs no key", name)
		}
		special := rt.scope == public || rt.scope == root || rt.scope == anyKey
		if !special && (rt.method == "GET" || rt.safe) != strings.HasSuffix(string(rt.scope), ":read") || rt.scope == anyKey && rt.method != "GET" && !rt.safe {
			t.Errorf("%s needs the scope %s", name, rt.scope)
		}
		if rt.run == nil || rt.status == 0 || rt.summary == "" || rt.out == nil && rt.scope != public {
			t.Errorf("%s is not declared whole", name)
		}
		if (rt.in != nil) != (rt.body > 0) || rt.body > batchBody {
			t.Errorf("%s: a body limit of %d", name, rt.body)
		}
		if rt.method == "GET" && (rt.body > 0 || rt.safe) {
			t.Errorf("%s takes a body", name)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, path := range []string{"/", "/v1", "/v1/nope", "/v1/events/", "/v1//events", "/v1/./events", "/v1/x/../events", "/V1/events", "/v1/consumers/..", "/v1/events/a/b"} {
		st.do(st.root, "GET", path, nil).problem(kindRoute)
	}
	for path, allow := range map[string]string{
		"/v1/projects": "GET, HEAD, POST", "/v1/events/batch": "POST", "/v1/endpoints/ep_x": "DELETE, GET, HEAD, PATCH", "/healthz": "GET, HEAD",
	} {
		for _, method := range []string{"PUT", "OPTIONS", "TRACE", "BREW"} {
			if a := st.do("", method, path, nil).problem(kindMethod); a.header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, a.header.Get("Allow"), allow)
			}
		}
	}
	a := st.do("", "HEAD", "/healthz", nil).want(200)
	if len(a.body) != 0 || a.header.Get("Content-Length") == "0" {
		t.Errorf("HEAD: %q %v", a.body, a.header)
	}
}

func TestEachAnswerHasARequestID(t *testing.T) {
	t.Parallel()
	st := setup(t)
	seen := map[string]bool{}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/v1/events", "/nope", "/healthz"} {
		h := st.do("", "GET", path, nil).header
		id := h.Get("X-Request-Id")
		if !requestIDs.MatchString(id) || seen[id] {
			t.Errorf("%s: request id %q", path, id)
		}
		seen[id] = true
		if path != "/metrics" && (h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestAuthorizationForms(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	for value, want := range map[string]int{
		"Bearer " + key: 200, "bearer " + key: 200, "BEARER  " + key: 200,
		key: 401, "Basic " + key: 401, "Bearer": 401, "Bearer ": 401, "Bearer " + key + "x": 401, "Bearer " + strings.ToUpper(key): 401,
	} {
		a := st.do("", "GET", "/v1/events", nil, "Authorization", value).want(want)
		if want == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q: %v", value, a.header)
		}
	}
	if a := st.do(key[:len(key)-1], "GET", "/v1/events", nil).problem(kindKeyWrong); !strings.Contains(string(a.body), "checksum") {
		t.Errorf("nothing says that the key is not whole: %s", a.body)
	}
	st.do(key, "GET", "/v1/events", nil, "Authorization", "Bearer "+key).problem(kindKeyWrong)
	st.do("", "GET", "/v1/events?key="+key, nil).problem(kindKeyMissing)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^mlt_(root|prod|dev)_[0-9a-hjkmnp-tv-z]{39}$`)
	seen := map[string]bool{}
	for _, kind := range []string{KeyRoot, KeyProduction, KeyDevelopment} {
		text, prefix, hash := NewKey(kind)
		full := text.Reveal()
		if !form.MatchString(full) || seen[full] || mistyped(full) || HashKey(full) != hash || !strings.HasPrefix(full, prefix) || len(prefix) != len("mlt_")+len(kind)+5 {
			t.Errorf("%s: %s, prefix %s", kind, full, prefix)
		}
		seen[full] = true
		for i := range full[len(keyPrefix):] {
			at := i + len(keyPrefix)
			bad := full[:at] + "u" + full[at+1:]
			if !mistyped(bad) {
				t.Errorf("%s passes for %s", bad, full)
			}
		}
	}
	if mistyped("malote_root_abc") || !mistyped("mlt_") || !mistyped("mlt_x") {
		t.Error("forms")
	}
}

// TestPanicIsAProblem breaks a handler on purpose.
func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	st := setup(t)
	rt := &route{method: "GET", pattern: "/panic", scope: public, status: 200, action: action{run: func(*call) error { panic("canary-in-a-panic") }}}
	abort := &route{method: "GET", pattern: "/abort", scope: public, status: 200, action: action{run: func(*call) error { panic(http.ErrAbortHandler) }}}
	st.server.mux = st.server.serveMux([]*route{rt, abort})
	a := st.do("", "GET", "/panic", nil).problem(kindInternal)
	log := st.log.String()
	if strings.Contains(string(a.body), "canary") || strings.Contains(log, "canary") || !strings.Contains(log, "routes_test.go") || !strings.Contains(log, a.header.Get("X-Request-Id")) {
		t.Errorf("%s\n%s", a.body, log)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, st.url+"/abort", nil)
	if resp, err := st.http.Do(req); err == nil {
		resp.Body.Close()
		t.Error("an aborted answer came")
	}
}

// TestErrorsFindTheirProblem: what a layer below says, and what the caller hears.
func TestErrorsFindTheirProblem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err   error
		kind  kind
		again bool // says when to ask again
	}{
		{store.ErrNotFound, kindNotFound, false}, {store.ErrConflict, kindConflict, false}, {store.ErrFull, kindFull, true}, {store.ErrBusy, kindUnavailable, true},
		{store.ErrUnknown, kindUnavailable, true}, {store.ErrUnreachable, kindUnavailable, true},
		{store.ErrClosed, kindUnavailable, true}, {store.ErrStale, kindUnavailable, true}, {ingest.ErrBusy, kindUnavailable, true},
		{ingest.ErrDialect, kindUnavailable, true}, {context.Canceled, kindUnavailable, true}, {context.DeadlineExceeded, kindUnavailable, true},
		{errors.New("canary"), kindInternal, false}, {&http.MaxBytesError{Limit: 7}, kindTooLarge, false},
		{&rawjson.SyntaxError{Line: 1, Column: 2, Reason: lang.Text("x")}, kindJSON, false}, {ingest.FieldErrors{{Pointer: "/a", Detail: lang.Text("is missing")}}, kindInvalid, false},
		{&ingest.ShapeError{Fields: ingest.FieldErrors{{Pointer: "/a", Detail: lang.Text("is missing")}}}, kindShape, false},
		{kindTooMany.problem("x"), kindTooMany, false},
	} {
		p := asProblem(fmt.Errorf("wrapped: %w", c.err))
		if p.Type != problemType+c.kind.name || p.Status != c.kind.status || (p.header["Retry-After"] != "") != c.again || strings.Contains(p.Detail+p.Fix, "canary") {
			t.Errorf("%v: %+v", c.err, p)
		}
		title, detail, fix := p.Title, p.Detail, p.Fix
		if p.speak(lang.Portuguese); p.Title == title || p.Fix == fix || p.Detail == detail && c.kind.name != kindTooMany.name {
			t.Errorf("%v in Portuguese: %+v", c.err, p)
		}
	}
}

// TestProblemsAreWhole: every kind has all its parts, and names stay unique.
func TestProblemsAreWhole(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, k := range kinds {
		if k.name == "" || k.status < 400 || k.title == "" || k.fix == "" || names[k.name] {
			t.Errorf("%+v", k)
		}
		names[k.name] = true
	}
	p := kindInternal.problem("public").because(http.ErrBodyNotAllowed)
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), http.ErrBodyNotAllowed.Error()) {
		t.Errorf("the cause is public: %s, %v", text, err)
	}
	var m map[string]any
	if json.Unmarshal(text, &m) != nil || len(m) != 5 {
		t.Errorf("%s", text)
	}
}
