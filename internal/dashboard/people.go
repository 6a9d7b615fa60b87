package dashboard

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// inviteFor is how long an invitation is good.
const inviteFor = 7 * 24 * time.Hour

var errLastOwner = &failure{http.StatusConflict, lang.Text("The last owner"), lang.Text("Without this person nobody could invite others or give roles, so nothing was changed."), lang.Text("Make somebody else an owner first.")}

// accountView is one's own page.
type accountView struct {
	Sessions []sessionRow
	Errors   map[string]lang.Message
}

type sessionRow struct {
	ID, Agent                string
	CreatedAt, Used, Expires time.Time
	Own                      bool
}

func (v *visit) accountPage() error { return v.showAccount(http.StatusOK, nil) }

func (v *visit) showAccount(status int, errs map[string]lang.Message) error {
	ss, err := v.d.store.ConsoleSessions(v.r.Context(), v.visitor.Person.ID)
	if err != nil {
		return err
	}
	view := &accountView{Errors: errs}
	for _, s := range ss {
		view.Sessions = append(view.Sessions, sessionRow{
			ID: store.SignInName.Format(s.ID), Agent: visible(s.Agent), CreatedAt: s.CreatedAt, Used: s.LastUsedAt, Expires: s.ExpiresAt, Own: s.ID == v.visitor.Session.ID,
		})
	}
	return v.show(status, "account", lang.Text("Your account"), view)
}

func (v *visit) changePassword() error {
	if err := v.form(); err != nil {
		return err
	}
	old, fresh, again := secret.Text(v.r.PostFormValue("old")), secret.Text(v.r.PostFormValue("password")), secret.Text(v.r.PostFormValue("again"))
	errs := map[string]lang.Message{}
	if wrong := checkPassword(fresh, again); !wrong.IsZero() {
		errs["password"] = wrong
	}
	me := v.visitor.Person
	if wait := v.d.tries.admit(network(v.r), me.Email, time.Now()); wait > 0 {
		errs["old"] = lang.Text("was tried too often; wait a minute")
		return v.showAccount(http.StatusTooManyRequests, errs)
	}
	_, hash, err := v.d.store.PersonByEmail(v.r.Context(), me.Email)
	if err != nil {
		return err
	}
	same, err := v.d.passwords.Same(v.r.Context(), old, hash)
	if err != nil {
		return err
	}
	if !same {
		errs["old"] = lang.Text("is not your password")
	}
	if len(errs) > 0 {
		return v.showAccount(http.StatusUnprocessableEntity, errs)
	}
	after, err := v.d.passwords.Hash(v.r.Context(), fresh)
	if err != nil {
		return err
	}
	if err := v.d.store.SetPassword(v.actor(), me.ID, hash, after, v.visitor.Session.ID); err != nil {
		return err
	}
	return v.redirect("/account?done=password")
}

func (v *visit) endSession() error {
	id, err := store.SignInName.Parse(v.r.PathValue("session"))
	if err != nil {
		return errNoPage
	}
	err = v.d.store.EndConsoleSession(v.actor(), v.visitor.Person.ID, id)
	if errors.Is(err, store.ErrNotFound) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	if id == v.visitor.Session.ID {
		return v.redirect(signInPath)
	}
	return v.redirect("/account?done=ended")
}

// peopleView is everybody who signs in, and who was asked to.
type peopleView struct {
	People      []personRow
	Invitations []invitationRow
	Roles       []store.Role
	Email       string // as it was filled in
	Role        store.Role
	Wrong       lang.Message
	Link        string // of the invitation that was made just now; shown this once
	LinkFor     string
}

type personRow struct {
	*store.Person
	Name     string // id, as the world sees it
	Own      bool
	Disabled bool
}

type invitationRow struct {
	*store.Invitation
	Name string
}

func (v *visit) peoplePage() error {
	return v.showPeople(http.StatusOK, &peopleView{Role: store.RoleViewer})
}

func (v *visit) showPeople(status int, view *peopleView) error {
	people, err := v.d.store.People(v.r.Context())
	if err != nil {
		return err
	}
	for _, p := range people {
		view.People = append(view.People, personRow{p, store.PersonName.Format(p.ID), p.ID == v.visitor.Person.ID, !p.DisabledAt.IsZero()})
	}
	open, err := v.d.store.Invitations(v.r.Context())
	if err != nil {
		return err
	}
	for _, i := range open {
		view.Invitations = append(view.Invitations, invitationRow{i, store.InvitationName.Format(i.ID)})
	}
	view.Roles = store.Roles()
	return v.show(status, "people", lang.Text("People"), view)
}

// Invite makes a one-time link by which whoever opens it chooses a password, and
// has the invitation's role from then on, also who is there already.
// Errors: [store.ErrLimit].
func Invite(ctx context.Context, db *store.DB, i *store.Invitation) (path string, err error) {
	text, _, hash := api.NewKey(keyWelcome)
	i.ExpiresAt = time.Now().Add(inviteFor)
	if err := db.Invite(ctx, i, hash); err != nil {
		return "", err
	}
	return welcomePath + text.Reveal(), nil
}

// invite makes a one-time link, and shows it.
func (v *visit) invite() error {
	if err := v.form(); err != nil {
		return err
	}
	view := &peopleView{Email: v.field("email"), Role: store.Role(v.field("role"))}
	if view.Wrong = store.CheckEmail(view.Email); !view.Wrong.IsZero() {
		return v.showPeople(http.StatusUnprocessableEntity, view)
	}
	if !slices.Contains(store.Roles(), view.Role) {
		return errForm
	}
	i := &store.Invitation{Email: view.Email, Role: view.Role, MadeBy: v.visitor.Person.ID}
	path, err := Invite(v.actor(), v.d.store, i)
	if errors.Is(err, store.ErrLimit) {
		view.Wrong = lang.Text("cannot be invited: there are too many people and invitations already")
		return v.showPeople(http.StatusConflict, view)
	}
	if err != nil {
		return err
	}
	view.Link, view.LinkFor, view.Email = v.origin()+path, i.Email, ""
	return v.showPeople(http.StatusCreated, view)
}

// origin is what the address of a page begins with: as the operator says it,
// else as the browser knows it.
func (v *visit) origin() string {
	if v.d.public != nil {
		return v.d.public.String()
	}
	if v.r.TLS != nil || strings.EqualFold(v.r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host
}

func (v *visit) changePerson() error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := store.PersonName.Parse(v.r.PathValue("person"))
	if err != nil {
		return errNoPage
	}
	role := store.Role(v.field("role"))
	if !slices.Contains(store.Roles(), role) {
		return errForm
	}
	_, err = v.d.store.ChangePerson(v.actor(), id, role, v.field("disabled") != "")
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errNoPage
	case errors.Is(err, store.ErrLastOwner):
		return errLastOwner
	case err != nil:
		return err
	}
	return v.redirect("/people?done=changed")
}

func (v *visit) uninvite() error {
	id, err := store.InvitationName.Parse(v.r.PathValue("invitation"))
	if err != nil {
		return errNoPage
	}
	err = v.d.store.RevokeInvitation(v.actor(), id)
	if errors.Is(err, store.ErrNotFound) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	return v.redirect("/people?done=uninvited")
}
