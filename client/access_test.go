package client_test

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/client"
)

// TestAccess goes through the calls about who may do what.
func TestAccess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	root, url, _ := setup(t)
	p := must(root.CreateProject(ctx, client.NewProject{Name: "Loja", Environment: "development"}))(t)
	if got := must(root.Project(ctx, p.ID))(t); got.Name != "Loja" {
		t.Errorf("%+v", got)
	}
	k := must(root.CreateKey(ctx, p.ID, client.NewKey{Scopes: []string{"*", "keys:write"}}))(t)
	c := connect(t, url, k.Key)
	if me := must(c.Me(ctx))(t); me.Kind != "project" || me.ID != k.ID || me.Project.ID != p.ID || len(me.Scopes) != 2 || me.ExpiresAt != nil {
		t.Errorf("%+v", me)
	}
	if me := must(root.Me(ctx))(t); me.Kind != "root" || me.Project != nil {
		t.Errorf("%+v", me)
	}
	own := must(c.CreateKey(ctx, p.ID, client.NewKey{Consumer: "acme", Scopes: []string{"endpoints:read"}}))(t)
	if ks := all(t, c.Keys(ctx, p.ID)); len(ks) != 2 {
		t.Errorf("%+v", ks)
	}
	must(c.RevokeKey(ctx, p.ID, own.ID))(t)

	next := must(root.CreateRootKey(ctx, client.NewRootKey{Name: "next"}))(t)
	if !strings.HasPrefix(next.Key, "mlt_root_") || len(all(t, root.RootKeys(ctx))) != 2 {
		t.Errorf("%+v", next)
	}
	must(root.RevokeRootKey(ctx, next.ID, false))(t)
	if _, err := root.RevokeRootKey(ctx, must(root.Me(ctx))(t).ID, false); !isKind(err, "conflict") {
		t.Errorf("%v", err)
	}

	s := must(c.CreatePortalSession(ctx, "acme", client.NewPortalSession{Access: "manage", ExpiresIn: 600}))(t)
	if s.Token == "" || s.Access != "manage" || s.MadeBy != k.ID || len(s.Scopes) != 6 {
		t.Errorf("%+v", s)
	}
	page := connect(t, url, s.Token)
	e := must(page.CreateEndpoint(ctx, client.NewEndpoint{URL: "https://example.com/", EventTypes: []string{"*"}}))(t)
	if me := must(page.Me(ctx))(t); me.Kind != "portal" || me.Consumer != "acme" || me.Access != "manage" || me.ExpiresAt == nil || e.Consumer != "acme" {
		t.Errorf("%+v %+v", me, e)
	}
	if ss := all(t, c.PortalSessions(ctx, "acme")); len(ss) != 1 || ss[0].ID != s.ID || ss[0].Token != "" {
		t.Errorf("%+v", ss)
	}
	must(c.EndPortalSession(ctx, "acme", s.ID))(t)
	must(c.CreatePortalSession(ctx, "acme", client.NewPortalSession{}))(t)
	if ended := must(c.EndPortalSessions(ctx, "acme"))(t); ended.Ended != 1 {
		t.Errorf("%+v", ended)
	}
	if _, err := page.Me(ctx); !isKind(err, "unauthenticated") {
		t.Errorf("%v", err)
	}
	if cs := all(t, c.Consumers(ctx, client.ConsumerFilter{UIDPrefix: "ac", PageSize: 1})); len(cs) != 1 || cs[0].UID != "acme" {
		t.Errorf("%+v", cs)
	}

	if _, err := c.ProbeEndpoint(ctx, e.ID); !isKind(err, "unavailable") { // no engine runs here
		t.Errorf("%v", err)
	}
	l := must(c.CreateSecretLink(ctx, e.ID, client.NewSecretLink{ExpiresIn: 300}))(t)
	if l.URL != url+l.Path || !strings.HasPrefix(l.Path, "/s/") || l.State != "open" {
		t.Errorf("%+v", l)
	}
	must(c.RevokeSecretLink(ctx, e.ID, l.ID))(t)
	if ls := all(t, c.SecretLinks(ctx, e.ID)); len(ls) != 1 || ls[0].State != "revoked" || ls[0].RevokedAt == nil || ls[0].URL != "" {
		t.Errorf("%+v", ls)
	}
}
