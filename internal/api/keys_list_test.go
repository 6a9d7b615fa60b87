package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

func TestKeysAreListedAndRevoked(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, first := st.project("standard", store.Production)
	other, _ := st.project("standard", store.Production)
	path := "/v1/projects/" + project + "/keys"
	texts, ids := []string{first}, []string{""}
	for i := range 4 {
		a := st.do(st.root, "POST", path, fmt.Sprintf(`{"name":"k%d","scopes":["events:read"],"consumer":"c%d"}`, i, i)).want(201)
		texts, ids = append(texts, a.text("key")), append(ids, a.text("id"))
	}
	pages, at := 0, path+"?limit=2"
	var seen []map[string]any
	for next := any(""); next != nil; pages++ {
		a := st.do(st.root, "GET", at, nil).want(200)
		for _, text := range texts {
			if strings.Contains(string(a.body), text) {
				t.Fatalf("a key is shown: %s", a.body)
			}
		}
		for _, k := range a.object()["data"].([]any) {
			seen = append(seen, k.(map[string]any))
		}
		next = a.object()["next_cursor"]
		at = path + fmt.Sprintf("?limit=2&cursor=%v", next)
	}
	if pages != 3 || len(seen) != 5 {
		t.Fatalf("%d keys on %d pages", len(seen), pages)
	}
	for i, k := range seen[1:] {
		if k["id"] != ids[i+1] || k["name"] != fmt.Sprintf("k%d", i) || k["consumer"] != fmt.Sprintf("c%d", i) || k["project_id"] != project ||
			!strings.HasPrefix(texts[i+1], k["prefix"].(string)) || k["revoked_at"] != nil || fmt.Sprint(k["scopes"]) != "[events:read]" {
			t.Errorf("key %d: %v", i, k)
		}
	}

	use := func() *answer { return st.do(texts[1], "GET", "/v1/events", nil) }
	use().want(200)
	st.do(st.root, "DELETE", "/v1/projects/"+other+"/keys/"+ids[1], nil).problem(kindNotFound)
	st.do(st.root, "DELETE", path+"/key_00000000000000000000000001", nil).problem(kindNotFound)
	st.do(st.root, "DELETE", path+"/x", nil).problem(kindNotFound)
	st.do(st.root, "DELETE", "/v1/projects/x/keys/"+ids[1], nil).problem(kindNotFound)
	use().want(200)
	for range 2 { // a repeat does no harm
		if a := st.do(st.root, "DELETE", path+"/"+ids[1], nil).want(200); a.object()["deleted"] != true {
			t.Errorf("%s", a.body)
		}
		use().problem(kindKeyWrong)
	}
	a := st.do(st.root, "GET", path, nil).want(200)
	for _, k := range a.object()["data"].([]any) {
		if k := k.(map[string]any); (k["revoked_at"] != nil) != (k["id"] == ids[1]) {
			t.Errorf("%v", k)
		}
	}
	st.do(texts[2], "GET", "/v1/events", nil).want(200)
	st.do(st.root, "GET", "/v1/projects/x/keys", nil).problem(kindNotFound)
}
