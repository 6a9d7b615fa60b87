package acceptance

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// keyPair is what the API shows of an endpoint that signs with Ed25519.
type keyPair struct {
	ID        string `json:"id"`
	Secret    string `json:"secret"`
	PublicKey string `json:"public_key"`
	Secrets   []struct {
		PublicKey string `json:"public_key"`
	} `json:"secrets"`
}

// TestEd25519 has receivers that know the public key alone verify deliveries,
// also while secrets rotate and several sign.
func TestEd25519(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	for _, l := range languages() {
		if l.name != "go" && l.name != "node" {
			continue // their crypto libraries know Ed25519
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			r := startReceiver(t, l)
			api := newProject(t, site, "development", "standard")
			const path = "/standard/ed25519"
			var made keyPair
			change := func(method, at string, in map[string]any) keyPair {
				t.Helper()
				var e keyPair
				if err := api.Do(t.Context(), method, at, in, &e); err != nil {
					t.Fatal(err)
				}
				return e
			}
			made = change(http.MethodPost, "/v1/endpoints", map[string]any{
				"consumer": "c", "url": r.url + path, "event_types": []string{"*"}, "secret_type": "ed25519",
			})
			if made.Secret != "" || !strings.HasPrefix(made.PublicKey, "whpk_") {
				t.Fatalf("created %+v", made)
			}
			arrives := func(what, key string, want ...string) {
				t.Helper()
				r.allow(t, path, key)
				verified(t, api, r, path, what, want)
			}
			at := "/v1/endpoints/" + made.ID
			arrives("one pair", made.PublicKey, "v1a")

			second := change(http.MethodPatch, at, map[string]any{"secret": nil, "secret_overlap": 3600})
			if second.PublicKey == made.PublicKey || len(second.Secrets) != 2 || second.Secrets[1].PublicKey != made.PublicKey {
				t.Errorf("rotated to %+v", second)
			}
			arrives("the old key, while it rotates", made.PublicKey, "v1a", "v1a")
			arrives("the new key, while it rotates", second.PublicKey, "v1a", "v1a")

			third := change(http.MethodPatch, at, map[string]any{"secret_type": "symmetric", "secret_overlap": 3600})
			arrives("a symmetric secret", third.Secret, "v1", "v1a", "v1a")
			arrives("the public key beside it", second.PublicKey, "v1", "v1a", "v1a")

			change(http.MethodPatch, at, map[string]any{"secret_overlap": 0})
			arrives("the symmetric one alone", third.Secret, "v1")
		})
	}
}

// verified sends an event and wants the receiver to find it right, signed in
// the ways named.
func verified(t *testing.T, api *rig.API, r *receiver, path, what string, want []string) {
	t.Helper()
	sendEvent(t, api, "a", "c", time.Now().UTC().Format(time.RFC3339), `{"n":1}`)
	d := r.next(t, path)
	var ways []string
	for item := range strings.FieldsSeq(d.header("webhook-signature")) {
		way, _, _ := strings.Cut(item, ",")
		ways = append(ways, way)
	}
	if !d.Verified || strings.Join(ways, " ") != strings.Join(want, " ") {
		t.Errorf("%s: verified %v, signed %v, want %v", what, d.Verified, ways, want)
	}
}
