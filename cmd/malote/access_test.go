package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestAccessFromTheShell: sessions, links and keys as an operator uses them.
func TestAccessFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("connectvets")
	project := text(t, s.object(key, "whoami")["project"].(map[string]any), "id")
	e := s.object(key, "endpoint", "create", "--consumer", "acme", "--to", "http://127.0.0.1:1/hook", "--event-types", "note.completed")
	id := text(t, e, "id")

	session := s.object(key, "portal", "create", "acme", "--manage", "--expires", "10m")
	token := text(t, session, "token")
	for _, l := range []struct {
		key, line string
		wants     []string
	}{
		{key, "whoami", []string{"a key of a whole project", project, "connectvets"}},
		{s.root, "whoami", []string{"a root key"}},
		{s.root, "node list", []string{"SLOT", "serving", s.addr, "256", "chief, answers"}},
		{token, "whoami", []string{"a portal session", "acme", "manage"}},
		{token, "endpoint pause " + id, []string{"paused"}},
		{key, "endpoint probe " + id, []string{"no_answer", "No answer came: "}},
		{key, "portal list acme", []string{text(t, session, "id"), "manage"}},
		{key, "portal create acme", []string{"mlt_portal_", "read"}},
		{key, "portal end acme --session " + text(t, session, "id"), []string{"Ended."}},
		{key, "portal end acme --all", []string{"Ended: 1."}},
		{key, "consumer list --uid-prefix ac", []string{"acme"}},
		{s.root, "project get " + project, []string{project, "connectvets"}},
		{s.root, "key create --root --name spare", []string{"mlt_root_"}},
		{s.root, "key list --root", []string{"spare", "in force"}},
	} {
		out, _ := s.malote(l.key, exitOK, strings.Fields(l.line)...)
		for _, want := range l.wants {
			if !strings.Contains(out, want) {
				t.Errorf("malote %s lacks %q:\n%s", l.line, want, out)
			}
		}
	}
	checks, said := s.malote(key, exitFailure, "endpoint", "checkup", id)
	for _, want := range []string{"CHECK", "accepts", "failed", "in_time", "unknown", "No answer came: "} {
		if !strings.Contains(checks, want) {
			t.Errorf("malote endpoint checkup lacks %q:\n%s", want, checks)
		}
	}
	if !strings.Contains(said, "a check failed") {
		t.Error(said)
	}
	s.malote(token, exitNotAllowed, "endpoint", "list")

	link := s.object(key, "link", "create", id, "--expires", "1d")
	at := "http://" + s.addr + text(t, link, "path")
	if !strings.HasPrefix(at, "http://"+s.addr+"/s/mlt_link_") || link["url"] != nil {
		t.Errorf("%v", link)
	}
	if out, _ := s.malote(key, exitOK, "link", "create", id); !strings.Contains(out, "http://"+s.addr+"/s/mlt_link_") {
		t.Errorf("people get the whole link:\n%s", out)
	}
	if body := post(t, at); !strings.Contains(body, text(t, e, "secret")) {
		t.Errorf("%s", body)
	}
	out, _ := s.malote(key, exitOK, "link", "list", id)
	if !strings.Contains(out, "opened") || !strings.Contains(out, "127.0.0.1") || strings.Contains(out, "mlt_link_") {
		t.Errorf("%s", out)
	}
	s.malote(key, exitConflict, "link", "revoke", id, text(t, link, "id"))
	again := s.object(key, "link", "create", id)
	if out, _ := s.malote(key, exitOK, "link", "revoke", id, text(t, again, "id")); !strings.Contains(out, "Revoked.") {
		t.Errorf("%s", out)
	}

	spare := s.object(s.root, "key", "create", "--root")
	s.malote(s.root, exitOK, "key", "revoke", text(t, spare, "id"), "--root")
	for _, wrong := range []struct {
		says string
		args []string
	}{
		{"--project", []string{"key", "list"}}, {"--root", []string{"key", "list", "--root", "--project", project}}, {"--scopes", []string{"key", "create", "--root", "--scopes", "*"}},
		{"--all", []string{"portal", "end", "acme"}}, {"--expires", []string{"portal", "create", "acme", "--expires", "2d"}}, {"endpoint", []string{"link", "create", project}},
	} {
		if _, errOut := s.malote(key, exitUsage, wrong.args...); !strings.Contains(errOut, wrong.says) {
			t.Errorf("malote %v does not say %q:\n%s", wrong.args, wrong.says, errOut)
		}
	}
}

// post presses the button of a page.
func post(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return string(body)
}
