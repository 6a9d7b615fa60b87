package documented

import (
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// gabinete360: channels of the type webhook, which get every event.
func gabinete360(d *Door) *contract {
	c := newContract(d, "gabinete360", plain, []route{
		{method: "POST", pattern: "/api/v1/channels", access: write, status: 201, action: creates(createChannel)},
		{method: "GET", pattern: "/api/v1/channels", access: read, status: 200, own: true, action: gives(listChannels)},
		{method: "GET", pattern: "/api/v1/channels/{id}", access: read, status: 200, own: true, action: gives(getChannel)},
		{method: "PUT", pattern: "/api/v1/channels/{id}", access: write, status: 200, own: true, action: takes(updateChannel)},
		{method: "DELETE", pattern: "/api/v1/channels/{id}", access: write, status: 204, own: true, action: ends(deleteChannel)},
	})
	c.missing = "Channel not found"
	return c
}

const channelType = "webhook"

type channelInput struct {
	Type    *string             `json:"type"`
	Name    *string             `json:"name"`
	Config  *channelConfigInput `json:"config"`
	Enabled *bool               `json:"enabled"`
}

type channelConfigInput struct {
	Type   *string `json:"type"`
	URL    *string `json:"url"`
	Secret *string `json:"secret"`
}

type channels struct {
	Channels []channel `json:"channels"`
}

func (in *channelInput) fields() *api.EndpointFields {
	config := in.config()
	return &api.EndpointFields{Name: in.Name, URL: config.URL, Secret: given(config.Secret), Enabled: in.Enabled}
}

func (in *channelInput) config() channelConfigInput {
	if in.Config == nil {
		return channelConfigInput{}
	}
	return *in.Config
}

// check refuses channels that are not webhooks.
func (in *channelInput) check() error {
	var errs ingest.FieldErrors
	for pointer, kind := range map[string]*string{"/type": in.Type, "/config/type": in.config().Type} {
		if kind != nil && *kind != channelType {
			errs = append(errs, &ingest.FieldError{Pointer: pointer, Detail: lang.Text(`must be "webhook"`)})
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

type channel struct {
	ID           string        `json:"id"`
	Type         string        `json:"type"`
	Name         string        `json:"name"`
	Config       channelConfig `json:"config"`
	Enabled      bool          `json:"enabled"`
	FailureCount int           `json:"failureCount"`
	CreatedAt    millis        `json:"createdAt"`
}

type channelConfig struct {
	Type   string `json:"type"`
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"` // in the answer to a create, and no other
}

func viewChannel(c *call, e *store.Endpoint) channel {
	return channel{
		ID: c.id(e), Type: channelType, Name: e.Name, Config: channelConfig{Type: channelType, URL: e.URL},
		Enabled: e.State == store.Active, FailureCount: e.FailureCount, CreatedAt: millis(e.CreatedAt),
	}
}

func createChannel(c *call, in *channelInput) (*channel, error) {
	if err := missing("type", in.Type, "name", in.Name, "config/url", in.config().URL); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	f := in.fields()
	f.EventTypes = &[]string{"*"}
	e, err := c.createWebhook(f, func(e *store.Endpoint) any { return madeChannel(c, e) })
	if err != nil {
		return nil, err
	}
	return madeChannel(c, e), nil
}

func madeChannel(c *call, e *store.Endpoint) *channel {
	v := viewChannel(c, e)
	v.Config.Secret = revealed(e)
	return &v
}

func listChannels(c *call) (*channels, error) {
	es, err := c.listWebhooks()
	if err != nil {
		return nil, err
	}
	out := &channels{make([]channel, len(es))}
	for i, e := range es {
		out.Channels[i] = viewChannel(c, e)
	}
	return out, nil
}

func getChannel(c *call) (*channel, error) {
	e, err := c.webhook()
	if err != nil {
		return nil, err
	}
	v := viewChannel(c, e)
	return &v, nil
}

func updateChannel(c *call, in *channelInput) (*channel, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	e, err := c.updateWebhook(in.fields())
	if err != nil {
		return nil, err
	}
	v := viewChannel(c, e)
	return &v, nil
}

func deleteChannel(c *call) error { return c.deleteWebhook() }
