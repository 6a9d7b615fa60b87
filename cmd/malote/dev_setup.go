package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/malote-dev/malote/client"
)

// setUp makes what is missing of the dialect's project: project, key,
// consumer and endpoint, all through the API. Each step is kept before the
// next, so that an interrupted first run goes on where it stopped.
func (r *devRun) setUp(ctx context.Context, rootKey string) (*devProject, error) {
	p := r.state.Projects[r.dialect.Name]
	if p == nil {
		p = &devProject{Consumer: "acme"}
		if r.dialect.Limits.NumericConsumer {
			p.Consumer = "123"
		}
		r.state.Projects[r.dialect.Name] = p
	}
	root, err := client.New(client.Options{URL: r.url, Key: rootKey})
	if err != nil {
		return nil, err
	}
	steps := []func(context.Context, *devProject) error{
		func(ctx context.Context, p *devProject) error { return r.ensureProject(ctx, root, p) },
		func(ctx context.Context, p *devProject) error { return r.ensureKey(ctx, root, p) },
		r.ensureEndpoint,
		r.moveEndpoints,
	}
	for _, step := range steps {
		if err := step(ctx, p); err != nil {
			return nil, err
		}
		if err := r.state.save(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// ensureProject finds or makes the project "dev" of the dialect.
func (r *devRun) ensureProject(ctx context.Context, root *client.Client, p *devProject) error {
	if p.Project != "" {
		return nil
	}
	name := "dev"
	if r.dialect.Name != "standard" {
		name += "-" + r.dialect.Name
	}
	made, err := root.CreateProject(ctx, client.NewProject{Name: name, Environment: "development", Dialect: r.dialect.Name})
	if err == nil {
		p.Project = made.ID
		return nil
	}
	if !hasStatus(err, http.StatusConflict) {
		return err
	}
	for other, err := range root.Projects(ctx) {
		if err != nil {
			return err
		}
		if other.Name == name && other.Environment == "development" {
			p.Project = other.ID
			return nil
		}
	}
	return err
}

func hasStatus(err error, status int) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == status
}

func (r *devRun) ensureKey(ctx context.Context, root *client.Client, p *devProject) error {
	if p.Key != "" {
		return nil
	}
	made, err := root.CreateKey(ctx, p.Project, client.NewKey{Name: "malote dev", Scopes: []string{"*"}})
	if err != nil {
		return err
	}
	p.Key = made.Key
	return nil
}

func (r *devRun) api(p *devProject) (*client.Client, error) {
	return client.New(client.Options{URL: r.url, Key: p.Key})
}

// ensureEndpoint makes the endpoint that points to the receiver inside, also
// where somebody deleted it.
func (r *devRun) ensureEndpoint(ctx context.Context, p *devProject) error {
	api, err := r.api(p)
	if err != nil {
		return err
	}
	if p.Endpoint != "" {
		_, err := api.Endpoint(ctx, p.Endpoint)
		if !hasStatus(err, http.StatusNotFound) {
			return err
		}
	}
	url := r.receiver.url(r.dialect.Name)
	made, err := api.CreateEndpoint(ctx, client.NewEndpoint{
		Consumer: p.Consumer, URL: url, EventTypes: []string{"*"}, Description: "the receiver inside malote dev",
	})
	if err != nil {
		return err
	}
	p.Endpoint, p.URL, p.Secret = made.ID, url, made.Secret
	return nil
}

// moveEndpoints has the endpoints of all dialects follow the receiver where
// its port changed, and the receiver take what they send.
func (r *devRun) moveEndpoints(ctx context.Context, _ *devProject) error {
	for name, p := range r.state.Projects {
		dialect, ok := r.dialects.Lookup(name)
		if p.Endpoint == "" || !ok {
			continue
		}
		r.receiver.serve(dialect, p.Secret)
		url := r.receiver.url(name)
		if p.URL == url {
			continue
		}
		api, err := r.api(p)
		if err != nil {
			return err
		}
		_, err = api.UpdateEndpoint(ctx, p.Endpoint, client.EndpointChange{URL: client.Set(url)})
		if err != nil && !hasStatus(err, http.StatusNotFound) {
			return err
		}
		p.URL = url
	}
	return nil
}

// send sends one event and returns its id.
func (r *devRun) send(ctx context.Context, p *devProject, eventType string, data []byte) (string, error) {
	api, err := r.api(p)
	if err != nil {
		return "", err
	}
	kept, err := api.Send(ctx, client.NewEvent{Type: eventType, Consumer: p.Consumer, Data: data})
	if err != nil {
		return "", err
	}
	return kept.ID, nil
}
