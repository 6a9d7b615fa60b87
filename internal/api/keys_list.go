package api

import (
	"slices"

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
	p, err := s.pathProject(c)
	if err != nil {
		return list[keyListed]{}, err
	}
	return keysOf(c, q, p.ID, viewKey)
}

// keysOf is a page of a project's keys; the zero project has the root keys.
func keysOf[V any](c *call, q *keysQuery, project store.ID, view func(*store.Key) V) (list[V], error) {
	after, err := c.after(q.Cursor)
	if err != nil {
		return list[V]{}, err
	}
	limit := limitOf(q.Limit)
	ks, err := c.s.store.Keys(c.r.Context(), project, after, limit+1)
	if err != nil {
		return list[V]{}, err
	}
	var next store.ID
	if len(ks) > limit {
		ks = ks[:limit]
		next = ks[limit-1].ID
	}
	return list[V]{Data: views(ks, view), NextCursor: c.cursor(next)}, nil
}

// revokeKey ends a key: no request that begins after the answer passes with
// it. A project's key ends only what it could have made.
func (s *server) revokeKey(c *call, _ *none) (deleted, error) {
	project, err := s.pathProject(c)
	if err != nil {
		return deleted{}, err
	}
	id, err := keyID.Parse(c.r.PathValue("key"))
	if err != nil {
		return deleted{}, store.ErrNotFound
	}
	if !c.key.ProjectID.IsZero() {
		k, err := s.store.Key(c.r.Context(), project.ID, id)
		if err != nil {
			return deleted{}, err
		}
		if slices.ContainsFunc(k.Scopes, func(sc string) bool { return !mayGive(c.key, sc) }) {
			return deleted{}, kindForbidden.problem("the key may do more than the one that asks, which so may not revoke it").
				fixed("Use a root key.")
		}
	}
	return deleted{Deleted: true, InFlight: new(int)}, s.store.RevokeKey(c.r.Context(), project.ID, id)
}

// pathProject is the path's project: of a root key any, of a project's key its
// own. Errors: [store.ErrNotFound].
func (s *server) pathProject(c *call) (*store.Project, error) {
	id, err := pathID(c, projectID)
	if err != nil {
		return nil, err
	}
	if own := c.key.ProjectID; !own.IsZero() && own != id {
		return nil, store.ErrNotFound
	}
	return s.store.Project(c.r.Context(), id)
}
