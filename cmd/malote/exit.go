package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/malote-dev/malote/internal/app"
)

// Exit codes. They are a promise to scripts: see exitCodesText.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitNotAllowed  = 4
	exitConflict    = 5
	exitUnavailable = 6
)

const exitCodesText = `Exit codes:
  0  done
  1  failed for a reason that no other code names
  2  the command line, an option or the request is wrong; the message names the part
  3  not found
  4  not allowed: no key, a wrong key, or a key without the scope
  5  conflict: in use by another process, or used before with other content
  6  the server cannot be reached or cannot take it now; try again
 70  serve: a write to the disk failed; start again, what was acknowledged is kept
`

// failure is an error with what to do about it and its exit code.
type failure struct {
	what, fix string
	code      int
	err       error
}

func (f *failure) Error() string { return f.what }
func (f *failure) Unwrap() error { return f.err }

func usage(what, fix string) error { return &failure{what: what, fix: fix, code: exitUsage} }

// fail prints an error for a person, one line what and one line what to do,
// and returns the exit code.
func (c *console) fail(err error) int {
	f := c.describe(err)
	for i, text := range strings.Split(strings.TrimSpace(visible(f.what)), "\n") {
		if i == 0 {
			text = "malote: " + text
		}
		fmt.Fprintln(c.err, text)
	}
	if f.fix != "" {
		fmt.Fprintln(c.err, "   fix: "+oneLine(f.fix))
	}
	return f.code
}

func (c *console) describe(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var p *app.Problem
	if errors.As(err, &p) {
		code := exitUsage
		switch p.Kind {
		case app.KindInUse:
			code = exitConflict
		case app.KindMachine:
			code = exitFailure
		case app.KindOption:
		}
		return &failure{what: p.What, fix: p.Fix, code: code, err: err}
	}
	if f := describeRemote(err, c.asked); f != nil {
		return f
	}
	return &failure{what: err.Error(), code: exitFailure, err: err}
}

// explainParse turns a parse error into words: what is wrong, where the value
// came from, and where help stands.
func (c *console) explainParse(err error) error {
	var p *kong.ParseError
	if !errors.As(err, &p) {
		return err
	}
	command := "malote"
	if p.Context != nil {
		if s := p.Context.Selected(); s != nil {
			command = s.FullPath()
		}
		err = c.withOrigin(p.Context, errors.Unwrap(p))
	}
	f := *c.describe(err)
	f.code = exitUsage
	f.what = plainWords(f.what)
	if f.fix == "" {
		f.fix = "see `" + command + " --help`"
	}
	return &f
}

// plainWords says what the parser of the command line says in words of its own.
func plainWords(text string) string {
	if flag, _, ok := strings.Cut(text, ` value but got "EOL"`); ok {
		if flag, _, ok = strings.Cut(flag, ": expected "); ok {
			return flag + ": the value is missing"
		}
	}
	return strings.Replace(text, "expected a valid 64 bit int but got ", "not a whole number: ", 1)
}
