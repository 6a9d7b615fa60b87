package main

import (
	"fmt"
	"time"

	"github.com/malote-dev/malote/internal/app"
)

type copyCmd struct {
	From     string `placeholder:"PLACE" help:"What is copied: sqlite:DIR, or postgres://user:password@host:5432/name. A file is safer for a password: other users can see a command line."`
	FromFile string `placeholder:"FILE" help:"File with what --from takes in its first line."`
	To       string `placeholder:"PLACE" help:"Where it goes, in the same forms: of the other kind, and empty."`
	ToFile   string `placeholder:"FILE" help:"File with what --to takes in its first line."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Run copies until all is there and equal, or until a signal; run again, it
// goes on.
func (k *copyCmd) Run(c *console) error {
	from, err := app.PlaceOf("from", k.From, k.FromFile)
	if err != nil {
		return err
	}
	to, err := app.PlaceOf("to", k.To, k.ToFile)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(c.err)
	defer stop()
	start := time.Now()
	tables, err := app.Copy(ctx, from, to, c.copying(time.Now))
	if err != nil {
		return err
	}
	if k.JSON {
		return c.json(tables)
	}
	return c.copied(tables, from, to, time.Since(start))
}

// sayEvery is how often a long copy says how far it is.
const sayEvery = 2 * time.Second

// copying says how far a copy is: now and then, and at the end of what took
// longer than that.
func (c *console) copying(now func() time.Time) func(app.CopyStep) {
	said, at := app.CopyStep{}, now()
	return func(s app.CopyStep) {
		ended := s.Rows == s.Of && said.Table == s.Table && said.Comparing == s.Comparing
		if !ended && now().Sub(at) < sayEvery {
			return
		}
		said, at = s, now()
		what := "copied"
		if s.Comparing {
			what = "compared"
		}
		fmt.Fprintf(c.err, "%s %s: %d of %d rows\n", what, s.Table, s.Rows, s.Of)
	}
}

// copied shows what is there now.
func (c *console) copied(tables []app.CopiedTable, from, to app.Place, took time.Duration) error {
	t := newTable(c, "TABLE", "ROWS", "SHA-256 OF ALL ROWS, ON BOTH SIDES")
	var rows int64
	for _, made := range tables {
		t.row(made.Name, made.Rows, made.Sum)
		rows += made.Rows
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "%d rows are in %s as they are in %s, in %s. Serve with one of the two alone, and with the same master key.\n", rows, to, from, roughly(took))
	return nil
}
