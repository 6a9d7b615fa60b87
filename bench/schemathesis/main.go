// Command schemathesis holds the real malote binary to its descriptions: it
// sends what they allow and what they forbid, makes up the requests with
// schemathesis (Python), and fails where an answer is a 5xx or not as
// described, where something allowed is refused, or something forbidden taken.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	parts  []string
	cases  int
	seed   int
	limit  time.Duration
	binary string
	python string
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemathesis:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "schemathesis: FAILED:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("schemathesis", flag.ContinueOnError)
	only := f.String("parts", strings.Join(parts(), ","), "which parts, a comma between")
	f.IntVar(&o.cases, "cases", 8, "how many requests are made up for each route, besides those at the limits")
	f.IntVar(&o.seed, "seed", 0, "where chance begins; 0: always the same requests")
	f.DurationVar(&o.limit, "limit", 15*time.Minute, "end all of it, as a failure, after this time")
	f.StringVar(&o.binary, "binary", "", "ask this binary instead of building one")
	f.StringVar(&o.python, "python", "", "the interpreter that has schemathesis (default: of bench/schemathesis/.venv, or python3)")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.cases < 1 {
		return nil, errors.New("-cases must be at least 1")
	}
	for n := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(parts(), n) {
			return nil, fmt.Errorf("-parts: %q is none of %s", n, strings.Join(parts(), ", "))
		}
		o.parts = append(o.parts, n)
	}
	return o, nil
}

// interpreter finds a Python that has schemathesis.
func interpreter(ctx context.Context, named string) (string, error) {
	const own = "bench/schemathesis/.venv"
	names := []string{named}
	if named == "" {
		names = []string{filepath.Join(own, "bin/python"), "python3"}
	}
	for _, name := range names {
		if strings.Contains(name, "/") {
			abs, err := filepath.Abs(name)
			if err != nil {
				return "", err
			}
			name = abs
		}
		if exec.CommandContext(ctx, name, "-c", "import schemathesis").Run() == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("MISSING PROGRAM: schemathesis is not installed: python3 -m venv %[1]s && %[1]s/bin/pip install -r bench/schemathesis/requirements.txt", own)
}
