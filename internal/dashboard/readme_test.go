package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/webhook"
)

// public has names stand where a test has addresses of loopback.
const public = `(() => {
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n = texts.nextNode(); n; n = texts.nextNode())
		n.data = n.data.replaceAll(/https?:\/\/(127\.0\.0\.1|localhost):\d+\/hook/g, "https://api.acme.example/webhooks")
			.replaceAll(/https?:\/\/(127\.0\.0\.1|localhost):\d+\/broken/g, "https://erp.acme.example/in")
			.replaceAll(/https?:\/\/(127\.0\.0\.1|localhost):\d+/g, "https://inspect.aurora.example")
			.replaceAll(/(127\.0\.0\.1|localhost):\d+/g, "inspect.aurora.example").replaceAll("127.0.0.1", "203.0.113.7").replaceAll("Malote test", "Malote");
	return true;
})()`

// shown is a page of the README: as a company and its customer have it, and
// accessible as all are.
func (b *browser) shown(name string) {
	b.Helper()
	b.accessible(name)
	eval[bool](b, public)
	b.picture("readme-" + name)
}

// TestPicturesOfReadme makes the pictures that the README shows, with -screens.
func TestPicturesOfReadme(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{Name: client.Set("Loja Aurora"), PortalName: client.Set("Loja Aurora"), PortalColor: client.Set("#6741d9")})
	c.no(err)
	_, err = c.client.UpdateEndpoint(t.Context(), c.good.ID, client.EndpointChange{Name: client.Set("Orders to our ERP"), Description: client.Set("")})
	c.no(err)
	types := []string{"order.created", "invoice.paid", "order.shipped"}
	for _, k := range []string{"order.created", "order.shipped", "invoice.refunded"} {
		_, err := c.client.CreateEventType(t.Context(), client.NewEventType{Name: k, EventTypeChange: client.EventTypeChange{Examples: client.Set([]json.RawMessage{json.RawMessage(`{"order":"ord_71"}`)})}})
		c.no(err)
	}
	var last string
	for i := range 24 {
		if i == 9 || i == 10 {
			c.receiver.answers(http.StatusServiceUnavailable, nil, "deploying")
		}
		last = c.event(c.client, "acme", types[i%len(types)], fmt.Sprintf(`{"order":"ord_%d"}`, i))
		c.receiver.answers(http.StatusOK, nil, "")
	}
	c.settled(c.client, last)

	b := chromium(t, c.url)
	b.open(c.session("manage").Path)
	b.waitFor(`location.pathname === "/portal"`)
	b.wide(1200)
	b.prefers("en.light")
	b.open("/portal/endpoints/" + c.good.ID)
	b.shown("portal")

	b.signedIn(c.owner())
	b.open("/p/" + c.project.ID)
	b.shown("overview")
	i, err := c.client.CreateInspector(t.Context(), client.NewInspector{Name: "Checkout", Dialect: "standard", Secret: inspectSecret})
	c.no(err)
	h, body, err := webhook.Standard().Sign(&webhook.Message{ID: webhook.NewID(), Type: "invoice.paid", Time: time.Now(), Data: []byte(`{"invoice":"inv_42","amount":"99.90"}`)}, webhook.Try{}, inspectSecret)
	c.no(err)
	c.arrives(i.URL+"/webhooks", h, append(body, '\n'))
	for r, err := range c.client.InspectedRequests(t.Context(), i.ID, "") {
		c.no(err)
		b.open("/p/" + c.project.ID + "/inspect/" + i.ID + "/requests/" + r.ID)
	}
	b.shown("inspector")
}
