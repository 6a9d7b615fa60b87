package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/webhook"
)

type dialectCmd struct {
	List    dialectListCmd    `cmd:"" help:"List the dialects."`
	Show    dialectShowCmd    `cmd:"" help:"Show what a dialect says, in words or as its file."`
	Preview dialectPreviewCmd `cmd:"" help:"Show one event as its receivers would see it in each dialect."`
	Check   dialectCheckCmd   `cmd:"" help:"Judge a dialect file of your own."`
}

type dialectFlags struct {
	Dialects string `env:"MALOTE_DIALECTS" placeholder:"DIR" help:"Directory of your own dialect files (.json)."`
}

type dialectListCmd struct {
	dialectFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists every dialect and revision.
func (l *dialectListCmd) Run(c *console) error {
	catalog, err := app.LoadDialects(l.Dialects)
	if err != nil {
		return err
	}
	if l.JSON {
		type entry struct {
			Name     string `json:"name"`
			Revision int    `json:"revision"`
			Title    string `json:"title"`
		}
		entries := []entry{}
		for _, d := range catalog.All() {
			entries = append(entries, entry{d.Name, d.Revision, d.Title})
		}
		return c.json(entries)
	}
	t := newTable(c, "DIALECT", "TITLE", "SIGNATURE HEADER", "ATTEMPTS")
	for _, d := range catalog.All() {
		t.row(d.Ref(), d.Title, d.Signature.Header, d.Attempts())
	}
	return t.flush()
}

type dialectShowCmd struct {
	dialectFlags
	Name string `arg:"" help:"A dialect, as in tarefa or tarefa/1."`
	JSON bool   `name:"json" help:"Print the dialect's file: a start for your own."`
}

// Run shows one dialect.
func (s *dialectShowCmd) Run(c *console) error {
	catalog, err := app.LoadDialects(s.Dialects)
	if err != nil {
		return err
	}
	d, ok := catalog.Lookup(s.Name)
	if !ok {
		return unknownDialect(catalog, s.Name)
	}
	if s.JSON {
		_, err := c.out.Write(append([]byte(strings.TrimSpace(string(d.Source()))), '\n'))
		return err
	}
	return describeDialect(c, d)
}

func unknownDialect(catalog *webhook.Catalog, name string) error {
	var names []string
	for _, d := range catalog.All() {
		if len(names) == 0 || names[len(names)-1] != d.Name {
			names = append(names, d.Name)
		}
	}
	fix := "choose one of " + strings.Join(names, ", ") + "; files of your own: --dialects DIR"
	if near := nearest(name, names); near != "" {
		fix = "did you mean " + near + "? (" + strings.Join(names, ", ") + ")"
	}
	return &failure{what: fmt.Sprintf("no dialect %q", name), fix: fix, code: exitNotFound}
}

type dialectCheckCmd struct {
	File []string `arg:"" help:"Dialect files (.json)."`
}

// Run judges each file and says all that is wrong.
func (k *dialectCheckCmd) Run(c *console) error {
	var own []*webhook.Dialect
	var errs []error
	for _, file := range k.File {
		text, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d, err := webhook.ParseDialect(filepath.Base(file), text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		own = append(own, d)
	}
	fix := "compare it with `malote dialect show standard --json`, which is right; docs/dialects.md tells every field"
	if _, err := webhook.NewCatalog(own...); err != nil {
		if len(errs) == 0 {
			fix = `change "name" in the file, or raise "revision"`
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			fix = "name a file that is there; `malote dialect show tarefa --json > mine.json` makes one to begin with"
		}
		return &failure{what: err.Error(), fix: fix, code: exitUsage, err: err}
	}
	for _, d := range own {
		fmt.Fprintf(c.out, "%s is right\n", d.Ref())
	}
	return nil
}
