// Command torture ends the real malote binary at the worst moments and
// compares what it acknowledged with what arrived. README.md of bench tells
// what each part proves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

type options struct {
	parts  []string
	kills  int
	terms  int
	acks   int
	seed   uint64
	nodes  int
	faults int
	lease  time.Duration
	limit  time.Duration
	binary string
	dir    string
}

// A part says what is wrong: no violations, nothing to complain of.
type part struct {
	name   string
	strace bool // cannot run without it
	run    func(context.Context, *harness) error
}

var parts = []part{
	{"crash", false, crashLoop},
	{"powerloss", true, powerLoss},
	{"faults", true, faults},
	{nodesPart, false, nodesTorture},
}

// nodesPart is all that runs with -database postgres, and does not without.
const nodesPart = "nodes"

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "torture: FAILED (seed %d): %v\n", o.seed, err)
		os.Exit(1)
	}
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("torture", flag.ContinueOnError)
	var names []string
	for _, p := range parts {
		if p.name != nodesPart {
			names = append(names, p.name)
		}
	}
	only := f.String("parts", strings.Join(names, ","), "which parts, a comma between")
	database := f.String("database", "", "postgres: several servers on a private PostgreSQL server with fsync, in place of these parts")
	f.IntVar(&o.nodes, "nodes", 3, "postgres: how many servers")
	f.IntVar(&o.faults, "faults", 200, "postgres: how many faults strike, of all kinds")
	f.DurationVar(&o.lease, "lease", 3*time.Second, "postgres: how long others leave what is a silent server's")
	f.IntVar(&o.kills, "kills", 200, "crash: how often the server is killed")
	f.IntVar(&o.terms, "terms", 10, "crash: how often it is asked to stop in between")
	f.IntVar(&o.acks, "acks", 400, "powerloss: acknowledgements, after most of which the power fails once")
	f.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of every random choice of the harness")
	f.DurationVar(&o.limit, "limit", 15*time.Minute, "end all of it, as a failure, after this time")
	f.StringVar(&o.binary, "binary", "", "torture this binary instead of building one")
	f.StringVar(&o.dir, "dir", "", "keep data and logs in this directory instead of a temporary one")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.kills < 1 || o.terms < 0 || o.acks < 1 {
		return nil, fmt.Errorf("-kills and -acks must be at least 1, -terms at least 0")
	}
	switch *database {
	case "":
	case "postgres":
		o.parts = []string{nodesPart}
		if o.nodes < 2 || o.faults < 1 || o.lease < 2*attemptFor {
			return nil, fmt.Errorf("-nodes must be at least 2, -faults 1, -lease %s", 2*attemptFor)
		}
		return o, nil
	default:
		return nil, fmt.Errorf("-database: %q is not postgres", *database)
	}
	for n := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(names, n) {
			return nil, fmt.Errorf("-parts: %q is none of %s", n, strings.Join(names, ", "))
		}
		o.parts = append(o.parts, n)
	}
	return o, nil
}

func run(ctx context.Context, o *options) error {
	h, err := newHarness(ctx, o)
	if err != nil {
		return err
	}
	defer h.close()
	if err := complete(h.strace, os.Getenv("CI")); err != nil {
		return err
	}
	fmt.Printf("seed %d\n", o.seed)
	var failed []string
	for _, p := range parts {
		if !slices.Contains(o.parts, p.name) {
			continue
		}
		if p.strace && !h.strace {
			fmt.Printf("SKIPPED %s: strace is not installed (apt-get install strace)\n", p.name)
			continue
		}
		start := time.Now()
		fmt.Printf("\n%s\n", strings.ToUpper(p.name))
		if err := p.run(ctx, h); err != nil {
			fmt.Printf("  FAILED: %v\n", err)
			failed = append(failed, p.name)
		}
		fmt.Printf("  %.0f s\n", time.Since(start).Seconds())
	}
	if len(failed) > 0 {
		h.keep = true
		return fmt.Errorf("%s; data and logs are in %s", strings.Join(failed, ", "), h.dir)
	}
	fmt.Println("\nnothing acknowledged was lost")
	return nil
}

// harness is what the parts share.
type harness struct {
	o      *options
	binary string
	dir    string
	strace bool
	keep   bool

	scratch string // for what is written often and not kept; in memory where there is room
}

func newHarness(ctx context.Context, o *options) (*harness, error) {
	h := &harness{o: o, binary: o.binary, dir: o.dir, keep: o.dir != ""}
	var err error
	if h.dir == "" {
		h.dir, err = os.MkdirTemp("", "malote-torture-")
	} else {
		err = os.MkdirAll(h.dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	if h.binary == "" {
		if h.binary, err = rig.Build(ctx, h.dir); err != nil {
			return nil, err
		}
	}
	if h.scratch, err = scratch(h.dir); err != nil {
		return nil, err
	}
	_, err = exec.LookPath("strace")
	h.strace = err == nil
	return h, nil
}

// complete refuses a run that would leave something out where nobody reads
// what it prints.
func complete(strace bool, ci string) error {
	if !strace && ci == "true" {
		return errors.New("MISSING PROGRAM: strace is not installed (apt-get install strace), and with CI=true nothing may be left out")
	}
	return nil
}

func (h *harness) close() {
	_ = os.RemoveAll(h.scratch)
	if !h.keep {
		_ = os.RemoveAll(h.dir)
	}
}

// scratch is a directory in memory if half a gigabyte is free there, else one
// in dir.
func scratch(dir string) (string, error) {
	if rig.Free("/dev/shm") > 512<<20 {
		if d, err := os.MkdirTemp("/dev/shm", "malote-torture-"); err == nil {
			return d, nil
		}
	}
	return os.MkdirTemp(dir, "scratch-")
}
