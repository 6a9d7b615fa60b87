package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// person takes an invitation of a role up; the hash of the password is
// "hash of" and the address.
func (s *shelf) person(email string, role store.Role) *store.Person {
	s.Helper()
	s.no(s.db.Invite(s.ctx, &store.Invitation{Email: email, Role: role, ExpiresAt: time.Now().Add(time.Hour)}, tokenHash("invitation of "+email)))
	p, err := s.db.TakeInvitation(s.ctx, tokenHash("invitation of "+email), "", "hash of "+email)
	s.no(err)
	return p
}

// signIn starts a session of a person.
func (s *shelf) signIn(p *store.Person, token string) *store.ConsoleSession {
	s.Helper()
	c := &store.ConsoleSession{PersonID: p.ID, Agent: "Browser/" + token, ExpiresAt: time.Now().Add(time.Hour)}
	s.no(s.db.StartConsoleSession(s.ctx, c, "hash of "+p.Email, tokenHash(token)))
	return c
}

// inside says which of some tokens are those of visitors.
func (s *shelf) inside(tokens ...string) (in []string) {
	s.Helper()
	for _, t := range tokens {
		switch v, err := s.db.VisitorByHash(s.ctx, tokenHash(t), time.Now()); {
		case err == nil && v.Person.ID == v.Session.PersonID:
			in = append(in, t)
		case !isNotFound(err):
			s.Fatal(v, err)
		}
	}
	return in
}

func (s *shelf) insideOnly(want ...string) {
	s.Helper()
	if got := s.inside("a", "b", "c"); !slices.Equal(got, want) {
		s.Fatalf("%v are signed in, want %v", got, want)
	}
}

var peopleCases = map[string]func(*shelf){
	"FirstOwner": func(s *shelf) {
		hour := time.Now().Add(time.Hour)
		for _, link := range []string{"first", "second"} { // a start that nobody made use of
			made, err := s.db.InviteOwner(s.ctx, hour, tokenHash(link))
			if s.no(err); !made {
				s.Fatal("no link, and nobody is an owner")
			}
		}
		if _, err := s.db.InvitationByHash(s.ctx, tokenHash("first")); !isNotFound(err) {
			s.Error("the link of an earlier start is good:", err)
		}
		p, err := s.db.TakeInvitation(s.ctx, tokenHash("second"), " Ana@Example.com ", "h")
		s.no(err)
		if p.Email != "ana@example.com" || p.Role != store.RoleOwner {
			s.Errorf("%+v", p)
		}
		if _, err := s.db.TakeInvitation(s.ctx, tokenHash("second"), "eve@example.com", "h"); !isNotFound(err) {
			s.Error("a link was good twice:", err)
		}
		if made, err := s.db.InviteOwner(s.ctx, hour, tokenHash("third")); made || err != nil {
			s.Error("there is an owner:", made, err)
		}
		if _, err := s.db.ChangePerson(s.ctx, p.ID, store.RoleViewer, false); !errors.Is(err, store.ErrLastOwner) {
			s.Error(err)
		}
		if _, err := s.db.ChangePerson(s.ctx, p.ID, store.RoleOwner, true); !errors.Is(err, store.ErrLastOwner) {
			s.Error(err)
		}
		s.reopen()
		got, hash, err := s.db.PersonByEmail(s.ctx, "ANA@example.com")
		if s.no(err); got.ID != p.ID || hash != "h" {
			s.Errorf("%+v %q", got, hash)
		}
	},
	"Sessions": func(s *shelf) {
		s.person("owner@example.com", store.RoleOwner)
		p := s.person("ana@example.com", store.RoleOperator)
		a, b := s.signIn(p, "a"), s.signIn(p, "b")
		s.insideOnly("a", "b")
		if _, err := s.db.VisitorByHash(s.ctx, tokenHash("a"), time.Now().Add(2*time.Hour)); !isNotFound(err) {
			s.Error("a session did not end:", err)
		}
		list, err := s.db.ConsoleSessions(s.ctx, p.ID)
		if s.no(err); len(list) != 2 || list[0].ID != b.ID || list[1].Agent != "Browser/a" {
			s.Fatalf("%+v", list)
		}
		if err := s.db.EndConsoleSession(s.ctx, s.person("eve@example.com", store.RoleViewer).ID, a.ID); !isNotFound(err) {
			s.Error("a session was another person's to end:", err)
		}
		s.no(s.db.EndConsoleSession(s.ctx, p.ID, a.ID))
		s.insideOnly("b")
		wrong := &store.ConsoleSession{PersonID: p.ID, ExpiresAt: time.Now().Add(time.Hour)}
		if err := s.db.StartConsoleSession(s.ctx, wrong, "another hash", tokenHash("c")); !isNotFound(err) {
			s.Error("the password was another:", err)
		}
		c := s.signIn(p, "c")
		s.no(s.db.SetPassword(s.ctx, p.ID, "hash of ana@example.com", "new", c.ID))
		s.insideOnly("c")
		_, err = s.db.ChangePerson(s.ctx, p.ID, store.RoleOperator, true)
		s.no(err)
		s.insideOnly()
		if _, _, err := s.db.PersonByEmail(s.ctx, p.Email); !isNotFound(err) {
			s.Error("a disabled person is found:", err)
		}
		wrong = &store.ConsoleSession{PersonID: p.ID, ExpiresAt: time.Now().Add(time.Hour)}
		if err := s.db.StartConsoleSession(s.ctx, wrong, "new", tokenHash("d")); !isNotFound(err) {
			s.Error("a disabled person signed in:", err)
		}
	},
	"InvitationsEndWithRights": func(s *shelf) {
		s.person("owner@example.com", store.RoleOwner)
		invite := func(email, link string, by store.ID) {
			s.no(s.db.Invite(s.ctx, &store.Invitation{Email: email, Role: store.RoleOwner, MadeBy: by, ExpiresAt: time.Now().Add(time.Hour)}, tokenHash(link)))
		}
		for _, end := range []struct {
			role     store.Role
			disabled bool
		}{{store.RoleViewer, false}, {store.RoleOwner, true}} {
			eve := s.person("eve@example.com", store.RoleOwner)
			invite("eve@example.com", "own", store.ID{})
			invite("alias@example.com", "made", eve.ID)
			invite("bea@example.com", "other", store.ID{})
			_, err := s.db.ChangePerson(s.ctx, eve.ID, end.role, end.disabled)
			s.no(err)
			for _, link := range []string{"own", "made"} {
				if _, err := s.db.TakeInvitation(s.ctx, tokenHash(link), "", "h"); !isNotFound(err) {
					s.Errorf("%+v: the link %s makes an owner: %v", end, link, err)
				}
			}
			if _, err := s.db.InvitationByHash(s.ctx, tokenHash("other")); err != nil {
				s.Errorf("%+v: somebody else's invitation: %v", end, err)
			}
		}
	},
	"PortalOfAPerson": func(s *shelf) {
		s.person("owner@example.com", store.RoleOwner)
		p := s.person("ana@example.com", store.RoleOperator)
		portal := &store.PortalSession{ProjectID: s.project.ID, Consumer: "acme", Access: store.PortalManage, MadeBy: p.ID, Prefix: "mlt_portal_p", ExpiresAt: time.Now().Add(time.Hour)}
		_, err := s.db.CreatePortalSessionOnce(s.ctx, portal, tokenHash("portal"), 100, nil)
		s.no(err)
		found := func() *store.PortalSession {
			got, err := s.db.PortalSessionByHash(s.ctx, tokenHash("portal"), time.Now())
			if isNotFound(err) {
				return nil
			}
			s.no(err)
			return got
		}
		if got := found(); got == nil || !got.ByPerson || got.MadeBy != p.ID {
			s.Fatalf("%+v", got)
		}
		for _, c := range []struct {
			role     store.Role
			disabled bool
			in       bool
		}{{store.RoleViewer, false, false}, {store.RoleOwner, false, true}, {store.RoleOwner, true, false}} {
			_, err := s.db.ChangePerson(s.ctx, p.ID, c.role, c.disabled)
			s.no(err)
			if got := found(); (got != nil) != c.in {
				s.Errorf("%+v: %+v", c, got)
			}
		}
		again := *portal
		if _, err := s.db.CreatePortalSessionOnce(s.ctx, &again, tokenHash("again"), 100, nil); !isNotFound(err) {
			s.Errorf("who is kept out made one: %v", err)
		}
	},
	"ActorMustBeIn": func(s *shelf) {
		p := s.person("ana@example.com", store.RoleOwner)
		c := s.signIn(p, "a")
		v, err := s.db.VisitorByHash(s.ctx, tokenHash("a"), time.Now())
		s.no(err)
		ctx := store.WithActor(s.ctx, store.PersonActor(v, store.ID{7}))
		_, _, err = s.db.PutConsumer(ctx, s.project.ID, "acme", func(c *store.Consumer) { c.Name = "Acme" })
		s.no(err)
		log := s.auditLog(s.project.ID, store.AuditFilter{Action: store.ActionConsumerCreate, Actor: store.PersonName.Format(p.ID)})
		if len(log) != 1 || log[0].Actor.Kind != store.ActorPerson || log[0].Actor.Prefix != p.Email {
			s.Fatalf("%+v", log)
		}
		s.no(s.db.EndConsoleSession(s.ctx, p.ID, c.ID))
		_, _, err = s.db.PutConsumer(ctx, s.project.ID, "acme", func(c *store.Consumer) { c.Name = "Eve" })
		if !errors.Is(err, store.ErrEnded) {
			s.Error("who signed out acted:", err)
		}
	},
	"InvitedAgain": func(s *shelf) {
		owner := s.person("owner@example.com", store.RoleOwner)
		p := s.person("ana@example.com", store.RoleViewer)
		s.signIn(p, "a")
		_, err := s.db.ChangePerson(s.ctx, p.ID, store.RoleViewer, true)
		s.no(err)
		again := s.person("Ana@example.com", store.RoleOperator) // a new password, by a link
		if again.ID != p.ID || again.Role != store.RoleOperator || !again.DisabledAt.IsZero() {
			s.Errorf("%+v", again)
		}
		s.insideOnly()
		s.no(s.db.Invite(s.ctx, &store.Invitation{Email: owner.Email, Role: store.RoleViewer, MadeBy: owner.ID, ExpiresAt: time.Now().Add(time.Hour)}, tokenHash("i")))
		if _, err := s.db.TakeInvitation(s.ctx, tokenHash("i"), "", "h"); !errors.Is(err, store.ErrLastOwner) {
			s.Error("the last owner gave the role away:", err)
		}
		open, err := s.db.Invitations(s.ctx)
		if s.no(err); len(open) != 1 || open[0].MadeBy != owner.ID {
			s.Fatalf("%+v", open)
		}
		s.no(s.db.RevokeInvitation(s.ctx, open[0].ID))
		if _, err := s.db.InvitationByHash(s.ctx, tokenHash("i")); !isNotFound(err) {
			s.Error(err)
		}
		var did []store.Action
		for _, e := range s.auditLog(store.ID{}, store.AuditFilter{}) {
			did = append(did, e.Action)
		}
		for _, a := range []store.Action{store.ActionPersonInvite, store.ActionPersonUninvite, store.ActionPersonCreate, store.ActionPersonUpdate, store.ActionPersonSignIn} {
			if !slices.Contains(did, a) {
				s.Errorf("%s is in no entry", a)
			}
		}
	},
	"OverIsPruned": func(s *shelf) {
		p := s.person("ana@example.com", store.RoleOwner)
		c := &store.ConsoleSession{PersonID: p.ID, ExpiresAt: time.Now().Add(-time.Hour)}
		s.no(s.db.StartConsoleSession(s.ctx, c, "hash of ana@example.com", tokenHash("a")))
		s.no(s.db.Invite(s.ctx, &store.Invitation{Email: "eve@example.com", Role: store.RoleViewer, ExpiresAt: time.Now().Add(-time.Hour)}, tokenHash("i")))
		s.insideOnly()
		n, err := s.db.Prune(s.ctx, time.Now().Add(-24*time.Hour), 100)
		if s.no(err); n != 2 {
			s.Errorf("%d rows went", n)
		}
	},
}
