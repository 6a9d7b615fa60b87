package api

import (
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
)

// rotateInput says what the new secret is, and how long the old one stays.
type rotateInput struct {
	Secret        optional[string] `json:"secret" body:"optional"`
	SecretType    optional[string] `json:"secret_type"`
	SecretOverlap optional[int]    `json:"secret_overlap"`
}

// rotateSecret is what a change of secret does, with an Idempotency-Key: a new
// secret whose answer was lost would be one that signs and that nobody has.
func (s *server) rotateSecret(c *call, in *rotateInput) (endpointView, error) {
	project, e, d, err := s.endpointToChange(c)
	if err != nil {
		return endpointView{}, err
	}
	change := &endpointInput{Secret: in.Secret, SecretType: in.SecretType, SecretOverlap: in.SecretOverlap}
	if !in.Secret.given() {
		change.Secret = optional[string]{Set: true, Null: true}
	}
	change.keepKind(e, d)
	var errs ingest.FieldErrors
	ch := s.checkEndpoint(change, project, d, false, &errs)
	if len(errs) > 0 {
		return endpointView{}, errs
	}
	show := func(e *store.Endpoint) any { return viewEndpoint(e, d, ch.generated) }
	e, c.before, err = s.store.UpdateEndpointOnce(c.r.Context(), c.key.ProjectID, e.ID, ch.apply, onceOf(c, show))
	if err != nil {
		return endpointView{}, err
	}
	return viewEndpoint(e, d, ch.generated), nil
}
