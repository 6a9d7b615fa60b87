package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestErrorsNameOptions: what the API calls a field, the shell calls an option
// or an argument.
func TestErrorsNameOptions(t *testing.T) {
	t.Parallel()
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `{"status":422,"detail":"x","fix":"Correct what errors names and send it again.","errors":[%s]}`, answer)
	}))
	defer server.Close()
	for _, c := range []struct{ command, wrong, want string }{
		{"replay create --missed --since 1h", `{"pointer":"/endpoint_id","detail":"is missing"}`, "--endpoint: is missing"},
		{"replay create --since 1h", `{"pointer":"/from","detail":"lies in the future"}`, "--since: lies"},
		{"replay create --since 1h --states x", `{"pointer":"/states/0","detail":"is none"}`, "--states, item 1: is none"},
		{"endpoint create --consumer a --to x --event-types *", `{"pointer":"/url","detail":"has no scheme"}`, "--to: has no scheme"},
		{"endpoint create --consumer a --to x --event-types *", `{"pointer":"/headers/X-Y","detail":"has"}`, "--header at /X-Y: has"},
		{"endpoint create --consumer a --to x --event-types *", `{"pointer":"/auth/token","detail":"is"}`, "--auth-bearer: is"},
		{"endpoint create --consumer a --to x --event-types *", `{"pointer":"/consumer","detail":"is"}`, "--consumer: is"},
		{"endpoint list --state x", `{"parameter":"state","detail":"is none"}`, "--state: is none"},
		{"delivery list --last-status 9", `{"parameter":"last_status","detail":"is"}`, "--last-status: is"},
		{"event send a --consumer c --data 1", `{"pointer":"/type","detail":"may"}`, "<type>: may"},
		{"event send a --consumer c --data 1", `{"pointer":"/data/n","detail":"is"}`, "--data at /n: is"},
		{"event send a --consumer c --data 1", `{"header":"Idempotency-Key","detail":"is"}`, "--idempotency-key: is"},
		{"portal create bad", `{"pointer":"/consumer","detail":"is"}`, "<uid>: is"},
		{"event-type create a", `{"pointer":"/replaced_by","detail":"GET /v1/event-types lists"}`, "--replaced-by: `malote event-type list` lists"},
		{"inspector create --status 99", `{"pointer":"/answer/status","detail":"is"}`, "--status: is"},
		{"inspector create --delay 40s", `{"pointer":"/answer/delay_ms","detail":"is"}`, "--delay: is"},
		{"inspector create --fail-rate 101", `{"pointer":"/answer/fail_rate","detail":"is"}`, "--fail-rate: is"},
		{"inspector create --header A:b", `{"pointer":"/answer/headers/A","detail":"is"}`, "--header at /A: is"},
		{"inspector create --expires 1s", `{"pointer":"/expires_in","detail":"is"}`, "--expires: is"},
		{"inspector replay ins_1 req_1 --to x", `{"pointer":"/url","detail":"is"}`, "--to: is"},
		{"listen --forward http://localhost:1 --endpoint-for c", `{"pointer":"/url","detail":"is"}`, "--endpoint-for: is"},
		{"project list", `{"pointer":"/url","detail":"is"}`, "url: is"},
		{"project create x", `{"pointer":"/nothing","detail":"is"}`, "nothing: is"},
	} {
		answer = c.wrong
		code, _, text := malote(append(strings.Fields(c.command), "--url", server.URL, "--key", "k")...)
		if code != exitUsage || !strings.Contains(text, "malote: "+c.want) {
			t.Errorf("%s: %d %s, want %s", c.command, code, text, c.want)
		}
	}
	for command, want := range map[string]string{"event-type import @nofile": "<document>: open nofile", "event import @nofile": "<events>: open nofile"} {
		if code, _, text := malote(strings.Fields(command)...); code != exitUsage || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", command, code, text)
		}
	}
}

// TestNoRequestIsLeftInAdvice: each request that the API's texts name has a
// command.
func TestNoRequestIsLeftInAdvice(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../internal/lang/pt-BR.json")
	if err != nil {
		t.Fatal(err)
	}
	var catalogue struct{ Texts map[string]json.RawMessage }
	if err := json.Unmarshal(text, &catalogue); err != nil {
		t.Fatal(err)
	}
	request := regexp.MustCompile(`\b(GET|POST|PUT|PATCH|DELETE) /v1|PATCH with|/v1/`)
	seen := 0
	for said := range catalogue.Texts {
		if !request.MatchString(said) {
			continue
		}
		seen++
		if got := (*asked)(nil).shell(strings.ReplaceAll(said, "%s", "a.b")); request.MatchString(got) {
			t.Errorf("%s", got)
		}
	}
	if seen < 10 {
		t.Errorf("%d texts name a request", seen)
	}
	a := &asked{positionals: map[string]string{"id": "ep_1"}}
	for fix, want := range map[string]string{
		"Resume it first: POST /v1/endpoints/{id}/resume.":      "Resume it first: `malote endpoint resume ep_1`.",
		"Use a key that has the scope named in detail.":         "Use a key that has the scope named above.",
		"Change it: PATCH /v1/event-types/invoice.paid.":        "Change it: `malote event-type update invoice.paid`.",
		"Wait for as long as the header Retry-After says.":      "wait a moment, then run it again",
		`end the overlap: PATCH with {"secret_overlap": 0}.`:    "end the overlap: `malote endpoint update ep_1 --secret-overlap 0`.",
		`PATCH /v1/event-types/a.b with {"deprecated":true}.`:   "`malote event-type update a.b --deprecated`.",
		"Ask for shorter ones with expires_in, or end them: x.": "Ask for shorter ones with --expires, or end them: x.",
	} {
		if got := a.shellFix(fix); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSmallThingsOfTheShell: what was typed is taken, or refused by name.
func TestSmallThingsOfTheShell(t *testing.T) {
	t.Parallel()
	if code, _, text := malote("help", "nope"); code != exitUsage || !strings.Contains(text, `no command or topic "nope"`) {
		t.Errorf("%d %s", code, text)
	}
	if code, out, text := malote("--json", "dialect", "show", "tarefa"); code != exitOK || !strings.HasPrefix(out, "{") {
		t.Errorf("%d %s%s", code, out, text)
	}
	if code, _, text := malote("--json"); code != exitUsage {
		t.Errorf("%d %s", code, text)
	}
	for _, args := range [][]string{{"--hours", "0"}, {"--days", "0"}, {"--hours", "745"}, {"--minutes", "121"}, {"--minutes", "5", "--consumer", "acme"}, {"--days", "-1"}} {
		if code, _, text := malote(append([]string{"stats"}, args...)...); code != exitUsage || !strings.Contains(text, args[0]) {
			t.Errorf("%v: %d %s", args, code, text)
		}
	}
}
