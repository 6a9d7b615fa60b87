package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestEventTypesFromTheShell: a catalogue is imported, read, changed and used
// for a test send.
func TestEventTypesFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	doc := "@" + writeFile(t, "openapi.json", `{"openapi":"3.1.0","info":{"title":"Shop","version":"1"},"webhooks":{
		"order.created":{"post":{"summary":"An order was placed","requestBody":{"content":{"application/json":{"schema":{"type":"object"},"example":{"id":"o_1"}}}}}},
		"order cancelled":{"post":{}}}}`)
	schema := "@" + writeFile(t, "schema.json", `{"type":"object","required":["id"]}`)
	for _, l := range []struct {
		line  string
		wants []string
		lacks string
	}{
		{"event-type import " + doc + " --dry-run", []string{"order.created", "created", "order cancelled", "skipped", "1 created, 0 updated, 0 unchanged, 1 skipped."}, ""},
		{"event-type list", []string{"None."}, "order.created"},
		{"event-type import " + doc, []string{"1 created"}, ""},
		{"event-type import " + doc, []string{"0 created, 0 updated, 1 unchanged"}, ""},
		{"event-type list --source project", []string{"order.created", "project", "An order was placed"}, ""},
		{"event-type show order.created", []string{`{"id":"o_1"}`, `"type":"object"`, "An order was placed"}, "validated"},
		{"event-type update order.created --schema " + schema + " --validate --tags shop", []string{`"required"`, "validated", "shop"}, ""},
		{"event-type update order.created --no-validate --schema=", []string{`{"id":"o_1"}`}, "required"},
		{"event-type create order.paid --schema " + schema + ` --example {"id":7} --description-pt Paga`, []string{"order.paid", "Paga", `{"id":7}`}, ""},
		{"event-type list --tag shop", []string{"order.created"}, "order.paid"},
		{"event-type delete order.paid", []string{"Deleted."}, ""},
		{"event-type list", []string{"order.created"}, "order.paid"},
	} {
		out, _ := s.malote(key, exitOK, strings.Fields(l.line)...)
		for _, want := range l.wants {
			if !strings.Contains(out, want) {
				t.Errorf("malote %s lacks %q:\n%s", l.line, want, out)
			}
		}
		if l.lacks != "" && strings.Contains(out, l.lacks) {
			t.Errorf("malote %s has %q:\n%s", l.line, l.lacks, out)
		}
	}
	s.malote(key, exitNotFound, "event-type", "show", "order.paid")
	for want, line := range map[string]string{
		"not JSON":          "event-type import " + "@" + writeFile(t, "openapi.yaml", "openapi: 3.1.0"),
		"--schema: not":     "event-type create a --schema {",
		"nothing to change": "event-type update order.created",
		"--type is missing": "endpoint test ep_1 --data 1",
		"--data: not JSON":  "endpoint test ep_1 --type a --data {",
	} {
		if _, errOut := s.malote(key, exitUsage, strings.Fields(line)...); !strings.Contains(errOut, want) {
			t.Errorf("malote %s does not say %q:\n%s", line, want, errOut)
		}
	}
}

// TestATestSendOfAType: with its example, or with data of one's own.
func TestATestSendOfAType(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	got := make(chan string, 8)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}))
	t.Cleanup(web.Close)
	s.malote(key, exitOK, "event-type", "create", "order.paid", "--example", `{"id":"example"}`)
	// Two endpoints, as each takes one test a second.
	for want, data := range map[string][]string{`{"id":"example"}`: nil, `{ "id": "own" }`: {"--data", "@" + writeFile(t, "data.json", `{ "id": "own" }`)}} {
		id := text(t, s.object(key, "endpoint", "create", "--consumer", "acme", "--to", web.URL, "--event-types", "none"), "id")
		s.malote(key, exitOK, append([]string{"endpoint", "test", id, "--type", "order.paid"}, data...)...)
		select {
		case body := <-got:
			if !strings.Contains(body, want) || !strings.Contains(body, "order.paid") {
				t.Errorf("sent %s, want %s", body, want)
			}
		case <-time.After(patience):
			t.Fatal("nothing arrived")
		}
	}
}

// TestAuditFromTheShell: who changed what, and only what was asked for.
func TestAuditFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	me := s.object(key, "whoami")
	project := text(t, me["project"].(map[string]any), "id")
	id := text(t, s.object(key, "endpoint", "create", "--consumer", "acme", "--to", "https://example.com/", "--event-types", "*"), "id")
	s.malote(key, exitOK, "endpoint", "update", id, "--rate-limit", "120")
	for _, l := range []struct{ key, line, want, lacks string }{
		{key, "audit", "endpoint.create", ""},
		{key, "audit --action endpoint.update", "rate_limit: none → 120", "endpoint.create"},
		{key, "audit --object " + id + " --actor " + text(t, me, "id"), id, "key.create"},
		{key, "audit --until 2020-01-01", "None.", "endpoint"},
		{key, "audit --limit 1", "endpoint.update", "endpoint.create"},
		{s.root, "audit --project " + project, id, ""},
		{s.root, "audit", "key.create", id},
	} {
		out, _ := s.malote(l.key, exitOK, strings.Fields(l.line)...)
		if !strings.Contains(out, l.want) || l.lacks != "" && strings.Contains(out, l.lacks) {
			t.Errorf("malote %s, want %q and not %q:\n%s", l.line, l.want, l.lacks, out)
		}
	}
	s.malote(key, exitUsage, "audit", "--action", "lost")
	s.malote(key, exitNotFound, "audit", "--project", "prj_01m814a1b5e0080c3d4e5f6g7h")
}

// TestACustomersOwnKey has the six scopes of what a customer does.
func TestACustomersOwnKey(t *testing.T) {
	t.Parallel()
	s := serve(t)
	project := text(t, s.object(s.project("standard"), "whoami")["project"].(map[string]any), "id")
	key := text(t, s.object(s.root, "key", "create", "--project", project, "--consumer", "acme"), "key")
	if out, _ := s.malote(key, exitOK, "whoami"); !strings.Contains(out, "deliveries:read, deliveries:write, endpoints:read, endpoints:write, event_types:read, events:read") {
		t.Errorf("%s", out)
	}
	s.malote(key, exitOK, "event-type", "list")
}
