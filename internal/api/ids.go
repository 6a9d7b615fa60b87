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
	if !strings.HasPrefix(text, f.Prefix) {
		text = f.Prefix + text
	}
	return f.Parse(text)
}
