// Command malote is the whole of Malote: the server, its development mode, and
// the shell's way to the API. One file a command.
package main

import (
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/malote-dev/malote/internal/app"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// commands is the command line as data.
type commands struct {
	Dev     devCmd     `cmd:"" group:"server" help:"Run a server for development: no configuration, one webhook at once."`
	Serve   serveCmd   `cmd:"" group:"server" help:"Run a server in production."`
	Migrate migrateCmd `cmd:"" group:"server" help:"Bring the schema of a database up to this version, or say how it is."`
	Person  personCmd  `cmd:"" group:"server" help:"People of the console: let somebody in who has forgotten the password."`
	Copy    copyCmd    `cmd:"" group:"server" help:"Copy a server's data from a directory (SQLite) to PostgreSQL, or back, and compare the two; no server may use either meanwhile."`

	Project   projectCmd   `cmd:"" group:"api" help:"Projects: one product in one environment."`
	Key       keyCmd       `cmd:"" group:"api" help:"Keys: of the API, and the server's own."`
	Consumer  consumerCmd  `cmd:"" group:"api" help:"Consumers: the customers who receive."`
	Endpoint  endpointCmd  `cmd:"" group:"api" help:"Endpoints: the URLs of a consumer."`
	Event     eventCmd     `cmd:"" group:"api" help:"Events: send one, look at what was sent."`
	EventType eventTypeCmd `cmd:"" group:"api" help:"Event types: the catalogue of what events are, with schemas and examples."`
	Delivery  deliveryCmd  `cmd:"" group:"api" help:"Deliveries: what became of an event at an endpoint."`
	Portal    portalCmd    `cmd:"" group:"api" help:"Portal sessions: short-lived tokens for a customer's own pages."`
	Link      linkCmd      `cmd:"" group:"api" help:"One-time links: hand an endpoint's secret over."`
	Whoami    whoamiCmd    `cmd:"" group:"api" help:"Say what the key is, and what it may do."`
	Replay    replayCmd    `cmd:"" group:"api" help:"Replays: what failed, or was missed, sent again."`
	Inspector inspectorCmd `cmd:"" group:"api" help:"Inspectors: throw-away addresses that keep what arrives."`
	Listen    listenCmd    `cmd:"" group:"api" help:"Pass what arrives at an inspector to a port of this machine."`
	Stats     statsCmd     `cmd:"" group:"api" help:"Statistics: success rates, response times, causes of failures."`
	Audit     auditCmd     `cmd:"" group:"api" help:"Audit log: who changed what."`
	Ready     readyCmd     `cmd:"" group:"api" help:"Ask whether the server would keep an event now; takes no key."`
	Node      nodeCmd      `cmd:"" group:"api" help:"Nodes: the processes that serve together."`
	Mail      mailCmd      `cmd:"" group:"api" help:"Mail: try the server's settings."`

	Dialect    dialectCmd    `cmd:"" group:"more" help:"Dialects: the wire contracts; works without a server."`
	Verify     verifyCmd     `cmd:"" group:"more" help:"Explain why a request verifies, or why it does not; works without a server."`
	Completion completionCmd `cmd:"" group:"more" help:"Print the shell's completion script."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:"" passthrough:""`
	Version    versionCmd    `cmd:"" group:"more" help:"Print the version."`
	Help       helpCmd       `cmd:"" group:"more" help:"Help on a command or a topic."`
}

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
	config   *config // the configuration file that was read, if one was
	asked    *asked  // the command that runs; nil: none yet
}

// exited carries an exit code out of kong's --help.
type exited int

// run is main without the process: it returns the exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) (code int) {
	c := &console{in: in, out: out, err: errOut}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exited)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	var grammar commands
	parser, err := newParser(&grammar, c)
	if err != nil {
		return c.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if len(args) == 1 && args[0] == "--version" {
		args = []string{"version"}
	}
	ctx, err := parser.Parse(optionBehind(args))
	if err != nil {
		return c.fail(c.explainParse(err))
	}
	c.asked = askedOf(ctx)
	if err := ctx.Run(); err != nil {
		return c.fail(c.withOrigin(ctx, err))
	}
	return exitOK
}

// optionBehind puts a --json that stands before the command behind it, where
// it is looked for.
func optionBehind(args []string) []string {
	if len(args) < 2 || args[0] != "--json" {
		return args
	}
	at := slices.Index(args, "--")
	if at < 0 {
		at = len(args)
	}
	return slices.Insert(slices.Clone(args[1:]), at-1, args[0])
}

func newParser(grammar *commands, c *console) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("malote"),
		kong.Description("Webhooks, kept and delivered. Start with: malote dev"),
		kong.Writers(c.out, c.err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Bind(c),
		kong.Vars{
			"listen":          app.DefaultListen,
			"mail_language":   app.DefaultMailLanguage,
			"max_connections": strconv.Itoa(app.DefaultMaxConnections),
			"per_endpoint":    strconv.Itoa(app.DefaultPerEndpoint),
			"per_host":        strconv.Itoa(app.DefaultPerHost),
			"in_flight":       strconv.Itoa(app.DefaultInFlight),
		},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "server", Title: "Run a server"},
			{Key: "api", Title: "Speak to a server (--url, --key or MALOTE_URL, MALOTE_KEY)"},
			{Key: "more", Title: "More"},
		}),
	)
}
