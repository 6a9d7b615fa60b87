package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/malote-dev/malote/internal/app"
)

type personCmd struct {
	Invite personInviteCmd `cmd:"" help:"Make a one-time link for somebody, in the server's own data; no server uses a data directory meanwhile."`
}

type personInviteCmd struct {
	Email        string `arg:"" help:"Whom the link is for."`
	Role         string `default:"owner" placeholder:"ROLE" help:"viewer, operator or owner."`
	Data         string `env:"MALOTE_DATA" placeholder:"DIR" help:"The server's data directory."`
	Database     string `env:"MALOTE_DATABASE" placeholder:"URL" help:"The server's database in PostgreSQL. A file is safer: other users can see a command line."`
	DatabaseFile string `env:"MALOTE_DATABASE_FILE" placeholder:"FILE" help:"File with that URL in its first line."`
	PublicURL    string `env:"MALOTE_PUBLIC_URL" placeholder:"URL" default:"http://localhost:8400" help:"What people reach the server under."`
}

// Run makes the link and prints it, alone on stdout.
func (k *personInviteCmd) Run(c *console) error {
	log, err := app.NewLogger(c.err, "text", "warn")
	if err != nil {
		return err
	}
	url, err := app.DatabaseURL(k.Database, k.DatabaseFile)
	if err != nil {
		return err
	}
	path, err := app.InvitePerson(context.Background(), app.Place{Data: k.Data, Database: url}, k.Email, k.Role, log)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, strings.TrimSuffix(k.PublicURL, "/")+path)
	fmt.Fprintln(c.err, "Whoever opens it chooses the password of "+k.Email+" and is "+k.Role+"; it is good once, for a week.")
	return nil
}
