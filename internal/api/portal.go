package api

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of portal sessions.
const (
	defaultSession = 60 * 60      // seconds
	minSession     = 60           // seconds
	maxSession     = 24 * 60 * 60 // seconds
	maxSessions    = 1000         // in force for each consumer
)

// Where the pages of the portal are entered: by a one-time link, and in a
// frame, where the token stands behind a #, which browsers send to nobody.
const (
	PortalDoorPath  = "/portal/open/"
	PortalFramePath = "/portal/embed/"
)

func (s *server) portalRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/consumers/{uid}/portal-sessions", summary: "Create a portal session", scope: portalWrite, whole: true, body: smallBody, status: 201, action: creates(s.createSession)},
		{method: "GET", pattern: "/v1/consumers/{uid}/portal-sessions", summary: "List a consumer's portal sessions", scope: portalRead, whole: true, status: 200, action: asks(s.listSessions)},
		{method: "DELETE", pattern: "/v1/consumers/{uid}/portal-sessions", summary: "End all of a consumer's portal sessions", scope: portalWrite, whole: true, body: noBody, status: 200, action: takes(s.endSessions)},
		{method: "DELETE", pattern: "/v1/consumers/{uid}/portal-sessions/{session}", summary: "End a portal session", scope: portalWrite, whole: true, body: noBody, status: 200, action: takes(s.endSession)},
	}
}

// portalScopes are what a portal session's token may do to its consumer's
// endpoints. It is never given what sends events, makes keys or sessions, or
// reads what is the project's.
func portalScopes(a store.PortalAccess) []string {
	scopes := []scope{endpointsRead, eventTypesRead, eventsRead, deliveriesRead}
	if a == store.PortalManage {
		scopes = append(scopes, endpointsWrite, deliveriesWrite)
	}
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = string(s)
	}
	return out
}

// portalAccess is what a portal session needs for a route; empty: nothing
// lets it in.
func (rt *route) portalAccess() store.PortalAccess {
	for _, a := range []store.PortalAccess{store.PortalRead, store.PortalManage} {
		if !rt.whole && slices.Contains(portalScopes(a), string(rt.scope)) {
			return a
		}
	}
	return ""
}

type sessionInput struct {
	Access    optional[string] `json:"access" body:"optional"`
	ExpiresIn optional[int]    `json:"expires_in"`
}

// sessionView is a session as lists show it: by its prefix.
type sessionView struct {
	ID         string `json:"id"`
	Consumer   string `json:"consumer"`
	Access     string `json:"access"`
	Prefix     string `json:"prefix"`
	MadeBy     string `json:"made_by"`
	CreatedAt  stamp  `json:"created_at"`
	ExpiresAt  stamp  `json:"expires_at"`
	LastUsedAt stamp  `json:"last_used_at"` // about: kept with a delay
}

// newSession is the one answer that shows a token, and the addresses of the
// portal that hold it or stand for it.
type newSession struct {
	sessionView
	Token     string   `json:"token"`
	Scopes    []string `json:"scopes"`
	Path      string   `json:"path"`
	URL       *string  `json:"url"`
	EmbedPath string   `json:"embed_path"`
	EmbedURL  *string  `json:"embed_url"`
}

func viewSession(p *store.PortalSession) sessionView {
	maker := keyID
	if p.ByPerson {
		maker = store.PersonName
	}
	return sessionView{
		ID: sessionID.Format(p.ID), Consumer: p.Consumer, Access: string(p.Access), Prefix: p.Prefix, MadeBy: maker.Format(p.MadeBy),
		CreatedAt: stamp(p.CreatedAt), ExpiresAt: stamp(p.ExpiresAt), LastUsedAt: stamp(p.LastUsedAt),
	}
}

func (s *server) createSession(c *call, in *sessionInput) (newSession, error) {
	project, err := s.store.Project(c.r.Context(), c.key.ProjectID)
	if err != nil {
		return newSession{}, err
	}
	uid := c.r.PathValue("uid")
	access := store.PortalAccess(in.Access.or(string(store.PortalRead)))
	if err := s.checkSession(c, project, uid, access, in); err != nil {
		return newSession{}, err
	}
	text, prefix, hash := newKey(keyPrefix + keyPortal + "_")
	p := &store.PortalSession{
		ProjectID: project.ID, Consumer: uid, Access: access, MadeBy: c.key.ID, Prefix: prefix,
		ExpiresAt: time.Now().Add(time.Duration(in.ExpiresIn.or(defaultSession)) * time.Second),
	}
	door, _, link := newKey(keyPrefix + keyDoor + "_")
	p.Link = link
	view := func(p *store.PortalSession) newSession { return s.viewNewSession(p, text, door) }
	c.before, err = s.store.CreatePortalSessionOnce(c.r.Context(), p, hash, maxSessions, onceOf(c, func(p *store.PortalSession) any { return view(p) }))
	if errors.Is(err, store.ErrLimit) {
		return newSession{}, kindConflict.problemf("the consumer %s has %d portal sessions in force, the most that it may have", uid, maxSessions).
			fixed("Ask for shorter ones with expires_in, or end them: DELETE /v1/consumers/{uid}/portal-sessions.")
	}
	return view(p), err
}

func (s *server) viewNewSession(p *store.PortalSession, text, door secret.Text) newSession {
	v := newSession{
		sessionView: viewSession(p), Token: text.Reveal(), Scopes: portalScopes(p.Access), Path: PortalDoorPath + door.Reveal(),
		EmbedPath: PortalFramePath + projectID.Format(p.ProjectID) + "#" + text.Reveal(),
	}
	if s.public != "" {
		v.URL, v.EmbedURL = new(s.public+v.Path), new(s.public+v.EmbedPath)
	}
	return v
}

// checkSession judges a session before it is made: a key gives away only what
// it has.
func (s *server) checkSession(c *call, project *store.Project, uid string, access store.PortalAccess, in *sessionInput) error {
	d := s.checkConsumer(project, uid)
	if uid == store.SystemConsumer {
		d = lang.Text("is the server's own: its endpoints are for those who run the product, not for a customer")
	}
	if !d.IsZero() {
		return kindInvalid.problemf("the uid in the path %s", d)
	}
	var errs ingest.FieldErrors
	if access != store.PortalRead && access != store.PortalManage {
		addError(&errs, "/access", `must be "read" or "manage"`)
	}
	if n := in.ExpiresIn.or(defaultSession); n < minSession || n > maxSession {
		addError(&errs, "/expires_in", "is seconds, from %d to %d", minSession, maxSession)
	}
	if len(errs) > 0 {
		return errs
	}
	if lacks := lacking(c.key, portalScopes(access)); len(lacks) > 0 {
		return kindForbidden.problemf("the key lacks %s, which a session with the access %s has; a key gives away only what it has itself", strings.Join(lacks, ", "), string(access)).
			fixed("Use a key of the project that has these scopes beside portal:write.")
	}
	return nil
}

// lacking are the scopes that a key has not.
func lacking(k *store.Key, scopes []string) (out []string) {
	for _, sc := range scopes {
		if !hasScope(k, scope(sc)) {
			out = append(out, sc)
		}
	}
	return out
}

type sessionsQuery struct {
	Limit  int    `query:"limit"`
	Cursor string `query:"cursor"`
}

func (s *server) listSessions(c *call, q *sessionsQuery) (list[sessionView], error) {
	after, err := c.after(q.Cursor)
	if err != nil {
		return list[sessionView]{}, err
	}
	limit := limitOf(q.Limit)
	ps, err := s.store.PortalSessions(c.r.Context(), c.key.ProjectID, c.r.PathValue("uid"), after, limit+1)
	if err != nil {
		return list[sessionView]{}, err
	}
	var next store.ID
	if len(ps) > limit {
		ps = ps[:limit]
		next = ps[limit-1].ID
	}
	return list[sessionView]{Data: views(ps, viewSession), NextCursor: c.cursor(next)}, nil
}

func (s *server) endSession(c *call, _ *none) (deleted, error) {
	id, err := sessionID.Parse(c.r.PathValue("session"))
	if err != nil {
		return deleted{}, store.ErrNotFound
	}
	return deleted{Deleted: true, InFlight: new(int)}, s.store.EndPortalSession(c.r.Context(), c.key.ProjectID, c.r.PathValue("uid"), id)
}

// sessionsEnded says how many portal sessions were in force.
type sessionsEnded struct {
	Ended int `json:"ended"`
}

func (s *server) endSessions(c *call, _ *none) (sessionsEnded, error) {
	n, err := s.store.EndPortalSessions(c.r.Context(), c.key.ProjectID, c.r.PathValue("uid"))
	return sessionsEnded{Ended: n}, err
}

// findSession finds the portal session of a request, and sees it as the key
// that its token stands for.
func (s *server) findSession(c *call) error {
	p, err := s.store.PortalSessionByHash(c.r.Context(), c.keyHash, time.Now())
	if errors.Is(err, store.ErrNotFound) {
		return unauthenticated(kindKeyWrong, "the portal session is over or was ended").
			fixed("Have a new one made: whoever runs the product makes it with POST /v1/consumers/{uid}/portal-sessions.")
	}
	if err != nil {
		return err
	}
	c.key = &store.Key{
		ID: p.ID, ProjectID: p.ProjectID, Consumer: p.Consumer, Prefix: p.Prefix, Scopes: portalScopes(p.Access),
		CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt, LastUsedAt: p.LastUsedAt, Since: p.Since, Portal: p.Access,
	}
	return nil
}
