package api

import (
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Ids in the API: a readable prefix and the UUID in base32, as TypeID writes
// it, so that a log line says what an id is of, and a double click takes it whole.
var (
	projectID  = idFormat("prj_")
	keyID      = idFormat("key_")
	endpointID = idFormat("ep_")
	eventID    = idFormat("evt_")
	deliveryID = idFormat("dlv_")
	requestID  = idFormat("req_")
	consumerID = idFormat("con_")
)

func idFormat(prefix string) webhook.IDFormat {
	return webhook.IDFormat{Form: webhook.FormBase32, Prefix: prefix}
}

// pathID reads the id in the path. What is no id is answered as an id that
// does not exist.
func pathID(c *call, f webhook.IDFormat) (store.ID, error) {
	id, err := f.Parse(c.r.PathValue("id"))
	if err != nil {
		return store.ID{}, store.ErrNotFound
	}
	return id, nil
}
