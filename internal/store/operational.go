package store

import (
	"context"
	_ "embed"
	"encoding/json"
	"sync"

	"github.com/malote-dev/malote/internal/match"
)

// Types of operational events: what the server itself tells, to the endpoints
// of [SystemConsumer]. operational.json says what each is, and of what form.
const (
	EventDeliveryFailed    = "delivery.failed"
	EventEndpointCreated   = "endpoint.created"
	EventEndpointUpdated   = "endpoint.updated"
	EventEndpointPaused    = "endpoint.paused"
	EventEndpointResumed   = "endpoint.resumed"
	EventEndpointDeleted   = "endpoint.deleted"
	EventEndpointFailing   = "endpoint.failing"
	EventEndpointDisabled  = "endpoint.disabled"
	EventEndpointRecovered = "endpoint.recovered"
	EventEndpointExpiring  = "endpoint.expiring"
	EventSecretRotated     = "secret.rotated"
	EventSecretRevoked     = "secret.revoked"
	EventSecretExpired     = "secret.expired"
	EventLinkOpened        = "link.opened"
	EventKeyCreated        = "key.created"
	EventKeyRevoked        = "key.revoked"
	EventKeyExpiring       = "key.expiring"
	EventReplayFinished    = "replay.finished"
)

const systemDialect = "standard/1"

//go:embed operational.json
var operational []byte

var operationalTypes = sync.OnceValue(func() []*EventType {
	var file []struct {
		Name          string          `json:"name"`
		Description   string          `json:"description"`
		DescriptionPT string          `json:"description_pt"`
		Schema        json.RawMessage `json:"schema"`
		Example       json.RawMessage `json:"example"`
	}
	if err := json.Unmarshal(operational, &file); err != nil {
		panic(err) // it is embedded
	}
	out := make([]*EventType, len(file))
	for i, t := range file {
		out[i] = &EventType{
			Name: t.Name, Description: t.Description, DescriptionPT: t.DescriptionPT, Tags: []string{"operational"},
			Schema: t.Schema, Examples: []json.RawMessage{t.Example},
		}
	}
	return out
})

// OperationalTypes is the catalogue of operational events, by name. Shared:
// read only.
func OperationalTypes() []*EventType { return operationalTypes() }

// heard reports whether a project may have endpoints that operational events
// go to. Where it has none, nobody pays for what nobody hears.
func (b *batch) heard(project ID) bool {
	k, ok := b.db.keys.key(project)
	return ok && !b.w.unheard[k]
}

// announceEndpoint makes an operational event about an endpoint. What happens
// to the operator's own endpoints is not announced to them: each failure of
// one would be an event for it to fail on.
func (b *batch) announceEndpoint(eventType string, about *Endpoint, data any) error {
	if about.Consumer == SystemConsumer {
		return nil
	}
	return b.announce(about.ProjectID, eventType, data)
}

// announce makes an operational event of a project, where somebody subscribes
// to it, in the transaction of what it tells.
func (b *batch) announce(project ID, eventType string, data any) error {
	k, ok := b.db.keys.key(project)
	if !ok || b.w.unheard[k] {
		return nil
	}
	ears, err := b.ears(k, eventType)
	if err != nil || len(ears) == 0 {
		return err
	}
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e := &Event{ProjectID: project, Consumer: SystemConsumer, Type: eventType, Time: b.now, Data: body, Dialect: systemDialect}
	targets := b.wanting(e, ears)
	if len(targets) == 0 {
		return nil
	}
	return b.insertEvent(k, b.keep(k, e, targets), e, false, targets)
}

// ear is one of the operator's endpoints.
type ear struct {
	endpoint key
	rules    *match.Rules
}

// ears are the operator's endpoints that want a type. Where a project has none
// at all, it is remembered.
func (b *batch) ears(project key, eventType string) (out []ear, err error) {
	found := false
	err = b.rows("SELECT k, event_types, settings FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 ORDER BY k LIMIT ?",
		[]any{project, SystemConsumer, fanoutSlice}, func(scan func(...any) error) (bool, error) {
			var types []byte
			var settings string
			var e ear
			found = true
			err := scan(&e.endpoint, &types, &settings)
			if err == nil && match.Type(patterns(types), eventType) {
				e.rules = rulesOf(settings)
				out = append(out, e)
			}
			return true, err
		})
	if err == nil && !found {
		b.after = append(b.after, func() { b.w.unheard[project] = true })
	}
	return out, err
}

// wanting are those whose channels and filter let an event pass. They are few,
// and so is what their filters cost.
func (b *batch) wanting(e *Event, ears []ear) (targets []target) {
	of := matchable(e)
	defer of.Done()
	for _, to := range ears {
		v, _ := b.db.filters.Judge(context.Background(), of, to.rules, &match.Budget{}, b.db.keys.id(to.endpoint))
		if v == match.Wanted {
			targets = append(targets, target{endpoint: to.endpoint, consumer: SystemConsumer})
		}
	}
	return targets
}
