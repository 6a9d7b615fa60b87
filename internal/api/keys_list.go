package api

import (
	"github.com/malote-dev/malote/internal/store"
)

// keyListed is a key as lists show it: by its prefix.
type keyListed struct {
	ID         string   `json:"id"`
	ProjectID  string   `json:"project_id"`
	Name       string   `json:"name"`
	Prefix     string   `json:"prefix"`
	Scopes     []string `json:"scopes"`
	Consumer   *string  `json:"consumer"`
	CreatedAt  stamp    `json:"created_at"`
	ExpiresAt  stamp    `json:"expires_at"`
	RevokedAt  stamp    `json:"revoked_at"`
	LastUsedAt stamp    `json:"last_used_at"` // about: kept with a delay
}

func viewKey(k *store.Key) keyListed {
	v := keyListed{
		ID: keyID.Format(k.ID), ProjectID: projectID.Format(k.ProjectID), Name: k.Name, Prefix: k.Prefix, Scopes: k.Scopes,
		CreatedAt: stamp(k.CreatedAt), ExpiresAt: stamp(k.ExpiresAt), RevokedAt: stamp(k.RevokedAt), LastUsedAt: stamp(k.LastUsedAt),
	}
	if k.Consumer != "" {
		v.Consumer = &k.Consumer
	}
	return v
}

type keysQuery struct {
	Limit  int    `query:"limit"`
	Cursor string `query:"cursor"`
}

func (s *server) listKeys(c *call, q *keysQuery) (list[keyListed], error) {
	id, err := s.pathProject(c)
	if err != nil {
		return list[keyListed]{}, err
	}
	after, err := c.after(q.Cursor)
	if err != nil {
		return list[keyListed]{}, err
	}
	limit := limitOf(q.Limit)
	ks, err := s.store.Keys(c.r.Context(), id, after, limit+1)
	if err != nil {
		return list[keyListed]{}, err
	}
	var next store.ID
	if len(ks) > limit {
		ks = ks[:limit]
		next = ks[limit-1].ID
	}
	return list[keyListed]{Data: views(ks, viewKey), NextCursor: c.cursor(next)}, nil
}

// revokeKey ends a key: no request that begins after the answer passes with it.
func (s *server) revokeKey(c *call, _ *none) (deleted, error) {
	project, err := s.pathProject(c)
	if err != nil {
		return deleted{}, err
	}
	id, err := keyID.Parse(c.r.PathValue("key"))
	if err != nil {
		return deleted{}, store.ErrNotFound
	}
	return deleted{Deleted: true}, s.store.RevokeKey(c.r.Context(), project, id)
}

// pathProject is the id of the path's project. Errors: [store.ErrNotFound].
func (s *server) pathProject(c *call) (store.ID, error) {
	id, err := pathID(c, projectID)
	if err != nil {
		return store.ID{}, err
	}
	p, err := s.store.Project(c.r.Context(), id)
	if err != nil {
		return store.ID{}, err
	}
	return p.ID, nil
}
