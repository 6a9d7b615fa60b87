package dashboard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/webhook"
)

// verifier is a receiver that verifies, in the standard's dialect.
func verifier(t *testing.T, key *atomic.Value) *httptest.Server {
	t.Helper()
	d := webhook.Standard()
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if v := d.Verify(req.Header, body, []string{key.Load().(string)}, time.Now()); !v.OK {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// TestCheckupOnPages: the console's people and a customer have a receiver
// checked up, which is told what it does well and what not.
func TestCheckupOnPages(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	owner := c.owner()
	var key atomic.Value
	good := verifier(t, &key)
	e, err := c.client.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: good.URL + "/hook", EventTypes: []string{"*"}})
	c.no(err)
	key.Store(e.Secret)
	at := "/p/" + c.project.ID + "/endpoints/"
	owner.get(at+e.ID).mentions(t, "Check it up")
	page := owner.post(at + e.ID + "/checkup")
	page.mentions(t, "Something could be better", "Is the connection encrypted?", "The URL begins with http", "It took what is signed rightly, and refused what is signed wrongly with 401 Unauthorized.", "the same event once more")
	if page.status != http.StatusOK {
		t.Error(page.status)
	}
	owner.post(at+c.good.ID+"/checkup").mentions(t, "The receiver is not ready yet.", "it does not verify")
	manage, look := c.opened("manage"), c.opened("read")
	manage.header = http.Header{"Accept-Language": {"pt-BR"}}
	manage.post("/portal/endpoints/"+e.ID+"/checkup").mentions(t, "Algo poderia ser melhor", "recusou o que vem com assinatura errada")
	if p := look.post("/portal/endpoints/" + e.ID + "/checkup"); p.status != http.StatusForbidden {
		t.Errorf("who may only look: %d", p.status)
	}
	if p := manage.post("/portal/endpoints/" + c.foreign.ID + "/checkup"); p.status != http.StatusNotFound {
		t.Errorf("another's: %d", p.status)
	}
	for d, err := range c.client.Deliveries(t.Context(), client.DeliveryFilter{EndpointID: e.ID}) {
		c.no(err)
		t.Errorf("it left a delivery: %+v", d)
	}
}
