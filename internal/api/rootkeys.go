package api

import (
	"errors"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

type rootKeyInput struct {
	Name      optional[string]    `json:"name" body:"optional"`
	ExpiresAt optional[time.Time] `json:"expires_at"`
}

// rootKeyListed is a root key as lists show it: by its prefix.
type rootKeyListed struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Prefix     string `json:"prefix"`
	CreatedAt  stamp  `json:"created_at"`
	ExpiresAt  stamp  `json:"expires_at"`
	RevokedAt  stamp  `json:"revoked_at"`
	LastUsedAt stamp  `json:"last_used_at"` // about: kept with a delay
}

// rootKeyView is the one answer that shows a root key.
type rootKeyView struct {
	rootKeyListed
	Key string `json:"key"`
}

func viewRootKey(k *store.Key) rootKeyListed {
	return rootKeyListed{
		ID: keyID.Format(k.ID), Name: k.Name, Prefix: k.Prefix, CreatedAt: stamp(k.CreatedAt),
		ExpiresAt: stamp(k.ExpiresAt), RevokedAt: stamp(k.RevokedAt), LastUsedAt: stamp(k.LastUsedAt),
	}
}

// createRootKey makes one beside those that are there, so that a root key can
// be replaced while the server runs.
func (s *server) createRootKey(c *call, in *rootKeyInput) (rootKeyView, error) {
	var errs ingest.FieldErrors
	errs.AddText("/name", checkText(in.Name.Value, maxName, false))
	if in.ExpiresAt.given() && !in.ExpiresAt.Value.After(time.Now()) {
		addError(&errs, "/expires_at", "lies in the past; choose a time to come, or leave it out for a key without an end")
	}
	if len(errs) > 0 {
		return rootKeyView{}, errs
	}
	if err := checkGiven(c.key, nil, in.ExpiresAt.Value); err != nil {
		return rootKeyView{}, err
	}
	text, prefix, hash := NewKey(KeyRoot)
	k := &store.Key{Name: in.Name.Value, Prefix: prefix, ExpiresAt: in.ExpiresAt.Value}
	view := func(k *store.Key) rootKeyView { return viewNewRootKey(k, text) }
	var err error
	c.before, err = s.store.CreateKeyOnce(c.r.Context(), k, hash, onceOf(c, func(k *store.Key) any { return view(k) }))
	return view(k), err
}

func viewNewRootKey(k *store.Key, text secret.Text) rootKeyView {
	return rootKeyView{rootKeyListed: viewRootKey(k), Key: text.Reveal()}
}

func (s *server) listRootKeys(c *call, q *keysQuery) (list[rootKeyListed], error) {
	return keysOf(c, q, store.ID{}, viewRootKey)
}

type rootKeyRevoke struct {
	// Last says that it may be the last one.
	Last optional[bool] `json:"last" body:"optional"`
}

func (s *server) revokeRootKey(c *call, in *rootKeyRevoke) (deleted, error) {
	id, err := keyID.Parse(c.r.PathValue("key"))
	if err != nil {
		return deleted{}, store.ErrNotFound
	}
	err = s.store.RevokeRootKey(c.r.Context(), id, in.Last.or(false))
	if errors.Is(err, store.ErrLastKey) {
		return deleted{}, kindConflict.problem("it is the last root key in force: without it nobody can make projects and keys").
			fixed("Make another one first (POST /v1/keys), or say {\"last\":true}; then a new one is made only with the server stopped: `malote key root`.")
	}
	return deleted{Deleted: true, InFlight: new(int)}, err
}
