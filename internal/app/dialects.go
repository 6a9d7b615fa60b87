package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// LoadDialects gives the built-in dialects, and those in the files of a
// directory (empty: none). Errors: [*Problem], with one line for each wrong file.
func LoadDialects(dir string) (*webhook.Catalog, error) {
	if dir == "" {
		return webhook.NewCatalog()
	}
	c, err := webhook.LoadCatalog(os.DirFS(dir))
	if err != nil {
		return nil, &Problem{
			What: "--dialects " + dir + ": " + err.Error(),
			Fix:  "mend the file, then try it with `malote dialect check FILE`",
			Err:  err,
		}
	}
	return c, nil
}

// spoken are the dialects that this process speaks: what it was started with,
// and what others that share its database have kept since.
type spoken struct {
	now atomic.Pointer[webhook.Catalog]
}

func newSpoken(c *webhook.Catalog) *spoken {
	s := &spoken{}
	s.now.Store(c)
	return s
}

// Lookup is [webhook.Catalog.Lookup] of those that are spoken now.
func (s *spoken) Lookup(name string) (*webhook.Dialect, bool) { return s.now.Load().Lookup(name) }

// All is [webhook.Catalog.All] of those that are spoken now.
func (s *spoken) All() []*webhook.Dialect { return s.now.Load().All() }

// followAgain is how soon it is tried again to read what others kept.
const followAgain = time.Second

// follow learns revisions that others keep, until ctx ends: what they take in
// under one may be this process's to send.
func (s *spoken) follow(ctx context.Context, db *store.DB, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-db.DialectsKept():
		}
		for failed := false; ; failed = true {
			err := s.learn(ctx, db, log)
			if err == nil {
				break
			}
			if !failed {
				log.Warn("the kept dialects cannot be read, tried again", "error", err)
			}
			if !pause(ctx, followAgain) {
				return ctx.Err()
			}
		}
	}
}

func (s *spoken) learn(ctx context.Context, db *store.DB, log *slog.Logger) error {
	p := &pins{db: db, log: log, kept: map[string]*webhook.Dialect{}}
	if err := p.read(ctx); err != nil {
		return err
	}
	now := s.now.Load()
	for ref, kept := range p.kept {
		if own, ok := now.Lookup(ref); ok && own.SameContract(kept) {
			continue
		}
		log.Info("another process keeps a dialect; it is spoken from now on", "dialect", ref)
		p.old = append(p.old, kept)
	}
	if len(p.old) > 0 {
		s.now.Store(now.With(p.old...))
	}
	return nil
}

// pins holds dialect revisions to what they were when events were accepted
// under them: a delivery that is tried again days later must be what was
// signed before, whatever became of the operator's files.
type pins struct {
	db   *store.DB
	log  *slog.Logger
	own  string                      // directory of the operator's files
	kept map[string]*webhook.Dialect // as the store has them, by ref

	news []store.KeptDialect
	old  []*webhook.Dialect // kept ones to speak beside the catalog
}

// pinDialects keeps every revision of a catalog in the store, and gives the
// catalog together with the revisions that are in the store alone. A file
// that says something else than what was accepted under its name and revision
// is refused. Errors: [*Problem], errors of the store.
func pinDialects(ctx context.Context, db *store.DB, c *webhook.Catalog, dir string, log *slog.Logger) (*webhook.Catalog, error) {
	p := &pins{db: db, log: log, own: dir, kept: map[string]*webhook.Dialect{}}
	if err := p.read(ctx); err != nil {
		return nil, fmt.Errorf("read the kept dialects: %w", err)
	}
	builtin := map[string]bool{}
	for _, d := range webhook.Builtin() {
		builtin[d.Ref()] = true
	}
	names := map[string]bool{}
	for _, d := range c.All() {
		names[d.Name] = true
		if err := p.pin(ctx, d, builtin[d.Ref()]); err != nil {
			return nil, err
		}
		delete(p.kept, d.Ref())
	}
	for ref, d := range p.kept {
		p.old = append(p.old, d)
		if names[d.Name] {
			log.Info("a dialect's file is gone; what was accepted under it goes on with the kept copy", "dialect", ref)
		} else {
			log.Warn("a dialect's file is gone; its projects go on with the kept copy", "dialect", ref, "dialects", dir)
		}
	}
	switch err := db.KeepDialects(ctx, p.news...); {
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrBusy): // what waits must be sent all the same
		log.Error("dialects cannot be kept now; keep their files unchanged until a start without this line", "error", err)
	case err != nil:
		return nil, fmt.Errorf("keep the dialects: %w", err)
	}
	return c.With(p.old...), nil
}

func (p *pins) read(ctx context.Context) error {
	rows, err := p.db.Dialects(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		d, err := webhook.ParseDialect(row.Ref, row.Source)
		if err != nil || d.Ref() != row.Ref {
			p.log.Error("a kept dialect cannot be read by this version; what was accepted under it waits, unless its file is given", "dialect", row.Ref, "error", err)
			continue
		}
		p.kept[row.Ref] = d
	}
	return nil
}

// pin compares a revision with what was kept of it.
func (p *pins) pin(ctx context.Context, d *webhook.Dialect, builtin bool) error {
	kept := p.kept[d.Ref()]
	if kept != nil && string(kept.Source()) == string(d.Source()) {
		return nil
	}
	if kept != nil && !kept.SameContract(d) {
		used, err := p.db.DialectUsed(ctx, d.Ref())
		if err != nil {
			return fmt.Errorf("ask for the use of dialect %s: %w", d.Ref(), err)
		}
		switch {
		case used && builtin: // nothing that the operator could mend
			p.log.Error("this version brings another dialect of this name and revision; the kept one goes on", "dialect", d.Ref())
			p.old = append(p.old, kept)
			return nil
		case used:
			return &Problem{
				What: fmt.Sprintf("--dialects %s: %s is not the %s any more that events were accepted under", p.own, d.File(), d.Ref()),
				Fix:  fmt.Sprintf("put the file back as it was, and give the change a revision of its own (a second file with \"revision\": %d)", d.Revision+1),
			}
		}
		p.log.Info("a dialect that nothing was accepted under has changed", "dialect", d.Ref())
	}
	p.news = append(p.news, store.KeptDialect{Ref: d.Ref(), Source: d.Source()})
	return nil
}
