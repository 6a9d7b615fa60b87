package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestPagesOfOtherOrigins: a browser lets a customer's page call what a portal
// session may, with its token, and nothing else.
func TestPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	st := setup(t)
	g := st.stage("standard")
	token := st.session(g.full, "acme", store.PortalManage).text("token")
	const allow = "Access-Control-Allow-Origin"
	ask := func(path, method string, header ...string) *answer {
		return st.do("", "OPTIONS", path, nil, append([]string{"Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization"}, header...)...)
	}
	may := 0
	for _, rt := range st.server.routes() {
		path := g.path(rt.pattern)
		a := ask(path, rt.method, "Origin", "https://app.example.com")
		if rt.scope == anyKey || rt.portalAccess() != "" {
			may++
			if a.status != http.StatusNoContent || a.header.Get(allow) != "*" || a.header.Get("Access-Control-Allow-Methods") != rt.method || len(a.body) != 0 ||
				!strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") || a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: %d %v", rt.method, path, a.status, a.header)
			}
			continue
		}
		if a.status != http.StatusMethodNotAllowed || a.header.Get(allow) != "" {
			t.Errorf("%s %s, which no portal session may: %d %v", rt.method, path, a.status, a.header)
		}
		for _, k := range []string{token, g.full, st.root, ""} {
			if rt.method == http.MethodGet && st.do(k, rt.method, path, nil).header.Get(allow) != "" {
				t.Errorf("%s may be read by any page", path)
			}
		}
	}
	if may < 20 {
		t.Errorf("%d routes may be called", may)
	}
	for _, a := range []*answer{ask("/v1/endpoints", "GET"), ask("/v1/endpoints", "TRACE", "Origin", "https://app.example.com"), st.do("", "OPTIONS", "/v1/endpoints", nil, "Origin", "https://app.example.com"),
		ask("/v1/nothing", "GET", "Origin", "https://app.example.com")} {
		if a.status/100 != 4 || a.header.Get(allow) != "" {
			t.Errorf("%d %v", a.status, a.header)
		}
	}

	path := "/v1/endpoints/" + g.endpoint
	if a := st.do(token, "GET", path, nil).want(200); a.header.Get(allow) != "*" || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "X-Request-Id") {
		t.Errorf("%v", a.header)
	}
	if a := st.do(token, "PATCH", path, `{"url":5}`).want(400); a.header.Get(allow) != "*" {
		t.Errorf("a page cannot read what is wrong: %v", a.header)
	}
	if a := st.do(g.full, "GET", path, nil).want(200); a.header.Get(allow) != "" {
		t.Errorf("a key in a page: %v", a.header)
	}
	st.do(g.full, "DELETE", "/v1/consumers/acme/portal-sessions", nil).want(200)
	if a := st.do(token, "GET", path, nil).problem(kindKeyWrong); a.header.Get(allow) != "*" {
		t.Errorf("a page cannot read that its session is over: %v", a.header)
	}
}
