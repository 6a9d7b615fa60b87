package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestCreationsAreRepeatable: the same key and body have the same answer, the
// secret in it included, and make one thing.
func TestCreationsAreRepeatable(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	keys := "/v1/projects/" + project + "/keys"
	ends := time.Now().Add(4 * time.Second)
	soon := ends.UTC().Format(time.RFC3339Nano)
	for _, c := range []struct{ name, key, path, body, other, shows string }{
		{"project", st.root, "/v1/projects", `{"name":"once","environment":"production"}`, `{"name":"two","environment":"production"}`, `"id":"prj_`},
		{"key", st.root, keys, `{"scopes":["*"],"expires_at":"` + soon + `"}`, `{"scopes":["events:write"]}`, `"key":"mlt_dev_`},
		{"endpoint", key, "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"]}`, `{"consumer":"d","url":"https://example.com/","event_types":["*"]}`, `"secret":"whsec_`},
	} {
		first := st.do(c.key, "POST", c.path, c.body, "Idempotency-Key", "k "+c.name).want(201)
		if !strings.Contains(string(first.body), c.shows) || first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: %v %s", c.name, first.header, first.body)
		}
		if c.name == "key" { // what was right then is not judged again
			<-time.After(time.Until(ends.Add(100 * time.Millisecond)))
		}
		again := st.do(c.key, "POST", c.path, c.body, "Idempotency-Key", "k "+c.name).want(201)
		if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: a repeat has another answer:\n%s%s", c.name, first.body, again.body)
		}
		if strings.Contains(st.log.String(), first.text("id")) {
			t.Errorf("%s: the answer is in the log", c.name)
		}
		st.do(c.key, "POST", c.path, c.other, "Idempotency-Key", "k "+c.name).problem(kindKeyReused)
		st.do(c.key, "POST", c.path, c.body, "Idempotency-Key", "").problem(kindShape, "Idempotency-Key:")
		st.do(c.key, "POST", c.path, c.body, "Idempotency-Key", "a", "Idempotency-Key", "b").problem(kindShape, "Idempotency-Key:")
	}
	// One key of the caller is for one request, whatever the route.
	st.do(st.root, "POST", keys, `{"scopes":["*"]}`, "Idempotency-Key", "k project").problem(kindKeyReused)
	// What was refused may be sent again, corrected.
	st.do(key, "POST", "/v1/endpoints", `{"consumer":"c"}`, "Idempotency-Key", "x").want(422)
	st.do(key, "POST", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"]}`, "Idempotency-Key", "x").want(201)
	// Another project's, and a consumer's own.
	_, foreign := st.project("standard", store.Development)
	bound := st.do(st.root, "POST", keys, `{"scopes":["*"],"consumer":"c"}`).want(201).text("key")
	for _, k := range []string{foreign, bound} {
		a := st.do(k, "POST", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"]}`, "Idempotency-Key", "k endpoint").want(201)
		if a.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("somebody else's answer: %s", a.body)
		}
	}
}

func TestFiftyAtOnceMakeOneEndpoint(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	bodies := make([]string, 50)
	var all sync.WaitGroup
	for i := range bodies {
		all.Go(func() {
			bodies[i] = string(st.do(key, "POST", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"]}`, "Idempotency-Key", "k").body)
		})
	}
	all.Wait()
	for _, b := range bodies {
		if b != bodies[0] || !strings.Contains(b, "whsec_") {
			t.Fatalf("answers differ:\n%s%s", bodies[0], b)
		}
	}
	if es := st.do(key, "GET", "/v1/endpoints", nil).want(200).object()["data"].([]any); len(es) != 1 {
		t.Errorf("%d endpoints: %v", len(es), fmt.Sprint(es))
	}
}
