package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAnAuthorityOfOnesOwn: receivers whose certificates come from a private
// authority are delivered to where SSL_CERT_DIR or SSL_CERT_FILE names it, and
// not otherwise.
func TestAnAuthorityOfOnesOwn(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(web.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "own.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]string{"SSL_CERT_DIR=" + dir: `"state":"delivered"`, "SSL_CERT_FILE=" + file: `"state":"delivered"`, "NONE=": `"class":"tls"`} {
		t.Run(strings.Split(env, "=")[0], func(t *testing.T) {
			t.Parallel()
			s := serveIn(t, []string{env})
			key := s.project("standard")
			s.object(key, "endpoint", "create", "--consumer", "acme", "--to", web.URL+"/", "--event-types", "*", "--retry-schedule", "none")
			event := text(t, s.object(key, "event", "send", "paid", "--consumer", "acme", "--data", "{}"), "id")
			out := ""
			for deadline := time.Now().Add(patience); !strings.HasPrefix(out, "{") && time.Now().Before(deadline); {
				out, _ = s.malote(key, exitOK, "delivery", "list", "--event", event, "--state", "delivered,failed", "--json")
			}
			if !strings.Contains(out, want) {
				t.Errorf("%s", out)
			}
		})
	}
}
