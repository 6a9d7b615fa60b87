package api

// Kinds of what a caller shows, as GET /v1/me names them.
const (
	meRoot     = "root"
	meProject  = "project"
	meConsumer = "consumer"
	mePortal   = "portal"
)

// meView says what the caller's key is, and what it may do.
type meView struct {
	Kind      string     `json:"kind"`
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Prefix    string     `json:"prefix"`
	Project   *meProduct `json:"project"`
	Consumer  *string    `json:"consumer"`
	Access    *string    `json:"access"`
	Scopes    []string   `json:"scopes"`
	CreatedAt stamp      `json:"created_at"`
	ExpiresAt stamp      `json:"expires_at"`
}

// meProduct is as much of its project as any caller may know.
type meProduct struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Environment string `json:"environment"`
	Dialect     string `json:"dialect"`
}

func (s *server) getMe(c *call) (meView, error) {
	k := c.key
	v := meView{
		Kind: meRoot, ID: keyID.Format(k.ID), Name: k.Name, Prefix: k.Prefix, Scopes: []string{},
		Consumer: filled(k.Consumer), Access: filled(string(k.Portal)), CreatedAt: stamp(k.CreatedAt), ExpiresAt: stamp(k.ExpiresAt),
	}
	if k.ProjectID.IsZero() {
		return v, nil
	}
	p, err := s.store.Project(c.r.Context(), k.ProjectID)
	if err != nil {
		return meView{}, err
	}
	v.Scopes = k.Scopes
	v.Project = &meProduct{ID: projectID.Format(p.ID), Name: p.Name, Environment: string(p.Environment), Dialect: p.Dialect}
	switch {
	case k.Portal != "":
		v.Kind, v.ID = mePortal, sessionID.Format(k.ID)
	case k.Consumer != "":
		v.Kind = meConsumer
	default:
		v.Kind = meProject
	}
	return v, nil
}
