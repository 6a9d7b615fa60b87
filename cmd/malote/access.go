package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
)

type whoamiCmd struct{ remote }

// Run says what the key is.
func (w *whoamiCmd) Run(c *console) error {
	return ask(&w.remote, c, func(ctx context.Context, api *client.Client) (*client.Me, error) {
		return api.Me(ctx)
	}, func(me *client.Me) {
		project := ""
		if p := me.Project; p != nil {
			project = fmt.Sprintf("%s (%s, %s, %s)", p.ID, p.Name, p.Environment, p.Dialect)
		}
		kind := map[string]string{
			"root": "a root key: projects and their keys", "project": "a key of a whole project", "consumer": "a key of one consumer", "portal": "a portal session",
		}[me.Kind]
		c.facts("this is", kind, "id", me.ID, "name", me.Name, "begins", me.Prefix, "project", project, "consumer", me.Consumer, "access", me.Access,
			"scopes", strings.Join(me.Scopes, ", "), "created", stamp(me.CreatedAt), "expires", stampOf(me.ExpiresAt))
	})
}

type portalCmd struct {
	Create portalCreateCmd `cmd:"" help:"Make a short-lived token with which a customer's own pages look after its endpoints. It is shown once."`
	List   portalListCmd   `cmd:"" help:"List a customer's sessions that are in force."`
	End    portalEndCmd    `cmd:"" help:"End a customer's session at once, or all of them."`
}

type portalCreateCmd struct {
	remote
	UID     string `arg:"" name:"uid" help:"Your own id of the customer."`
	Manage  bool   `help:"Let it change endpoints and send again, not only look."`
	Expires expiry `default:"1h" placeholder:"TIME" help:"How long it lasts, from 1m to 24h, or when it ends, as in 2026-01-31T12:00:00Z (default ${default})."`
}

// Run makes a session and shows its token, the only time.
func (p *portalCreateCmd) Run(c *console) error {
	access := "read"
	if p.Manage {
		access = "manage"
	}
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.PortalSession, error) {
		return api.CreatePortalSession(ctx, p.UID, client.NewPortalSession{Access: access, ExpiresIn: p.Expires.seconds(time.Now())})
	}, func(made *client.PortalSession) {
		c.facts("token", made.Token, "id", made.ID, "consumer", made.Consumer, "access", made.Access, "scopes", strings.Join(made.Scopes, ", "), "expires", stamp(made.ExpiresAt),
			"open once", cmp.Or(made.URL, made.Path), "in a frame", cmp.Or(made.EmbedURL, made.EmbedPath))
		fmt.Fprintln(c.err, "The token is not shown again. Keep it out of addresses: browsers and proxies write those down.")
	})
}

type portalListCmd struct {
	remote
	UID   string `arg:"" name:"uid" help:"Your own id of the customer."`
	Limit int    `default:"50" placeholder:"N" help:"How many to show, oldest first; 0: all (default ${default})."`
}

// Run lists sessions by what their tokens begin with.
func (p *portalListCmd) Run(c *console) error {
	return enumerate(&p.remote, c, p.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.PortalSession, error] {
		return api.PortalSessions(ctx, p.UID)
	}, []string{"SESSION", "BEGINS", "ACCESS", "MADE BY", "EXPIRES", "LAST USED"}, func(t *table, s *client.PortalSession) {
		t.row(s.ID, s.Prefix, s.Access, s.MadeBy, stamp(s.ExpiresAt), stampOf(s.LastUsedAt))
	})
}

type portalEndCmd struct {
	remote
	UID     string `arg:"" name:"uid" help:"Your own id of the customer."`
	Session string `xor:"which" required:"" placeholder:"ID" help:"The session, as malote portal list shows it."`
	All     bool   `xor:"which" required:"" help:"All of the customer's sessions."`
}

// Run ends one, or all.
func (p *portalEndCmd) Run(c *console) error {
	if p.All {
		return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.PortalSessionsEnded, error) {
			return api.EndPortalSessions(ctx, p.UID)
		}, func(e *client.PortalSessionsEnded) { fmt.Fprintf(c.out, "Ended: %d.\n", e.Ended) })
	}
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		return api.EndPortalSession(ctx, p.UID, p.Session)
	}, func(*client.Deleted) { fmt.Fprintln(c.out, "Ended.") })
}

type linkCmd struct {
	Create linkCreateCmd `cmd:"" help:"Make a link that shows an endpoint's secret once, to hand it over. It is shown once."`
	List   linkListCmd   `cmd:"" help:"List an endpoint's links, and who opened them when."`
	Revoke linkRevokeCmd `cmd:"" help:"End a link that nobody has opened."`
}

type linkCreateCmd struct {
	remote
	Endpoint string `arg:"" help:"The endpoint's id."`
	Expires  expiry `default:"7d" placeholder:"TIME" help:"How long it can be opened, from 5m to 30d, or until when, as in 2026-01-31T12:00:00Z (default ${default})."`
}

// Run makes a link and shows it, the only time.
func (l *linkCreateCmd) Run(c *console) error {
	if err := idOf("endpoint", l.Endpoint); err != nil {
		return err
	}
	return ask(&l.remote, c, func(ctx context.Context, api *client.Client) (*client.SecretLink, error) {
		return api.CreateSecretLink(ctx, l.Endpoint, client.NewSecretLink{ExpiresIn: l.Expires.seconds(time.Now())})
	}, func(made *client.SecretLink) {
		c.facts("link", made.URL, "id", made.ID, "endpoint", made.EndpointID, "expires", stamp(made.ExpiresAt))
		fmt.Fprintln(c.err, "It shows the secret to whoever opens it first; whether somebody has: malote link list "+made.EndpointID)
	})
}

type linkListCmd struct {
	remote
	Endpoint string `arg:"" help:"The endpoint's id."`
	Limit    int    `default:"50" placeholder:"N" help:"How many to show, newest first; 0: all (default ${default})."`
}

// Run lists links.
func (l *linkListCmd) Run(c *console) error {
	return enumerate(&l.remote, c, l.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.SecretLink, error] {
		return api.SecretLinks(ctx, l.Endpoint)
	}, []string{"LINK", "STATE", "CREATED", "EXPIRES", "OPENED", "FROM"}, func(t *table, s *client.SecretLink) {
		t.row(s.ID, s.State, stamp(s.CreatedAt), stamp(s.ExpiresAt), stampOf(s.OpenedAt), s.OpenedFrom)
	})
}

type linkRevokeCmd struct {
	remote
	Endpoint string `arg:"" help:"The endpoint's id."`
	ID       string `arg:"" name:"id" help:"The link's id, as malote link list shows it."`
}

// Run ends a link.
func (l *linkRevokeCmd) Run(c *console) error {
	return ask(&l.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		return api.RevokeSecretLink(ctx, l.Endpoint, l.ID)
	}, func(*client.Deleted) { fmt.Fprintln(c.out, "Revoked.") })
}
