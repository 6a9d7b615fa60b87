package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/malote-dev/malote/client"
)

type projectCmd struct {
	Create projectCreateCmd `cmd:"" help:"Create a project (root key)."`
	List   projectListCmd   `cmd:"" help:"List the projects (root key)."`
}

type projectCreateCmd struct {
	remote
	Name        string `arg:"" help:"Name of the project."`
	Environment string `default:"production" placeholder:"NAME" help:"production or development (default ${default})."`
	Dialect     string `default:"standard" placeholder:"NAME" help:"Wire contract of the project's webhooks (default ${default})."`
	BodyID      bool   `name:"body-id" help:"Add a top-level id to bodies whose contract has none."`
}

// Run creates the project.
func (p *projectCreateCmd) Run(c *console) error {
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Project, error) {
		return api.CreateProject(ctx, client.NewProject{Name: p.Name, Environment: p.Environment, Dialect: p.Dialect, BodyID: p.BodyID})
	}, func(made *client.Project) {
		c.facts("project", made.ID, "name", made.Name, "environment", made.Environment, "dialect", made.Dialect)
		fmt.Fprintln(c.err, "Next, a key for it: malote key create --project "+made.ID)
	})
}

type projectListCmd struct{ remote }

// Run lists the projects.
func (p *projectListCmd) Run(c *console) error {
	return enumerate(&p.remote, c, 0, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Project, error] {
		return api.Projects(ctx)
	}, []string{"PROJECT", "NAME", "ENVIRONMENT", "DIALECT", "CREATED"}, func(t *table, p *client.Project) {
		t.row(p.ID, p.Name, p.Environment, p.Dialect, stamp(p.CreatedAt))
	})
}
