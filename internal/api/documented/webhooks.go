package documented

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// What all contracts do with an endpoint, whatever they call it.

// createWebhook makes an endpoint of the key's consumer. view is its answer, kept
// for a repeat; where this is one, the endpoint says nothing, and before does.
func (c *call) createWebhook(f *api.EndpointFields, view func(*store.Endpoint) any) (*store.Endpoint, error) {
	if err := c.dialect.CheckConsumer(c.key.Consumer); err != nil {
		return nil, &fault{status: http.StatusForbidden, err: "Forbidden", message: "This key's customer cannot have webhooks: " + err.Error()}
	}
	apply, err := c.d.rules.Endpoint(f, c.project, c.dialect, true)
	if err != nil {
		return nil, err
	}
	e := &store.Endpoint{ProjectID: c.project.ID, Consumer: c.key.Consumer}
	if err := c.known(f, nil); err != nil {
		return nil, err
	}
	if err := apply(e); err != nil {
		return nil, err
	}
	if c.d.TakesEvents(c.contract.name) {
		e.PathSecret = api.NewPathSecret()
	}
	limit := api.EndpointCap(c.dialect)
	c.before, err = c.d.store.CreateEndpointOnce(c.r.Context(), e, limit, c.onceOf(view))
	if errors.Is(err, store.ErrLimit) {
		return nil, &fault{status: http.StatusConflict, err: "Webhook limit reached", message: fmt.Sprintf("Maximum %d webhooks per user", limit)}
	}
	return e, err
}

// listWebhooks gives all endpoints of the key's consumer, newest first.
func (c *call) listWebhooks() ([]*store.Endpoint, error) {
	return c.d.store.Endpoints(c.r.Context(), c.project.ID, c.key.Consumer, store.ID{}, api.EndpointCap(c.dialect))
}

// webhook reads the endpoint of the path. One of another consumer, another
// project or none at all are answered alike.
func (c *call) webhook() (*store.Endpoint, error) {
	id, err := c.webhookID()
	if err != nil {
		return nil, err
	}
	e, err := c.d.store.Endpoint(c.r.Context(), c.project.ID, id)
	if err == nil && e.Consumer != c.key.Consumer {
		err = store.ErrNotFound
	}
	return e, err
}

// webhookID finds the endpoint that the path names, by the id that it brought
// along or by its own.
func (c *call) webhookID() (store.ID, error) {
	name := c.r.PathValue("id")
	id, err := c.d.store.EndpointByWireID(c.r.Context(), c.project.ID, c.key.Consumer, name)
	if !errors.Is(err, store.ErrNotFound) {
		return id, err
	}
	if id, err = c.dialect.IDs.Endpoint.Parse(name); err != nil {
		return store.ID{}, store.ErrNotFound
	}
	return id, nil
}

// updateWebhook changes the endpoint of the path.
func (c *call) updateWebhook(f *api.EndpointFields) (*store.Endpoint, error) {
	had, err := c.webhook()
	if err != nil { // before the fields: a foreign one is missing, whatever was sent
		return nil, err
	}
	if err := emptied(f); err != nil {
		return nil, err
	}
	apply, err := c.d.rules.Endpoint(f, c.project, c.dialect, false)
	if err != nil {
		return nil, err
	}
	if err := c.known(f, had.EventTypes); err != nil {
		return nil, err
	}
	e, _, err := c.d.store.UpdateEndpoint(c.r.Context(), c.project.ID, had.ID, func(e *store.Endpoint) error {
		if e.Consumer != c.key.Consumer {
			return store.ErrNotFound
		}
		return apply(e)
	})
	return e, err
}

// known refuses event types that a project of known types only does not have.
// What a webhook has already may be sent back.
func (c *call) known(f *api.EndpointFields, had []string) error {
	if f.EventTypes == nil {
		return nil
	}
	subs, err := c.d.store.Subscriptions(c.r.Context(), c.project.ID, c.key.Consumer)
	if err != nil {
		return err
	}
	var errs ingest.FieldErrors
	for i, name := range *f.EventTypes {
		if !slices.Contains(had, name) {
			errs.AddText("/event_types/"+strconv.Itoa(i), ingest.CheckKnown(name, subs.Rules, c.dialect))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

func (c *call) deleteWebhook() error {
	e, err := c.webhook()
	if err != nil {
		return err
	}
	_, err = c.d.store.DeleteEndpoint(c.r.Context(), c.project.ID, e.ID)
	return err
}

// traffic of an endpoint.
func (c *call) traffic(es ...*store.Endpoint) ([]store.Traffic, error) {
	ids := make([]store.ID, len(es))
	for i, e := range es {
		ids[i] = e.ID
	}
	return c.d.store.Traffic(c.r.Context(), ids)
}

// id of an endpoint as the contract writes it.
func (c *call) id(e *store.Endpoint) string {
	if e.Settings.WireID != "" {
		return e.Settings.WireID
	}
	return c.dialect.IDs.Endpoint.Format(e.ID)
}

// revealed is the newest secret of an endpoint.
func revealed(e *store.Endpoint) string {
	if len(e.Secrets) == 0 {
		return ""
	}
	return e.Secrets[0].Value.Reveal()
}

// given is a text that was sent and is not empty: forms send empty fields
// where nothing was typed.
func given(s *string) *string {
	if s == nil || *s == "" {
		return nil
	}
	return s
}

// emptied says which of the fields that a create needs would be taken away.
func emptied(f *api.EndpointFields) error {
	var gone []any
	if f.Name != nil {
		gone = append(gone, "name", f.Name)
	}
	if f.URL != nil {
		gone = append(gone, "url", f.URL)
	}
	if f.EventTypes != nil {
		gone = append(gone, "event_types", f.EventTypes)
	}
	return missing(gone...)
}

// missing says which of the fields that a create needs were left out.
func missing(fields ...any) error {
	var errs ingest.FieldErrors
	for i := 0; i+1 < len(fields); i += 2 {
		absent := false
		switch v := fields[i+1].(type) {
		case *string:
			absent = given(v) == nil
		case *[]string:
			absent = v == nil || len(*v) == 0
		}
		if absent {
			errs = append(errs, &ingest.FieldError{Pointer: "/" + fields[i].(string), Detail: lang.Text("is required")})
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}
