package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

const docPath = "../../docs/api.md"

// TestDocsAreWhole: docs/api.md names every route, scope and type of problem.
func TestDocsAreWhole(t *testing.T) {
	t.Parallel()
	st := setup(t)
	doc := readDoc(t)
	for _, rt := range st.server.routes() {
		if want := "`" + rt.method + " " + rt.pattern + "`"; !strings.Contains(doc, want) {
			t.Errorf("%s is not there", want)
		}
	}
	for _, sc := range Scopes() {
		if !strings.Contains(doc, "`"+sc+"`") {
			t.Errorf("the scope %s is not there", sc)
		}
	}
	for _, k := range kinds {
		if row := fmt.Sprintf("| `%s` | %d |", k.name, k.status); !strings.Contains(doc, row) {
			t.Errorf("no row begins with %s", row)
		}
	}
}

func readDoc(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

var shellCurls = regexp.MustCompile("(?s)```sh\n(curl .*?)\n```")

var examples = regexp.MustCompile("(?s)```sh\n(curl .*?)\n```\n\n```json\n(.*?)\n```")

// TestDocsAreTrue runs each curl of docs/api.md, in order, and compares the
// answer's shape (names, types, nesting) with the one that stands there.
func TestDocsAreTrue(t *testing.T) {
	t.Parallel()
	st := setup(t)
	vars := map[string]string{"MALOTE_URL": "", "MALOTE_ROOT_KEY": st.root, "ref": "$ref"} // a shell leaves $ref alone where it is quoted
	found := examples.FindAllStringSubmatch(readDoc(t), -1)
	if len(found) < 20 {
		t.Fatalf("%d examples", len(found))
	}
	answers := map[string]json.RawMessage{}
	for _, e := range found {
		method, path, body, header := parseCurl(t, os.Expand(e[1], func(name string) string {
			v, ok := vars[name]
			if !ok {
				t.Errorf("$%s is not known at %s", name, e[1])
			}
			return v
		}))
		a := st.do("", method, path, body, header...)
		var want, got any
		if err := json.Unmarshal([]byte(e[2]), &want); err != nil {
			t.Fatalf("%s: %v", e[2], err)
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatalf("%s: %v", a.body, err)
		}
		if at := differ(want, got, ""); at != "" {
			t.Errorf("%s %s: %s\ndocs:   %s\nanswer: %d %s", method, path, at, e[2], a.status, a.body)
		}
		if key := st.answerKey(method, path, a.status); answers[key] == nil {
			answers[key] = compact(t, e[2])
		}
		remember(vars, got)
		if method == "POST" && path == "/v1/projects" {
			vars["OLD_PROJECT"], _ = st.project("standard", store.Production)
		}
		if method == "POST" && path == "/v1/inspectors" { // from here on something has arrived
			st.arrive(vars["INSPECTOR"], &store.InspectedRequest{
				Method: "POST", Path: "/hooks", Query: "n=1", Head: []byte("Host: 127.0.0.1:8402\r\ncontent-type: application/json\r\n"), Body: []byte(`{"n":1}`), BodyBytes: 7,
				InspectedFacts: store.InspectedFacts{Host: "127.0.0.1:8402", ContentType: "application/json", Read: time.Millisecond},
			})
		}
		if method == "GET" && strings.HasPrefix(path, "/v1/deliveries?") { // from here on it has an attempt
			st.finishOne(vars["ENDPOINT"], vars["DELIVERY"], store.Pending, store.Attempt{
				RequestHead: []byte("POST /webhooks HTTP/1.1\r\nwebhook-id: x\r\n\r\n"), Status: 503,
				ResponseHead: []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\n"), ResponseBody: []byte("try later"),
				Class: store.ClassStatus, Detail: "answered 503 Service Unavailable",
				Timings: store.Timings{DNS: 1, Connect: time.Millisecond, TLS: time.Millisecond, FirstByte: time.Millisecond, Total: time.Millisecond},
			})
		}
	}
	keptAnswers(t, answers)
}

// keptAnswers: openapi_answers.json has the answers of docs/api.md, for the document
// and its page. To write it anew: go generate ./internal/api
func keptAnswers(t *testing.T, answers map[string]json.RawMessage) {
	t.Helper()
	const path = "openapi_answers.json"
	for key := range answers {
		if status := key[strings.LastIndexByte(key, ' ')+1:]; status >= "3" {
			delete(answers, key) // problems have examples of their own
		}
	}
	lines := make([]string, 0, len(answers))
	for _, key := range slices.Sorted(maps.Keys(answers)) {
		lines = append(lines, fmt.Sprintf(" %q: %s", key, answers[key]))
	}
	text := []byte("{\n" + strings.Join(lines, ",\n") + "\n}\n")
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, text) {
		t.Error("internal/api/openapi_answers.json has not the answers of docs/api.md; run go generate ./internal/api and look at what changed")
	}
}

// answerKey finds the route of a path.
func (st *site) answerKey(method, path string, status int) string {
	st.t.Helper()
	req, err := http.NewRequestWithContext(st.t.Context(), method, path, http.NoBody)
	if err != nil {
		st.t.Fatal(err)
	}
	h, _ := st.server.mux.Handler(req)
	res, ok := h.(*resource)
	if !ok || res.methods[method] == nil {
		st.t.Fatalf("%s %s is no route", method, path)
	}
	return answerKey(method, res.methods[method].pattern, status)
}

func compact(t *testing.T, text string) json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestReadmeIsTrue runs the curls of the README, in order: each succeeds.
func TestReadmeIsTrue(t *testing.T) {
	t.Parallel()
	for file, heading := range map[string]string{"../../README.md": "The API in five curls", "../../docs/pt-BR/guia-rapido.md": "A API em cinco curls"} {
		t.Run(heading, func(t *testing.T) {
			t.Parallel()
			fiveCurls(t, file, heading)
		})
	}
}

func fiveCurls(t *testing.T, file, heading string) {
	t.Helper()
	st := setup(t)
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	found := shellCurls.FindAllStringSubmatch(section, -1)
	if len(found) != 5 {
		t.Fatalf("%d curls", len(found))
	}
	_, key := st.project("standard", store.Development)
	vars := map[string]string{"MALOTE_URL": "", "MALOTE_KEY": key}
	for _, e := range found {
		method, path, body, header := parseCurl(t, os.Expand(e[1], func(name string) string {
			v, ok := vars[name]
			if !ok {
				t.Errorf("$%s is not known at %s", name, e[1])
			}
			return v
		}))
		a := st.do("", method, path, body, header...)
		if a.status < 200 || a.status > 299 {
			t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
		}
		var got any
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatalf("%s: %v", a.body, err)
		}
		remember(vars, got)
	}
}

// remember what the next examples refer to.
func remember(vars map[string]string, answer any) {
	m, _ := answer.(map[string]any)
	if items, ok := m["data"].([]any); ok && len(items) > 0 {
		if first, ok := items[0].(map[string]any); ok {
			m = first
		}
	}
	if key, ok := m["key"].(string); ok && !strings.HasPrefix(key, keyPrefix+KeyRoot) {
		vars["MALOTE_KEY"] = key
	}
	id, _ := m["id"].(string)
	for prefix, name := range map[string]string{"prj_": "PROJECT", "ep_": "ENDPOINT", "evt_": "EVENT", "dlv_": "DELIVERY", "rpl_": "REPLAY", "ins_": "INSPECTOR", "req_": "REQUEST"} {
		if strings.HasPrefix(id, prefix) {
			vars[name] = id
		}
	}
}

var words = regexp.MustCompile(`'[^']*'|"(?:[^"\\]|\\.)*"|[^\s'"]+`)

// parseCurl reads the few forms of curl that the docs use.
func parseCurl(t *testing.T, line string) (method, path, body string, header []string) {
	t.Helper()
	args := words.FindAllString(strings.ReplaceAll(line, "\\\n", " "), -1)
	method = "GET"
	for i := 1; i < len(args); i++ {
		value := func() string {
			i++
			return strings.Trim(args[i], `'"`)
		}
		switch args[i] {
		case "-X":
			method = value()
		case "-d":
			body = value()
		case "-H":
			name, v, _ := strings.Cut(value(), ": ")
			header = append(header, name, v)
		default:
			path = strings.Trim(args[i], `'"`)
		}
	}
	return method, path, body, header
}

// differ compares shapes: the same names everywhere, and the same kinds of
// values, null aside.
func differ(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		if at == "" && w["type"] != g["type"] && strings.HasPrefix(fmt.Sprint(w["type"]), problemType) {
			return "another problem"
		}
		if strings.HasSuffix(at, "headers") {
			return "" // names of choice
		}
		for name := range w {
			if _, ok := g[name]; !ok {
				return at + "/" + name + " is not in the answer"
			}
			if d := differ(w[name], g[name], at+"/"+name); d != "" {
				return d
			}
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				return at + "/" + name + " is not in the docs"
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || (len(w) == 0) != (len(g) == 0) {
			return at + " is another list"
		}
		for i := range min(len(w), len(g)) {
			if d := differ(w[i], g[i], fmt.Sprintf("%s/%d", at, i)); d != "" {
				return d
			}
		}
	default:
		if want != nil && got != nil && fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			return at + " is of another type"
		}
	}
	return ""
}

// kinds are all that an answer can be a problem of.
var kinds = []kind{
	kindJSON, kindShape, kindBody, kindKeyMissing, kindForbidden, kindNotFound, kindRoute, kindMethod, kindTimeout, kindConflict,
	kindKeyReused, kindTooLarge, kindMedia, kindInvalid, kindTooMany, kindInternal, kindFull, kindUnavailable,
}

// TestKindsAreAll: the list above is the one in problem.go.
func TestKindsAreAll(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\tkind\w+\s+= kind\{"([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.name == m[1] }) {
			t.Errorf("%s is not in the list", m[1])
		}
	}
}
