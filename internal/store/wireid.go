package store

import "context"

// An endpoint that came from elsewhere may go on under the id that its receiver
// and its owner know: see Settings.WireID. It is one endpoint's among those of
// its consumer.

const wireIDs = "SELECT k, settings FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 AND settings<>''"

// wireID finds the endpoint of a consumer that has an id on the wire; 0: none.
// It reads the consumer's endpoints, which are few and bounded.
func wireID(ctx context.Context, c *conn, project key, consumer, id string) (found key, err error) {
	err = c.rows(ctx, wireIDs, []any{project, consumer}, func(scan func(...any) error) (bool, error) {
		var k key
		var text string
		var s Settings
		if err := scan(&k, &text); err != nil {
			return false, err
		}
		if parseSettings(text, &s) == nil && s.WireID == id { // of what does not decode its own page tells
			found = k
		}
		return found == 0, nil
	})
	return found, err
}

// EndpointByWireID finds an endpoint of a consumer by its Settings.WireID.
// Errors: [ErrNotFound].
func (db *DB) EndpointByWireID(ctx context.Context, project ID, consumer, id string) (ID, error) {
	p, ok := db.keys.key(project)
	if !ok || id == "" {
		return ID{}, ErrNotFound
	}
	var k key
	err := db.read(ctx, false, func(c *conn) (err error) {
		k, err = wireID(ctx, c, p, consumer, id)
		return err
	})
	if err == nil && k == 0 {
		err = ErrNotFound
	}
	return db.keys.id(k), err
}

// checkWireID refuses one that another endpoint of the consumer has.
func (b *batch) checkWireID(project key, e *Endpoint) error {
	if e.Settings.WireID == "" {
		return nil
	}
	k, err := wireID(context.Background(), b.c, project, e.Consumer, e.Settings.WireID)
	if err == nil && k != 0 {
		err = ErrWireID
	}
	return err
}
