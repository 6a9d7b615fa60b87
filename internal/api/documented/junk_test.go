package documented_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/api/documented"
	"github.com/malote-dev/malote/internal/store"
)

// TestJunk: whatever a body, a parameter or a path holds, the answer is the
// caller's fault, never the server's.
func TestJunk(t *testing.T) {
	t.Parallel()
	st := setup(t)
	const u = `"url":"https://example.com/"`
	bodies := []string{
		``, `null`, `0`, `"x"`, `[]`, `[[[[`, `{`, `{}}`, `{"a":1}{"b":2}`, "\xef\xbb\xbf{}", "{\"name\":\"\x00\"}", `{"name":"\u0000",` + u + `,"events":["*"]}`,
		`{"name":"\ud800",` + u + `,"events":["*"]}`, `{"name":1e999}`, `{"enabled":"yes"}`, `{"enabled":1}`, `{"isActive":[]}`, `{"events":[1]}`, `{"events":[null]}`,
		`{"events":{}}`, `{"headers":{"":""}}`, `{"headers":{"a b":"c"}}`, `{"headers":{"A":"\r\nB: c"}}`, `{"headers":{"A":null}}`, `{"headers":{"A":1}}`,
		`{"name":"n",` + u + `,"events":["*"],"headers":{"A":"1","a":"2"}}`, `{"secret":5}`, `{"secret":"\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000"}`,
		`{"url":"` + strings.Repeat("x", 5000) + `"}`, `{"url":"http://[::1"}`, `{"url":"\u0000"}`, `{"url":"https://user:pass@example.com/"}`, `{"description":{}}`,
		`{"config":null}`, `{"config":[]}`, `{"type":null,"config":{"type":5}}`, strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000),
		`{"name":"` + strings.Repeat("é", 30_000) + `"}`,
	}
	for _, dialect := range []string{"gabinete360", "placaflow", "tarefa"} {
		key := st.key(st.project(dialect, store.Development), "1", "*")
		id := st.webhook(dialect, key)
		for _, rt := range documented.Routes(dialect) {
			path := strings.NewReplacer("{id}", id, "{userId}", "%00", "{secret}", "wh_%ff").Replace(rt.Pattern)
			if rt.Method == http.MethodDelete || strings.HasSuffix(path, "/test") {
				continue
			}
			for _, body := range bodies {
				if r := st.do(rt.Method, path, key, body); r.status >= 500 {
					t.Errorf("%s %s %.200q: %d %s", rt.Method, path, body, r.status, r.body)
				}
			}
			for _, query := range []string{"?limit=%zz", "?limit=9999999999999999999999", "?offset=-0", "?a;b", "?%00", "?limit=1&limit=2"} {
				if r := st.do(rt.Method, path+query, key, `{}`); r.status >= 500 {
					t.Errorf("%s %s%s: %d %s", rt.Method, path, query, r.status, r.body)
				}
			}
		}
		for _, e := range []string{"/api/webhooks/%2e%2e/x", "/api/", "/api", "/api/webhooks/1/wh_a/b", "/api//webhooks", "/api/webhooks/1/wh_" + strings.Repeat("x", 4000)} {
			if r := st.do("GET", e, key, nil); r.status >= 500 || r.status < 300 {
				t.Errorf("%s: %d %s", e, r.status, r.body)
			}
		}
	}
}
