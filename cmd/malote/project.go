package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/malote-dev/malote/client"
)

type projectCmd struct {
	Create projectCreateCmd `cmd:"" help:"Create a project (root key)."`
	Update projectUpdateCmd `cmd:"" help:"Change what is named of a project: name, host name, which types are taken, who is told by mail (root key)."`
	Get    projectGetCmd    `cmd:"" help:"Show a project (root key)."`
	List   projectListCmd   `cmd:"" help:"List the projects (root key)."`
	Delete projectDeleteCmd `cmd:"" help:"Delete a project that has no endpoints (root key)."`
}

type projectCreateCmd struct {
	remote
	Name        string   `arg:"" help:"Name of the project."`
	Environment string   `default:"production" placeholder:"NAME" help:"production or development (default ${default})."`
	Dialect     string   `default:"standard" placeholder:"NAME" help:"Wire contract of the project's webhooks (default ${default})."`
	BodyID      bool     `name:"body-id" help:"Add a top-level id to bodies whose contract has none."`
	Host        string   `placeholder:"NAME" help:"Host name that the company's own API is called under, as in api.example.com."`
	KnownTypes  bool     `name:"known-types-only" help:"Refuse events of types that malote event-type list does not have."`
	Email       []string `placeholder:"ADDRESS" help:"The operator, who is told by mail of every endpoint that fails; repeat it for more."`
	Language    string   `placeholder:"TAG" help:"Language of mails: en or pt-BR; without it the server's."`
	PortalName  string   `placeholder:"TEXT" help:"The company's name on its customers' portal; without it the project's."`
	PortalColor string   `placeholder:"COLOUR" help:"The company's colour there, as in #0b6148."`
	PortalFrame []string `name:"portal-origin" placeholder:"ORIGIN" help:"Pages of this origin may show the portal in a frame, as in https://app.example.com; repeat it for more."`
}

// Run creates the project.
func (p *projectCreateCmd) Run(c *console) error {
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Project, error) {
		return api.CreateProject(ctx, client.NewProject{Name: p.Name, Environment: p.Environment, Dialect: p.Dialect, BodyID: p.BodyID, Host: p.Host, KnownTypesOnly: p.KnownTypes, Emails: p.Email, Language: p.Language,
			PortalName: p.PortalName, PortalColor: p.PortalColor, PortalOrigins: p.PortalFrame})
	}, func(made *client.Project) {
		showProject(c, made)
		fmt.Fprintln(c.err, "Next, a key for it: malote key create --project "+made.ID)
	})
}

func showProject(c *console, p *client.Project) {
	c.facts("project", p.ID, "name", p.Name, "environment", p.Environment, "dialect", p.Dialect, "body id", yes(p.BodyID), "host", p.Host, "known types only", yes(p.KnownTypesOnly), "emails", strings.Join(p.Emails, ", "), "language", p.Language,
		"portal name", p.PortalName, "portal colour", p.PortalColor, "portal in frames of", strings.Join(p.PortalOrigins, ", "))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

type projectUpdateCmd struct {
	remote
	ID          string    `arg:"" help:"The project's id."`
	Name        *string   `placeholder:"TEXT" help:"Its new name."`
	Host        *string   `placeholder:"NAME" help:"Host name that the company's own API is called under, as in api.example.com; '': none."`
	Known       *bool     `name:"known-types-only" negatable:"" help:"Refuse events of types that malote event-type list does not have, or take them again."`
	PortalName  *string   `placeholder:"TEXT" help:"The company's name on its customers' portal; '': the project's."`
	PortalColor *string   `placeholder:"COLOUR" help:"The company's colour there, as in #0b6148; '': the server's."`
	PortalLogo  *string   `placeholder:"@FILE" help:"The company's logo there: PNG, JPEG or WebP of at most 64 KiB; '': none."`
	PortalFrame *[]string `name:"portal-origin" placeholder:"ORIGIN" help:"Pages of these origins may show the portal in a frame, as in https://app.example.com; repeat it for more, '': none."`
	mailing
}

// Run changes what was named.
func (p *projectUpdateCmd) Run(c *console) error {
	var ch client.ProjectChange
	if p.Name != nil {
		ch.Name = client.Set(*p.Name)
	}
	if p.Host != nil {
		ch.Host = client.Set(*p.Host)
	}
	setIf(&ch.KnownTypesOnly, p.Known)
	setIf(&ch.PortalName, p.PortalName)
	setIf(&ch.PortalColor, p.PortalColor)
	if p.PortalLogo != nil {
		if ch.PortalLogo = client.Null[[]byte](); *p.PortalLogo != "" {
			logo, err := c.input("portal-logo", *p.PortalLogo)
			if err != nil {
				return err
			}
			ch.PortalLogo = client.Set(logo)
		}
	}
	if p.PortalFrame != nil {
		ch.PortalOrigins = client.Set(slices.DeleteFunc(*p.PortalFrame, func(s string) bool { return s == "" }))
	}
	if err := p.change(&ch.Emails, &ch.Language); err != nil {
		return err
	}
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Project, error) {
		return api.UpdateProject(ctx, p.ID, ch)
	}, func(changed *client.Project) { showProject(c, changed) })
}

type projectGetCmd struct {
	remote
	ID string `arg:"" help:"The project's id."`
}

// Run shows one.
func (p *projectGetCmd) Run(c *console) error {
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Project, error) {
		return api.Project(ctx, p.ID)
	}, func(got *client.Project) { showProject(c, got) })
}

type projectListCmd struct{ remote }

// Run lists the projects.
func (p *projectListCmd) Run(c *console) error {
	return enumerate(&p.remote, c, 0, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Project, error] {
		return api.Projects(ctx)
	}, []string{"PROJECT", "NAME", "ENVIRONMENT", "DIALECT", "BODY ID", "CREATED"}, func(t *table, p *client.Project) {
		t.row(p.ID, p.Name, p.Environment, p.Dialect, yes(p.BodyID), stamp(p.CreatedAt))
	})
}

type projectDeleteCmd struct {
	remote
	ID string `arg:"" help:"The project's id."`
}

// Run deletes.
func (p *projectDeleteCmd) Run(c *console) error {
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		return api.DeleteProject(ctx, p.ID)
	}, c.deleted)
}
