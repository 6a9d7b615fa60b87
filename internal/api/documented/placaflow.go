package documented

import (
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/store"
)

// placaflow: webhooks with names, headers and secrets that every list shows.
func placaflow(d *Door) *contract {
	return newContract(d, "placaflow", plain, []route{
		{method: "GET", pattern: "/api/webhooks", access: read, status: 200, run: listPlacaflow},
		{method: "POST", pattern: "/api/webhooks", access: write, status: 201, run: createPlacaflow},
		{method: "GET", pattern: "/api/webhooks/{id}", access: read, status: 200, own: true, run: getPlacaflow},
		{method: "PUT", pattern: "/api/webhooks/{id}", access: write, status: 200, run: updatePlacaflow},
		{method: "DELETE", pattern: "/api/webhooks/{id}", access: write, status: 204, run: deletePlacaflow},
	})
}

type placaflowInput struct {
	Name    *string            `json:"name"`
	URL     *string            `json:"url"`
	Secret  *string            `json:"secret"`
	Enabled *bool              `json:"enabled"`
	Events  *[]string          `json:"events"`
	Headers *map[string]string `json:"headers"`
}

func (in *placaflowInput) fields() *api.EndpointFields {
	return &api.EndpointFields{
		Name: in.Name, URL: in.URL, EventTypes: in.Events, Headers: in.Headers, Secret: given(in.Secret), Enabled: in.Enabled,
	}
}

type placaflowWebhook struct {
	ID                 string            `json:"id"`
	Name               string            `json:"name"`
	URL                string            `json:"url"`
	Secret             string            `json:"secret"`
	Enabled            bool              `json:"enabled"`
	Events             []string          `json:"events"`
	Headers            map[string]string `json:"headers"`
	FailureCount       int               `json:"failureCount"`
	LastDeliveryAt     millis            `json:"lastDeliveryAt"`
	LastDeliveryStatus *int              `json:"lastDeliveryStatus"`
	CreatedAt          millis            `json:"createdAt"`
}

type placaflowOne struct {
	Webhook placaflowWebhook `json:"webhook"`
}

type placaflowMany struct {
	Webhooks []placaflowWebhook `json:"webhooks"`
}

func viewPlacaflow(c *call, e *store.Endpoint, t store.Traffic) placaflowWebhook {
	v := placaflowWebhook{
		ID: c.id(e), Name: e.Name, URL: e.URL, Secret: revealed(e), Enabled: e.State == store.Active, Events: e.EventTypes,
		Headers: map[string]string{}, FailureCount: e.FailureCount, LastDeliveryAt: millis(t.LastAt), CreatedAt: millis(e.CreatedAt),
	}
	for _, h := range e.Headers {
		v.Headers[h.Name] = h.Value.Reveal() // the contract lists them with the secret
	}
	if t.LastStatus > 0 {
		v.LastDeliveryStatus = &t.LastStatus
	}
	return v
}

// onePlacaflow is the answer that shows one webhook.
func onePlacaflow(c *call, e *store.Endpoint, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	t, err := c.traffic(e)
	if err != nil {
		return nil, err
	}
	return placaflowOne{viewPlacaflow(c, e, t[0])}, nil
}

func listPlacaflow(c *call) (any, error) {
	es, err := c.listWebhooks()
	if err != nil {
		return nil, err
	}
	ts, err := c.traffic(es...)
	if err != nil {
		return nil, err
	}
	out := placaflowMany{Webhooks: make([]placaflowWebhook, len(es))}
	for i, e := range es {
		out.Webhooks[i] = viewPlacaflow(c, e, ts[i])
	}
	return out, nil
}

func createPlacaflow(c *call) (any, error) {
	var in placaflowInput
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if err := missing("name", in.Name, "url", in.URL, "events", in.Events); err != nil {
		return nil, err
	}
	e, err := c.createWebhook(in.fields())
	return onePlacaflow(c, e, err)
}

func getPlacaflow(c *call) (any, error) {
	e, err := c.webhook()
	return onePlacaflow(c, e, err)
}

func updatePlacaflow(c *call) (any, error) {
	var in placaflowInput
	if err := c.read(&in); err != nil {
		return nil, err
	}
	e, err := c.updateWebhook(in.fields())
	return onePlacaflow(c, e, err)
}

func deletePlacaflow(c *call) (any, error) { return nil, c.deleteWebhook() }
