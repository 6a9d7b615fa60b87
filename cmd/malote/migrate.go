package main

import (
	"context"
	"fmt"

	"github.com/malote-dev/malote/internal/app"
)

type migrateCmd struct {
	Data         string `env:"MALOTE_DATA" placeholder:"DIR" help:"The server's data directory; no server may use it meanwhile."`
	Database     string `env:"MALOTE_DATABASE" placeholder:"URL" help:"The server's database in PostgreSQL. A file is safer: other users can see a command line."`
	DatabaseFile string `env:"MALOTE_DATABASE_FILE" placeholder:"FILE" help:"File with that URL in its first line."`
	Status       bool   `help:"Only say what is there and what would be done."`
	JSON         bool   `name:"json" help:"Print JSON."`
}

// Run brings the schema up, or says how it is.
func (k *migrateCmd) Run(c *console) error {
	log, err := app.NewLogger(c.err, "text", "warn")
	if err != nil {
		return err
	}
	url, err := app.DatabaseURL(k.Database, k.DatabaseFile)
	if err != nil {
		return err
	}
	at := app.Place{Data: k.Data, Database: url}
	ctx, stop := untilSignal(c.err)
	defer stop()
	if k.Status {
		return k.status(ctx, c, at)
	}
	before, err := app.Migrate(ctx, at, log)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.json(map[string]int64{"before": before.Has, "now": before.Knows})
	}
	if before.Has == before.Knows {
		fmt.Fprintf(c.out, "Schema %d: there was nothing to do.\n", before.Knows)
	} else {
		fmt.Fprintf(c.out, "Schema %d, from %d.\n", before.Knows, before.Has)
	}
	return nil
}

func (k *migrateCmd) status(ctx context.Context, c *console, at app.Place) error {
	s, err := app.SchemaOf(ctx, at)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.json(s)
	}
	t := newTable(c, "MIGRATION", "NAME", "STATE", "SERVERS OF THE VERSION BEFORE")
	todo := 0
	for _, m := range s.Migrations {
		state, beside := "there", ""
		if !m.Applied {
			todo++
			state, beside = "to be run", "may go on"
			if m.Apart != "" {
				beside = "stop them first: " + m.Apart
			}
		}
		t.row(m.Version, m.Name, state, beside)
	}
	if err := t.flush(); err != nil {
		return err
	}
	switch {
	case s.Has > s.Knows:
		fmt.Fprintf(c.err, "The database has schema %d, of a newer version: this one, which knows up to %d, does not serve with it.\n", s.Has, s.Knows)
	case todo == 0:
		fmt.Fprintf(c.err, "The database has schema %d, and so has this version.\n", s.Has)
	default:
		fmt.Fprintf(c.err, "The database has schema %d, this version %d: `malote migrate` runs what is missing, and so does a start of `malote serve`.\n", s.Has, s.Knows)
	}
	return nil
}
