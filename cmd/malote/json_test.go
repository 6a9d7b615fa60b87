package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestJSONIsWhatTheAPIAnswers: member for member, digit for digit.
func TestJSONIsWhatTheAPIAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	project := text(t, s.object(key, "whoami")["project"].(map[string]any), "id")
	var id string
	for range 3 {
		id = text(t, s.object(key, "endpoint", "create", "--consumer", "acme", "--to", "https://example.com/", "--event-types", "*", "--paused"), "id")
	}
	event := text(t, s.object(key, "event", "send", "paid", "--consumer", "acme", "--data", `{"amount":1.50,"note":"a < b"}`), "id")
	for path, l := range map[string]struct{ key, line string }{
		"/v1/endpoints/" + id:               {key, "endpoint get " + id},
		"/v1/events/" + event:               {key, "event get " + event},
		"/v1/endpoints":                     {key, "endpoint list"},
		"/v1/endpoints?limit=2":             {key, "endpoint list --limit 1"},
		"/v1/projects/" + project + "/keys": {s.root, "key list --project " + project},
		"/v1/me":                            {key, "whoami"},
	} {
		out, _ := s.malote(l.key, exitOK, append(strings.Fields(l.line), "--json")...)
		want := get(t, "http://"+s.addr+path, l.key)
		var list page
		if list.read(want); list.Data != nil {
			n := len(list.Data)
			if strings.Contains(l.line, "--limit 1") {
				n = 1
			}
			want = bytes.Join(asBytes(list.Data[:n]), []byte("\n"))
		} else {
			out = compactJSON([]byte(out))
		}
		if got := strings.TrimSpace(out); got != strings.TrimSpace(string(want)) {
			t.Errorf("malote %s --json\n%s\nthe API\n%s", l.line, got, want)
		}
	}
	if all, _ := s.malote(key, exitOK, "endpoint", "list", "--limit", "2", "--json"); strings.Count(all, "\n") != 2 || strings.Contains(all, "skipped") {
		t.Errorf("%s", all)
	}
	if made := s.object(s.root, "key", "create", "--project", project); made["consumer"] != nil {
		t.Errorf("%v", made)
	}
}

func asBytes(items []json.RawMessage) (out [][]byte) {
	for _, i := range items {
		out = append(out, i)
	}
	return out
}

// get asks the API as any program does.
func get(t *testing.T, url, key string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", resp.StatusCode, body, err)
	}
	return body
}
