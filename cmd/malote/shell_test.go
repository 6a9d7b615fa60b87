package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
)

// TestWrongUseIsSaidInWordsOfTheShell runs command lines that must fail.
func TestWrongUseIsSaidInWordsOfTheShell(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	master := strings.TrimSpace(mustOutput(t, "key", "master"))
	serve := []string{"serve", "--master-key", master, "--listen", "127.0.0.1:0", "--data"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{append(serve, filepath.Join(file, "foo")), "cannot create the directory"},
		{append(serve, t.TempDir(), "--retention", "0"), "--retention 0"},
		{append(serve, t.TempDir(), "--min-free", "0"), "--min-free 0"},
		{append(serve, t.TempDir(), "--per-endpoint", "0"), "--per-endpoint 0"},
		{append(serve, t.TempDir(), "--grace", "0"), "--grace 0"},
		{append(serve, t.TempDir(), "--memory", "1"), "choose from 1MiB to 1024GiB"},
		{[]string{"serve", "--data", t.TempDir(), "--master-key-file", file}, "--master-key-file"},
		{[]string{"delivery", "get", "evt_1", "--key", "k"}, "is an event"},
		{[]string{"delivery", "attempts", "evt_1", "--key", "k"}, "is an event"},
		{[]string{"endpoint", "pause", "dlv_1", "--key", "k"}, "is a delivery"},
		{[]string{"endpoint", "update", "ep_1", "--key", "k"}, "nothing to change"},
		{[]string{"endpoint", "list", "--limit", "x"}, `--limit: not a whole number: "x"`},
		{[]string{"endpoint", "create", "--to"}, "--to: the value is missing"},
	} {
		if code, out, errOut := malote(c.args...); code != exitUsage || !strings.Contains(errOut, c.want) || !strings.Contains(errOut, "fix: ") {
			t.Errorf("%s: %d %s%s, want %d %q", strings.Join(c.args, " "), code, out, errOut, exitUsage, c.want)
		}
	}
	if code, out, _ := malote("--version"); code != exitOK || !strings.HasPrefix(out, "malote ") {
		t.Errorf("--version: %d %s", code, out)
	}
}

// TestAnswersAreSaidInWordsOfTheShell: what the API says to a program is said
// to a person.
func TestAnswersAreSaidInWordsOfTheShell(t *testing.T) {
	t.Parallel()
	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	key := func() (int, string) {
		code, _, errOut := malote("key", "create", "--project", "prj_nope", "--scopes", "a,b", "--url", server.URL, "--key", "k")
		return code, errOut
	}
	status, body = 404, `{"status":404,"detail":"nothing of this project has this id","fix":"Check the id."}`
	if code, text := key(); code != exitNotFound || !strings.Contains(text, "no such project") {
		t.Errorf("%d %s", code, text)
	}
	status, body = 422, `{"status":422,"detail":"/scopes/1 is unknown","fix":"Correct what errors names and send it again.","errors":[{"pointer":"/scopes/1","detail":"is unknown"}]}`
	if code, text := key(); code != exitUsage || !strings.Contains(text, "scopes, item 2: is unknown") || strings.Contains(text, "errors names") {
		t.Errorf("%d %s", code, text)
	}
	code, _, errOut := malote("project", "list", "--url", strings.Replace(server.URL, "http:", "https:", 1), "--key", "k")
	if code != exitUnavailable || !strings.Contains(errOut, "with http://") {
		t.Errorf("%d %s", code, errOut)
	}
}

// TestAMistypedVariableIsNamed, without its value.
func TestAMistypedVariableIsNamed(t *testing.T) {
	t.Parallel()
	var grammar commands
	parser, err := newParser(&grammar, &console{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	warnOfVariables(slog.New(slog.NewTextHandler(&out, nil)), parser.Model.Node, []string{"MALOTE_DATAA=canary", "MALOTE_DATA=x", "HOME=y"})
	if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "variable=MALOTE_DATAA") || strings.Contains(text, "canary") {
		t.Errorf("%s", text)
	}
}

func TestWhatWaitsSaysWhy(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := &client.Delivery{State: "pending", Held: "endpoint paused", NextDueAt: &now}
	if got := next(d, now); got != "held: endpoint paused" {
		t.Error(got)
	}
	for want, d := range map[string]*client.Delivery{
		"no answer": {Attempts: 2}, "timeout": {Attempts: 2, LastError: &client.AttemptError{Class: "timeout"}},
		"503": {Attempts: 1, LastStatus: 503, LastError: &client.AttemptError{Class: "status"}}, "": {},
	} {
		if got := last(d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := stateOf(&client.Delivery{State: "cancelled", Reason: "cancelled"}); got != "cancelled" {
		t.Error(got)
	}
	if got := healthOf(&client.Endpoint{State: "active", FailedAt: &now}); !strings.HasPrefix(got, "failing since") {
		t.Error(got)
	}
	for n, want := range map[int]string{1: "failing (1 delivery in a row)", 2: "failing (2 deliveries in a row)"} {
		if got := healthOf(&client.Endpoint{State: "active", FailureCount: n}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
