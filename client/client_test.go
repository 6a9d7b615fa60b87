package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
	"github.com/malote-dev/malote/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setup is a real server on a real store, and a client with its root key.
func setup(t *testing.T) (root *client.Client, url string, db *store.DB) {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	db, err = store.Open(t.Context(), store.Options{Dir: storetest.Fresh(t), Keyring: ring, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	catalog, err := webhook.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(api.New(api.Options{
		Store: db, Ingest: ingest.New(ingest.Options{Store: db, Dialects: catalog.Lookup}),
		Policy: &egress.Policy{}, Dialects: catalog.Lookup, Version: "test",
	}))
	t.Cleanup(web.Close)
	text, prefix, hash := api.NewKey(api.KeyRoot)
	if err := db.CreateKey(t.Context(), &store.Key{Prefix: prefix}, hash); err != nil {
		t.Fatal(err)
	}
	return connect(t, web.URL, text.Reveal()), web.URL, db
}

func connect(t *testing.T, url, key string) *client.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Options{URL: url, Key: key, HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func all[T any](t *testing.T, seq iter.Seq2[*T, error]) []*T {
	t.Helper()
	var out []*T
	for item, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, item)
	}
	return out
}

// must is for calls that have to succeed.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestEveryCall goes through all of the client against a real server.
func TestEveryCall(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	root, url, db := setup(t)
	p := must(root.CreateProject(ctx, client.NewProject{Name: "Loja", Environment: "development"}))(t)
	if p.ID == "" || p.Dialect != "standard" || p.CreatedAt.IsZero() {
		t.Errorf("%+v", p)
	}
	if ps := all(t, root.Projects(ctx)); len(ps) != 1 || ps[0].ID != p.ID {
		t.Errorf("%+v", ps)
	}
	k := must(root.CreateKey(ctx, p.ID, client.NewKey{Name: "k", Scopes: []string{"*"}, ExpiresAt: time.Now().Add(time.Hour)}))(t)
	if k.Key == "" || k.ExpiresAt == nil || k.ProjectID != p.ID {
		t.Errorf("%+v", k)
	}
	c := connect(t, url, k.Key)
	if h := must(c.Health(ctx))(t); h.Status != "ok" || h.Version != "test" {
		t.Errorf("%+v", h)
	}
	must(c.Ready(ctx))(t)

	if _, err := c.PutConsumer(ctx, "a/b c", client.ConsumerChange{Name: client.Set("x")}); !isKind(err, "invalid-value") {
		t.Errorf("%v", err)
	}
	if co := must(c.PutConsumer(ctx, "a/b", client.ConsumerChange{Name: client.Set("x"), Emails: client.Set([]string{"ana@example.com"})}))(t); co.UID != "a/b" || must(c.Consumer(ctx, "a/b"))(t).Name != "x" {
		t.Errorf("%+v", co)
	}
	if d := must(c.DeleteConsumer(ctx, "a/b"))(t); !d.Deleted {
		t.Errorf("%+v", d)
	}

	off := false
	e := must(c.CreateEndpoint(ctx, client.NewEndpoint{
		Consumer: "acme", URL: "https://example.com/", EventTypes: []string{"*"}, Headers: map[string]string{"X-A": "1"}, RateLimit: 5, Enabled: &off,
	}))(t)
	if e.Secret == "" || e.State != "paused" || *e.RateLimit != 5 || e.Headers["X-A"] != "[redacted]" || len(e.Secrets) != 1 {
		t.Errorf("%+v", e)
	}
	changed := must(c.UpdateEndpoint(ctx, e.ID, client.EndpointChange{
		Description: client.Set("d"), RateLimit: client.Null[int](), Headers: client.Set(map[string]*string{"X-A": nil}),
		Secret: client.Null[string](), Enabled: client.Set(true),
	}))(t)
	if changed.Description != "d" || changed.RateLimit != nil || len(changed.Headers) != 0 || changed.URL != e.URL || changed.State != "active" ||
		changed.Secret == "" || changed.Secret == e.Secret || len(changed.Secrets) != 2 {
		t.Errorf("%+v", changed)
	}
	if got := must(c.Endpoint(ctx, e.ID))(t); got.Secret != "" || got.Description != "d" {
		t.Errorf("%+v", got)
	}
	if got := must(c.PauseEndpoint(ctx, e.ID))(t); got.State != "paused" {
		t.Errorf("%+v", got)
	}
	if got := must(c.ResumeEndpoint(ctx, e.ID, false))(t); got.State != "active" {
		t.Errorf("%+v", got)
	}
	if got := must(c.ResumeEndpoint(ctx, e.ID, true))(t); got.State != "active" || got.Skipped != 0 {
		t.Errorf("%+v", got)
	}
	test := must(c.TestEndpoint(ctx, e.ID))(t)
	if test.EventID == "" || test.DeliveryID == "" || test.Deliveries != 1 {
		t.Errorf("%+v", test)
	}
	for range 4 {
		must(c.CreateEndpoint(ctx, client.NewEndpoint{Consumer: "other", URL: "https://example.com/", EventTypes: []string{"x"}}))(t)
	}
	if es := all(t, c.Endpoints(ctx, client.EndpointFilter{PageSize: 2})); len(es) != 5 || es[4].ID != e.ID {
		t.Errorf("%d endpoints", len(es))
	}
	if es := all(t, c.Endpoints(ctx, client.EndpointFilter{Consumer: "acme"})); len(es) != 1 {
		t.Errorf("%d endpoints", len(es))
	}
	checkEvents(t, c, e.ID)
	checkDeliveries(t, c, db, e.ID)
	if d := must(c.DeleteEndpoint(ctx, e.ID))(t); !d.Deleted {
		t.Errorf("%+v", d)
	}
}

func checkEvents(t *testing.T, c *client.Client, endpoint string) {
	t.Helper()
	ctx := t.Context()
	data := json.RawMessage("{\"z\": 1.0, \"a\":\"<é\\/>\"}")
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	ev := client.NewEvent{Type: "a", Consumer: "acme", Data: data, Timestamp: at, IdempotencyKey: "k"}
	sent, again := must(c.Send(ctx, ev))(t), must(c.Send(ctx, ev))(t)
	if sent.ID == "" || sent.Deliveries != 1 || sent.Duplicate || again.ID != sent.ID || !again.Duplicate {
		t.Errorf("%+v %+v", sent, again)
	}
	got := must(c.Event(ctx, sent.ID))(t)
	if string(got.Data) != string(data) || !got.Timestamp.Equal(at) || got.IdempotencyKey != "k" {
		t.Errorf("%+v %s", got, got.Data)
	}
	if _, err := c.Send(ctx, client.NewEvent{Type: "a", Consumer: "acme", Data: json.RawMessage(`1},"type":"b"`)}); err == nil || !strings.Contains(err.Error(), "is not JSON") {
		t.Error("data that breaks out of its place is sent")
	}
	b := must(c.SendBatch(ctx, []client.NewEvent{
		{Type: "a", Consumer: "acme", Data: data}, {Type: "bad type", Consumer: "acme", Data: data}, {Type: "b", Consumer: "nobody", Data: data, IdempotencyKey: "k2"},
	}, "batch"))(t)
	if b.Accepted != 2 || b.Refused != 1 || b.Results[0].ID == "" || b.Results[1].Error.Kind() != "invalid-value" || b.Results[2].Unreached == "" {
		t.Errorf("%+v", b)
	}
	if es := all(t, c.Events(ctx, client.EventFilter{Type: "a", Consumer: "acme", From: at, Until: time.Now().Add(time.Hour), PageSize: 1})); len(es) != 2 || es[1].ID != sent.ID {
		t.Errorf("%d events", len(es))
	}
	if ds := all(t, c.Deliveries(ctx, client.DeliveryFilter{EndpointID: endpoint, EventID: sent.ID, State: "failed,pending"})); len(ds) != 1 {
		t.Errorf("%d deliveries", len(ds))
	}
	if ds := all(t, c.Deliveries(ctx, client.DeliveryFilter{EventID: sent.ID, LastStatus: "5xx"})); len(ds) != 0 {
		t.Errorf("%d deliveries", len(ds))
	}
	for _, f := range []client.EventFilter{{ID: sent.ID[4:]}, {Channel: "eu"}, {IdempotencyKey: "nobody's"}} {
		if es := all(t, c.Events(ctx, f)); len(es) != 0 && (f.ID == "" || es[0].ID != sent.ID) || len(es) == 0 && f.ID != "" {
			t.Errorf("%+v: %d events", f, len(es))
		}
	}
	var e *client.Error
	_, err := c.Send(ctx, client.NewEvent{Data: json.RawMessage(`1`)})
	if !errors.As(err, &e) || e.Status != 422 || e.Kind() != "invalid-value" || len(e.Errors) != 2 || e.Errors[0].Pointer != "/type" || e.Fix == "" || e.RequestID == "" ||
		!strings.Contains(err.Error(), "/consumer is missing") {
		t.Errorf("%v", err)
	}
}

func checkDeliveries(t *testing.T, c *client.Client, db *store.DB, endpoint string) {
	t.Helper()
	ctx := t.Context()
	d := all(t, c.Deliveries(ctx, client.DeliveryFilter{EndpointID: endpoint, Type: "a", PageSize: 1}))[0]
	if got := must(c.Delivery(ctx, d.ID))(t); got.State != "pending" || got.NextDueAt == nil || got.FinishedAt != nil {
		t.Errorf("%+v", got)
	}
	raw, err := webhook.IDFormat{Form: webhook.FormBase32, Prefix: "ep_"}.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	work, err := db.LoadDue(ctx, raw, store.Place{}, 1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	db.Finish(&store.Outcome{Work: work[0], State: store.Pending, DueAt: time.Now().Add(time.Hour), Attempt: store.Attempt{
		Number: 1, At: time.Now(), RequestHead: []byte("POST / HTTP/1.1\r\nA: b\r\n\r\n"), Status: 500, ResponseHead: []byte("HTTP/1.1 500 No\r\n\r\n"),
		ResponseBody: []byte("no"), Class: store.ClassStatus, Detail: "answered 500", Timings: store.Timings{Total: time.Second},
	}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	first := webhook.IDFormat{Form: webhook.FormBase32, Prefix: "dlv_"}.Format(work[0].ID)
	as := all(t, c.Attempts(ctx, first))
	if len(as) != 1 || as[0].Request.Headers[0] != (client.Header{Name: "A", Value: "b"}) || as[0].Request.Body == "" || as[0].Response.Status != 500 ||
		as[0].Response.Body != "no" || as[0].Error.Class != "status" || *as[0].Timings.Total != 1000 || as[0].NextDueAt == nil {
		t.Errorf("%+v", as)
	}
	for _, f := range []client.StatsFilter{{}, {Endpoint: endpoint, Interval: "day"}, {Consumer: d.Consumer, From: time.Now().Add(-2 * time.Hour), Until: time.Now().Add(time.Second)}} {
		st := must(c.Stats(ctx, f))(t)
		if st.Attempts.Total != 1 || st.Attempts.Failures[0] != (client.FailureCount{Class: "status", Count: 1}) || *st.Attempts.SuccessRate != 0 ||
			st.Times.Mean != 1000 || st.Pending.Count == 0 || st.LastOK != nil || (f.Endpoint != "") != (st.InARow == 1) || len(st.Buckets) < 3 {
			t.Errorf("%+v: %+v", f, st)
		}
	}
	if got := must(c.RetryDelivery(ctx, first))(t); got.State != "pending" || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
	if got := must(c.CancelDelivery(ctx, first))(t); got.State != "cancelled" || got.FinishedAt == nil {
		t.Errorf("%+v", got)
	}
	if _, err := c.CancelDelivery(ctx, first); !isKind(err, "conflict") {
		t.Errorf("%v", err)
	}
	if _, err := c.Delivery(ctx, "../events"); !isKind(err, "not-found") && !isKind(err, "no-such-route") {
		t.Errorf("%v", err)
	}
}

func isKind(err error, kind string) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Kind() == kind
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "127.0.0.1:8400", "ftp://x", "http://", "http://u:p@x", "http://x?y", "http://x#y", "::"} {
		if _, err := client.New(client.Options{URL: url}); err == nil {
			t.Errorf("%q passes", url)
		}
	}
	if _, err := client.New(client.Options{URL: "http://x", Key: "canary\nX: y"}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

// script is a server that answers in turn.
func script(t *testing.T, answers ...string) (*client.Client, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := min(int(n.Add(1)), len(answers)) - 1
		_, _ = io.Copy(io.Discard, r.Body)
		var status int
		var rest string
		_, _ = fmt.Sscanf(answers[i], "%d %s", &status, &rest)
		if status == 0 {
			panic(http.ErrAbortHandler) // the line breaks
		}
		if status == 503 {
			w.Header().Set("Retry-After", rest)
		}
		if status == 307 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"id":"evt_1"}`))
	}))
	t.Cleanup(web.Close)
	return connect(t, web.URL+"/behind/", "k"), &n
}

func TestRetries(t *testing.T) {
	t.Parallel()
	send := func(key string) func(context.Context, *client.Client) error {
		return func(ctx context.Context, c *client.Client) error {
			_, err := c.Send(ctx, client.NewEvent{Type: "a", Data: json.RawMessage("1"), IdempotencyKey: key})
			return err
		}
	}
	read := func(ctx context.Context, c *client.Client) error { _, err := c.Event(ctx, "x"); return err }
	create := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateEndpoint(ctx, client.NewEndpoint{Consumer: "c"})
		return err
	}
	patch := func(ctx context.Context, c *client.Client) error { _, err := c.PauseEndpoint(ctx, "x"); return err }
	for _, tc := range []struct {
		name    string
		call    func(context.Context, *client.Client) error
		answers []string
		tries   int32
		ok      bool
	}{
		{"a read comes through", read, []string{"503", "0", "502", "200"}, 4, true},
		{"a read gives up", read, []string{"503"}, 4, false},
		{"a read that is refused", read, []string{"404", "200"}, 1, false},
		{"an internal error", read, []string{"500", "200"}, 1, false},
		{"an event with a key", send("k"), []string{"0", "429", "202"}, 3, true},
		{"an event without", send(""), []string{"503", "202"}, 1, false},
		{"a broken line without a key", send(""), []string{"0", "202"}, 1, false},
		{"a creation, which has a key of its own", create, []string{"0", "503", "201"}, 3, true},
		{"a change", patch, []string{"503", "200"}, 1, false},
		{"asked to wait for long", read, []string{"503 3600", "200"}, 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, n := script(t, tc.answers...)
			err := tc.call(t.Context(), c)
			if (err == nil) != tc.ok || n.Load() != tc.tries {
				t.Errorf("%d tries, %v", n.Load(), err)
			}
		})
	}
}

func TestNotAMaloteServer(t *testing.T) {
	t.Parallel()
	c, _ := script(t, "404")
	_, err := c.Event(t.Context(), "x")
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 404 || !strings.Contains(err.Error(), "is the URL right?") {
		t.Errorf("%v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer web.Close()
	c, err := client.New(client.Options{URL: web.URL, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Health(t.Context()); err == nil || asked.Load() != 1 {
		t.Errorf("%d requests, %v", asked.Load(), err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	c, n := script(t, "503")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Event(ctx, "x"); !errors.Is(err, context.Canceled) || n.Load() != 0 {
		t.Errorf("%d %v", n.Load(), err)
	}
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // stands for `malote serve`
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":"evt_01m814a1b7e0080c3d4e5f6g7h","deliveries":1}`)
	}))
	defer server.Close()

	c, err := client.New(client.Options{URL: server.URL, Key: "mlt_dev_0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	kept, err := c.Send(context.Background(), client.NewEvent{
		Type: "invoice.paid", Consumer: "acme", Data: json.RawMessage(`{"invoice":"inv_42"}`),
		IdempotencyKey: "invoice-42-paid",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(kept.ID, "on its way to", kept.Deliveries, "endpoint")
	// Output: evt_01m814a1b7e0080c3d4e5f6g7h on its way to 1 endpoint
}
