package app

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// Kind says whose problem it is.
type Kind int

// The kinds of problem.
const (
	KindOption  Kind = iota // an option has a wrong value
	KindInUse               // another process has what this one needs
	KindMachine             // the disk, the permissions, the database
)

// Problem is an error written for a person: what is wrong, and what to do.
type Problem struct {
	What string // one line, names the option or the thing
	Fix  string // one line
	Kind Kind
	Err  error // the cause; may be nil
}

func (p *Problem) Error() string { return p.What + "; " + p.Fix }
func (p *Problem) Unwrap() error { return p.Err }

// wrongOption says that an option's value is refused. The value is shown: do
// not call it for options that hold secrets.
func wrongOption(name string, value any, why, fix string) *Problem {
	return &Problem{What: fmt.Sprintf("--%s %v: %s", name, value, why), Fix: fix}
}

// explainOpen turns what can go wrong when a store is opened into words.
func explainOpen(dir string, err error) error {
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
