package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestReceiver(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	d := builtinNamed(t, "connectvets")
	const secret = "cv_secret_0123456789"
	h, body := signed(t, d, now, secret)
	invalid := `{"error":"Invalid signature"}`
	tests := []struct {
		name   string
		method string
		body   string
		edit   func(http.Header, *Receiver)
		status int
		answer string
		logged string
	}{
		{"accepted", "POST", string(body), nil, 200, `{"received":true}`, ""},
		{"probe", "POST", `{"event":"test","data":{}}`, func(h http.Header, _ *Receiver) { h.Set("X-ConnectVets-Signature", "sha256=test") }, 401, invalid, "cause=malformed"},
		{"unsigned", "POST", string(body), func(h http.Header, _ *Receiver) { h.Del("X-ConnectVets-Signature") }, 401, invalid, "cause=missing_header"},
		{"changed", "POST", string(body) + "\n", nil, 401, invalid, "cause=body_changed"},
		{"no secret", "POST", string(body), func(_ http.Header, rc *Receiver) { rc.Secrets = nil }, 401, invalid, "cause=no_secret"},
		{"GET", "GET", "", nil, 405, `{"error":"Method not allowed"}`, ""},
		{"too large", "POST", strings.Repeat("x", 2001), nil, 413, `{"error":"Request Entity Too Large"}`, ""},
		{"secrets out of reach", "POST", string(body), func(_ http.Header, rc *Receiver) {
			rc.SecretsFor = func(*http.Request) ([]string, error) { return nil, errors.New("vault is sealed") }
		}, 500, `{"error":"Internal server error"}`, "vault is sealed"},
		{"not handled", "POST", string(body), func(_ http.Header, rc *Receiver) {
			rc.Handle = func(context.Context, *Event) error { return errors.New("out of paper") }
		}, 500, `{"error":"Internal server error"}`, "out of paper"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			var got *Event
			rc := &Receiver{
				Dialect: d, Secrets: []string{secret}, MaxBody: 2000, Now: func() time.Time { return now },
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Handle: func(_ context.Context, e *Event) error { got = e; return nil },
			}
			r := httptest.NewRequest(tt.method, "/hook", strings.NewReader(tt.body))
			r.Header = h.Clone()
			if tt.edit != nil {
				tt.edit(r.Header, rc)
			}
			w := httptest.NewRecorder()
			rc.ServeHTTP(w, r)
			if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.answer || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, tt.status, tt.answer)
			}
			if !strings.Contains(log.String(), tt.logged) || strings.Contains(log.String(), secret) {
				t.Errorf("logged %s", &log)
			}
			if (got != nil) != (tt.status == 200) {
				t.Errorf("handed over: %+v", got)
			}
			if got != nil && (got.Type != "test" || got.ID == "" || !got.Time.Equal(now) || !bytes.Equal(got.Body, body)) {
				t.Errorf("handed over: %+v", got)
			}
		})
	}
}

// Signed, but not in the envelope: the sender is told, nothing is handed over.
func TestReceiverUnexpectedBody(t *testing.T) {
	t.Parallel()
	d := builtinNamed(t, "connectvets")
	const secret = "cv_secret_0123456789"
	k, err := d.decodeKey(secret, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`[]`, `{`, ``, `{"event":"test"}`, `{"event":1,"timestamp":"2024-02-14T18:25:43Z","data":{}}`,
		`{"event":"test","timestamp":"yesterday","data":{}}`, "\"\xff", `{"event":"test","timestamp":"2024-02-14T18:25:43Z"}`,
	} {
		rc := &Receiver{Dialect: d, Secrets: []string{secret}, Handle: func(context.Context, *Event) error {
			t.Errorf("%s is handed over", body)
			return nil
		}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-ConnectVets-Signature", "sha256="+Hex.text(k.sum(nil, d.plan, [][]byte{[]byte(body)})))
		w := httptest.NewRecorder()
		rc.ServeHTTP(w, r)
		if w.Code != 400 {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
}

// Of a repeated name the last counts, as in most parsers; what is nested is
// found; a header says what the body does not.
func TestParseEvent(t *testing.T) {
	t.Parallel()
	d := builtinNamed(t, "placaflow")
	h := http.Header{"Webhook-Id": {"evt-1"}}
	e, err := d.ParseEvent(h, []byte(` {"event":"a", "ev\u0065nt":"b","timestamp":"2024-02-14T18:25:43.5-03:00","data" : [1, 2] } `))
	if err != nil || e.Type != "b" || string(e.Data) != "[1, 2]" || e.ID != "evt-1" || e.Time.UnixMilli() != 1707945943500 {
		t.Errorf("%+v, %v", e, err)
	}
	e, err = d.ParseEvent(h, []byte(`{"id":"evt-2","event":"a","timestamp":"2024-02-14T18:25:43Z","data":null}`))
	if err != nil || e.ID != "evt-2" || string(e.Data) != "null" {
		t.Errorf("%+v, %v", e, err)
	}
	nested, err := ParseDialect("x", bytes.Replace(d.Source(), []byte(`"data": "{data}"`), []byte(`"inner": {"list": ["{consumer}"], "d": "{data}", "c": "{consumer}"}`), 1))
	if err != nil {
		t.Fatal(err)
	}
	m := &Message{Type: "t", Consumer: "acme", Data: []byte("0.10"), Time: time.Unix(0, 0)}
	body, _ := nested.AppendBody(nil, m)
	e, err = nested.ParseEvent(h, body)
	if err != nil || e.Consumer != "acme" || string(e.Data) != "0.10" {
		t.Errorf("%+v, %v in %s", e, err, body)
	}
	flat, err := builtinNamed(t, "gabinete360").ParseEvent(h, []byte(`{"id":"1", "eventType":"e" , "a" : 1.0 ,"b":{"id":2}}`))
	if err != nil || string(flat.Data) != `{"a":1.0,"b":{"id":2}}` {
		t.Errorf("%+v, %v", flat, err)
	}
}

// A flood of forged requests does not buy a search for causes each.
func TestReceiverBoundsExplanations(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	var log bytes.Buffer
	rc := &Receiver{
		Dialect: builtinNamed(t, "connectvets"), Secrets: []string{"cv_secret_0123456789"},
		Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	h, body := signed(t, rc.Dialect, now, rc.Secrets[0])
	send := func() {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(append(bytes.Clone(body), '\n')))
		r.Header = h
		rc.ServeHTTP(httptest.NewRecorder(), r)
	}
	if shown := fmt.Sprintf("%v %+v %#v", rc, rc, rc); strings.Contains(shown, rc.Secrets[0]) {
		t.Errorf("a receiver shows itself as %s", shown)
	}
	for range 5 {
		send()
	}
	now = now.Add(explainEvery * time.Millisecond)
	send()
	if got := strings.Count(log.String(), "body_changed"); got != 2 || strings.Count(log.String(), "wrong_secret_or_body") != 4 {
		t.Errorf("%d explained:\n%s", got, &log)
	}
}

// Over a real socket: the default dialect, a body without a length, one too
// large that says so.
func TestReceiverOverHTTP(t *testing.T) {
	t.Parallel()
	got := make(chan *Event, 1)
	srv := httptest.NewServer(&Receiver{Secrets: []string{whsec}, Handle: func(_ context.Context, e *Event) error { got <- e; return nil }})
	defer srv.Close()
	m := &Message{ID: ID{1}, Type: "task.completed", Time: time.Now(), Data: []byte(`{"n":1.0}`)}
	h, body, err := Standard().Sign(m, Try{}, whsec)
	if err != nil {
		t.Fatal(err)
	}
	post := func(body io.Reader) int {
		r, err := http.NewRequest(http.MethodPost, srv.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = h
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if status := post(io.MultiReader(bytes.NewReader(body))); status != 200 {
		t.Errorf("chunked: %d", status)
	}
	if e := <-got; string(e.Data) != `{"n":1.0}` || e.Type != "task.completed" {
		t.Errorf("%+v", e)
	}
	if status := post(strings.NewReader(strings.Repeat(" ", defaultMaxBody+1))); status != 413 {
		t.Errorf("too large: %d", status)
	}
}
