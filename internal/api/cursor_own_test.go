package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestPagesTellNothingOfOthers: where others have very many of what a customer
// asks for, the answer is as if nobody had any: no cursor, which would hold the
// id of one of theirs.
func TestPagesTellNothingOfOthers(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	st.endpoint(key, "other")
	for range 20 { // a list in pieces: of others' there is one that seems shorter
		st.do(key, "POST", "/v1/events", `{"type":"own.a","consumer":"acme","data":{}}`).want(202)
		if err := st.db.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	events := make([]map[string]any, 1000)
	for i := range events {
		events[i] = map[string]any{"type": "their.a", "consumer": "other", "data": map[string]int{"n": i}}
	}
	batch, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // more than a page looks at
		st.do(key, "POST", "/v1/events/batch", string(batch), "Idempotency-Key", fmt.Sprintf("theirs-%d", i)).want(202)
	}
	if err := st.db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	callers := map[string]string{
		"key":     st.boundKey(project, "acme", "*"),
		"session": st.session(key, "acme", store.PortalRead).text("token"),
	}
	for name, token := range callers {
		for _, path := range []string{
			"/v1/deliveries?type=their.a&limit=1", "/v1/deliveries?type=their.a&state=pending&limit=1", "/v1/deliveries?type=their.a&consumer=acme",
			"/v1/events?type=their.a&limit=1", "/v1/events?type=their.a&consumer=acme", "/v1/events?limit=250",
			"/v1/events?idempotency_key=theirs-1&limit=1", "/v1/events?idempotency_key=" + url.QueryEscape("theirs-1") + "&type=their.a",
		} {
			var page struct {
				Data       []any
				NextCursor *string `json:"next_cursor"`
			}
			r := st.do(token, "GET", path, nil).want(200)
			if err := json.Unmarshal(r.body, &page); err != nil {
				t.Fatal(err)
			}
			if own := path == "/v1/events?limit=250"; page.NextCursor != nil || (len(page.Data) > 0) != own {
				t.Errorf("%s, %s: %s", name, path, r.body)
			}
		}
	}
	if got := st.walk(key, "/v1/events?idempotency_key=theirs-1"); len(got) != 1000 {
		t.Errorf("the project's own key finds %d", len(got))
	}
}
