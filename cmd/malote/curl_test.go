package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// TestCurl: what is printed is a delivery's request as it would go now, and a
// shell sends it; what is secret is not in it.
func TestCurl(t *testing.T) {
	t.Parallel()
	type request struct {
		header http.Header
		body   string
	}
	came := make(chan request, 4)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		came <- request{r.Header, string(body)}
	}))
	t.Cleanup(web.Close)
	s := serveIn(t, nil)
	key := s.project("standard")
	endpoint := s.object(key, "endpoint", "create", "--consumer", "acme", "--to", web.URL+"/it's?a=[1-2]", "--event-types", "*", "--header", "X-Tenant: t0p-secret")
	event := text(t, s.object(key, "event", "send", "paid", "--consumer", "acme", "--data", `{"who":"Zé's $HOME \\ \u0000 @x"}`), "id")
	sent := await(t, came)

	delivery := text(t, s.object(key, "delivery", "list", "--event", event), "id")
	line, said := s.malote(key, exitOK, "delivery", "curl", delivery)
	if !strings.HasPrefix(line, "curl ") || strings.Contains(line, "t0p-secret") || !strings.Contains(said, "X-Tenant") {
		t.Fatalf("%s%s", line, said)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, line)
	}
	again := await(t, came)
	if again.body != sent.body {
		t.Errorf("%q was sent, and again %q", sent.body, again.body)
	}
	for name := range sent.header {
		if name != "User-Agent" && name != "Accept-Encoding" && again.header.Get(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if got := again.header.Get("X-Tenant"); got != "[redacted]" {
		t.Errorf("X-Tenant: %q", got)
	}
	v := webhook.Standard().Verify(again.header, []byte(again.body), []string{text(t, endpoint, "secret")}, time.Now())
	if !v.OK {
		t.Errorf("%+v", v)
	}
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	panic("not reached")
}
