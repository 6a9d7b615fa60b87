package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/malote-dev/malote/internal/secret"
)

// Secrets are sealed as one JSON text a column, bound to table, row and column.
type (
	sealedHeader struct {
		Name  string `json:"n"`
		Value string `json:"v"`
	}
	sealedSecret struct {
		Value   string `json:"v"`
		Created int64  `json:"c"`
		Expires int64  `json:"e"`
	}
)

func placeOf(endpoint ID, column string) string {
	return "endpoints/" + endpoint.String() + "/" + column
}

// seal encrypts a value of an endpoint; nothing is kept as NULL.
func seal[T any](ring *secret.Keyring, values []T, place string) []byte {
	if len(values) == 0 {
		return nil
	}
	plain, err := json.Marshal(values)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return ring.Seal(plain, place)
}

func unseal[T any](ring *secret.Keyring, sealed []byte, place string) (values []T, err error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	plain, err := ring.Open(sealed, place)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	if json.Unmarshal(plain, &values) != nil {
		return nil, fmt.Errorf("%s: not what was sealed", place) // the decoder's words could quote it
	}
	return values, nil
}

func (db *DB) sealHeaders(e *Endpoint) []byte {
	values := make([]sealedHeader, len(e.Headers))
	for i, h := range e.Headers {
		values[i] = sealedHeader{h.Name, h.Value.Reveal()}
	}
	return seal(db.o.Keyring, values, placeOf(e.ID, "headers"))
}

func (db *DB) openHeaders(e *Endpoint, sealed []byte) error {
	values, err := unseal[sealedHeader](db.o.Keyring, sealed, placeOf(e.ID, "headers"))
	for _, v := range values {
		e.Headers = append(e.Headers, Header{v.Name, secret.Text(v.Value)})
	}
	return err
}

func (db *DB) sealSecrets(e *Endpoint) []byte {
	values := make([]sealedSecret, len(e.Secrets))
	for i, s := range e.Secrets {
		values[i] = sealedSecret{s.Value.Reveal(), micros(s.CreatedAt), micros(s.ExpiresAt)}
	}
	return seal(db.o.Keyring, values, placeOf(e.ID, "secrets"))
}

func (db *DB) openSecrets(e *Endpoint, sealed []byte) error {
	values, err := unseal[sealedSecret](db.o.Keyring, sealed, placeOf(e.ID, "secrets"))
	for _, v := range values {
		e.Secrets = append(e.Secrets, SigningSecret{secret.Text(v.Value), fromMicros(v.Created), fromMicros(v.Expires)})
	}
	return err
}

func (db *DB) sealPath(e *Endpoint) []byte {
	if e.PathSecret == "" {
		return nil
	}
	return db.o.Keyring.Seal([]byte(e.PathSecret.Reveal()), placeOf(e.ID, "path"))
}

func (db *DB) openPath(e *Endpoint, sealed []byte) error {
	if len(sealed) == 0 {
		return nil
	}
	place := placeOf(e.ID, "path")
	plain, err := db.o.Keyring.Open(sealed, place)
	if err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	e.PathSecret = secret.Text(plain)
	return nil
}

const canaryPlace = "meta/canary/value"

// checkCanary refuses a keyring that is not this database's. The first open
// writes what later ones must be able to decrypt.
func (db *DB) checkCanary(ctx context.Context, c *conn) error {
	if db.o.NoSecrets {
		return nil
	}
	var sealed []byte
	found, err := c.row(ctx, "SELECT value FROM meta WHERE name='canary'", nil, &sealed)
	if err != nil {
		return err
	}
	if !found {
		if err := c.exec(ctx, "INSERT INTO meta VALUES ('canary',?) ON CONFLICT DO NOTHING", db.o.Keyring.Seal([]byte("malote"), canaryPlace)); err != nil {
			return err
		}
		if _, err := c.row(ctx, "SELECT value FROM meta WHERE name='canary'", nil, &sealed); err != nil { // another process may have been faster
			return err
		}
	}
	_, err = db.o.Keyring.Open(sealed, canaryPlace)
	switch {
	case errors.Is(err, secret.ErrUnknownKey):
		return fmt.Errorf("the master key is not the one that the secrets in %s were encrypted with: %w", db.engine, err)
	case err != nil:
		return fmt.Errorf("the master key does not open the secrets in %s: %w", db.engine, err)
	}
	return nil
}

// Reseal encrypts with the keyring's first master key what an older one
// encrypted, in small transactions, and returns how many endpoints it
// rewrote. After it the older key can go. An error leaves the rest as it was:
// call again.
func (db *DB) Reseal(ctx context.Context) (int, error) {
	total, after := 0, key(0)
	for {
		n, last, err := db.resealSlice(ctx, after)
		total += n
		if err != nil {
			return total, err
		}
		if last == 0 {
			break
		}
		after = last
	}
	for _, others := range []func(context.Context) error{db.resealAnswers, db.resealInspectors} {
		if err := others(ctx); err != nil {
			return total, err
		}
	}
	// Last: while it is old, the old key is still asked for.
	err := db.write(ctx, func(b *batch) error {
		if total > 0 {
			if err := b.note(0, ActionServerReseal, "", "", Change{Field: "endpoints", After: strconv.Itoa(total)}); err != nil {
				return err
			}
		}
		return b.exec("UPDATE meta SET value=? WHERE name='canary'", db.o.Keyring.Seal([]byte("malote"), canaryPlace))
	})
	return total, err
}

const resealSlice = 200

func (db *DB) resealSlice(ctx context.Context, after key) (resealed int, last key, err error) {
	err = db.write(ctx, func(b *batch) error {
		var stale []*endpointRow
		seen := 0
		err := b.rows(selectEndpoint+" WHERE k>? ORDER BY k LIMIT ?", []any{after, resealSlice}, func(scan func(...any) error) (bool, error) {
			r, err := db.scanEndpoint(scan)
			if err != nil {
				return false, err
			}
			seen++
			after = r.k
			if r.sealErr != nil {
				return false, r.sealErr
			}
			stale = append(stale, r)
			return true, nil
		})
		if err != nil {
			return err
		}
		for _, r := range stale {
			n, err := b.resealOne(r)
			if err != nil {
				return err
			}
			resealed += n
		}
		if seen == resealSlice {
			last = after
		}
		return nil
	})
	return resealed, last, err
}

// resealOne rewrites one endpoint where it is of an older key.
func (b *batch) resealOne(r *endpointRow) (int, error) {
	var headers, secrets, path, auth []byte
	if _, err := b.row("SELECT headers, secrets, path, auth FROM endpoints WHERE k=?", []any{r.k}, &headers, &secrets, &path, &auth); err != nil {
		return 0, err
	}
	current := func(sealed []byte) bool { return len(sealed) == 0 || b.db.o.Keyring.Current(sealed) }
	if current(headers) && current(secrets) && current(path) && current(auth) {
		return 0, nil
	}
	return 1, b.exec("UPDATE endpoints SET headers=?, secrets=?, path=?, auth=? WHERE k=?",
		b.db.sealHeaders(r.Endpoint), b.db.sealSecrets(r.Endpoint), b.db.sealPath(r.Endpoint), b.db.sealAuth(r.Endpoint), r.k)
}
