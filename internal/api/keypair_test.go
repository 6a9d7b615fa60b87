package api

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// TestEd25519Endpoints: the receiver's key is shown wherever the endpoint is,
// the private one nowhere.
func TestEd25519Endpoints(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	const rest = `"consumer":"c","url":"https://example.com/","event_types":["*"]`
	made := st.do(key, "POST", "/v1/endpoints", `{"secret_type":"ed25519",`+rest+`}`).want(201)
	id, public := made.text("id"), made.text("public_key")
	private := st.stored(key, id).Secrets[0].Value.Reveal()
	if want, ok := webhook.Standard().PublicKey(private); !ok || public != want || !strings.HasPrefix(public, "whpk_") {
		t.Errorf("public key %q, want %q", public, want)
	}
	path := "/v1/endpoints/" + id
	for name, a := range map[string]*answer{
		"create": made, "read": st.do(key, "GET", path, nil).want(200), "list": st.do(key, "GET", "/v1/endpoints", nil).want(200),
		"pause": st.do(key, "POST", path+"/pause", nil).want(200), "change": st.do(key, "PATCH", path, `{"description":"d"}`).want(200),
	} {
		if text := string(a.body); strings.Count(text, public) != 2 || strings.Contains(text, "whsk_") || strings.Contains(text, `"secret":`) {
			t.Errorf("%s: %s", name, text)
		}
	}

	// A rotation that leaves the kind open keeps it, and both keys are shown.
	rotated := st.do(key, "PATCH", path, `{"secret":null}`).want(200)
	if next := rotated.text("public_key"); next == public || !strings.HasPrefix(next, "whpk_") || strings.Count(string(rotated.body), public) != 1 {
		t.Errorf("rotated: %s", rotated.body)
	}
	if a := st.do(key, "PATCH", path, `{"secret_type":"symmetric"}`).want(200); !strings.HasPrefix(a.text("secret"), "whsec_") || a.object()["public_key"] != nil {
		t.Errorf("to symmetric: %s", a.body)
	}
	if a := st.do(key, "PATCH", path, `{"secret_type":"ed25519","secret":null,"secret_overlap":0}`).want(200); a.object()["secret"] != nil || len(a.object()["secrets"].([]any)) != 1 {
		t.Errorf("and back: %s", a.body)
	}

	// A pair of the caller's own.
	own, ownPublic, _ := webhook.Standard().NewKeyPair()
	if a := st.do(key, "POST", "/v1/endpoints", `{"secret":"`+own+`",`+rest+`}`).want(201); a.text("public_key") != ownPublic || strings.Contains(string(a.body), own) {
		t.Errorf("own pair: %s", a.body)
	}
	if a := st.do(key, "POST", "/v1/endpoints", `{"secret_type":"symmetric",`+rest+`}`).want(201); !strings.HasPrefix(a.text("secret"), "whsec_") {
		t.Errorf("symmetric: %s", a.body)
	}

	st.do(key, "POST", "/v1/endpoints", `{"secret_type":"rsa",`+rest+`}`).problem(kindInvalid, "/secret_type")
	st.do(key, "POST", "/v1/endpoints", `{"secret_type":"ed25519","secret":"`+own+`",`+rest+`}`).problem(kindInvalid, "/secret_type")
	st.do(key, "PATCH", path, `{"secret_type":"rsa"}`).problem(kindInvalid, "/secret_type")
	_, other := st.project("connectvets", store.Development)
	st.do(other, "POST", "/v1/endpoints", `{"secret_type":"ed25519",`+rest+`}`).problem(kindInvalid, "/secret_type")
}
