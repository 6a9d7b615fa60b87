package dashboard

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// page is one method on one path.
type page struct {
	method, pattern string
	role            store.Role         // the least that may come here; empty: everybody
	portal          store.PortalAccess // of the customers' portal: what its session has to have; empty: of the console
	serve           func(*visit) error
}

// visit is one request for a page.
type visit struct {
	d       *Dashboard
	w       http.ResponseWriter
	r       *http.Request
	page    *page
	id      store.ID // of the request; random
	lang    lang.Language
	theme   string         // "light", "dark", or "" for what the system has
	bare    bool           // the portal shows no tabs
	visitor *store.Visitor // nil: nobody is signed in
	portal  *portalVisit   // nil: nobody looks at the portal
	look    *look          // of the portal; nil: not known whose it is

	patience time.Duration // with an answer, where it is more than [askTime]

	fields map[string]formField // of the form that the page has, where it has words of its own

	project   *client.Project // of a path below /p/; nil: of none
	projectID store.ID
}

// Bounds of what forms send, in bytes: that with a request to verify takes what
// the API takes, with line ends of two bytes, as browsers send them.
const (
	maxForm       = 512 << 10
	maxVerifyForm = 4 * api.MaxExplainedBody
)

// mostSent bounds the form of a page.
func (p *page) mostSent() int64 {
	if strings.HasSuffix(p.pattern, "/verify") {
		return maxVerifyForm
	}
	return maxForm
}

// policy lets in what this server serves and nothing else: no inline script or
// style, no frame, no form that leads elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// page serves one: who visits, may they, what is there.
func (d *Dashboard) page(p *page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{d: d, w: w, r: r, page: p}
		rand.Read(v.id[:]) // never fails
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Request-Id", store.RequestName.Format(v.id))
		v.prefer()
		defer v.recover()
		if err := v.run(); err != nil {
			v.fail(err)
		}
	})
}

func (v *visit) run() error {
	if err := v.d.guard.Check(v.r); err != nil {
		return errForeign
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, v.page.mostSent())
	if v.inPortal() {
		return v.runPortal()
	}
	if err := v.find(); err != nil {
		return err
	}
	if v.page.role == "" {
		return v.page.serve(v)
	}
	if v.visitor == nil && strings.HasPrefix(v.r.Header.Get("Accept"), "text/event-stream") { // which follows no one to a form
		v.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		return v.message(http.NewResponseController(v.w), messageOver, struct{}{})
	}
	if v.visitor == nil {
		return v.redirect(signInPath + "?" + url.Values{"next": {v.here()}}.Encode())
	}
	if !has(v.visitor.Person.Role, v.page.role) {
		return errRole
	}
	if name := v.r.PathValue("project"); name != "" {
		if err := v.enter(name); err != nil {
			return err
		}
	}
	return v.page.serve(v)
}

// recover answers a panic, and says no word of what it was about.
func (v *visit) recover() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	v.d.log.Error("panic in a page", "request_id", store.RequestName.Format(v.id), "page", v.page.pattern, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	v.fail(errors.New("panic"))
}

// has reports whether a role has the rights of another.
func has(role, least store.Role) bool {
	rank := func(r store.Role) int {
		for i, known := range store.Roles() {
			if r == known {
				return i
			}
		}
		return -1
	}
	return rank(role) >= rank(least)
}

// May reports for templates whether the visitor has the rights of a role.
func (v *visit) may(r store.Role) bool {
	if v.portal != nil {
		return r == store.RoleViewer || r == store.RoleOperator && v.portal.session.Access == store.PortalManage
	}
	return v.visitor != nil && has(v.visitor.Person.Role, r)
}

// here is where a visitor who has to sign in wanted to go.
func (v *visit) here() string {
	if v.r.Method != http.MethodGet && v.inPortal() {
		return portalPath
	}
	if v.r.Method != http.MethodGet {
		return "/"
	}
	return v.r.URL.RequestURI()
}

// inside is a path of this server that a form or a link names; anything else
// leads to the beginning.
func inside(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Opaque != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") || !isPage(u.Path) {
		return "/"
	}
	return path
}

func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// enter finds the project of the path.
func (v *visit) enter(name string) error {
	id, err := store.ProjectName.Parse(name)
	if err != nil {
		return errNoPage
	}
	v.project, err = read[client.Project](v, serverWide, "/v1/projects/"+url.PathEscape(name), nil)
	v.projectID = id
	return err
}

// scope says of what a question is.
type scope bool

const (
	serverWide scope = false // what takes a root key
	ofProject  scope = true
)

// read asks a route for something.
func read[T any](v *visit, of scope, path string, query url.Values) (*T, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return ask[T](v, of, &api.Question{Method: http.MethodGet, Target: path})
}

// do asks a route to do something. Once makes a form that is sent twice count
// once.
func do[T any](v *visit, of scope, method, path string, body any, once string) (*T, error) {
	text, err := encode(body)
	if err != nil {
		return nil, err
	}
	return ask[T](v, of, &api.Question{Method: method, Target: path, Body: text, Once: once})
}

func ask[T any](v *visit, of scope, q *api.Question) (*T, error) {
	switch q.Language = v.lang; {
	case v.portal != nil:
		q.Token = v.portal.token
	case of == ofProject:
		q.Visitor, q.Project = v.visitor, v.projectID
	default:
		q.Visitor = v.visitor
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), max(askTime, v.patience))
	defer cancel()
	reply, err := v.d.api.Ask(ctx, q)
	if err != nil {
		return nil, err
	}
	out := new(T)
	if reply.Status/100 == 2 {
		return out, decode(reply.Body, out)
	}
	p := &client.Error{}
	if err := decode(reply.Body, p); err != nil {
		return nil, err
	}
	return nil, p
}

// askTime is how long a page waits for one answer.
const askTime = 20 * time.Second

// listed is a page of things.
type listed[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"next_cursor"`
}

// errors of pages themselves, by what they are.
var (
	errNoPage  = &failure{http.StatusNotFound, lang.Text("No such page"), lang.Text("Nothing is under this address. It may have been deleted, or the address was not copied whole."), lang.Text("Go to the beginning, or back.")}
	errRole    = &failure{http.StatusForbidden, lang.Text("Not for your role"), lang.Text("Your role in this console does not let you do this."), lang.Text("Ask an owner of this server to do it, or for another role.")}
	errForeign = &failure{http.StatusForbidden, lang.Text("A form of another site"), lang.Text("The request was sent by a page that is not of this server, so nothing was done."), lang.Text("Open the page here, and try again.")}
	errForm    = &failure{http.StatusBadRequest, lang.Text("The form could not be read"), lang.Text("It was cut off on the way, or is written in a way that browsers do not write forms."), lang.Text("Go back and send it again.")}
)

// failure is a page that says what went wrong.
type failure struct {
	status           int
	title, text, fix lang.Message
}

func (f *failure) Error() string { return f.text.String() }

// fail answers with a page that says what went wrong, and what to do.
func (v *visit) fail(err error) {
	var f *failure
	var p *client.Error
	view := &failureView{Request: store.RequestName.Format(v.id)}
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &f):
		status = f.status
		view.Title, view.Text, view.Fix = f.title, f.text, f.fix
	case errors.As(err, &p):
		status = p.Status
		view.Title, view.Text, view.Fix, view.Request = lang.Text("%s", p.Title), lang.Text("%s", sentence(p.Detail)), lang.Text("%s", v.problem(p).Fix), p.RequestID
		if p.Status == http.StatusUnauthorized && v.inPortal() {
			v.fail(errPortalOver)
			return
		}
		if p.Status == http.StatusUnauthorized { // signed out meanwhile
			_ = v.redirect(signInPath)
			return
		}
	default:
		v.d.log.Error("page failed", "request_id", view.Request, "page", v.page.pattern, "error", err)
		view.Title, view.Text, view.Fix = lang.Text("The server failed"), lang.Text("Something unexpected went wrong; the log of the server says what."), lang.Text("Try again.")
	}
	if err := v.show(status, "failure", view.Title, view); err != nil {
		v.d.log.Error("page failed", "request_id", view.Request, "page", "failure", "error", err)
	}
}

// failureView is what such a page shows.
type failureView struct {
	Title, Text, Fix lang.Message
	Request          string
}

// show writes a page.
func (v *visit) show(status int, name string, title lang.Message, data any) error {
	if v.inPortal() {
		name = "portal/" + name
	}
	var b bytes.Buffer
	if err := v.d.templates.write(&b, name, v.lang, v.shell(title, data)); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.lang.Tag())
	h.Add("Vary", "Accept-Language, Cookie")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // a reader who is gone is no error of ours
	return nil
}

// field of a form, without white space around it.
func (v *visit) field(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// form reads what was sent.
func (v *visit) form() error {
	return formError(v.r.ParseForm())
}

// formWithFile reads what was sent, and a file with it; all of it is held in memory.
func (v *visit) formWithFile() error {
	if err := v.form(); err != nil {
		return err
	}
	return formError(v.r.ParseMultipartForm(v.page.mostSent()))
}

// formError is the page for a form that could not be read; nil: it could.
func formError(err error) error {
	var large *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, http.ErrNotMultipart):
		return nil
	case errors.As(err, &large):
		return &failure{
			http.StatusRequestEntityTooLarge, lang.Text("Too much for this form"), lang.Text("The form takes %d KiB in all, and more was sent. Nothing was done.", large.Limit>>10), lang.Text("Go back and send less."),
		}
	}
	return errForm
}

// newOnce is a name for a form that is to count once.
func newOnce() string { return rand.Text() }

// actor is who writes, for what the pages ask the store themselves.
func (v *visit) actor() context.Context {
	a := store.Actor{Kind: store.ActorLink, Request: v.id} // nobody yet
	if v.visitor != nil {
		a = store.PersonActor(v.visitor, v.id)
	}
	return store.WithActor(v.r.Context(), a)
}
