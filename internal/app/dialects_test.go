package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// acme is a dialect of the operator's own: data stands in its bodies under
// that name.
func acme(name string, replace ...string) []byte {
	r := strings.NewReplacer(append([]string{`"name": "standard"`, `"name": "acme"`, `"{data}"`, `{"` + name + `": "{data}"}`}, replace...)...)
	return []byte(r.Replace(string(webhook.Standard().Source())))
}

// withDialects are valid options with a directory of dialect files.
func withDialects(t *testing.T) (o Options, file string) {
	t.Helper()
	o = valid(t)
	o.Listen, o.Dialects, o.EgressLoopback = "127.0.0.1:0", t.TempDir(), true
	file = filepath.Join(o.Dialects, "acme.json")
	write(t, file, acme("first"))
	return o, file
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// acceptUnder keeps an event for an endpoint that is paused.
func acceptUnder(t *testing.T, db *store.DB, dialect, url string) *store.Endpoint {
	t.Helper()
	p := &store.Project{Name: "p", Environment: store.Development, Dialect: "acme"}
	if err := db.CreateProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	e := &store.Endpoint{
		ProjectID: p.ID, Consumer: "c", URL: url, EventTypes: []string{"*"}, State: store.Paused, StateReason: "by the test",
		Secrets: []store.SigningSecret{{Value: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", CreatedAt: time.Now()}},
	}
	if err := db.CreateEndpoint(t.Context(), e, 0); err != nil {
		t.Fatal(err)
	}
	subs, err := db.Subscriptions(t.Context(), p.ID, "c")
	if err != nil {
		t.Fatal(err)
	}
	out, err := db.Accept(t.Context(), []*store.Acceptance{{
		Event:     &store.Event{ProjectID: p.ID, Consumer: "c", Type: "x", Data: []byte(`{}`), Dialect: dialect, Time: time.Now()},
		Endpoints: []store.ID{e.ID}, RequestHash: sha256.Sum256(nil), Version: subs.Version,
	}})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	return e
}

// TestDialectsOfOthers: a revision that another process keeps is spoken here,
// too, without a start.
func TestDialectsOfOthers(t *testing.T) {
	t.Parallel()
	o, _ := withDialects(t)
	db, err := openStore(t.Context(), o, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := LoadDialects("")
	if err != nil {
		t.Fatal(err)
	}
	s, ctx, ended := newSpoken(c), t.Context(), make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	go func() { ended <- s.follow(ctx, db, slog.New(slog.DiscardHandler)) }()
	if _, ok := s.Lookup("acme"); ok {
		t.Fatal("it is spoken before it is kept")
	}
	if err := db.KeepDialects(t.Context(), store.KeptDialect{Ref: "acme/1", Source: acme("first")}); err != nil {
		t.Fatal(err)
	}
	for again := time.NewTicker(time.Millisecond); ; <-again.C {
		if d, ok := s.Lookup("acme"); ok && d.Ref() == "acme/1" {
			break
		}
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestAUsedDialectNeverChanges holds that a delivery which waits is sent as
// it was accepted, whatever became of the operator's file.
func TestAUsedDialectNeverChanges(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies <- string(b)
	}))
	t.Cleanup(receiver.Close)
	o, file := withDialects(t)
	a, stop := running(t, o)
	e := acceptUnder(t, a.db, "acme/1", receiver.URL)
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	write(t, file, acme("second"))
	var p *Problem
	if _, err := New(t.Context(), o, quiet()); !errors.As(err, &p) || !strings.Contains(p.What, "acme.json") ||
		!strings.Contains(p.What, "acme/1") || !strings.Contains(p.Fix, `"revision": 2`) {
		t.Fatalf("started with a changed revision, or without words: %v", err)
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	logs := &bytes.Buffer{}
	o.Listen = "127.0.0.1:0"
	b, err := New(t.Context(), o, slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	said := logs.String()
	if err := errors.Join(b.ready(), b.Stop(t.Context())); err != nil {
		t.Fatalf("not ready, or not stopped: %v", err)
	}
	if !strings.Contains(said, "acme/1") || !strings.Contains(said, "file is gone") {
		t.Errorf("nothing said of the file that is gone: %s", said)
	}

	write(t, filepath.Join(o.Dialects, "acme2.json"), acme("second", `"revision": 1`, `"revision": 2`))
	a, _ = running(t, o)
	_, _, err = a.db.UpdateEndpoint(t.Context(), e.ProjectID, e.ID, func(e *store.Endpoint) error { e.State, e.StateReason = store.Active, ""; return nil })
	if err != nil {
		t.Fatal(err)
	}
	select {
	case body := <-bodies:
		if !strings.Contains(body, "first") || strings.Contains(body, "second") {
			t.Errorf("sent %s", body)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was sent")
	}
}

// TestAnUnusedDialectMayChange: whoever writes a dialect tries it often.
func TestAnUnusedDialectMayChange(t *testing.T) {
	t.Parallel()
	o, file := withDialects(t)
	for _, data := range [][]byte{acme("first"), acme("second"), acme("third")} {
		write(t, file, data)
		a, err := New(t.Context(), o, quiet())
		if err != nil {
			t.Fatal(err)
		}
		kept, err := a.db.Dialects(t.Context())
		if err != nil || len(kept) != len(webhook.Builtin())+1 || kept[0].Ref != "acme/1" || !bytes.Equal(kept[0].Source, data) {
			t.Errorf("%d kept, %v", len(kept), err)
		}
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheWordsOfAUsedDialectMayChange: they are not sent.
func TestTheWordsOfAUsedDialectMayChange(t *testing.T) {
	t.Parallel()
	o, file := withDialects(t)
	a, err := New(t.Context(), o, quiet())
	if err != nil {
		t.Fatal(err)
	}
	acceptUnder(t, a.db, "acme/1", "http://127.0.0.1:1/")
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, file, acme("first", `"title": "`, `"title": "New `))
	if a, err = New(t.Context(), o, quiet()); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestABuiltInDialectThatWasUsedGoesOn: another binary may bring another one.
func TestABuiltInDialectThatWasUsedGoesOn(t *testing.T) {
	t.Parallel()
	o := valid(t)
	o.Listen = "127.0.0.1:0"
	a, err := New(t.Context(), o, quiet())
	if err != nil {
		t.Fatal(err)
	}
	acceptUnder(t, a.db, "standard/1", "http://127.0.0.1:1/")
	older := bytes.Replace(webhook.Standard().Source(), []byte(`"{data}"`), []byte(`["{data}"]`), 1)
	if err := a.db.KeepDialects(t.Context(), store.KeptDialect{Ref: "standard/1", Source: older}, store.KeptDialect{Ref: "odd/1", Source: []byte("not JSON")}); err != nil {
		t.Fatal(err)
	}
	files, err := LoadDialects("")
	if err != nil {
		t.Fatal(err)
	}
	logs := &bytes.Buffer{}
	c, err := pinDialects(t.Context(), a.db, files, "", slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := c.Lookup("standard"); d == nil || !bytes.Equal(d.Source(), older) {
		t.Error("the binary's dialect took the place of the one in use")
	}
	if !strings.Contains(logs.String(), "standard/1") || !strings.Contains(logs.String(), "odd/1") {
		t.Errorf("not said: %s", logs)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
