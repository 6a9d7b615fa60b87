package dashboard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/malote-dev/malote/client"
)

func TestByHand(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	viewer := s.invited(owner, "vera@example.com", "viewer")
	p, c := s.project("Shop")
	e, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: s.receiver.URL + "/hook", EventTypes: []string{"*"}, Headers: map[string]string{"X-Tenant": "canary"}})
	s.no(err)
	s.receiver.answers(http.StatusInternalServerError, http.Header{"X-Only-First": {"yes"}}, "first")
	event := s.event(c, "acme", "invoice.paid", `{"n":1,"hidden":"\u202e"}`)
	d := s.settled(c, event)[0]
	at := "/p/" + p.ID + "/deliveries/" + d.ID

	if got := owner.get(at + "/compare"); got.status != http.StatusNotFound {
		t.Errorf("one attempt compared: %d", got.status)
	}
	s.receiver.answers(http.StatusServiceUnavailable, nil, "second")
	s.again(c, d)
	<-s.receiver.came
	viewer.get(at).mentions(t, at+"/compare")
	viewer.get(at+"/compare").mentions(t, "500 Internal Server Error", "503 Service Unavailable", "X-Only-First", "first", "second", "differs")
	same := viewer.get(at + "/compare?a=2&b=2")
	same.mentions(t, "503 Service Unavailable")
	if strings.Contains(same.body, "differs") {
		t.Errorf("an attempt differs from itself:\n%s", same.body)
	}
	viewer.get(at+"/compare?a=x&b=99").mentions(t, "first", "second")

	if got := viewer.post(at + "/curl"); got.status != http.StatusForbidden {
		t.Errorf("a viewer: %d", got.status)
	}
	line := owner.post(at + "/curl")
	line.mentions(t, "curl --include", "webhook-signature: v1,", "X-Tenant", "[redacted]", "<copy-text")
	if strings.Contains(line.body, "canary") {
		t.Errorf("%s", line.body)
	}

	owner.get(at+"/edit").mentions(t, `&#34;n&#34;: 1`, `\u202e`)
	if got := owner.post(at+"/edit", "data", `{"n":`); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "is not JSON") || !strings.Contains(got.body, `{&#34;n&#34;:</textarea>`) {
		t.Errorf("%d: %s", got.status, got.body)
	}
	s.receiver.answers(http.StatusOK, nil, "")
	sent := owner.post(at+"/edit", "data", `{"n": 2}`)
	to := sent.header.Get("Location")
	if sent.status != http.StatusSeeOther || !strings.HasSuffix(to, "?done=edited") || strings.Contains(to, d.ID) {
		t.Fatalf("%d %s", sent.status, to)
	}
	<-s.receiver.came
	owner.get(to).mentions(t, "What you sent is on its way", "invoice.paid", s.receiver.URL+"/hook")
	if _, err := c.DeleteEndpoint(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	if gone := owner.post(at + "/curl"); gone.status != http.StatusConflict {
		t.Errorf("%d: %s", gone.status, gone.body)
	}
	if got := owner.get(at); strings.Contains(got.body, at+"/curl") {
		t.Error("the page offers what cannot be done")
	}
}

// TestNothingArrives: the questions of the endpoint's page have the answers
// that its deliveries give.
func TestNothingArrives(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	viewer := s.invited(owner, "vera@example.com", "viewer")
	p, c := s.project("Shop")
	e, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: s.receiver.URL + "/hook", EventTypes: []string{"invoice.*"}})
	s.no(err)
	at := "/p/" + p.ID + "/endpoints/" + e.ID
	viewer.get(at).mentions(t, "Nothing arrives?", "No event that it wants has come in", "Nothing was sent to it yet", "It gave no answer in 24 hours")
	if got := viewer.post(at + "/checkup"); got.status != http.StatusForbidden {
		t.Errorf("a viewer: %d", got.status)
	}
	s.receiver.answers(http.StatusNotFound, nil, "")
	s.settled(c, s.event(c, "acme", "invoice.paid", "{}"))
	viewer.get(at).mentions(t, "Its last answer: 404", "check the path of the URL", "It answered the last request.")
	s.receiver.answers(http.StatusUnauthorized, nil, "")
	owner.post(at+"/checkup").mentions(t, "The receiver is not ready yet.", "has the receiver this endpoint", "Does it answer in time?")
	<-s.receiver.came
	<-s.receiver.came
	dead := newReceiver(t)
	dead.Close()
	_, err = c.UpdateEndpoint(t.Context(), e.ID, client.EndpointChange{URL: client.Set(dead.URL)})
	s.no(err)
	a, err := c.Send(t.Context(), client.NewEvent{Type: "invoice.paid", Consumer: "acme", Data: []byte("{}")})
	s.no(err)
	s.settled(c, a.ID)
	_, err = c.PauseEndpoint(t.Context(), e.ID)
	s.no(err)
	viewer.get(at).mentions(t, "no connection", "Is the receiver running", "It did not answer the last request", "Resume it; what was kept")
}
