package api

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// TestSign: in no dialect is a value shown that is secret, and where the
// request cannot be made the answer says why.
func TestSign(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"standard", "gabinete360", "connectvets", "habilitar", "placaflow", "tarefa", "github", "stripe"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			st := setup(t)
			_, key := st.project(dialect, store.Development)
			e := st.do(key, "POST", "/v1/endpoints", map[string]any{
				"consumer": "42", "url": "https://example.com/hook", "event_types": []string{"*"}, "headers": map[string]string{"X-Own": "canary-of-a-header"},
				"auth": map[string]string{"type": "bearer", "token": "canary-of-a-token"},
			}).want(201)
			st.do(key, "POST", "/v1/endpoints/"+e.text("id")+"/test", nil).want(202)
			d := st.do(key, "GET", "/v1/deliveries", nil).want(200).object()["data"].([]any)[0].(map[string]any)
			path := "/v1/deliveries/" + d["id"].(string) + "/sign"
			a := st.do(key, "POST", path, nil).want(200)
			for _, secret := range []string{"canary", e.text("secret")} {
				if strings.Contains(string(a.body), secret) {
					t.Errorf("%s is shown: %s", secret, a.body)
				}
			}
			if line := a.text("curl"); !strings.Contains(line, "'X-Own: [redacted]'") || !strings.Contains(line, "'https://example.com/hook'") || !strings.Contains(line, "'"+a.text("body")+"'") {
				t.Errorf("%s", line)
			}
			st.do(key, "DELETE", "/v1/endpoints/"+e.text("id"), nil).want(200)
			st.do(key, "POST", path, nil).problem(kindConflict)
		})
	}
}

func TestCurlOfOddBodies(t *testing.T) {
	t.Parallel()
	headers := []webhook.Field{{Name: "X-Empty", Value: ""}, {Name: "X-Quote", Value: "it's"}}
	for body, want := range map[string]string{
		"@file": "--data-raw '@file'\n", "it's": `--data-raw 'it'\''s'` + "\n", "": "--data-raw ''\n",
		"a\x00b": "printf %s 'YQBi' | base64 -d | curl ", "\xff": "printf %s '/w==' | base64 -d | curl ", "\x1b[2J": "printf %s 'G1sySg==' | base64", "\u202e": "printf %s '4oCu' | base64", "é\n": "--data-raw 'é\n'\n",
		"\xfe": "printf %s '/g==' | base64 -d | curl ",
	} {
		line := Curl("POST", "https://example.com/", headers, []byte(body))
		if !strings.Contains(line, want) || !strings.Contains(line, "'X-Empty;'") || !strings.Contains(line, `'X-Quote: it'\''s'`) {
			t.Errorf("%q: %s", body, line)
		}
	}
	if line := Curl("GET", "https://example.com/", nil, nil); line != "curl --include --globoff --request GET 'https://example.com/'\n" {
		t.Error(line)
	}
	if line := Curl("$(ls)", "https://example.com/", nil, nil); !strings.Contains(line, "--request '$(ls)' ") {
		t.Error(line)
	}
}
