package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRecoveryFromTheShell goes the way of docs/replay.md: a receiver is down,
// is mended, and gets what it did not take, each once.
func TestRecoveryFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	var down atomic.Bool
	down.Store(true)
	got := make(chan string, 64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got <- r.Header.Get("webhook-id")
	}))
	t.Cleanup(srv.Close)
	ep := text(t, s.object(key, "endpoint", "create", "--consumer", "acme", "--to", srv.URL, "--event-types", "*", "--retry-schedule", "1h"), "id")
	const events = 5
	sent := map[string]bool{}
	for range events {
		sent[text(t, s.object(key, "event", "send", "task.created", "--consumer", "acme", "--data", "1"), "id")] = true
	}
	for end := time.Now().Add(patience); ; {
		out, _ := s.malote(key, exitOK, "delivery", "list", "--state", "failed,pending", "--last-status", "5xx")
		if strings.Count(out, "dlv_") == events {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("not all were tried:\n%s", out)
		}
	}
	down.Store(false)
	if out, _ := s.malote(key, exitOK, "replay", "create", "--since", "1h", "--endpoint", ep, "--dry-run"); out != "5 deliveries would be sent.\n" {
		t.Error(out)
	}
	out, progress := s.malote(key, exitOK, "replay", "create", "--since", "1h", "--endpoint", ep, "--wait")
	if !strings.Contains(out, "done") || !strings.Contains(out, "5 (100 %)") || !strings.Contains(progress, "of 5 deliveries in the queue") {
		t.Errorf("%s%s", out, progress)
	}
	for range events {
		select {
		case <-got:
		case <-time.After(patience):
			t.Fatal("not all arrived")
		}
	}
	id := text(t, s.object(key, "replay", "list", "--state", "done"), "id")
	if out, _ := s.malote(key, exitOK, "replay", "get", id, "--wait"); !strings.Contains(out, ep) {
		t.Error(out)
	}
	for event := range sent {
		if out, _ := s.malote(key, exitOK, "event", "replay", event, "--endpoint", ep); !strings.Contains(out, "dlv_") {
			t.Error(out)
		}
		break
	}
	if <-got == "" {
		t.Error("no id")
	}
	late := text(t, s.object(key, "endpoint", "create", "--consumer", "acme", "--to", srv.URL, "--event-types", "task.*", "--paused"), "id")
	if out, _ := s.malote(key, exitOK, "replay", "create", "--missed", "--since", "2020-01-01", "--endpoint", late, "--wait"); !strings.Contains(out, "what was missed") {
		t.Error(out)
	}
	for says, args := range map[string][]string{
		"--since":  {"create"},
		"how long": {"create", "--since", "soon"},
		"kind":     {"create", "--since", "1h", "--endpoint", "evt_00000000000000000000000000"},
		"endpoint": {"create", "--since", "1h", "--missed"},
		"states":   {"create", "--since", "1h", "--states", "lost"},
		"delivery": {"cancel", "dlv_x"},
	} {
		if _, errOut := s.malote(key, exitUsage, append([]string{"replay"}, args...)...); !strings.Contains(errOut, says) {
			t.Errorf("malote replay %v does not say %q:\n%s", args, says, errOut)
		}
	}
	if _, errOut := s.malote(key, exitConflict, "replay", "cancel", id); !strings.Contains(errOut, "over") {
		t.Error(errOut)
	}
	s.malote(key, exitNotFound, "replay", "get", "rpl_00000000000000000000000000")
}
