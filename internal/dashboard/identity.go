package dashboard

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/oidc"
	"github.com/malote-dev/malote/internal/store"
)

// IdentityPath is where the identity provider sends people back to.
const IdentityPath = "/signin/identity/back"

// identityCookie remembers, in the browser that began it, the sign-in that the
// identity provider is asked about.
const (
	identityCookie = "__Host-malote-identity"
	identityFor    = 10 * time.Minute
	maxCode        = 4096 // bytes of what comes back
)

func (d *Dashboard) byIdentity() lang.Message {
	if d.identity == nil {
		return lang.Message{}
	}
	return lang.Text("Sign in with %s", d.identity.Name())
}

// askIdentity sends a browser to the identity provider.
func (v *visit) askIdentity() error {
	if v.d.identity == nil {
		return errNoPage
	}
	if v.d.tries.network.admit(network(v.r), time.Now()) > 0 {
		return errManyLinks()
	}
	try := oidc.NewTry()
	to, err := v.d.identity.AuthURL(v.r.Context(), &try)
	if err != nil {
		return v.identityFailed(err)
	}
	next := base64.RawURLEncoding.EncodeToString([]byte(inside(v.r.URL.Query().Get("next"))))
	v.setCookie(identityCookie, strings.Join([]string{try.State, try.Nonce, try.Verifier, next}, "."), identityFor)
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// begun reads what askIdentity left in the browser.
func (v *visit) begun() (try oidc.Try, next string) {
	c, err := v.r.Cookie(identityCookie)
	if err != nil {
		return try, ""
	}
	parts := strings.Split(c.Value, ".")
	if len(parts) != 4 {
		return try, ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[3])
	if err != nil {
		return try, ""
	}
	return oidc.Try{State: parts[0], Nonce: parts[1], Verifier: parts[2]}, inside(string(raw))
}

// hearIdentity signs in whom the identity provider vouches for, if he is one of
// the people here, or was invited to be.
func (v *visit) hearIdentity() error {
	if v.d.identity == nil {
		return errNoPage
	}
	if v.d.tries.network.admit(network(v.r), time.Now()) > 0 {
		return errManyLinks()
	}
	try, next := v.begun()
	v.setCookie(identityCookie, "", 0)
	q := v.r.URL.Query()
	switch code := q.Get("code"); {
	case !try.Begun(q.Get("state")):
		return &failure{http.StatusBadRequest, lang.Text("This sign-in is over"), lang.Text("It took longer than ten minutes, or began in another browser, or was answered before."), lang.Text("Go to the sign-in page and begin again.")}
	case q.Has("error") || code == "" || len(code) > maxCode:
		return v.identityFailed(oidc.ErrRefused)
	default:
		email, err := v.d.identity.Email(v.r.Context(), &try, code)
		if err != nil {
			return v.identityFailed(err)
		}
		if err := v.startAs(email); err != nil {
			return err
		}
	}
	return v.redirect(signedIn(next))
}

// startAs signs in the person of an address.
func (v *visit) startAs(email string) error {
	if !store.CheckEmail(email).IsZero() {
		return v.identityFailed(oidc.ErrUnverified)
	}
	stranger := &failure{http.StatusForbidden, lang.Text("You are not one of the people here"), lang.Text("The address %s was neither invited nor let in, or it was kept out.", email), lang.Text("Ask an owner of this server for an invitation to that address.")}
	person, hash, err := v.d.store.PersonByEmail(v.r.Context(), email)
	if errors.Is(err, store.ErrNotFound) {
		person, err = v.d.store.TakeInvitationOf(v.actor(), email)
	}
	if errors.Is(err, store.ErrNotFound) {
		v.d.log.Warn("somebody whom the identity provider vouches for is not one of the console's people", "from", network(v.r))
		return stranger
	}
	if err == nil {
		err = v.start(person, hash)
	}
	return err
}

// identityFailed says what became of asking the identity provider.
func (v *visit) identityFailed(err error) error {
	v.d.log.Warn("the identity provider vouched for nobody", "error", err, "error_parameter", v.r.URL.Query().Get("error"))
	name := v.d.identity.Name()
	switch {
	case errors.Is(err, oidc.ErrUnverified):
		return &failure{http.StatusForbidden, lang.Text("Your address is not verified"), lang.Text("%s vouches for no verified e-mail address of yours.", name), lang.Text("Verify the address there, or sign in with a password.")}
	case errors.Is(err, oidc.ErrRefused):
		return &failure{http.StatusForbidden, lang.Text("You are not signed in"), lang.Text("%s did not vouch for you.", name), lang.Text("Go to the sign-in page and begin again. If it stays so, the log of the server says why.")}
	case errors.Is(err, oidc.ErrUnreachable):
		return &failure{http.StatusBadGateway, lang.Text("The identity provider cannot be asked"), lang.Text("%s does not answer, or not as an identity provider does.", name), lang.Text("Sign in with a password, or try again. The log of the server says why.")}
	}
	return err
}
