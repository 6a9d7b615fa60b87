package documented

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

func TestPacer(t *testing.T) {
	t.Parallel()
	p := &pacer{window: time.Minute, limit: 3}
	began := time.Now()
	at := func(second int, id byte) string {
		wait, ok := p.admit(store.ID{id}, began.Add(time.Duration(second)*time.Second))
		return fmt.Sprint(ok, wait)
	}
	for _, c := range []struct {
		second int
		id     byte
		want   string
	}{
		{0, 1, "true 0s"}, {10, 1, "true 0s"}, {20, 1, "true 0s"}, {21, 1, "false 39s"}, {21, 2, "true 0s"}, {59, 1, "false 1s"},
		{60, 1, "true 0s"}, {60, 1, "false 10s"}, {70, 1, "true 0s"}, {79, 1, "false 1s"}, {200, 1, "true 0s"},
	} {
		if got := at(c.second, c.id); got != c.want {
			t.Errorf("second %d, endpoint %d: %s, want %s", c.second, c.id, got, c.want)
		}
	}
}

func TestPacerForgets(t *testing.T) {
	t.Parallel()
	p := &pacer{window: time.Minute, limit: 3}
	now := time.Now()
	for i := range maxPaced {
		if _, ok := p.admit(store.ID{1, byte(i >> 8), byte(i)}, now); !ok {
			t.Fatal(i)
		}
	}
	if _, ok := p.admit(store.ID{2}, now.Add(time.Second)); ok || len(p.at) != maxPaced {
		t.Errorf("%d endpoints are remembered", len(p.at))
	}
	if _, ok := p.admit(store.ID{1}, now.Add(time.Second)); !ok {
		t.Error("one that is known waits for the others")
	}
	if _, ok := p.admit(store.ID{2}, now.Add(time.Minute)); !ok || len(p.at) > 2 {
		t.Errorf("%d endpoints are remembered", len(p.at))
	}
}

// TestFaults: what each error is to a caller, in each style.
func TestFaults(t *testing.T) {
	t.Parallel()
	d := New(Options{})
	for _, c := range []struct {
		err    error
		status int
		tarefa string
		others string
	}{
		{errors.New("secret detail"), 500, `{"error":"Internal server error","message":"Failed to process webhook"}`, `{"error":"Failed to process webhook"}`},
		{store.ErrNotFound, 404, `{"error":"Webhook not found or inactive"}`, `{"error":"Webhook not found"}`},
		{store.ErrFull, 503, `{"error":"Service unavailable","message":"Try again later"}`, `{"error":"Try again later"}`},
		{fmt.Errorf("x: %w", store.ErrBusy), 503, `{"error":"Service unavailable","message":"Try again later"}`, `{"error":"Try again later"}`},
		{ingest.ErrDialect, 503, `{"error":"Service unavailable","message":"Try again later"}`, `{"error":"Try again later"}`},
		{unauthorized(), 401, `{"error":"Unauthorized"}`, `{"error":"Unauthorized"}`},
		{notActive(), 404, `{"error":"Webhook not found or inactive"}`, `{"error":"Webhook not found or inactive"}`},
		{tooMany("Maximum 100 requests per minute", time.Second), 429, `{"error":"Rate limit exceeded","message":"Maximum 100 requests per minute"}`, `{"error":"Maximum 100 requests per minute"}`},
		{
			ingest.FieldErrors{{Pointer: "/event_types/0", Detail: lang.Text("is odd")}, {Pointer: "/enabled", Detail: lang.Text("is odd")}}, 400,
			`{"error":"Invalid request","message":"events.0 is odd; isActive is odd"}`, `{"error":"events.0 is odd; enabled is odd"}`,
		},
	} {
		for name, want := range map[string]string{"tarefa": c.tarefa, "placaflow": c.others} {
			w := httptest.NewRecorder()
			call := &call{ResponseWriter: w, d: d, r: httptest.NewRequest(http.MethodGet, "/api/webhooks", nil), contract: d.contracts[name]}
			call.fail(c.err)
			if got := strings.TrimSpace(w.Body.String()); w.Code != c.status || got != want {
				t.Errorf("%v in %s: %d %s, want %d %s", c.err, name, w.Code, got, c.status, want)
			}
			if later := w.Header().Get("Retry-After"); (later != "") != (c.status == 503 || c.status == 429) {
				t.Errorf("%v: Retry-After %q", c.err, later)
			}
		}
	}
}

func TestBodiesHaveABudget(t *testing.T) {
	t.Parallel()
	d := New(Options{Ingest: ingest.New(ingest.Options{})})
	c := &call{ResponseWriter: httptest.NewRecorder(), d: d, r: httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))}
	d.bodies.Store(inboundBudget)
	var f *fault
	if _, err := c.eventBody(); !errors.As(err, &f) || f.status != 503 || d.bodies.Load() != inboundBudget {
		t.Errorf("%v, %d bytes", err, d.bodies.Load())
	}
	d.bodies.Store(0)
	if b, err := c.eventBody(); err != nil || string(b) != "{}" || d.bodies.Load() != 0 {
		t.Errorf("%s %v, %d bytes", b, err, d.bodies.Load())
	}
}

func TestUserID(t *testing.T) {
	t.Parallel()
	for uid, want := range map[string]string{"0": "0", "123": "123", "90071992547409931234": "90071992547409931234", "007": `"007"`, "a\"b": `"a\"b"`, "-1": `"-1"`} {
		if got := userID(uid); string(got) != want || !json.Valid(got) {
			t.Errorf("%s: %s", uid, got)
		}
	}
}
