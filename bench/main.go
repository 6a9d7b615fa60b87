// Command bench measures the real malote binary against a yardstick: the
// smallest program that accepts the same POST, signs it and sends it on,
// keeping nothing. README.md beside it says what is measured and how.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	scenarios   []string
	short       bool
	rounds      int
	duration    time.Duration
	clients     int
	endpoints   int
	idempotency bool
	backlog     int
	dead        string
	slow        int
	slowDelay   time.Duration
	growth      []int
	servers     []int
	lists       int
	listCalls   int
	binary      string
	dir         string
	postgres    bool
	json        string
	perf        string
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		if err := runRole(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", os.Args[2], err)
			os.Exit(1)
		}
		return
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// Scenarios in the order of "all".
var (
	allScenarios      = []string{"throughput", "latency", "slow", "backlog", "growth", "lists"}
	postgresScenarios = []string{"throughput", "latency", "nodes", "neighbours"}
)

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	scenario := f.String("scenario", "", "what to measure, a comma between: "+strings.Join(allScenarios, ", ")+", all; with -database postgres "+strings.Join(postgresScenarios, ", ")+" (default throughput; with -short all)")
	f.BoolVar(&o.short, "short", false, "small sizes for CI: all of it in a minute")
	f.IntVar(&o.rounds, "rounds", 10, "throughput: rounds, the yardstick and Malote by turns in each")
	f.DurationVar(&o.duration, "duration", 3*time.Second, "how long one measurement takes load")
	f.IntVar(&o.clients, "clients", 64, "keep-alive connections that post one event after the other")
	f.IntVar(&o.endpoints, "endpoints", 100, "endpoints that share the load, each with a consumer of its own")
	f.BoolVar(&o.idempotency, "idempotency", true, "throughput: one more measurement in each round with an Idempotency-Key on every event")
	f.IntVar(&o.backlog, "backlog", 1_000_000, "backlog, neighbours: deliveries that wait for the dead endpoint")
	f.StringVar(&o.dead, "dead", "refuse", "backlog: how the endpoint is dead: refuse (connections refused) or hang (accepted, never answered)")
	f.IntVar(&o.slow, "slow", 600, "slow: deliveries to the slow endpoint")
	f.DurationVar(&o.slowDelay, "slow-delay", 8*time.Second, "slow: how long that endpoint takes to answer")
	growth := f.String("growth", "0,1000000,5000000", "growth: numbers of stored events to measure at, rising")
	f.IntVar(&o.lists, "lists", 50_000, "lists: events that are stored before anything is asked (5000000 for the record)")
	f.IntVar(&o.listCalls, "list-calls", 100, "lists: how often each kind of call is made")
	servers := f.String("servers", "1,3", "neighbours: numbers of servers to measure with, rising")
	f.StringVar(&o.binary, "binary", "", "measure this binary instead of building one")
	f.StringVar(&o.dir, "dir", "", "keep data and logs in this directory instead of a temporary one")
	database := f.String("database", "", "postgres: on a private PostgreSQL server with fsync, started for it, whose CPU counts as Malote's")
	f.StringVar(&o.json, "json", "", "write the results to this file")
	f.StringVar(&o.perf, "perf", "", "throughput: record a CPU profile of the server with perf into this file in each measurement")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.growth, err = rising(*growth, 0); err != nil {
		return nil, fmt.Errorf("-growth: %w", err)
	}
	if o.servers, err = rising(*servers, 1); err != nil {
		return nil, fmt.Errorf("-servers: %w", err)
	}
	if o.dead != "refuse" && o.dead != "hang" {
		return nil, fmt.Errorf("-dead: %q is neither refuse nor hang", o.dead)
	}
	if o.lists < 1000 || o.listCalls < 1 {
		return nil, fmt.Errorf("-lists must be at least 1000 and -list-calls 1")
	}
	if o.clients < 1 || o.endpoints < 1 || o.rounds < 1 || o.duration < 100*time.Millisecond {
		return nil, fmt.Errorf("-clients, -endpoints, -rounds must be at least 1 and -duration 100ms")
	}
	if o.short {
		o.rounds, o.duration, o.backlog, o.slow, o.growth = 2, 1200*time.Millisecond, 20_000, 64, []int{0, 20_000}
		o.lists, o.listCalls = 10_000, 10
	}
	switch {
	case *scenario == "" && o.short:
		*scenario = "all"
	case *scenario == "":
		*scenario = "throughput"
	}
	if err := o.on(*database); err != nil {
		return nil, err
	}
	for s := range strings.SplitSeq(*scenario, ",") {
		if s == "all" {
			o.scenarios = o.possible()
			break
		}
		if !slices.Contains(o.possible(), s) {
			return nil, fmt.Errorf("-scenario: %q is none of %s, all", s, strings.Join(o.possible(), ", "))
		}
		o.scenarios = append(o.scenarios, s)
	}
	return o, nil
}

// rising reads numbers with a comma between.
func rising(text string, least int) (out []int, err error) {
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < least {
			return nil, fmt.Errorf("%q is not a number of %d or more larger than the one before", s, least)
		}
		out, least = append(out, n), n+1
	}
	return out, nil
}

// possible are the scenarios of the store that is measured.
func (o *options) possible() []string {
	if o.postgres {
		return postgresScenarios
	}
	return allScenarios
}

// on sets what the server keeps its data in.
func (o *options) on(database string) error {
	switch database {
	case "":
		return nil
	case "postgres":
	default:
		return fmt.Errorf("-database: %q is not postgres", database)
	}
	o.postgres = true
	return nil
}
