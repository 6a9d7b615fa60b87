package api

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of one-time links.
const (
	defaultLink = 7 * 24 * 60 * 60  // seconds
	minLink     = 5 * 60            // seconds
	maxLink     = 30 * 24 * 60 * 60 // seconds
	maxLinks    = 20                // open for each endpoint
)

// linkPath is where one-time links lead; the token follows.
const linkPath = "/s/"

func (s *server) linkRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/endpoints/{id}/secret-links", summary: "Create a one-time link to an endpoint's secret", scope: linksWrite, whole: true, body: smallBody, status: 201, action: creates(s.createLink)},
		{method: "GET", pattern: "/v1/endpoints/{id}/secret-links", summary: "List an endpoint's one-time links", scope: linksRead, whole: true, status: 200, action: asks(s.listLinks)},
		{method: "DELETE", pattern: "/v1/endpoints/{id}/secret-links/{link}", summary: "Revoke a one-time link", scope: linksWrite, whole: true, body: noBody, status: 200, action: takes(s.revokeLink)},
		{method: "GET", pattern: linkPath + "{token}", summary: "A one-time link, for people", scope: public, status: 200, action: action{run: s.showLink}},
		{method: "POST", pattern: linkPath + "{token}", summary: "Open a one-time link", scope: public, status: 200, action: action{run: s.openLink}},
	}
}

type linkInput struct {
	ExpiresIn optional[int] `json:"expires_in" body:"optional"`
}

// linkView is a link as lists show it: without its address.
type linkView struct {
	ID         string  `json:"id"`
	EndpointID string  `json:"endpoint_id"`
	State      string  `json:"state"`
	CreatedAt  stamp   `json:"created_at"`
	ExpiresAt  stamp   `json:"expires_at"`
	OpenedAt   stamp   `json:"opened_at"`
	OpenedFrom *string `json:"opened_from"`
	RevokedAt  stamp   `json:"revoked_at"`
}

// newLink is the one answer that shows a link's address.
type newLink struct {
	linkView
	Path string  `json:"path"`
	URL  *string `json:"url"`
}

func viewLink(l *store.SecretLink) linkView {
	return linkView{
		ID: linkID.Format(l.ID), EndpointID: endpointID.Format(l.EndpointID), State: string(l.State(time.Now())),
		CreatedAt: stamp(l.CreatedAt), ExpiresAt: stamp(l.ExpiresAt), OpenedAt: stamp(l.OpenedAt), OpenedFrom: filled(l.OpenedFrom), RevokedAt: stamp(l.RevokedAt),
	}
}

func (s *server) createLink(c *call, in *linkInput) (newLink, error) {
	if n := in.ExpiresIn.or(defaultLink); n < minLink || n > maxLink {
		return newLink{}, field("/expires_in", "is seconds, from %d to %d", minLink, maxLink)
	}
	e, err := s.endpoint(c)
	if err != nil {
		return newLink{}, err
	}
	text, _, hash := newKey(keyPrefix + keyLink + "_")
	l := &store.SecretLink{EndpointID: e.ID, ExpiresAt: time.Now().Add(time.Duration(in.ExpiresIn.or(defaultLink)) * time.Second)}
	view := func(l *store.SecretLink) newLink { return s.viewNewLink(l, text) }
	c.before, err = s.store.CreateSecretLinkOnce(c.r.Context(), c.key.ProjectID, l, hash, maxLinks, onceOf(c, func(l *store.SecretLink) any { return view(l) }))
	if errors.Is(err, store.ErrLimit) {
		return newLink{}, kindConflict.problemf("the endpoint has %d links that nobody has opened, the most that it may have", maxLinks).
			fixed("Revoke those that are not needed: DELETE /v1/endpoints/{id}/secret-links/{link}.")
	}
	return view(l), err
}

func (s *server) viewNewLink(l *store.SecretLink, text secret.Text) newLink {
	v := newLink{linkView: viewLink(l), Path: linkPath + text.Reveal()}
	if s.public != "" {
		url := s.public + v.Path
		v.URL = &url
	}
	return v
}

type linksQuery struct {
	Limit  int    `query:"limit"`
	Cursor string `query:"cursor"`
}

func (s *server) listLinks(c *call, q *linksQuery) (list[linkView], error) {
	id, err := pathID(c, endpointID)
	if err != nil {
		return list[linkView]{}, err
	}
	before, err := c.after(q.Cursor)
	if err != nil {
		return list[linkView]{}, err
	}
	limit := limitOf(q.Limit)
	ls, err := s.store.SecretLinks(c.r.Context(), c.key.ProjectID, id, before, limit+1)
	if err != nil {
		return list[linkView]{}, err
	}
	var next store.ID
	if len(ls) > limit {
		ls = ls[:limit]
		next = ls[limit-1].ID
	}
	return list[linkView]{Data: views(ls, viewLink), NextCursor: c.cursor(next)}, nil
}

func (s *server) revokeLink(c *call, _ *none) (deleted, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return deleted{}, err
	}
	id, err := linkID.Parse(c.r.PathValue("link"))
	if err != nil {
		return deleted{}, store.ErrNotFound
	}
	err = s.store.RevokeSecretLink(c.r.Context(), c.key.ProjectID, e.ID, id)
	if errors.Is(err, store.ErrConflict) {
		return deleted{}, kindConflict.problem("the link is not open any more: it was opened, revoked before, or is over").
			fixed(`Look at its state in the list; where somebody has seen the secret who should not, change it: PATCH /v1/endpoints/{id} with {"secret":null,"secret_overlap":0}.`)
	}
	return deleted{Deleted: true, InFlight: new(int)}, err
}

// kindGone is of links that were good once; pages alone say it.
var kindGone = kind{"gone", 410, "This link cannot be opened any more", "Ask whoever sent you the link for a new one."}

// seeLink finds the link of the path, whatever its state. A token that was
// not copied whole is refused without asking the store, which everybody may
// cause only so often: this is the one route without a key that reads it.
func (s *server) seeLink(c *call) (hash [32]byte, err error) {
	token := c.r.PathValue("token")
	if mistyped(token) || len(token) > 64 || len(token) < len(keyPrefix) || token[:len(keyPrefix)] != keyPrefix {
		return hash, noLink()
	}
	if !s.links.admit(remoteAddr(c.r), time.Now()) {
		return hash, kindTooMany.problem("too many links are being opened at once").with("Retry-After", "1").fixed("Wait a few seconds, then open the link again.")
	}
	return HashKey(token), nil
}

func noLink() *problem {
	return kindNotFound.problem("no such link is known here: it may not have been copied whole, or it is long over, or its webhook was deleted").
		fixed("Copy the whole link once more, or ask whoever sent it for a new one.")
}

// overLink says why a link cannot be opened.
func overLink(l *store.SecretLink) *problem {
	switch l.State(time.Now()) {
	case store.LinkOpened:
		return kindGone.problemf("it was opened on %s, and showed its secret then: it does so once", l.OpenedAt.UTC().Format(pageTime)).
			fixed("If that was not you, tell whoever sent you the link at once: the secret has to be changed. If you lost the secret, ask for a new link.")
	case store.LinkRevoked:
		return kindGone.problem("whoever sent it has taken it back")
	}
	return kindGone.problemf("its time ended on %s", l.ExpiresAt.UTC().Format(pageTime))
}

// pageTime is how pages write times.
const pageTime = "2006-01-02 15:04 UTC"

// showLink shows what a link is, and a button: programs that look at every
// link in a mail or a chat follow links and press no buttons.
func (s *server) showLink(c *call) error {
	hash, err := s.seeLink(c)
	if err != nil {
		return c.failPage(err)
	}
	l, of, err := s.store.SecretLinkByHash(c.r.Context(), hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = noLink()
	case err == nil && l.State(time.Now()) != store.LinkOpen:
		err = overLink(l)
	}
	if err != nil {
		return c.failPage(err)
	}
	return c.linkPage(s.closedLink(l, of, c.language()))
}

// openLink shows the secret, once.
func (s *server) openLink(c *call) error {
	hash, err := s.seeLink(c)
	if err != nil {
		return c.failPage(err)
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(c.w, c.r.Body, noBody)); err != nil { // what is not whole opens nothing
		return c.failPage(unreadable(err))
	}
	ctx := store.WithActor(c.r.Context(), store.Actor{Kind: store.ActorLink, Request: c.id})
	l, of, err := s.store.OpenSecretLink(ctx, hash, remoteAddr(c.r))
	switch {
	case errors.Is(err, store.ErrConflict):
		err = overLink(l)
	case errors.Is(err, store.ErrNotFound):
		err = noLink()
	}
	if err != nil {
		return c.failPage(err)
	}
	d, ok := s.dialects(of.Project.Dialect)
	if !ok {
		d = nil // its file is gone; the secret is what it is
	}
	return c.linkPage(openedLink(of, dialectFor(of.Endpoint.Consumer, d), c.language()))
}
