package app

import "fmt"

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
