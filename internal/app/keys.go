package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// NewMasterKey makes a master key in the form that [Options.MasterKeys] takes.
func NewMasterKey() string { return secret.NewMasterKey() }

// MasterKeys gathers keys that were given directly, then those in files (one a
// line; lines that begin with # are comments). Errors: [*Problem].
func MasterKeys(direct, files []string) ([]secret.Text, error) {
	var keys []secret.Text
	for _, k := range direct {
		keys = append(keys, secret.Text(k))
	}
	for _, path := range files {
		more, err := readKeys(path)
		for _, k := range more {
			if _, wrong := secret.NewKeyring(k.Reveal()); wrong != nil && err == nil {
				err = wrong
			}
		}
		if err != nil {
			p := wrongOption("master-key-file", path, err.Error(), "name a file that holds what `malote key master` printed")
			p.Err = err
			return nil, p
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

func readKeys(path string) ([]secret.Text, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var keys []secret.Text
	lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, secret.Text(line))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("the file holds no key")
	}
	return keys, nil
}

// CreateRootKey makes a root key in a database in PostgreSQL, or in a data
// directory that no server uses, and
// returns it: the only time that it is seen. It needs no master key: of the
// key itself only a hash is kept. Errors: [*Problem].
func CreateRootKey(ctx context.Context, at Place, name string, log *slog.Logger) (string, error) {
	if p := at.check(); p != nil {
		return "", p
	}
	text, prefix, hash := api.NewKey(api.KeyRoot)
	err := at.operate(ctx, log, func(ctx context.Context, db *store.DB) error {
		return db.CreateKey(ctx, &store.Key{Name: name, Prefix: prefix}, hash)
	})
	if err != nil {
		return "", err
	}
	return text.Reveal(), nil
}

// operate opens a place that was checked, without its secrets, for what the
// operator does at the server's own machine. Errors: [*Problem].
func (p Place) operate(ctx context.Context, log *slog.Logger, f func(context.Context, *store.DB) error) error {
	db, err := store.Open(ctx, store.Options{Dir: p.Data, Database: p.Database, NoSecrets: true, Logger: log})
	if err != nil {
		return p.explain(err)
	}
	err = f(store.WithActor(ctx, store.Actor{Kind: store.ActorOperator}), db)
	if err := errors.Join(err, db.Close()); err != nil {
		return p.explain(err)
	}
	return nil
}
