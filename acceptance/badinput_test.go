package acceptance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/malote-dev/malote/bench/rig"
)

// TestBadInputNamesTheThing: each wrong request gets an error that says what
// is wrong with it, and leaves nothing behind.
func TestBadInputNamesTheThing(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	api := newProject(t, site, "development", "standard")
	root := site.API(site.RootKey)
	t.Cleanup(root.Client.CloseIdleConnections)
	stranger := site.API("mk_nobody_knows_this_one_0000000000")
	t.Cleanup(stranger.Client.CloseIdleConnections)
	long := `{"type":"a","consumer":"c","data":"` + strings.Repeat("x", 300_000) + `"}`
	cases := []struct {
		name, path, body string
		by               *rig.API
		status           int
		words            []string
	}{
		{"event: unknown field", "/v1/events", `{"type":"a","consumer":"c","data":{},"colour":"red"}`, api, 400, []string{"/colour", "type"}},
		{"event: no type", "/v1/events", `{"consumer":"c","data":{}}`, api, 422, []string{"/type"}},
		{"event: no consumer", "/v1/events", `{"type":"a","data":{}}`, api, 422, []string{"/consumer"}},
		{"event: no data", "/v1/events", `{"type":"a","consumer":"c"}`, api, 422, []string{"/data"}},
		{"event: malformed JSON", "/v1/events", `{"type":"a",`, api, 400, []string{"line 1"}},
		{"event: two documents", "/v1/events", `{"type":"a","consumer":"c","data":{}} {}`, api, 400, []string{"line 1"}},
		{"event: not UTF-8", "/v1/events", "{\"type\":\"a\",\"consumer\":\"c\",\"data\":\"\xff\"}", api, 400, []string{"UTF-8"}},
		{"event: empty body", "/v1/events", ``, api, 400, []string{"the body"}},
		{"event: too large", "/v1/events", long, api, 413, []string{"bytes"}},
		{"event: bad timestamp", "/v1/events", `{"type":"a","consumer":"c","data":{},"timestamp":"yesterday"}`, api, 400, []string{"/timestamp"}},
		{"event: to all without the scope", "/v1/events", `{"type":"a","consumer":"*","data":{}}`, nil, 403, []string{"/consumer", "events:broadcast"}},
		{"batch: not an array", "/v1/events/batch", `{"events":{}}`, api, 400, []string{"/events"}},
		{"batch: none", "/v1/events/batch", `{"events":[]}`, api, 400, []string{"/events"}},
		{"endpoint: unknown field", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["a"],"uri":"x"}`, api, 400, []string{"/uri", "url"}},
		{"endpoint: no url", "/v1/endpoints", `{"consumer":"c","event_types":["a"]}`, api, 422, []string{"/url"}},
		{"endpoint: no event_types", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/"}`, api, 422, []string{"/event_types"}},
		{"endpoint: empty event_types", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":[]}`, api, 422, []string{"/event_types"}},
		{"endpoint: bad pattern", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["a*b"]}`, api, 422, []string{"/event_types/0"}},
		{"endpoint: header of the connection", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["a"],"headers":{"Content-Length":"5"}}`, api, 422, []string{"Content-Length"}},
		{"endpoint: header with a line break", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["a"],"headers":{"X-A":"b\r\nX-B: c"}}`, api, 422, []string{"X-A"}},
		{"endpoint: secret too short", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["a"],"secret":"whsec_c2hvcnQ="}`, api, 422, []string{"/secret"}},
		{"project: unknown dialect", "/v1/projects", `{"name":"p","environment":"production","dialect":"esperanto"}`, root, 422, []string{"/dialect", "esperanto"}},
		{"project: unknown environment", "/v1/projects", `{"name":"p","environment":"moon","dialect":"standard"}`, root, 422, []string{"/environment"}},
		{"project: not with a project's key", "/v1/projects", `{"name":"p","environment":"production","dialect":"standard"}`, api, 403, nil},
		{"a key that nobody knows", "/v1/events", `{"type":"a","consumer":"c","data":{}}`, stranger, 401, nil},
		{"a path that is none", "/v1/event", `{}`, api, 404, nil},
	}
	for _, c := range cases {
		by := c.by
		if by == nil {
			by = narrowKey(t, site, root)
		}
		ans, err := by.Raw(t.Context(), http.MethodPost, c.path, []byte(c.body))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, what := range unclear(ans, c.status, c.words...) {
			t.Errorf("%s: %s", c.name, what)
		}
		if strings.Contains(string(ans.Body), "c2hvcnQ=") || strings.Contains(string(ans.Body), "nobody_knows") {
			t.Errorf("%s: the error repeats a secret: %s", c.name, ans.Body)
		}
	}
	empty(t, api, "/v1/events")
	empty(t, api, "/v1/endpoints")
	empty(t, api, "/v1/deliveries")
}

// narrowKey is a key that may send events to single consumers only.
func narrowKey(t *testing.T, site *rig.Site, root *rig.API) *rig.API {
	t.Helper()
	var project struct{ ID string }
	if err := root.Do(t.Context(), http.MethodPost, "/v1/projects", map[string]any{"name": "narrow", "environment": "development", "dialect": "standard"}, &project); err != nil {
		t.Fatal(err)
	}
	var key struct{ Key string }
	if err := root.Do(t.Context(), http.MethodPost, "/v1/projects/"+project.ID+"/keys", map[string]any{"name": "n", "scopes": []string{"events:write"}}, &key); err != nil {
		t.Fatal(err)
	}
	api := site.API(key.Key)
	t.Cleanup(api.Client.CloseIdleConnections)
	return api
}

// empty wants a list with nothing in it.
func empty(t *testing.T, api *rig.API, path string) {
	t.Helper()
	var page struct {
		Data []struct{ ID string } `json:"data"`
	}
	if err := api.Do(t.Context(), http.MethodGet, path, nil, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 0 {
		t.Errorf("%s: a refused request left %v behind", path, page.Data)
	}
}

// TestHostileURLsAreRefusedAtCreation: an endpoint must not point inside. The
// server allows 127.0.0.0/8 here, as the other tests need it.
func TestHostileURLsAreRefusedAtCreation(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	api := newProject(t, site, "development", "standard")
	for _, url := range []string{
		"http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/", "http://192.168.1.1/admin",
		"http://100.64.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://0.0.0.0/", "http://2852039166/",
		"http://0xa9fea9fe/", "http://169.254.43518/", "http://metadata.google.internal/", "http://１６９.254.169.254/", "http://224.0.0.1/",
		"file:///etc/passwd", "gopher://example.com/", "ftp://example.com/", "javascript:alert(1)", "//example.com/", "example.com/hook", "",
		"http://user:password@example.com/", "http://", "http:///path", "https://example.com:99999/", "https://exa mple.com/",
		"http://" + site.Addr + "/v1/events",
	} {
		body := `{"consumer":"c","url":` + quote(t, url) + `,"event_types":["*"]}`
		ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/endpoints", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range unclear(ans, http.StatusUnprocessableEntity, "/url") {
			t.Errorf("%q: %s", url, what)
		}
	}
	empty(t, api, "/v1/endpoints")
}

// TestBatchTellsEachItem: one bad event spoils neither its neighbours nor the answer.
func TestBatchTellsEachItem(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	api := newProject(t, site, "development", "standard")
	body := `{"events":[{"type":"a","consumer":"c","data":1},{"type":"","consumer":"c","data":1},{"type":"b","consumer":"c","data":2,"x":1},{"type":"c","consumer":"c","data":3}]}`
	ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/events/batch", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Results []struct {
			ID    string `json:"id"`
			Error any    `json:"error"`
		} `json:"results"`
	}
	if ans.Status/100 != 2 {
		t.Fatalf("answer %d: %s", ans.Status, ans.Body)
	}
	mustDecode(t, ans, ans.Status, &out)
	if len(out.Results) != 4 {
		t.Fatalf("%d results, want 4: %s", len(out.Results), ans.Body)
	}
	for i, good := range []bool{true, false, false, true} {
		r := out.Results[i]
		if good != (r.ID != "") || good != (r.Error == nil) {
			t.Errorf("item %d: %+v", i, r)
		}
	}
	var page struct {
		Data []struct{ Type string } `json:"data"`
	}
	if err := api.Do(t.Context(), http.MethodGet, "/v1/events", nil, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 2 {
		t.Errorf("kept %v, want the two good ones", page.Data)
	}
}
