package app

import (
	"context"
	"log/slog"

	"github.com/malote-dev/malote/internal/store"
)

// Schema is what a database has, and what this binary knows.
type Schema = store.Schema

// SchemaOf says what the database of a place has. Errors: [*Problem].
func SchemaOf(ctx context.Context, at Place) (Schema, error) {
	if p := at.check(); p != nil {
		return Schema{}, p
	}
	s, err := store.SchemaOf(ctx, at.options())
	if err != nil {
		return s, at.explain(err)
	}
	return s, nil
}

// Migrate brings the schema of a place up to this binary's, and returns what
// there was before. Errors: [*Problem].
func Migrate(ctx context.Context, at Place, log *slog.Logger) (Schema, error) {
	if p := at.check(); p != nil {
		return Schema{}, p
	}
	o := at.options()
	o.Logger = log
	s, err := store.Migrate(ctx, o)
	if err != nil {
		return s, at.explain(err)
	}
	return s, nil
}
