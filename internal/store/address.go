package store

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/malote-dev/malote/internal/secret"
)

// Address is an endpoint that was found by the secret of its address.
type Address struct {
	Project  *Project
	Endpoint *Endpoint // nil: it was deleted
}

// pathHash is what an endpoint is found by; NULL where it has no secret.
func pathHash(s secret.Text) []byte {
	if s == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(s.Reveal()))
	return sum[:]
}

// EndpointByPath finds an endpoint by its PathSecret. Errors: [ErrNotFound]; in
// words where its secrets do not decrypt.
func (db *DB) EndpointByPath(ctx context.Context, path secret.Text) (*Address, error) {
	if path == "" {
		return nil, ErrNotFound
	}
	var k, project key
	var deleted int64
	var r *endpointRow
	err := db.read(ctx, true, func(c *conn) error {
		found, err := c.row(ctx, "SELECT k, project, deleted_at FROM endpoints WHERE path_hash=?", []any{pathHash(path)}, &k, &project, &deleted)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if deleted == 0 {
			r, err = db.endpointRow(ctx, c, k)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p, err := db.Project(ctx, db.keys.id(project))
	if err != nil {
		return nil, fmt.Errorf("project of an endpoint: %w", err)
	}
	if r == nil {
		return &Address{Project: p}, nil
	}
	return &Address{Project: p, Endpoint: r.Endpoint}, r.sealErr
}

// ProjectByHost finds the project that a host name is bound to. Errors: [ErrNotFound].
func (db *DB) ProjectByHost(_ context.Context, host string) (*Project, error) {
	if host == "" {
		return nil, ErrNotFound
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if p := db.projects[db.hosts[host]]; p != nil {
		out := *p.Project
		return &out, nil
	}
	return nil, ErrNotFound
}
