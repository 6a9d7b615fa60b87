package api

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestAnswersHaveExamples: each answer in JSON has an example that is one, the
// problems too.
func TestAnswersHaveExamples(t *testing.T) {
	t.Parallel()
	st := setup(t)
	ref := referenceOf(t, st)
	ck, err := newChecker(parseJSON(t, ref.json.body))
	if err != nil {
		t.Fatal(err)
	}
	hold := func(at string) {
		declared, _ := ck.at(at + "/content").(map[string]any)
		for media := range declared {
			if !strings.HasSuffix(media, "json") {
				continue
			}
			example := ck.at(at + "/content/" + token(media) + "/example")
			if example == nil {
				t.Errorf("%s has no example", at)
				continue
			}
			ck.validate(t, at+"/content/"+token(media)+"/schema", example)
		}
	}
	for _, rt := range st.server.routes() {
		if rt.out != nil {
			for _, status := range append([]int{rt.status}, routesWords[rt.method+" "+rt.pattern].also...) {
				hold("#/paths/" + token(rt.pattern) + "/" + strings.ToLower(rt.method) + "/responses/" + strconv.Itoa(status))
			}
		}
	}
	responses, _ := ck.at("#/components/responses").(map[string]any)
	if len(responses) < 10 {
		t.Errorf("%d problems", len(responses))
	}
	for name := range responses {
		hold("#/components/responses/" + name)
	}
}

// TestPageIsWhole: what holds for many routes stands above them, an example
// answer at each route, and no example wants a variable that a shell keeps
// for itself.
func TestPageIsWhole(t *testing.T) {
	t.Parallel()
	st := setup(t)
	page := html.UnescapeString(string(referenceOf(t, st).html.body))
	for _, want := range []string{"<dt>Pages</dt>", "next_cursor", "<dt>Ids</dt>", "<dt>Problems</dt>", "<dt>Repeating</dt>", "Idempotency-Key", `"next_cursor": null`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has not %s", want)
		}
	}
	answers := 0
	for _, rt := range st.server.routes() {
		if rt.out != nil {
			answers++
		}
	}
	if n := strings.Count(page, "<summary>For example, "); n < answers {
		t.Errorf("%d example answers for %d routes", n, answers)
	}
	reserved := []string{
		"UID", "EUID", "PPID", "GROUPS", "HOME", "PATH", "PWD", "OLDPWD", "SHELL", "USER", "USERNAME", "LOGNAME", "HOSTNAME", "HOSTTYPE", "OSTYPE", "MACHTYPE",
		"IFS", "PS1", "PS2", "PS3", "PS4", "LANG", "TERM", "RANDOM", "SECONDS", "LINENO", "EDITOR", "MAIL", "DIRSTACK", "REPLY", "OPTARG", "OPTIND", "SHELLOPTS", "BASHOPTS", "BASH", "GID", "EGID",
	}
	names := regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(page, -1)
	for _, m := range names {
		if slices.Contains(reserved, m[1]) || strings.ToUpper(m[1]) != m[1] && m[1] != "ref" {
			t.Errorf("an example wants $%s", m[1])
		}
	}
	if !strings.Contains(page, `-X DELETE "$MALOTE_URL/v1/consumers/$CONSUMER"`) || len(names) < 60 {
		t.Errorf("%d variables; where is $CONSUMER?", len(names))
	}
}

func TestShellNames(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"/v1/consumers/{uid}/portal-sessions/{session} uid": "CONSUMER", "/v1/consumers/{uid}/portal-sessions/{session} session": "SESSION",
		"/v1/deliveries/{id}/attempts id": "DELIVERY", "/v1/event-types/{name} name": "EVENT_TYPE", "/v1/projects/{id}/keys/{key} key": "KEY",
		"/api/webhooks/{id} id": "WEBHOOK", "/v1/replays/{id}/cancel id": "REPLAY",
	} {
		pattern, name, _ := strings.Cut(at, " ")
		if got := shellName(pattern, name); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

// TestDocumentLimitsAreTrue: as many as the document lets in are taken, and
// one more is not.
func TestDocumentLimitsAreTrue(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Production)
	ck, err := committed()
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]func(n int) any{
		"headers": func(n int) any {
			m := map[string]string{}
			for i := range n {
				m["X-"+strconv.Itoa(i)] = "v"
			}
			return m
		},
		"event_types":    func(n int) any { return numbered("t", n) },
		"channels":       func(n int) any { return numbered("c", n) },
		"emails":         func(n int) any { return numbered("a@example.com", n) },
		"retry_schedule": func(n int) any { return slices.Repeat([]int{1}, n) },
	}
	for name, of := range items {
		limits, _ := ck.at("#/components/schemas/EndpointCreate/properties/" + name).(map[string]any)
		most := limits["maxItems"]
		if most == nil {
			most = limits["maxProperties"]
		}
		n, err := strconv.Atoi(fmt.Sprint(most))
		if err != nil {
			t.Errorf("%s has no limit in the document", name)
			continue
		}
		body := map[string]any{"consumer": "acme", "url": "https://example.com/hook", "event_types": []string{"*"}}
		body[name] = of(n)
		st.do(key, "POST", "/v1/endpoints", body).want(201)
		body[name] = of(n + 1)
		st.do(key, "POST", "/v1/endpoints", body).want(422)
	}
}

// numbered are n different texts that end in one.
func numbered(end string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "n" + strconv.Itoa(i) + end
	}
	return out
}
