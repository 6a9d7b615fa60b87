package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/webhook"
)

type dialectCmd struct {
	List  dialectListCmd  `cmd:"" help:"List the dialects."`
	Show  dialectShowCmd  `cmd:"" help:"Show what a dialect says, in words or as its file."`
	Check dialectCheckCmd `cmd:"" help:"Judge a dialect file of your own."`
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

// describeDialect prints a contract the way a person asks about it.
func describeDialect(c *console, d *webhook.Dialect) error {
	fmt.Fprintf(c.out, "%s: %s\n%s\n\n", d.Ref(), d.Title, wrap(d.Description, 96))
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("body", "%s", compactJSON(d.Envelope.Shape))
	line("content type", "%s", d.ContentType)
	for _, h := range d.Headers {
		when := ""
		if h.When == webhook.WhenRetry {
			when = "  (retries only)"
		}
		line("header", "%s: %s%s", h.Name, h.Value, when)
	}
	before := ""
	if t := d.Signature.Timestamp; t != nil && t.Item != "" {
		before = fmt.Sprintf("%s<%s>%s", t.Item, t.Format, d.Signature.Separator)
	}
	for _, s := range d.Signature.Schemes {
		line("signature", "%s: %s%s<%s in %s> over %s", d.Signature.Header, before, s.Prefix, s.Algorithm, s.Encoding, d.Signature.Message)
	}
	line("secret", "like %s…, shown %s", d.Secret.Generate.Prefix, d.Secret.Visible)
	line("acknowledged by", "%s", acknowledged(d))
	line("timeouts", "connect %v, answer %v", time.Duration(d.Delivery.Connect), time.Duration(d.Delivery.Response))
	line("attempts", "%d: at once, then %s", d.Attempts(), waits(d))
	line("limits", "%s", limits(d))
	if err := w.Flush(); err != nil {
		return err
	}
	if len(d.Events) == 0 {
		return nil
	}
	fmt.Fprintln(c.out, "\nevent types")
	w = tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	for _, e := range d.Events {
		fmt.Fprintf(w, "  %s\t%s\n", e.Type, e.Description.English)
	}
	return w.Flush()
}

func acknowledged(d *webhook.Dialect) string {
	if len(d.Delivery.Success) == 0 {
		return "2xx"
	}
	return strings.Join(d.Delivery.Success, ", ")
}

func waits(d *webhook.Dialect) string {
	if len(d.Delivery.Schedule) == 0 {
		return "never again by itself"
	}
	parts := make([]string, len(d.Delivery.Schedule))
	for i, s := range d.Delivery.Schedule {
		parts[i] = shortDuration(time.Duration(s))
	}
	how := " (exact)"
	if d.Delivery.Jitter > 0 {
		how = fmt.Sprintf(" (up to %.0f %% later)", d.Delivery.Jitter*100)
	}
	return "after " + strings.Join(parts, ", ") + how
}

func limits(d *webhook.Dialect) string {
	parts := []string{}
	if n := d.Limits.RatePerMinute; n > 0 {
		parts = append(parts, fmt.Sprintf("%d deliveries a minute for each endpoint", n))
	}
	if n := d.Limits.EndpointsPerConsumer; n > 0 {
		parts = append(parts, fmt.Sprintf("%d endpoints for each consumer", n))
	}
	if d.Limits.HTTPSInProduction {
		parts = append(parts, "HTTPS only in production")
	}
	if d.Limits.NumericConsumer {
		parts = append(parts, "consumers are numbers")
	}
	if len(parts) == 0 {
		return "none of its own"
	}
	return strings.Join(parts, ", ")
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
	if _, err := webhook.NewCatalog(own...); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return &failure{what: err.Error(), fix: "`malote dialect show standard --json` prints a dialect file that is right", code: exitUsage, err: err}
	}
	for _, d := range own {
		fmt.Fprintf(c.out, "%s is right\n", d.Ref())
	}
	return nil
}
