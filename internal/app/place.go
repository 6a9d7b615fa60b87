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
		return checkDatabase(p.Database)
	case p.Data == "":
		return &Problem{
			What: "--data is missing: it names the directory that keeps the database",
			Fix:  "add for example --data /var/lib/malote, or set MALOTE_DATA; or name a database in PostgreSQL with --database-file",
		}
	}
	if info, err := os.Stat(p.Data); err == nil && !info.IsDir() {
		return wrongOption("data", p.Data, "is a file", "name a directory; it is created if it is missing")
	}
	return nil
}

// checkDatabase shows nothing of the URL: it may hold a password.
func checkDatabase(text secret.Text) *Problem {
	scheme, _, ok := strings.Cut(text.Reveal(), "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return &Problem{What: "--database: does not begin with postgres://", Fix: databaseForm}
	}
	if _, err := store.DatabaseName(text); err != nil {
		return &Problem{What: "--database: " + err.Error(), Fix: databaseForm, Err: err}
	}
	return nil
}

// explain turns what can go wrong when a store is opened into words.
func (p Place) explain(err error) error {
	if p.Database == "" {
		return explainDir(p.Data, err)
	}
	out := &Problem{Kind: KindMachine, Err: err, What: oneLine(err)}
	switch {
	case errors.Is(err, store.ErrLocked):
		out.Kind = KindInUse
		out.What = p.String() + " is served by another malote process"
		out.Fix = "stop that process, or choose another database with --database: one process at a time serves with a database"
	case errors.Is(err, store.ErrNewer):
		out.What = p.String() + " was written by a newer version of malote"
		out.Fix = "run that version or a later one, or choose another database with --database"
	case errors.Is(err, secret.ErrUnknownKey), errors.Is(err, secret.ErrOpen):
		out.Kind = KindOption
		out.What = "--master-key: " + err.Error()
		out.Fix = "pass the master key that this database was first used with; others may stand before it"
	case errors.Is(err, store.ErrNoAccess):
		out.Kind = KindOption
		out.Fix = "look at user, password and name in --database: the user has to be able to log in, and needs a database that is its own (CREATE DATABASE malote OWNER malote)"
	case errors.Is(err, store.ErrUnreachable):
		out.Fix = "look whether PostgreSQL runs, and at host and port in --database"
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

// explainDir is explain for a data directory.
func explainDir(dir string, err error) error {
	p := &Problem{Kind: KindMachine, Err: err}
	switch {
	case errors.Is(err, store.ErrLocked):
		p.Kind = KindInUse
		p.What = "the data directory " + dir + " is in use by another malote process"
		p.Fix = "stop that process, or choose another directory with --data"
	case errors.Is(err, store.ErrNewer):
		p.What = "the database in " + dir + " was written by a newer version of malote"
		p.Fix = "run that version or a later one, or choose another directory with --data"
	case errors.Is(err, secret.ErrUnknownKey), errors.Is(err, secret.ErrOpen):
		p.Kind = KindOption
		p.What = "--master-key: " + err.Error()
		p.Fix = "pass the master key that this data directory was first started with; others may stand before it"
	case errors.Is(err, fs.ErrPermission):
		p.What = "the data directory " + dir + " cannot be written: " + err.Error()
		p.Fix = "give this user the directory (mode 0700), or choose another one with --data"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.EROFS):
		p.Kind = KindOption
		p.What = "--data " + dir + ": cannot create the directory: " + err.Error()
		p.Fix = "name a directory that exists or can be made"
	case errors.Is(err, syscall.ENOSPC):
		p.What = "the disk that holds " + dir + " is full"
		p.Fix = "free some space there, or choose another directory with --data"
	default:
		return fmt.Errorf("open the database in %s: %w", dir, err)
	}
	return p
}
