package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// Place is where a server keeps its data: one of the two.
type Place struct {
	Data     string      // a directory
	Database secret.Text // URL of a database in PostgreSQL

	option string // that names it; empty: --data or --database
}

// named is the option that says the place, for people.
func (p Place) named() string {
	switch {
	case p.option != "":
		return "--" + p.option
	case p.Database != "":
		return "--database"
	}
	return "--data"
}

// DatabaseURL is the URL of a database, given directly or as the first line of
// a file. Errors: [*Problem].
func DatabaseURL(direct, file string) (secret.Text, error) {
	return secretURL("database", "the URL of the database", direct, file)
}

func (o *Options) place() Place { return Place{Data: o.Data, Database: o.Database} }

// String names the place without a password.
func (p Place) String() string {
	if p.Database == "" {
		return p.Data
	}
	name, err := store.DatabaseName(p.Database)
	if err != nil {
		return "a database that cannot be read"
	}
	return name
}

const databaseForm = "write postgres://user:password@host:5432/name; percent-encode what is reserved in a URL" //nolint:gosec // a form, of nobody

// check says what is wrong with the options.
func (p Place) check() *Problem {
	switch {
	case p.Database != "" && p.Data != "":
		return &Problem{What: "--database and --data exclude each other", Fix: "pass --database for PostgreSQL, or --data for SQLite in a directory"}
	case p.Database != "":
		return p.checkDatabase()
	case p.Data == "":
		return &Problem{
			What: "--data is missing: it names the directory that keeps the database",
			Fix:  "add for example --data /var/lib/malote, or set MALOTE_DATA; or name a database in PostgreSQL with --database-file",
		}
	}
	if info, err := os.Stat(p.Data); err == nil && !info.IsDir() {
		return &Problem{What: p.named() + " " + p.Data + ": is a file", Fix: "name a directory; it is created if it is missing"}
	}
	return nil
}

// checkDatabase shows nothing of the URL: it may hold a password.
func (p Place) checkDatabase() *Problem {
	scheme, _, ok := strings.Cut(p.Database.Reveal(), "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return &Problem{What: p.named() + ": does not begin with postgres://", Fix: databaseForm}
	}
	if _, err := store.DatabaseName(p.Database); err != nil {
		return &Problem{What: p.named() + ": " + err.Error(), Fix: databaseForm, Err: err}
	}
	return nil
}

// explain turns what can go wrong when a store is opened into words.
func (p Place) explain(err error) error {
	if p.Database == "" {
		return p.explainDir(err)
	}
	out := &Problem{Kind: KindMachine, Err: err, What: oneLine(err)}
	switch {
	case errors.Is(err, store.ErrLocked):
		out.Kind = KindInUse
		out.Fix = "stop what serves with it, or choose another database with " + p.named()
	case errors.Is(err, store.ErrNewer):
		out.What = p.String() + " was written by a newer version of malote"
		out.Fix = "run that version or a later one, or choose another database with " + p.named()
	case errors.Is(err, secret.ErrUnknownKey), errors.Is(err, secret.ErrOpen):
		out.Kind = KindOption
		out.What = "--master-key: " + err.Error()
		out.Fix = "pass the master key that this database was first used with; others may stand before it"
	case errors.Is(err, store.ErrNoAccess):
		out.Kind = KindOption
		out.Fix = "look at user, password and name in " + p.named() + ": the user has to be able to log in, and needs a database that is its own (CREATE DATABASE malote OWNER malote)"
	case errors.Is(err, store.ErrUnreachable):
		out.Fix = "look whether PostgreSQL runs, and at host and port in " + p.named()
	case errors.Is(err, store.ErrCopying):
		out.Kind, out.What, out.Fix = KindInUse, p.String()+" holds a copy that is not finished", unfinished
	default:
		if strings.Contains(err.Error(), p.String()) {
			return err
		}
		return fmt.Errorf("%s: %w", p, err)
	}
	return out
}

// oneLine is an error without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

const unfinished = "run the same `malote copy` again: it goes on where it stopped; or begin anew with an empty one"

// explainDir is explain for a data directory.
func (p Place) explainDir(err error) error {
	dir, named := p.Data, p.named()
	out := &Problem{Kind: KindMachine, Err: err}
	switch {
	case errors.Is(err, store.ErrLocked):
		out.Kind = KindInUse
		out.What = "the data directory " + dir + " is in use by another malote process"
		out.Fix = "stop that process, or choose another directory with " + named
	case errors.Is(err, store.ErrNewer):
		out.What = "the database in " + dir + " was written by a newer version of malote"
		out.Fix = "run that version or a later one, or choose another directory with " + named
	case errors.Is(err, secret.ErrUnknownKey), errors.Is(err, secret.ErrOpen):
		out.Kind = KindOption
		out.What = "--master-key: " + err.Error()
		out.Fix = "pass the master key that this data directory was first started with; others may stand before it"
	case errors.Is(err, fs.ErrPermission):
		out.What = "the data directory " + dir + " cannot be written: " + err.Error()
		out.Fix = "give this user the directory (mode 0700), or choose another one with " + named
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.EROFS):
		out.Kind = KindOption
		out.What = named + " " + dir + ": cannot create the directory: " + err.Error()
		out.Fix = "name a directory that exists or can be made"
	case errors.Is(err, store.ErrCopying):
		out.Kind, out.What, out.Fix = KindInUse, "the database in "+dir+" is a copy that is not finished", unfinished
	case errors.Is(err, syscall.ENOSPC):
		out.What = "the disk that holds " + dir + " is full"
		out.Fix = "free some space there, or choose another directory with " + named
	default:
		return fmt.Errorf("open the database in %s: %w", dir, err)
	}
	return out
}
