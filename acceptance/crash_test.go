package acceptance

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// TestKillWhileAReceiverAnswers: the request that the server did not live to
// see answered is shown as unknown, and the next one counts on from it.
func TestKillWhileAReceiverAnswers(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	numbers := make(chan string, 16)
	hold := make(chan struct{})
	receiver := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n := r.Header.Get("X-Delivery-Attempt")
		numbers <- n
		if n == "1" {
			<-hold
		}
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = receiver.Serve(l) }()
	t.Cleanup(func() { close(hold); receiver.Close() })
	next := func() string {
		select {
		case n := <-numbers:
			return n
		case <-time.After(patience):
			t.Fatal("nothing arrived")
			return ""
		}
	}

	server, err := site.Start()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.WaitReady(t.Context()); err != nil {
		server.Kill()
		t.Fatal(err)
	}
	api := newProject(t, site, "development", "tarefa")
	newEndpoint(t, api, map[string]any{"consumer": "5", "url": "http://" + l.Addr().String() + "/held", "event_types": []string{"*"}})
	dlv := onlyDelivery(t, api, sendEvent(t, api, "task.created", "5", whenSent, `{}`))
	if n := next(); n != "1" {
		t.Fatalf("the first request has number %s", n)
	}
	server.Kill()

	runServer(t, site)
	api.Client.CloseIdleConnections()
	if n := next(); n != "2" {
		t.Errorf("the request after the crash has number %s, want 2", n)
	}
	if a := awaitAttempt(t, api, dlv, 1); a.Error.Class != "unknown" || a.Error.Detail == "" || a.Response.Status != 0 {
		t.Errorf("the interrupted attempt is shown as %+v", a)
	}
	if a := awaitAttempt(t, api, dlv, 2); a.Response.Status != 200 {
		t.Errorf("the second attempt is shown as %+v", a)
	}
	if d := getDelivery(t, api, dlv); d.State != "delivered" || d.Attempts != 2 {
		t.Errorf("in the end: %+v", d)
	}
}
