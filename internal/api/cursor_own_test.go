package api

import (
	"encoding/base64"
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
	own := ownIDs(t, st, st.projectOf(key), "acme")
	for name, token := range callers {
		for _, path := range []string{
			"/v1/deliveries?type=their.a&limit=1", "/v1/deliveries?type=their.a&state=pending&limit=1", "/v1/deliveries?type=their.a&consumer=acme",
			"/v1/events?type=their.a&limit=1", "/v1/events?type=their.a&consumer=acme", "/v1/events?limit=250",
			"/v1/events?idempotency_key=theirs-1&limit=1", "/v1/events?idempotency_key=" + url.QueryEscape("theirs-1") + "&type=their.a",
		} {
			items, cursor := 0, ""
			for pages := 1; ; pages++ { // a slow page ends early, with a cursor of his own
				var page struct {
					Data       []any
					NextCursor *string `json:"next_cursor"`
				}
				r := st.do(token, "GET", path+cursor, nil).want(200)
				if err := json.Unmarshal(r.body, &page); err != nil {
					t.Fatal(err)
				}
				items += len(page.Data)
				if page.NextCursor == nil {
					break
				}
				if b, err := base64.RawURLEncoding.DecodeString(*page.NextCursor); err != nil || !own[store.ID(b[1:17])] || pages > len(own) {
					t.Fatalf("%s, %s, page %d: %s", name, path, pages, r.body)
				}
				cursor = "&cursor=" + *page.NextCursor
			}
			if (items > 0) != (path == "/v1/events?limit=250") {
				t.Errorf("%s, %s: %d items", name, path, items)
			}
		}
	}
	if got := st.walk(key, "/v1/events?idempotency_key=theirs-1"); len(got) != 1000 {
		t.Errorf("the project's own key finds %d", len(got))
	}
}

// ownIDs are those of a consumer's events and deliveries.
func ownIDs(t *testing.T, st *site, project store.ID, consumer string) map[store.ID]bool {
	t.Helper()
	events, err := st.db.Events(t.Context(), project, store.Filter{Consumer: consumer})
	if err != nil {
		t.Fatal(err)
	}
	deliveries, err := st.db.Deliveries(t.Context(), project, store.Filter{Consumer: consumer})
	if err != nil {
		t.Fatal(err)
	}
	own := map[store.ID]bool{}
	for _, e := range events.Items {
		own[e.ID] = true
	}
	for _, d := range deliveries.Items {
		own[d.ID] = true
	}
	return own
}
