package rig

import (
	"context"
	"net/http"
)

// allScopes is every scope that a project key can have.
var allScopes = []string{"*"}

// NewProject makes a project with the root key, and a key for all of it.
func (s *Site) NewProject(ctx context.Context, name, environment, dialect string) (api *API, id string, err error) {
	root := s.API(s.RootKey)
	var project struct {
		ID string `json:"id"`
	}
	in := map[string]any{"name": name, "environment": environment, "dialect": dialect}
	if err := root.Do(ctx, http.MethodPost, "/v1/projects", in, &project); err != nil {
		return nil, "", err
	}
	var key struct {
		Key string `json:"key"`
	}
	in = map[string]any{"name": "all", "scopes": allScopes}
	if err := root.Do(ctx, http.MethodPost, "/v1/projects/"+project.ID+"/keys", in, &key); err != nil {
		return nil, "", err
	}
	return s.API(key.Key), project.ID, nil
}
