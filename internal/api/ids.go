package api

import (
	"strings"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Ids in the API.
var (
	projectID   = store.ProjectName
	keyID       = store.KeyName
	endpointID  = store.EndpointName
	eventID     = store.EventName
	deliveryID  = store.DeliveryName
	requestID   = store.RequestName
	consumerID  = store.ConsumerName
	eventTypeID = store.EventTypeName
	auditID     = store.AuditName
	sessionID   = store.SessionName
	linkID      = store.LinkName
	replayID    = store.ReplayName
	inspectorID = store.InspectorName
)

// pathID reads the id in the path. What is no id is answered as an id that
// does not exist.
func pathID(c *call, f webhook.IDFormat) (store.ID, error) {
	id, err := parseID(f, c.r.PathValue("id"))
	if err != nil {
		return store.ID{}, store.ErrNotFound
	}
	return id, nil
}

// parseID reads an id in the API's own form, with its prefix or without, or as
// the UUID that most dialects write on the wire, so that what a receiver
// logged can be looked up.
func parseID(f webhook.IDFormat, text string) (store.ID, error) {
	if id, err := webhook.ParseUUID(text); err == nil {
		return id, nil
	}
	for _, prefix := range []string{f.Prefix, wirePrefix(f)} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			text = rest
			break
		}
	}
	return f.Parse(f.Prefix + text)
}

// wirePrefix is what ids of a kind begin with in a contract that has a prefix of
// its own: what is in its logs and deliveries can be looked up as it stands there.
func wirePrefix(f webhook.IDFormat) string {
	switch f.Prefix {
	case store.EndpointName.Prefix:
		return "wh_"
	case store.DeliveryName.Prefix:
		return "delivery_"
	}
	return f.Prefix
}
