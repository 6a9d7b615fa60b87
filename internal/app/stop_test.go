package app

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// journal is a log that a test reads while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestAStopIsSeenAndSaid: while attempts in flight end, the port answers that
// the server is not ready and takes nothing new.
func TestAStopIsSeenAndSaid(t *testing.T) {
	t.Parallel()
	arrived, answer := make(chan struct{}), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-answer
	}))
	defer receiver.Close()
	o := valid(t)
	o.Listen, o.EgressLoopback = "127.0.0.1:0", true
	log := &journal{}
	a, err := New(t.Context(), o, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	e := acceptUnder(t, a.db, "standard/1", receiver.URL)
	_, _, err = a.db.UpdateEndpoint(t.Context(), e.ProjectID, e.ID, func(e *store.Endpoint) error {
		e.State, e.StateReason = store.Active, ""
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-arrived
	cancel()

	c := &http.Client{Timeout: 5 * time.Second}
	defer c.CloseIdleConnections()
	base := "http://" + a.Addr().String()
	status, body := get(t, c, base+"/readyz")
	for status == http.StatusOK { // the signal is on its way
		status, body = get(t, c, base+"/readyz")
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
		t.Errorf("readyz while stopping: %d %s", status, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/events", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("an event while stopping: %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	close(answer)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "msg=stopped") {
		t.Errorf("the last line is %s", last)
	}
	if !strings.Contains(log.String(), " attempts=1 ") {
		t.Errorf("the log does not say what is waited for:\n%s", log)
	}
}

// TestAStartSaysWhatIsWrong holds that a server that refuses events from its
// first moment on says so by itself.
func TestAStartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := valid(t)
	o.Listen, o.MinFree = "127.0.0.1:0", 1<<40
	log := &journal{}
	a, err := New(t.Context(), o, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "events are refused") {
		t.Errorf("log:\n%s", log)
	}
}
