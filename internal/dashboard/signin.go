package dashboard

import (
	"errors"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// sessionCookie holds the token of who is signed in. Its prefix makes browsers
// take it over https alone (or from this very machine), for this host alone.
const sessionCookie = "__Host-malote"

// sessionFor is how long a session lasts at most; a week without use ends it, too.
const sessionFor = 30 * 24 * time.Hour

// Kinds of tokens, as in [api.NewKey].
const (
	keyConsole = "console" // in the cookie
	keyWelcome = "welcome" // in a one-time link
)

// Lengths of passwords, in bytes. There are no other rules (NIST SP 800-63B).
const (
	minPassword = 12
	maxPassword = 1024
)

const (
	signInPath  = "/signin"
	welcomePath = "/welcome/"
)

// find finds who visits.
func (v *visit) find() error {
	c, err := v.r.Cookie(sessionCookie)
	if err != nil || len(c.Value) > 200 {
		return nil //nolint:nilerr // nobody is signed in
	}
	v.visitor, err = v.d.store.VisitorByHash(v.r.Context(), api.HashKey(c.Value), time.Now())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// signInView is the page with the form.
type signInView struct {
	Email, Next string
	Wrong       lang.Message // what is wrong with what was sent
	Plain       bool         // the browser will not keep the cookie
	Identity    lang.Message // the way by the provider that vouches for people; zero: there is none
}

func (v *visit) signInPage() error {
	if v.visitor != nil {
		return v.redirect(inside(v.r.URL.Query().Get("next")))
	}
	view := &signInView{Next: inside(v.r.URL.Query().Get("next")), Plain: !v.isSecure(), Identity: v.d.byIdentity()}
	if v.r.URL.Query().Has("lost") { // signed in just now, and the cookie did not come back
		view.Wrong = lang.Text("You signed in, but the browser did not keep the cookie that says so. It keeps it only over https, or when the address is localhost.")
	}
	return v.show(http.StatusOK, "signin", lang.Text("Sign in"), view)
}

// isSecure reports whether a browser takes a request's answer for safe enough
// to keep a cookie that is for https alone: so it is over TLS, here or as the
// proxy before us says, and on this very machine.
func (v *visit) isSecure() bool {
	host := v.r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return v.r.TLS != nil || strings.EqualFold(v.r.Header.Get("X-Forwarded-Proto"), "https") ||
		v.d.public != nil && v.d.public.Scheme == "https" && strings.EqualFold(v.d.public.Hostname(), host) ||
		host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}

// signIn judges an address and a password, and says no word of which was wrong.
func (v *visit) signIn() error {
	if err := v.form(); err != nil {
		return err
	}
	email, password := strings.ToLower(v.field("email")), secret.Text(v.r.PostFormValue("password"))
	view := &signInView{Email: email, Next: inside(v.field("next")), Plain: !v.isSecure(), Identity: v.d.byIdentity()}
	refuse := func(status int, why lang.Message) error {
		view.Wrong = why
		return v.show(status, "signin", lang.Text("Sign in"), view)
	}
	if len(email) > store.MaxEmail || len(password) > maxPassword {
		return refuse(http.StatusUnprocessableEntity, wrongPassword())
	}
	from := network(v.r)
	if wait := v.d.tries.admit(from, email, time.Now()); wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		v.w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return refuse(http.StatusTooManyRequests, lang.Count(seconds, "Too many tries. Wait %d second and try again.", "Too many tries. Wait %d seconds and try again."))
	}
	person, hash, err := v.d.store.PersonByEmail(v.r.Context(), email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	same, err := v.d.passwords.Same(v.r.Context(), password, hash)
	if err != nil {
		return err
	}
	if !same {
		v.d.log.Warn("somebody could not sign in to the console", "from", from)
		return refuse(http.StatusUnprocessableEntity, wrongPassword())
	}
	err = v.start(person, hash)
	if errors.Is(err, store.ErrNotFound) { // the password changed just now
		return refuse(http.StatusUnprocessableEntity, wrongPassword())
	}
	if err != nil {
		return err
	}
	v.d.tries.succeeded(from, email)
	return v.redirect(signedIn(view.Next))
}

// signedIn is where a browser shows that it kept the cookie, and goes on from.
func signedIn(next string) string {
	return signInPath + "?" + url.Values{"lost": {"1"}, "next": {next}}.Encode()
}

func wrongPassword() lang.Message {
	return lang.Text("The e-mail or the password is not right.")
}

// start signs a person in whose password was judged by a hash.
func (v *visit) start(p *store.Person, hash string) error {
	text, _, sum := api.NewKey(keyConsole)
	s := &store.ConsoleSession{PersonID: p.ID, Agent: v.r.UserAgent(), ExpiresAt: time.Now().Add(sessionFor)}
	if err := v.d.store.StartConsoleSession(v.actor(), s, hash, sum); err != nil {
		return err
	}
	v.setCookie(sessionCookie, text.Reveal(), sessionFor)
	return nil
}

func (v *visit) signOut() error {
	err := v.d.store.EndConsoleSession(v.actor(), v.visitor.Person.ID, v.visitor.Session.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrEnded) {
		return err
	}
	v.setCookie(sessionCookie, "", 0)
	v.w.Header().Set("Clear-Site-Data", `"cache"`)
	return v.redirect(signInPath)
}

// checkPassword says what is wrong with a new password; zero: nothing.
func checkPassword(password, again secret.Text) lang.Message {
	switch {
	case len(password) < minPassword:
		return lang.Text("is too short: take %d characters or more. Several words in a row are good.", minPassword)
	case len(password) > maxPassword:
		return lang.Text("is too long: at most %d bytes", maxPassword)
	case password != again:
		return lang.Text("is not the same as above")
	}
	return lang.Message{}
}

// welcomeView is the page of a one-time link.
type welcomeView struct {
	Email  string
	Fixed  bool // the link is for this address
	Role   store.Role
	First  bool
	Errors map[string]lang.Message // by the name of the field
}

// errNoInvitation is of links that are used or over.
func errNoInvitation() error {
	return &failure{http.StatusNotFound, lang.Text("This link is over"), lang.Text("It was used before, or a newer one took its place, or it is too old, or it was not copied whole."),
		lang.Text("Ask whoever sent it for a new one. The first owner's link is in the log of the server; each start makes a new one.")}
}

// invited finds the invitation of the path.
func (v *visit) invited() (i *store.Invitation, hash [32]byte, err error) {
	if v.d.tries.network.admit(network(v.r), time.Now()) > 0 {
		return nil, hash, errManyLinks()
	}
	token := v.r.PathValue("token")
	if len(token) > 200 {
		return nil, hash, errNoInvitation()
	}
	hash = api.HashKey(token)
	i, err = v.d.store.InvitationByHash(v.r.Context(), hash)
	if errors.Is(err, store.ErrNotFound) {
		err = errNoInvitation()
	}
	return i, hash, err
}

func (v *visit) welcomePage() error {
	i, _, err := v.invited()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "welcome", lang.Text("Welcome"), &welcomeView{Email: i.Email, Fixed: i.Email != "", Role: i.Role, First: i.MadeBy.IsZero()})
}

// takeInvitation makes the person that a link is for, and signs in.
func (v *visit) takeInvitation() error {
	i, sum, err := v.invited()
	if err != nil {
		return err
	}
	if err := v.form(); err != nil {
		return err
	}
	view := &welcomeView{Email: i.Email, Fixed: i.Email != "", Role: i.Role, First: i.MadeBy.IsZero(), Errors: map[string]lang.Message{}}
	if !view.Fixed {
		view.Email = v.field("email")
		if wrong := store.CheckEmail(view.Email); !wrong.IsZero() {
			view.Errors["email"] = wrong
		}
	}
	password, again := secret.Text(v.r.PostFormValue("password")), secret.Text(v.r.PostFormValue("again"))
	if wrong := checkPassword(password, again); !wrong.IsZero() {
		view.Errors["password"] = wrong
	}
	if len(view.Errors) > 0 {
		return v.show(http.StatusUnprocessableEntity, "welcome", lang.Text("Welcome"), view)
	}
	hash, err := v.d.passwords.Hash(v.r.Context(), password)
	if err != nil {
		return err
	}
	p, err := v.d.store.TakeInvitation(v.actor(), sum, view.Email, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errNoInvitation()
	case errors.Is(err, store.ErrLastOwner):
		return errLastOwner
	case err != nil:
		return err
	}
	v.visitor = nil
	if err := v.start(p, hash); err != nil {
		return err
	}
	return v.redirect(signedIn("/"))
}
