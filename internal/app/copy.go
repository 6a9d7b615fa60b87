package app

import (
	"context"
	"errors"
	"strings"

	"github.com/malote-dev/malote/internal/store"
)

// CopyStep says how far a copy is in a table.
type CopyStep = store.CopyStep

// CopiedTable is how much of a table was copied.
type CopiedTable = store.CopiedTable

// PlaceOf reads a place that one option names, as sqlite:DIR or as the URL of
// a database, directly or as the first line of a file. Errors: [*Problem].
func PlaceOf(option, direct, file string) (Place, error) {
	text, err := secretURL(option, "sqlite:DIR or the URL of a database", direct, file)
	if err != nil {
		return Place{}, err
	}
	p := Place{option: option}
	switch dir, lite := strings.CutPrefix(text.Reveal(), "sqlite:"); {
	case text == "":
		return Place{}, &Problem{What: "--" + option + " is missing: it says where a database is", Fix: copyForm}
	case lite && dir == "":
		return Place{}, &Problem{What: "--" + option + " sqlite: the directory is missing", Fix: "name it, as in sqlite:/var/lib/malote"}
	case lite:
		p.Data = dir
	case !strings.Contains(text.Reveal(), "://"):
		return Place{}, &Problem{What: "--" + option + ": begins neither with sqlite: nor with postgres://", Fix: copyForm}
	default:
		p.Database = text
	}
	if wrong := p.check(); wrong != nil {
		return Place{}, wrong
	}
	return p, nil
}

const copyForm = "write sqlite:DIR for a data directory, as in sqlite:/var/lib/malote, or postgres://user:password@host:5432/name; --from-file and --to-file keep a password out of the list of processes" //nolint:gosec // a form, of nobody

// Copy copies what one place holds to the other, which is of the other kind and
// empty, or has an unfinished copy of it; and compares the two. No server may
// use either meanwhile. Errors: [*Problem].
func Copy(ctx context.Context, from, to Place, progress func(CopyStep)) ([]CopiedTable, error) {
	if (from.Database == "") == (to.Database == "") {
		p := &Problem{What: "--from and --to are both directories: a copy goes from SQLite to PostgreSQL, or back", Fix: "copy a directory with SQLite's own program, as in docs/storage.md under Backup"}
		if from.Database != "" {
			p = &Problem{What: "--from and --to are both databases in PostgreSQL: a copy goes from SQLite to PostgreSQL, or back", Fix: "copy such a database with pg_dump and pg_restore"}
		}
		return nil, p
	}
	tables, err := store.Copy(ctx, from.options(), to.options(), progress)
	if err == nil {
		return tables, nil
	}
	return nil, explainCopy(ctx, from, to, err)
}

func (p Place) options() store.Options { return store.Options{Dir: p.Data, Database: p.Database} }

func explainCopy(ctx context.Context, from, to Place, err error) error {
	var side *store.SideError
	switch {
	case ctx.Err() != nil:
		return &Problem{What: "the copy was stopped before it was whole", Fix: "run the same command again: it goes on where it stopped", Kind: KindMachine, Err: err}
	case errors.Is(err, store.ErrUnequal):
		return &Problem{What: oneLine(err), Fix: "delete the copy, and begin anew with an empty one; nothing was changed at --from", Kind: KindMachine, Err: err}
	case !errors.As(err, &side):
		return &Problem{What: "the copy broke off: " + oneLine(err), Fix: "run the same command again: it goes on where it stopped", Kind: KindMachine, Err: err}
	case errors.Is(err, store.ErrNothing):
		return &Problem{What: "--from " + from.String() + ": holds nothing to copy", Fix: "name the place that the server keeps its data in; --to is where they go", Err: err}
	case errors.Is(err, store.ErrNotEmpty):
		return &Problem{What: "--to " + to.String() + ": holds other data already", Fix: "name an empty directory or a database that was just created: a copy is added to nothing", Kind: KindInUse, Err: err}
	case errors.Is(err, store.ErrMoved):
		return &Problem{What: "--from " + from.String() + ": a server has used it since the copy was begun", Fix: "begin anew with an empty --to, and start no server before the copy is whole", Kind: KindInUse, Err: err}
	case side.Source:
		return from.explain(side.Err)
	}
	return to.explain(side.Err)
}
