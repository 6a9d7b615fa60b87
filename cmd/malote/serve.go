package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/malote-dev/malote/internal/app"
)

// serveCmd is the reference of all options: each is a flag, a variable and a
// key of the configuration file.
type serveCmd struct {
	Config configFile `env:"MALOTE_CONFIG" placeholder:"FILE" help:"YAML file with these options as keys. A flag beats a variable, which beats the file."`

	Data          string   `env:"MALOTE_DATA" placeholder:"DIR" help:"Directory that keeps the database; created if missing."`
	Database      string   `env:"MALOTE_DATABASE" placeholder:"URL" help:"Database in PostgreSQL 15 or later, in place of --data: postgres://user:password@host:5432/name; any number of servers share it. A file is safer: other users can see a command line."`
	DatabaseFile  string   `env:"MALOTE_DATABASE_FILE" placeholder:"FILE" help:"File with the URL of the database in its first line."`
	Listen        string   `env:"MALOTE_LISTEN" default:"${listen}" placeholder:"HOST:PORT" help:"Where the API listens (default ${default})."`
	PublicURL     string   `name:"public-url" env:"MALOTE_PUBLIC_URL" placeholder:"URL" help:"URL that people reach this server under, for links to it: https://webhooks.example.com."`
	InspectListen string   `env:"MALOTE_INSPECT_LISTEN" placeholder:"HOST:PORT" help:"Where inspectors receive, apart from the API: what they answer is a stranger's. Without it there are none."`
	InspectURL    string   `name:"inspect-url" env:"MALOTE_INSPECT_URL" placeholder:"URL" help:"What the addresses of inspectors begin with, under a host name of their own: https://inspect.example.com (default: the address of --inspect-listen)."`
	MasterKey     []string `env:"MALOTE_MASTER_KEY" placeholder:"KEY" help:"Master key of the secrets at rest, the one to encrypt with first; others may follow while a key is replaced. A file is safer: other users can see a command line."`
	MasterKeyFile []string `env:"MALOTE_MASTER_KEY_FILE" placeholder:"FILE" help:"File with master keys, one a line; used after those of --master-key."`
	Dialects      string   `env:"MALOTE_DIALECTS" placeholder:"DIR" help:"Directory of your own dialect files (.json)."`

	EgressAllow     []addresses `env:"MALOTE_EGRESS_ALLOW" placeholder:"CIDR" help:"Addresses that may be called although they are private; repeat it for more."`
	EgressAddress   []addresses `env:"MALOTE_EGRESS_ADDRESS" placeholder:"CIDR" help:"Address that webhooks come from, as receivers are told who have a firewall; repeat it for more. It is told, and binds nothing."`
	EgressHTTPSOnly bool        `name:"egress-https-only" env:"MALOTE_EGRESS_HTTPS_ONLY" help:"Refuse every http:// endpoint, also where the dialect allows it."`
	EgressNAT64     bool        `name:"egress-nat64" env:"MALOTE_EGRESS_NAT64" help:"This network reaches IPv4 through NAT64: judge the IPv4 address inside 64:ff9b::/96."`

	SMTPURL      string `name:"smtp-url" env:"MALOTE_SMTP_URL" placeholder:"URL" help:"Mail relay: smtp://user:password@host:587 (STARTTLS), smtps://… (TLS), smtp+insecure://…; without it nothing is mailed. A file is safer: other users can see a command line."`
	SMTPURLFile  string `name:"smtp-url-file" env:"MALOTE_SMTP_URL_FILE" placeholder:"FILE" help:"File with the URL of the mail relay in its first line."`
	MailFrom     string `env:"MALOTE_MAIL_FROM" placeholder:"ADDRESS" help:"Who mails are from: 'Shop <webhooks@shop.example.com>'."`
	MailLanguage string `env:"MALOTE_MAIL_LANGUAGE" default:"${mail_language}" placeholder:"TAG" help:"Language of mails where nobody chose one: en or pt-BR (default ${default})."`

	OIDCIssuer           string `name:"oidc-issuer" env:"MALOTE_OIDC_ISSUER" placeholder:"URL" help:"Identity provider by which people may sign in to the console (OpenID Connect): https://accounts.google.com. It has to vouch for the e-mail address of somebody invited."`
	OIDCClientID         string `name:"oidc-client-id" env:"MALOTE_OIDC_CLIENT_ID" placeholder:"ID" help:"What the identity provider knows this server by."`
	OIDCClientSecret     string `name:"oidc-client-secret" env:"MALOTE_OIDC_CLIENT_SECRET" placeholder:"SECRET" help:"Secret of that client. A file is safer: other users can see a command line."`
	OIDCClientSecretFile string `name:"oidc-client-secret-file" env:"MALOTE_OIDC_CLIENT_SECRET_FILE" placeholder:"FILE" help:"File with that secret in its first line."`
	OIDCName             string `name:"oidc-name" env:"MALOTE_OIDC_NAME" placeholder:"NAME" help:"What people call the identity provider (default: its host)."`

	Retention      span `env:"MALOTE_RETENTION" default:"30d" placeholder:"TIME" help:"Delete events, deliveries and attempts that are older (default ${default}); never what is pending."`
	Hold           span `env:"MALOTE_HOLD" default:"30d" placeholder:"TIME" help:"Paused and disabled endpoints keep their deliveries this long, then they end as expired (default ${default})."`
	HoldBytes      size `env:"MALOTE_HOLD_BYTES" default:"1GiB" placeholder:"SIZE" help:"Paused and disabled endpoints of a project keep this much data in all; past it the oldest ends as expired (default ${default})."`
	Idempotency    span `env:"MALOTE_IDEMPOTENCY" default:"48h" placeholder:"TIME" help:"Remember idempotency keys at least this long (default ${default})."`
	AuditRetention span `env:"MALOTE_AUDIT_RETENTION" default:"400d" placeholder:"TIME" help:"Keep the audit log this long (default ${default})."`
	MinFree        size `env:"MALOTE_MIN_FREE" default:"64MiB" placeholder:"SIZE" help:"Refuse events when the disk has less space left; deliveries go on (default ${default})."`
	MaxData        size `env:"MALOTE_MAX_DATA" default:"256KiB" placeholder:"SIZE" help:"Largest data of one event (default ${default})."`
	MaxConnections int  `env:"MALOTE_MAX_CONNECTIONS" default:"${max_connections}" placeholder:"N" help:"Open connections to the API (default ${default})."`

	TLSCert string `name:"tls-cert" env:"MALOTE_TLS_CERT" placeholder:"FILE" help:"PEM certificate chain; without it the API speaks plain HTTP, for a proxy that ends TLS."`
	TLSKey  string `name:"tls-key" env:"MALOTE_TLS_KEY" placeholder:"FILE" help:"PEM key of --tls-cert."`

	PerEndpoint int  `env:"MALOTE_PER_ENDPOINT" default:"${per_endpoint}" placeholder:"N" help:"Attempts in flight for each endpoint (default ${default})."`
	PerHost     int  `env:"MALOTE_PER_HOST" default:"${per_host}" placeholder:"N" help:"Attempts in flight for each host and port (default ${default})."`
	InFlight    int  `env:"MALOTE_IN_FLIGHT" default:"${in_flight}" placeholder:"N" help:"Attempts in flight in all (default ${default})."`
	Memory      size `env:"MALOTE_MEMORY" default:"64MiB" placeholder:"SIZE" help:"Deliveries held in memory; the rest waits on disk (default ${default})."`
	Grace       span `env:"MALOTE_GRACE" default:"30s" placeholder:"TIME" help:"Time that attempts in flight have to finish at a stop (default ${default})."`

	// For tests, which cannot wait: an attempt that may take longer than the lease never starts.
	Lease span `env:"MALOTE_LEASE" hidden:"" placeholder:"TIME" help:"How long others leave what is this server's own after its last sign of life, where several share a database; for tests."`

	LogFormat string `env:"MALOTE_LOG_FORMAT" default:"json" placeholder:"FORMAT" help:"json or text (default ${default})."`
	LogLevel  string `env:"MALOTE_LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (default ${default})."`
}

// Run serves until a signal. The second signal ends the process at once.
func (s *serveCmd) Run(c *console, k *kong.Kong) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	log, err := app.NewLogger(c.err, s.LogFormat, s.LogLevel)
	if err != nil {
		return err
	}
	warnOfReaders(log, s.keepers(c.config))
	warnOfVariables(log, k.Model.Node, os.Environ())
	ctx, stop := untilSignal(c.err)
	defer stop()
	a, err := app.New(ctx, o, log)
	if err != nil {
		return err
	}
	tuneMemory(int64(s.Memory))
	return a.Run(ctx)
}

// keepers are the files that hold a secret.
func (s *serveCmd) keepers(c *config) []string {
	files := slices.Clone(s.MasterKeyFile)
	if c != nil && (c.values["master-key"].text != "" || c.values["smtp-url"].text != "" || c.values["oidc-client-secret"].text != "" || c.values["database"].text != "") {
		files = append([]string{c.path}, files...)
	}
	for _, file := range []string{s.SMTPURLFile, s.OIDCClientSecretFile, s.DatabaseFile} {
		if file != "" {
			files = append(files, file)
		}
	}
	return files
}

// warnOfReaders says which files with a secret every user of this machine can
// read. It refuses nothing: inside a container that may be harmless.
func warnOfReaders(log *slog.Logger, files []string) {
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 && runtime.GOOS != "windows" {
			log.Warn("every user of this machine can read a file with a secret", "file", path, "fix", "chmod 600 "+path)
		}
	}
}

// warnOfVariables names variables that begin like ours and that no option
// reads: a mistyped one sets nothing. Values are not shown.
func warnOfVariables(log *slog.Logger, root *kong.Node, environ []string) {
	known := variables(root)
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "MALOTE_") && !slices.Contains(known, name) {
			log.Warn("a variable that no option reads is ignored", "variable", name, "near", nearest(name, known), "fix", "see `malote help environment`")
		}
	}
}

// variables that options of any command read.
func variables(n *kong.Node) (names []string) {
	for _, f := range n.Flags {
		names = append(names, f.Envs...)
	}
	for _, child := range n.Children {
		names = append(names, variables(child)...)
	}
	return names
}

// tuneMemory trades memory that is there for fewer collections: in one paired
// run of bench a delivery took 1.5 times the yardstick's CPU, and 1.9 times
// without. Where deliveries fill the memory that they may, the limit makes the
// collector work more instead of the process grow. GOGC and GOMEMLIMIT, where
// set, are the operator's word.
func tuneMemory(deliveries int64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(2*deliveries + 64<<20)
}

func (s *serveCmd) options() (app.Options, error) {
	if err := s.noZeros(); err != nil {
		return app.Options{}, err
	}
	keys, err := app.MasterKeys(s.MasterKey, s.MasterKeyFile)
	if err != nil {
		return app.Options{}, err
	}
	smtp, err := app.SMTPURL(s.SMTPURL, s.SMTPURLFile)
	if err != nil {
		return app.Options{}, err
	}
	oidcSecret, err := app.OIDCSecret(s.OIDCClientSecret, s.OIDCClientSecretFile)
	if err != nil {
		return app.Options{}, err
	}
	database, err := app.DatabaseURL(s.Database, s.DatabaseFile)
	if err != nil {
		return app.Options{}, err
	}
	o := app.Options{
		Data: s.Data, Database: database, Listen: s.Listen, MasterKeys: keys, Dialects: s.Dialects, PublicURL: s.PublicURL,
		InspectListen: s.InspectListen, InspectURL: s.InspectURL,
		EgressAllow: prefixes(s.EgressAllow), EgressAddresses: prefixes(s.EgressAddress), EgressHTTPSOnly: s.EgressHTTPSOnly, EgressNAT64: s.EgressNAT64,
		SMTP: smtp, MailFrom: s.MailFrom, MailLanguage: s.MailLanguage,
		OIDCIssuer: s.OIDCIssuer, OIDCClientID: s.OIDCClientID, OIDCClientSecret: oidcSecret, OIDCName: s.OIDCName,
		Retention: time.Duration(s.Retention), Hold: time.Duration(s.Hold), HoldBytes: int64(s.HoldBytes), Idempotency: time.Duration(s.Idempotency),
		AuditRetention: time.Duration(s.AuditRetention), MinFree: int64(s.MinFree), MaxData: int(s.MaxData), MaxConnections: s.MaxConnections,
		TLSCert: s.TLSCert, TLSKey: s.TLSKey,
		PerEndpoint: s.PerEndpoint, PerHost: s.PerHost, InFlight: s.InFlight,
		Memory: int64(s.Memory), Grace: time.Duration(s.Grace), Lease: time.Duration(s.Lease),
		Version: version(),
	}
	return o, nil
}

// noZeros refuses an option that is 0: it has no meaning here, and must not
// silently be the default.
func (s *serveCmd) noZeros() error {
	for _, o := range []struct {
		name string
		zero bool
	}{
		{"retention", s.Retention == 0}, {"hold", s.Hold == 0}, {"hold-bytes", s.HoldBytes == 0}, {"idempotency", s.Idempotency == 0}, {"grace", s.Grace == 0},
		{"audit-retention", s.AuditRetention == 0},
		{"min-free", s.MinFree == 0}, {"max-data", s.MaxData == 0}, {"memory", s.Memory == 0}, {"max-connections", s.MaxConnections == 0},
		{"per-endpoint", s.PerEndpoint == 0}, {"per-host", s.PerHost == 0}, {"in-flight", s.InFlight == 0},
	} {
		if o.zero {
			return usage("--"+o.name+" 0: has to be more than 0", "leave it out for the default, or see `malote serve --help`")
		}
	}
	return nil
}

// errSignal is the cause of a context that a signal ended.
type errSignal struct{ os.Signal }

func (e errSignal) Error() string { return e.String() }

// sameSignal is how close a second signal may follow to count as the first:
// wrappers pass on what the terminal has sent to all of its processes already.
const sameSignal = 100 * time.Millisecond

// untilSignal returns a context that ends with the first SIGINT or SIGTERM, or
// with SIGHUP (a closed terminal) unless nohup ignores it.
// A second one ends the process at once: what is in flight may then be sent
// again at the next start, nothing else is lost.
func untilSignal(w io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case s := <-signals:
				if first.IsZero() {
					first = time.Now()
					cancel(errSignal{s})
				} else if time.Since(first) > sameSignal {
					fmt.Fprintln(w, "malote: second signal, stopping at once")
					os.Exit(exitFailure)
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

func prefixes(in []addresses) []netip.Prefix {
	out := make([]netip.Prefix, len(in))
	for i, a := range in {
		out[i] = netip.Prefix(a)
	}
	return out
}
