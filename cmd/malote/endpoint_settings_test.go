package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSettingsFromTheShell: an endpoint's own settings are set, shown and
// taken away, and what it sends is what was asked for.
func TestSettingsFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	type request struct{ user, password, authorization string }
	got := make(chan request, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got <- request{user, password, r.Header.Get("Authorization")}
	}))
	t.Cleanup(srv.Close)

	filter := writeFile(t, "filter.cel", "data.amount > 100 &&\n  data.currency == 'BRL'\n")
	made := s.object(key, "endpoint", "create", "--consumer", "acme", "--to", srv.URL, "--event-types", "*", "--channels", "store-7,store-8",
		"--filter", "@"+filter, "--retry-schedule", "90s,1h,1d", "--timeout", "1m", "--concurrency", "3", "--auth-basic", "user:pa:ss")
	id := text(t, made, "id")
	shown, _ := s.malote(key, exitOK, "endpoint", "get", id)
	for _, want := range []string{"store-7, store-8", `data.amount > 100 &&\n  data.currency == 'BRL'`, "1m30s, 1h, 24h", "timeout", "1m", "3 at once", `user name "user" and a password`} {
		if !strings.Contains(shown, want) {
			t.Errorf("lacks %q:\n%s", want, shown)
		}
	}
	if strings.Contains(shown, "pa:ss") {
		t.Errorf("shows the password:\n%s", shown)
	}
	// Only the last of these is wanted.
	for _, args := range [][]string{
		{"--data", `{"amount":500,"currency":"BRL"}`},
		{"--channels", "store-9", "--data", `{"amount":500,"currency":"BRL"}`},
		{"--channels", "store-8,x", "--data", `{"amount":5,"currency":"BRL"}`},
		{"--channels", "store-8,x", "--data", `{"amount":500,"currency":"BRL"}`},
	} {
		s.malote(key, exitOK, append([]string{"event", "send", "paid", "--consumer", "acme"}, args...)...)
	}
	select {
	case r := <-got:
		if r.user != "user" || r.password != "pa:ss" {
			t.Errorf("sent %+v", r)
		}
	case <-time.After(patience):
		t.Fatal("nothing arrived")
	}
	for filter, want := range map[string]bool{
		"--state active,paused": true, "--state disabled": false, "--event-type paid": true, "--search 127.0.0.1": true, "--search nothing": false, "--event-type paid --consumer b": false,
	} {
		if out, _ := s.malote(key, exitOK, append([]string{"endpoint", "list"}, strings.Fields(filter)...)...); strings.Contains(out, id) != want {
			t.Errorf("endpoint list %s:\n%s", filter, out)
		}
	}
	s.malote(key, exitUsage, "endpoint", "list", "--state", "lost")
	if out, _ := s.malote(key, exitOK, "delivery", "list", "--endpoint", id); strings.Count(out, "dlv_") != 1 {
		t.Errorf("deliveries:\n%s", out)
	}

	rotated := s.object(key, "endpoint", "rotate", id, "--overlap", "1h", "--idempotency-key", "r")
	again, hint := s.malote(key, exitOK, "endpoint", "rotate", id, "--overlap", "1h", "--idempotency-key", "r")
	if secret := text(t, rotated, "secret"); secret == text(t, made, "secret") || !strings.Contains(again, secret) {
		t.Errorf("rotated %v, then:\n%s%s", rotated, again, hint)
	}
	s.malote(key, exitUsage, "endpoint", "rotate", id, "--ed25519", "--secret", "x")
	s.malote(key, exitOK, "endpoint", "update", id, "--auth-bearer", "@"+writeFile(t, "token", "t0ken\n"), "--channels", "", "--filter", "", "--retry-schedule", "none")
	s.malote(key, exitOK, "event", "send", "paid", "--consumer", "acme", "--data", "1")
	if r := <-got; r.authorization != "Bearer t0ken" {
		t.Errorf("sent %+v", r)
	}
	for _, option := range []string{"--auth-basic", "--auth-bearer", "--client-cert"} {
		if shown, _ = s.malote(key, exitOK, "endpoint", "update", id, "--auth-basic", "a:b"); !strings.Contains(shown, `user name "a"`) {
			t.Errorf("shown:\n%s", shown)
		}
		if shown, _ = s.malote(key, exitOK, "endpoint", "update", id, option, ""); strings.Contains(shown, "user name") {
			t.Errorf("%s '' leaves it:\n%s", option, shown)
		}
	}
	s.malote(key, exitUsage, "endpoint", "create", "--consumer", "acme", "--to", srv.URL, "--event-types", "*", "--auth-basic", "")
	s.malote(key, exitOK, "endpoint", "update", id, "--auth-bearer", "t0ken")
	shown, _ = s.malote(key, exitOK, "endpoint", "update", id, "--no-auth", "--timeout", "0", "--concurrency", "0")
	if !strings.Contains(shown, "one attempt, no retries") {
		t.Errorf("shown:\n%s", shown)
	}
	shown, _ = s.malote(key, exitOK, "endpoint", "update", id, "--retry-schedule", "default")
	for _, gone := range []string{"store", "filter", "retries", "timeout", "at once", "bearer"} {
		if strings.Contains(shown, gone) {
			t.Errorf("still has %s:\n%s", gone, shown)
		}
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"exclude each other":   {"--auth-basic", "a:b", "--auth-bearer", "c"},
		"go together":          {"--client-cert", "x"},
		"there is no colon":    {"--auth-basic", "a"},
		"--client-cert: open":  {"--client-cert", t.TempDir() + "/cert", "--client-key", writeFile(t, "key", "k")},
		"is not a duration":    {"--retry-schedule", "1m,soon"},
		"is not whole seconds": {"--retry-schedule", "1500ms"},
		"--no-auth excludes":   {"--no-auth", "--auth-bearer", "c"},
		"--filter: open":       {"--filter", "@" + t.TempDir() + "/filter"},
	} {
		code, _, errOut := malote(append([]string{"endpoint", "update", "ep_1", "--key", "k"}, args...)...)
		if code != exitUsage || !strings.Contains(errOut, want) || !strings.Contains(errOut, "fix: ") {
			t.Errorf("%v: %d %s, want %q", args, code, errOut, want)
		}
	}
}

// TestPreviewFromTheShell: which events an endpoint gets, in words.
func TestPreviewFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	endpoint := text(t, s.object(key, "endpoint", "create", "--consumer", "acme", "--to", "https://example.com/", "--event-types", "paid", "--filter", "data.n > 1", "--paused"), "id")
	event := text(t, s.object(key, "event", "send", "paid", "--consumer", "acme", "--data", `{"n":1}`), "id")
	got := text(t, s.object(key, "event", "send", "paid", "--consumer", "acme", "--data", `{"n":2}`), "id")
	for _, l := range []struct {
		args []string
		want []string
	}{
		{[]string{endpoint}, []string{event, "no: filter", "the filter is false for it", got, "yes"}},
		{[]string{endpoint, "--event", event}, []string{event, "no: filter"}},
		{[]string{endpoint, "--event", got}, []string{"yes", "it got dlv_"}},
		{[]string{endpoint, "--filter", "", "--limit", "1"}, []string{got, "yes"}},
		{[]string{"--consumer", "acme", "--event-types", "billed"}, []string{"no: event_type"}},
		{[]string{endpoint, "--type", "paid", "--data", `{}`, "--on", "a,b", "--channels", "b"}, []string{"(sample)", "a,b", "yes", "it has no field n"}},
	} {
		out, _ := s.malote(key, exitOK, append([]string{"endpoint", "preview"}, l.args...)...)
		for _, want := range l.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v lacks %q:\n%s", l.args, want, out)
			}
		}
	}
	for want, args := range map[string][]string{
		"is an event":         {event},
		"is an endpoint":      {"--event", endpoint},
		"exclude each other":  {"--event", event, "--data", "1"},
		"--type is missing":   {"--data", "1"},
		"--on is of a sample": {"--on", "a"},
		"--data":              {"--data", "{", "--type", "a"},
		"line 1, column 5":    {"--consumer", "acme", "--filter", "a &&"},
		"consumer: ":          {},
	} {
		if _, errOut := s.malote(key, exitUsage, append([]string{"endpoint", "preview"}, args...)...); !strings.Contains(errOut, want) {
			t.Errorf("%v does not say %q:\n%s", args, want, errOut)
		}
	}
}
