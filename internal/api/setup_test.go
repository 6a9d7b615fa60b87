package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/deliver"
	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
	"github.com/malote-dev/malote/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a server on a fresh store, with a root key.
type site struct {
	t      testing.TB
	url    string
	server *server
	db     *store.DB
	ingest *ingest.Ingester
	root   string
	http   *http.Client
	log    *syncBuffer
	shared *stage // of TestMatrix: nothing on it changes
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

func openStore(tb testing.TB) *store.DB {
	tb.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		tb.Fatal(err)
	}
	db, err := store.Open(tb.Context(), store.Options{Dir: storetest.Fresh(tb), Keyring: ring, Logger: slog.New(slog.DiscardHandler), Mail: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func setup(tb testing.TB) *site {
	tb.Helper()
	catalog, err := webhook.NewCatalog()
	if err != nil {
		tb.Fatal(err)
	}
	st := &site{t: tb, db: openStore(tb), log: &syncBuffer{}, http: &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}}
	st.ingest = ingest.New(ingest.Options{Store: st.db, Dialects: catalog.Lookup})
	handler := New(Options{
		Store: st.db, Ingest: st.ingest, Policy: &egress.Policy{AllowHTTP: true}, Dialects: catalog.Lookup,
		Prober: probes(http.StatusUnauthorized), Signer: deliver.New(deliver.Options{Store: st.db, Dialects: catalog.Lookup}), Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(st.log, nil)), Version: "test",
		Sender: sends(http.StatusOK), InspectURL: inspectURL, EgressAddresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32"), netip.MustParsePrefix("2001:db8::/64")},
		TestMail: func(context.Context, string, lang.Language) error { return nil }, Descriptions: []*Description{{Name: "placaflow", Title: "a company's"}},
	})
	st.server = handler.server
	web := httptest.NewServer(handler)
	tb.Cleanup(func() {
		web.Close()
		st.http.CloseIdleConnections()
	})
	st.url = web.URL
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("log of the server:\n%s", st.log)
		}
	})
	text, prefix, hash := NewKey(KeyRoot)
	if err := st.db.CreateKey(tb.Context(), &store.Key{Name: "root", Prefix: prefix, Scopes: []string{"*"}}, hash); err != nil {
		tb.Fatal(err)
	}
	st.root = text.Reveal()
	return st
}

// answer of a request.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
	again  func(header ...string) *answer // the same request once more, with more headers; nil: not to be asked twice
}

// do makes a request; body is a string of JSON, or something to marshal.
func (st *site) do(key, method, path string, body any, header ...string) *answer {
	st.t.Helper()
	var r io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			st.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(st.t.Context(), method, st.url+path, r)
	if err != nil {
		st.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := st.http.Do(req)
	if err != nil {
		st.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		st.t.Fatal(err)
	}
	a := &answer{t: st.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: text}
	st.declared(a, req)
	if req.Header.Get("Accept-Language") == "" {
		a.again = func(more ...string) *answer { return st.do(key, method, path, body, slices.Concat(header, more)...) }
	}
	return a
}

// want checks the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// object is the answer as JSON.
func (a *answer) object() map[string]any {
	a.t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return m
}

func (a *answer) text(name string) string {
	a.t.Helper()
	s, ok := a.object()[name].(string)
	if !ok {
		a.t.Fatalf("%s: %s is no string in %s", a.what, name, a.body)
	}
	return s
}

// problem checks that the answer is a whole problem of a kind and names the pointers.
func (a *answer) problem(k kind, pointers ...string) *answer {
	a.t.Helper()
	a.want(k.status)
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		a.t.Errorf("%s: content type %q", a.what, ct)
	}
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	if p.Type != problemType+k.name || p.Status != k.status || p.Title == "" || p.Detail == "" || p.Fix == "" ||
		p.RequestID != a.header.Get("X-Request-Id") || p.RequestID == "" {
		a.t.Errorf("%s: want %s, got %s", a.what, k.name, a.body)
	}
	var got []string
	for _, e := range p.Errors {
		switch {
		case e.Pointer != nil:
			got = append(got, *e.Pointer)
		case e.Parameter != "":
			got = append(got, "?"+e.Parameter)
		default:
			got = append(got, e.Header+":")
		}
		if e.Detail == "" {
			a.t.Errorf("%s: an error without detail: %s", a.what, a.body)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(pointers) {
		a.t.Errorf("%s: errors at %v, want %v: %s", a.what, got, pointers, a.body)
	}
	a.inPortuguese(&p)
	return a
}

// project makes one with a key of the scopes given (none: all).
func (st *site) project(dialect string, environment store.Environment, scopes ...string) (id, key string) {
	st.t.Helper()
	in := map[string]any{"name": "p-" + dialect + "-" + secret.NewMasterKey()[:8], "environment": environment, "dialect": dialect}
	id = st.do(st.root, "POST", "/v1/projects", in).want(201).text("id")
	return id, st.key(id, scopes...)
}

func (st *site) key(project string, scopes ...string) string {
	st.t.Helper()
	if len(scopes) == 0 {
		scopes = []string{"*"}
	}
	return st.do(st.root, "POST", "/v1/projects/"+project+"/keys", map[string]any{"scopes": scopes}).want(201).text("key")
}

// endpoint makes one that wants everything, and returns its id.
func (st *site) endpoint(key, consumer string, types ...string) string {
	st.t.Helper()
	if len(types) == 0 {
		types = []string{"*"}
	}
	in := map[string]any{"consumer": consumer, "url": "https://example.com/hook", "event_types": types}
	return st.do(key, "POST", "/v1/endpoints", in).want(201).text("id")
}
