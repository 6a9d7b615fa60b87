package documented_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/api/documented"
	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
	"github.com/malote-dev/malote/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a server on a fresh store: the native API with the documented ones
// beside it. vars are what requests and answers name with $.
type site struct {
	*testing.T
	url    string
	dir    string
	ring   *secret.Keyring
	db     *store.DB
	web    *httptest.Server
	log    *syncBuffer
	client *http.Client
	vars   map[string]string
	keys   map[string]string // the dialect of each key's project
	speaks map[string]string // the dialect of each project
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func setup(t *testing.T) *site {
	t.Helper()
	st := &site{T: t, dir: storetest.Fresh(t), log: &syncBuffer{}, client: &http.Client{Transport: &http.Transport{}}, vars: map[string]string{}, keys: map[string]string{}, speaks: map[string]string{}}
	var err error
	st.ring, err = secret.NewKeyring(secret.NewMasterKey())
	st.no(err)
	st.start()
	t.Cleanup(func() {
		st.stop()
		if t.Failed() {
			t.Logf("log of the server:\n%s", st.log)
		}
	})
	text, prefix, hash := api.NewKey(api.KeyRoot)
	st.no(st.db.CreateKey(t.Context(), &store.Key{Name: "root", Prefix: prefix}, hash))
	st.vars["ROOT"] = text.Reveal()
	return st
}

// start opens the store and serves it.
func (st *site) start() {
	st.Helper()
	var err error
	log := slog.New(slog.NewTextHandler(st.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st.db, err = store.Open(st.Context(), store.Options{Dir: st.dir, Keyring: st.ring, Logger: log})
	st.no(err)
	catalog, err := webhook.NewCatalog()
	st.no(err)
	accept := ingest.New(ingest.Options{Store: st.db, Dialects: catalog.Lookup})
	policy := &egress.Policy{AllowHTTP: true}
	st.web = httptest.NewServer(api.New(api.Options{
		Store: st.db, Ingest: accept, Policy: policy, Dialects: catalog.Lookup, Metrics: prometheus.NewRegistry(), Logger: log, Version: "test",
		Descriptions: documented.Descriptions(accept.MaxData()),
		Documented:   documented.New(documented.Options{Store: st.db, Ingest: accept, Policy: policy, Dialects: catalog.Lookup, Logger: log}),
	}))
	st.url = st.web.URL
}

func (st *site) stop() {
	st.Helper()
	st.web.Close()
	st.client.CloseIdleConnections()
	st.no(st.db.Close())
}

func (st *site) no(err error) {
	st.Helper()
	if err != nil {
		st.Fatal(err)
	}
}

// project makes one and returns its id.
func (st *site) project(dialect string, environment store.Environment) string {
	st.Helper()
	id := st.text(st.do("POST", "/v1/projects", st.vars["ROOT"], map[string]any{
		"name": dialect, "environment": environment, "dialect": dialect,
	}).want(201), "id")
	st.speaks[id] = dialect
	return id
}

// key makes one for a consumer (empty: for all) of a project.
func (st *site) key(project, consumer string, scopes ...string) string {
	st.Helper()
	in := map[string]any{"scopes": scopes, "prefix": "pk_"}
	if consumer != "" {
		in["consumer"] = consumer
	}
	key := st.text(st.do("POST", "/v1/projects/"+project+"/keys", st.vars["ROOT"], in).want(201), "key")
	st.keys[key] = st.speaks[project]
	return key
}

// reply is an answer to a request.
type reply struct {
	*testing.T
	what   string
	status int
	header http.Header
	body   string
}

func (r *reply) want(status int) *reply {
	r.Helper()
	if r.status != status {
		r.Fatalf("%s: %d, want %d: %s", r.what, r.status, status, r.body)
	}
	return r
}

func (st *site) text(r *reply, name string) string {
	st.Helper()
	var m map[string]any
	st.no(json.Unmarshal([]byte(r.body), &m))
	s, ok := m[name].(string)
	if !ok {
		st.Fatalf("no %s in %s", name, r.body)
	}
	return s
}

// do makes a request; body is JSON as it stands, or something to marshal.
func (st *site) do(method, path, key string, body any, header ...string) *reply {
	st.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		text, err = json.Marshal(b)
		st.no(err)
	}
	req, err := http.NewRequestWithContext(st.Context(), method, st.url+path, bytes.NewReader(text))
	st.no(err)
	if key != "" {
		header = append(header, "Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := st.client.Do(req)
	st.no(err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	st.no(err)
	r := &reply{T: st.T, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: string(got)}
	if dialect := st.keys[strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")]; dialect != "" {
		r.declared(dialect, method, strings.TrimSuffix(req.URL.EscapedPath(), "/"))
	} else if strings.Contains(path, "/wh_") {
		r.declared("tarefa", method, strings.TrimSuffix(req.URL.EscapedPath(), "/"))
	}
	return r
}

// says sends a request as documentation shows it, and compares the answer with
// the one below it:
//
//	POST /api/webhooks
//	Authorization: Bearer $KEY
//
//	{"name": …}
//	---
//	201
//	{"webhook": {"id": "<uuid=ID>", …}}
//
// $NAME is a variable; <kind> stands for any value of a kind, <kind=NAME>
// keeps it as a variable. Order and spelling of members count, space does not.
func (st *site) says(text string) *reply {
	st.Helper()
	asked, answered, ok := strings.Cut(strings.TrimSpace(text), "\n---\n")
	if !ok {
		st.Fatalf("no --- in %s", text)
	}
	head, body, _ := strings.Cut(os.Expand(asked, st.value), "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	var header []string
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		header = append(header, name, value)
	}
	r := st.do(method, path, "", body, header...)
	status, want, _ := strings.Cut(os.Expand(answered, st.value), "\n")
	if status != itoa(r.status) {
		st.Errorf("%s: %d, want %s: %s", r.what, r.status, status, r.body)
		return r
	}
	st.match(r, strings.TrimSpace(want))
	return r
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func (st *site) value(name string) string {
	v, ok := st.vars[name]
	if !ok {
		st.Errorf("$%s is not known", name)
	}
	return v
}

// kindsOfValues that an answer may have where the documentation shows an example.
var kindsOfValues = map[string]string{
	"uuid":   `[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`,
	"time":   `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ`,
	"hex":    `[0-9a-f]{32}`,
	"whsec":  `whsec_[0-9a-f]{64}`,
	"wh":     `wh_[0-9a-z]{26}`,
	"log":    `delivery_[0-9a-z]{26}(?:_\d+)?`,
	"number": `\d+`,
	"words":  `[^"]+`,
}

var hole = regexp.MustCompile(`<([a-z]+)(?:=([A-Z]+))?>`)

func (st *site) match(r *reply, want string) {
	st.Helper()
	if want == "" {
		if r.body != "" {
			st.Errorf("%s: a body: %s", r.what, r.body)
		}
		return
	}
	var tight bytes.Buffer
	if err := json.Compact(&tight, []byte(want)); err != nil {
		st.Fatalf("%s: %v: %s", r.what, err, want)
	}
	var pattern strings.Builder
	var keep []string
	text := strings.ReplaceAll(tight.String(), `"<number>"`, `<number>`)
	for text != "" {
		m := hole.FindStringSubmatchIndex(text)
		if m == nil {
			pattern.WriteString(regexp.QuoteMeta(text))
			break
		}
		pattern.WriteString(regexp.QuoteMeta(text[:m[0]]))
		pattern.WriteString("(" + kindsOfValues[text[m[2]:m[3]]] + ")")
		name := ""
		if m[4] >= 0 {
			name = text[m[4]:m[5]]
		}
		keep = append(keep, name)
		text = text[m[1]:]
	}
	got := regexp.MustCompile("^" + pattern.String() + "\n?$").FindStringSubmatch(r.body)
	if got == nil {
		st.Errorf("%s\ngot  %s\nwant %s", r.what, r.body, tight.String())
		return
	}
	for i, name := range keep {
		if name != "" {
			st.vars[name] = got[i+1]
		}
	}
	if ct := r.header.Get("Content-Type"); ct != "application/json" {
		st.Errorf("%s: content type %q", r.what, ct)
	}
}

// finish records an attempt of each pending delivery of a project.
func (st *site) finish(project string, state store.State, status int, effect store.Effect) {
	st.Helper()
	p := st.projectID(project)
	page, err := st.db.Deliveries(st.Context(), p, store.Filter{States: []store.State{store.Pending}})
	st.no(err)
	for _, d := range page.Items {
		event, err := st.db.Event(st.Context(), p, d.EventID)
		st.no(err)
		done := make(chan error, 1)
		o := &store.Outcome{
			Work: &store.Work{ID: d.ID, EndpointID: d.EndpointID, Event: event, Attempts: d.Attempts}, State: state, Effect: effect,
			Attempt: store.Attempt{Number: d.Attempts + 1, At: time.Now(), Status: status, Timings: store.Timings{Total: 145 * time.Millisecond}},
		}
		if state != store.Delivered {
			o.Attempt.Class, o.DueAt = store.ClassStatus, time.Now().Add(time.Minute)
		}
		if state == store.Failed {
			o.Reason = "exhausted"
		}
		st.db.Finish(o, func(err error) { done <- err })
		st.no(<-done)
	}
}

func (st *site) projectID(text string) store.ID {
	st.Helper()
	id, err := webhook.IDFormat{Form: webhook.FormBase32, Prefix: "prj_"}.Parse(text)
	st.no(err)
	return id
}
