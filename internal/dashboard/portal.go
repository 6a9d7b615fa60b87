package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// The portal is for a consumer's own people: the same pages, of one consumer's
// endpoints alone. Whoever looks has a portal session: its token asks the API,
// so that a page shows and does what a program with that token would.

// portalCookie holds the token of a browser that opened the portal by a link.
const portalCookie = "__Host-malote-portal"

// Where the portal is.
const (
	portalPath  = "/portal"
	colourPath  = portalPath + "/colours/"
	logoPath    = portalPath + "/logos/"
	portalAsset = ".css"
)

// portalOpen is of pages of the portal that need no session.
const portalOpen store.PortalAccess = "open"

// portalVisit is who looks at the portal.
type portalVisit struct {
	token    secret.Text
	embedded bool // in a frame: the token came with the request
	session  *store.PortalSession
}

// inPortal reports whether the page is of the portal.
func (v *visit) inPortal() bool { return v.page.portal != "" }

// base is what stands before the paths of an endpoint, a delivery and so on.
func (v *visit) base() string {
	if v.inPortal() {
		return portalPath
	}
	return "/p/" + v.project.ID
}

func portalPages() []*page {
	const read, manage = store.PortalRead, store.PortalManage
	all := []*page{
		{"GET", api.PortalDoorPath + "{token}", "", portalOpen, (*visit).doorPage},
		{"POST", api.PortalDoorPath + "{token}", "", portalOpen, (*visit).openDoor},
		{"GET", api.PortalFramePath + "{project}", "", portalOpen, (*visit).framePage},
		{"GET", portalPath, "", read, (*visit).endpointsPage},
		{"GET", portalPath + "/endpoints", "", read, (*visit).endpointsPage},
		{"GET", portalPath + "/endpoints/{id}", "", read, (*visit).endpointPage},
		{"GET", portalPath + "/deliveries", "", read, (*visit).deliveriesPage},
		{"GET", portalPath + "/deliveries/{id}", "", read, (*visit).deliveryPage},
		{"GET", portalPath + "/event-types", "", read, (*visit).catalogPage},
		{"GET", portalPath + "/verify", "", read, (*visit).verifyPage},
		{"POST", portalPath + "/verify", "", read, (*visit).verifyRequest},
		{"POST", portalPath + "/signout", "", read, (*visit).leavePortal},
		{"GET", portalPath + "/endpoints/new", "", manage, (*visit).newEndpointPage},
		{"GET", portalPath + "/endpoints/{id}/edit", "", manage, (*visit).editEndpointPage},
		{"POST", portalPath + "/endpoints", "", manage, (*visit).createEndpoint},
		{"POST", portalPath + "/endpoints/{id}/edit", "", manage, (*visit).editEndpoint},
		{"POST", portalPath + "/endpoints/{id}/delete", "", manage, (*visit).deleteEndpoint},
		{"POST", portalPath + "/deliveries/{id}/retry", "", manage, (*visit).retryDelivery},
	}
	for action, serve := range map[string]func(*visit) error{
		"pause": (*visit).pauseEndpoint, "resume": (*visit).resumeEndpoint, "rotate": (*visit).rotateEndpoint, "test": (*visit).testEndpoint,
		"recover": (*visit).recoverEndpoint, "missed": (*visit).sendMissed, "checkup": (*visit).checkupEndpoint,
	} {
		all = append(all, &page{"POST", portalPath + "/endpoints/{id}/" + action, "", manage, serve})
	}
	return all
}

// runPortal serves a page of the portal.
func (v *visit) runPortal() error {
	if v.page.portal == portalOpen {
		return v.page.serve(v)
	}
	if err := v.enterPortal(); err != nil {
		return err
	}
	if v.page.portal == store.PortalManage && v.portal.session.Access != store.PortalManage {
		return errPortalRead
	}
	return v.page.serve(v)
}

// enterPortal finds the session: of the token that came with the request, or
// of the one in the cookie.
func (v *visit) enterPortal() error {
	token, embedded := strings.CutPrefix(v.r.Header.Get("Authorization"), "Bearer ")
	if !embedded {
		c, err := v.r.Cookie(portalCookie)
		switch {
		case err == nil:
			token = c.Value
		case v.r.URL.Query().Has("opened"):
			return errCookieLost
		default:
			return errPortalOver
		}
	}
	if len(token) > 200 {
		return errPortalOver
	}
	s, err := v.d.store.PortalSessionByHash(v.r.Context(), api.HashKey(token), time.Now())
	if errors.Is(err, store.ErrNotFound) {
		return errPortalOver
	}
	if err != nil {
		return err
	}
	v.portal, v.projectID = &portalVisit{token: secret.Text(token), embedded: embedded, session: s}, s.ProjectID
	return v.dress(s.ProjectID)
}

// dress has the pages look as a project's portal does.
func (v *visit) dress(project store.ID) error {
	p, err := v.d.store.Project(v.r.Context(), project)
	if errors.Is(err, store.ErrNotFound) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	v.look = viewLook(p)
	return nil
}

// doorView is the page of a one-time link.
type doorView struct{ Until time.Time }

// door finds the session that the link of the path opens.
func (v *visit) door() (*store.PortalSession, [32]byte, error) {
	var hash [32]byte
	if v.d.tries.network.admit(network(v.r), time.Now()) > 0 {
		return nil, hash, errManyLinks()
	}
	token := v.r.PathValue("token")
	if len(token) > 200 {
		return nil, hash, errDoorOver
	}
	hash = api.HashKey(token)
	s, err := v.d.store.PortalDoor(v.r.Context(), hash, time.Now())
	if errors.Is(err, store.ErrNotFound) {
		err = errDoorOver
	}
	return s, hash, err
}

// doorPage shows a button, which a script presses: programs that look at links
// before people do would use this one up.
func (v *visit) doorPage() error {
	s, _, err := v.door()
	if err == nil {
		err = v.dress(s.ProjectID)
	}
	if err != nil {
		return err
	}
	v.wish()
	return v.show(http.StatusOK, "door", lang.Text("Your webhooks"), &doorView{Until: s.ExpiresAt})
}

func (v *visit) openDoor() error {
	_, hash, err := v.door()
	if err != nil {
		return err
	}
	text, cookie := api.NewPortalCookie()
	s, err := v.d.store.OpenPortalSession(v.actor(), hash, cookie)
	if errors.Is(err, store.ErrNotFound) { // somebody was quicker
		return errDoorOver
	}
	if err != nil {
		return err
	}
	v.setCookie(portalCookie, text.Reveal(), time.Until(s.ExpiresAt))
	if was := v.bare; v.wish() || v.bare != was {
		v.keepView(v.lang.Tag(), v.theme)
	}
	return v.redirect(firstPage(v.r.URL.Query().Get("next")))
}

// wish takes from the address how the pages are to be seen, and reports
// whether it says so. Tabs are left out only as long as the visit that says it.
func (v *visit) wish() (wished bool) {
	q := v.r.URL.Query()
	if l, ok := lang.Tagged(q.Get("lang")); ok {
		v.lang, wished = l, true
	}
	if theme := q.Get("theme"); theme == "auto" || theme != "" && slices.Contains(themes(), theme) {
		v.theme, wished = strings.TrimSuffix(theme, "auto"), true
	}
	v.bare = q.Get("tabs") == "none"
	return wished
}

// firstPage is the page of the portal that a link leads to.
func firstPage(next string) string {
	u, err := url.Parse(inside(next))
	if err != nil || path.Clean(u.Path) != u.Path || u.Path != portalPath && !strings.HasPrefix(u.Path, portalPath+"/") {
		u = &url.URL{Path: portalPath}
	}
	q := u.Query()
	q.Set("opened", "1")
	u.RawQuery = q.Encode()
	return u.String()
}

// leavePortal ends the session, here and wherever else its token is.
func (v *visit) leavePortal() error {
	s := v.portal.session
	ctx := store.WithActor(v.r.Context(), store.Actor{Kind: store.ActorPortal, ID: store.SessionName.Format(s.ID), Prefix: s.Prefix, Request: v.id})
	err := v.d.store.EndPortalSession(ctx, s.ProjectID, s.Consumer, s.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrEnded) {
		return err
	}
	if !v.portal.embedded {
		v.setCookie(portalCookie, "", 0)
	}
	v.portal = nil
	return v.show(http.StatusOK, "left", lang.Text("Signed out"), nil)
}

// framePage is what a page of the project's own shows in a frame. It holds
// nothing: the token stands behind the # of its address, and a script asks
// with it for the pages. Which pages may frame it is the project's word.
func (v *visit) framePage() error {
	id, err := store.ProjectName.Parse(v.r.PathValue("project"))
	if err != nil {
		return errNoPage
	}
	if err := v.dress(id); err != nil {
		return err
	}
	v.wish()
	v.look.Frame = true
	if h := v.w.Header(); len(v.look.origins) > 0 {
		h.Set("Content-Security-Policy", framedBy(v.look.origins))
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Del("X-Frame-Options") // it knows no list
	}
	return v.show(http.StatusOK, "embed", lang.Text("Your webhooks"), nil)
}

// framedBy is [policy] for a page that those of some origins may frame, whose
// form the API has checked.
func framedBy(origins []string) string {
	return strings.TrimSuffix(policy, "'none'") + strings.Join(origins, " ")
}

// errors of the portal, by what they are.
var (
	errPortalOver = &failure{http.StatusUnauthorized, lang.Text("This visit is over"), lang.Text("For your safety these pages close after a while. Nothing is lost."), lang.Text("Go back to where you came from, and open them again there.")}
	errCookieLost = &failure{http.StatusUnauthorized, lang.Text("The browser kept no cookie"), lang.Text("The link was opened, but the browser did not keep the cookie that says so. It keeps it only over https, or when the address is localhost."), lang.Text("Go back to where you came from, and open these pages over https.")}
	errDoorOver   = &failure{http.StatusNotFound, lang.Text("This link is over"), lang.Text("It was opened before, or is too old, or was not copied whole. It opens once."), lang.Text("Go back to where you came from, and open these pages again there.")}
	errPortalRead = &failure{http.StatusForbidden, lang.Text("You may look only"), lang.Text("With this access you see everything and change nothing, so nothing was done."), lang.Text("Ask whoever gave it to you for one that manages.")}
)

func errManyLinks() error {
	return &failure{http.StatusTooManyRequests, lang.Text("Too many tries"), lang.Text("Too many links were opened from your address."), lang.Text("Wait a minute, then open it again.")}
}
