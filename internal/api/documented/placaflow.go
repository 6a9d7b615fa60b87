package documented

import (
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// placaflow: webhooks with names, headers and secrets that every list shows.
func placaflow(d *Door) *contract {
	return newContract(d, "placaflow", plain, []route{
		{method: "GET", pattern: "/api/webhooks", access: read, status: 200, action: gives(listPlacaflow)},
		{method: "POST", pattern: "/api/webhooks", access: write, status: 201, action: creates(createPlacaflow)},
		{method: "GET", pattern: "/api/webhooks/{id}", access: read, status: 200, own: true, action: gives(getPlacaflow)},
		{method: "PUT", pattern: "/api/webhooks/{id}", access: write, status: 200, action: takes(updatePlacaflow)},
		{method: "DELETE", pattern: "/api/webhooks/{id}", access: write, status: 204, action: ends(deletePlacaflow)},
	})
}

type placaflowInput struct {
	Name    *string             `json:"name"`
	URL     *string             `json:"url"`
	Secret  *string             `json:"secret"`
	Enabled *bool               `json:"enabled"`
	Events  *[]string           `json:"events"`
	Headers *map[string]*string `json:"headers"`
}

func (in *placaflowInput) fields() (*api.EndpointFields, error) {
	f := &api.EndpointFields{Name: in.Name, URL: in.URL, EventTypes: in.Events, Secret: given(in.Secret), Enabled: in.Enabled}
	if in.Headers == nil {
		return f, nil
	}
	headers := make(map[string]string, len(*in.Headers))
	for name, value := range *in.Headers {
		if value == nil {
			return nil, ingest.FieldErrors{{Pointer: "/headers/" + name, Detail: lang.Text("is null; send a string, or leave it out")}}
		}
		headers[name] = *value
	}
	f.Headers = &headers
	return f, nil
}

type placaflowWebhook struct {
	ID                 string            `json:"id"`
	Name               string            `json:"name"`
	URL                string            `json:"url"`
	Secret             string            `json:"secret"`
	Enabled            bool              `json:"enabled"`
	Events             []string          `json:"events"`
	Headers            map[string]string `json:"headers"`
	FailureCount       int64             `json:"failureCount"`
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
		Headers: map[string]string{}, FailureCount: t.Failed, LastDeliveryAt: millis(t.LastAt), CreatedAt: millis(e.CreatedAt),
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
func onePlacaflow(c *call, e *store.Endpoint, err error) (*placaflowOne, error) {
	if err != nil {
		return nil, err
	}
	t, err := c.traffic(e)
	if err != nil {
		return nil, err
	}
	return &placaflowOne{viewPlacaflow(c, e, t[0])}, nil
}

func listPlacaflow(c *call) (*placaflowMany, error) {
	es, err := c.listWebhooks()
	if err != nil {
		return nil, err
	}
	ts, err := c.traffic(es...)
	if err != nil {
		return nil, err
	}
	out := &placaflowMany{Webhooks: make([]placaflowWebhook, len(es))}
	for i, e := range es {
		out.Webhooks[i] = viewPlacaflow(c, e, ts[i])
	}
	return out, nil
}

func createPlacaflow(c *call, in *placaflowInput) (*placaflowOne, error) {
	if err := missing("name", in.Name, "url", in.URL, "events", in.Events); err != nil {
		return nil, err
	}
	f, err := in.fields()
	if err != nil {
		return nil, err
	}
	e, err := c.createWebhook(f, func(e *store.Endpoint) any { return madePlacaflow(c, e) })
	if err != nil {
		return nil, err
	}
	return madePlacaflow(c, e), nil
}

// madePlacaflow is a webhook to which nothing was sent yet.
func madePlacaflow(c *call, e *store.Endpoint) *placaflowOne {
	return &placaflowOne{viewPlacaflow(c, e, store.Traffic{})}
}

func getPlacaflow(c *call) (*placaflowOne, error) {
	e, err := c.webhook()
	return onePlacaflow(c, e, err)
}

func updatePlacaflow(c *call, in *placaflowInput) (*placaflowOne, error) {
	f, err := in.fields()
	if err != nil {
		return nil, err
	}
	e, err := c.updateWebhook(f)
	return onePlacaflow(c, e, err)
}

func deletePlacaflow(c *call) error { return c.deleteWebhook() }
