package app

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestAStopHoldsNothingBack: a server that is asked to stop while an inspector
// holds its answer back gives it at once, and the request is kept. What came is
// counted.
func TestAStopHoldsNothingBack(t *testing.T) {
	t.Parallel()
	o := valid(t)
	o.InspectListen = "127.0.0.1:0"
	a, stop := running(t, o)
	p := &store.Project{Name: "p", Environment: store.Development, Dialect: "standard"}
	if err := a.db.CreateProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	i := &store.Inspector{ProjectID: p.ID, Token: store.NewInspectorToken(), Keep: time.Hour, Answer: store.InspectorAnswer{Status: http.StatusAccepted, Delay: 30 * time.Second}}
	if _, err := a.db.CreateInspectorOnce(t.Context(), i, 1, nil); err != nil {
		t.Fatal(err)
	}
	c := &http.Client{}
	defer c.CloseIdleConnections()
	if status, _ := get(t, c, a.InspectURL()+"/nobody"); status != http.StatusNotFound {
		t.Errorf("an address that nobody has: %d", status)
	}
	answered := make(chan int, 1)
	go func() {
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, a.InspectURL()+"/"+i.Token.Reveal(), strings.NewReader("12345"))
		if err != nil {
			answered <- 0
			return
		}
		resp, err := c.Do(req)
		if err != nil { // it was cut off
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	r, err := a.db.NextInspected(t.Context(), p.ID, i.ID, store.ID{})
	if err != nil || r == nil {
		t.Fatalf("%v %v", r, err)
	}
	metrics := ""
	for !strings.Contains(metrics, "malote_inspector_answers_held 1\n") || !strings.Contains(metrics, "malote_inspector_requests_kept_total 1\n") { // it is kept before it is counted
		_, metrics = get(t, c, "http://"+a.Addr().String()+"/metrics")
	}
	for _, want := range []string{"malote_inspector_requests_refused_total 1\n", "malote_inspector_bytes_kept_total 5\n", "malote_inspector_waits 0\n"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if status := <-answered; status != http.StatusAccepted {
		t.Errorf("the answer that was held back: %d", status)
	}
	again, _ := running(t, o)
	if kept, err := again.db.InspectedRequest(t.Context(), p.ID, i.ID, r.ID); err != nil || string(kept.Body) != "12345" {
		t.Errorf("%v %v", kept, err)
	}
}
