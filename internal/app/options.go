package app

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/secret"
)

// Defaults of the options that have one.
const (
	DefaultListen         = "127.0.0.1:8400"
	DefaultMailLanguage   = "en"
	DefaultRetention      = 30 * 24 * time.Hour
	DefaultHold           = 30 * 24 * time.Hour
	DefaultHoldBytes      = 1 << 30
	DefaultIdempotency    = 48 * time.Hour
	DefaultAuditRetention = 400 * 24 * time.Hour
	DefaultMinFree        = 64 << 20
	DefaultMaxData        = 256 << 10
	DefaultMaxConnections = 10_000
	DefaultPerEndpoint    = 16
	DefaultPerHost        = 64
	DefaultInFlight       = 512
	DefaultMemory         = 64 << 20
	DefaultGrace          = 30 * time.Second
)

// Options of a server. The zero value of a field that has a default means
// the default.
type Options struct {
	Data       string        // data directory, created if missing; or
	Database   secret.Text   // URL of a database in PostgreSQL, postgres://user:password@host/name
	Listen     string        // host:port
	MasterKeys []secret.Text // base64 of 32 bytes each, the one to encrypt with first
	Dialects   string        // directory of the operator's own dialect files; empty: none
	PublicURL  string        // that people reach this server under, for links to it; empty: not known
	PublicOwn  bool          // where PublicURL is empty, it is the address that the server listens on; for development

	InspectListen string // host:port that inspectors receive on; empty: they do not
	InspectURL    string // that their addresses begin with; empty: the address of InspectListen
	InspectAny    bool   // on any free port where that one is taken (malote dev)

	EgressAllow     []netip.Prefix // exceptions of the address guard
	EgressLoopback  bool           // destinations on this machine (malote dev)
	EgressHTTPSOnly bool           // refuse plain http URLs whatever the dialect says
	EgressAddresses []netip.Prefix // that webhooks come from, as customers are told; none: nobody says
	EgressNAT64     bool           // judge the IPv4 address inside 64:ff9b::/96

	SMTP         secret.Text // smtp://user:password@host:port of the mail relay; empty: nothing is mailed
	MailFrom     string      // "Name <address>"; needed with SMTP
	MailLanguage string      // a tag of package lang, where nobody chose one

	OIDCIssuer       string      // URL of the identity provider that vouches for people of the console; empty: none
	OIDCClientID     string      // what it knows this server by; needed with OIDCIssuer
	OIDCClientSecret secret.Text // empty: this is a public client
	OIDCName         string      // what people call it; empty: its host

	Retention      time.Duration // history older than this is deleted
	Hold           time.Duration // paused and disabled endpoints keep deliveries this long
	HoldBytes      int64         // and so many bytes of each project
	Idempotency    time.Duration // idempotency keys are remembered at least this long
	AuditRetention time.Duration // the audit log is kept this long
	MinFree        int64         // bytes left to the disk; below it events are refused
	MaxData        int           // bytes of one event's data
	MaxConnections int           // open connections to the API
	TLSCert        string        // PEM files; both or none
	TLSKey         string

	PerEndpoint int           // attempts in flight for each endpoint
	PerHost     int           // for each host and port
	InFlight    int           // in all
	Memory      int64         // bytes of deliveries held in memory
	Grace       time.Duration // to finish what is in flight at a stop
	Lease       time.Duration // of what is this process's own in a database that others share; 0: the store's default

	Version string // shown by the API and in the metrics
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	defaultTo(&o.Listen, DefaultListen)
	defaultTo(&o.MailLanguage, DefaultMailLanguage)
	defaultTo(&o.Retention, DefaultRetention)
	defaultTo(&o.Hold, DefaultHold)
	defaultTo(&o.HoldBytes, DefaultHoldBytes)
	defaultTo(&o.Idempotency, DefaultIdempotency)
	defaultTo(&o.AuditRetention, DefaultAuditRetention)
	defaultTo(&o.MinFree, DefaultMinFree)
	defaultTo(&o.MaxData, DefaultMaxData)
	defaultTo(&o.MaxConnections, DefaultMaxConnections)
	defaultTo(&o.PerEndpoint, DefaultPerEndpoint)
	defaultTo(&o.PerHost, DefaultPerHost)
	defaultTo(&o.InFlight, DefaultInFlight)
	defaultTo(&o.Memory, DefaultMemory)
	defaultTo(&o.Grace, DefaultGrace)
	o.PublicURL, o.InspectURL = strings.TrimRight(o.PublicURL, "/"), strings.TrimRight(o.InspectURL, "/")
	return o
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate says which option is wrong and how to mend it. Errors: [*Problem].
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, check := range []func(*Options) *Problem{checkPlaces, checkPublicURL, checkInspect, checkMail, checkIdentity, checkKeys, checkTLS, checkNumbers, checkAllow} {
		if p := check(&o); p != nil {
			return p
		}
	}
	return nil
}

func checkPlaces(o *Options) *Problem {
	if p := o.place().check(); p != nil {
		return p
	}
	if p := checkListen("listen", o.Listen, "8400"); p != nil {
		return p
	}
	if o.Dialects != "" {
		if info, err := os.Stat(o.Dialects); err != nil || !info.IsDir() {
			return wrongOption("dialects", o.Dialects, "is not a directory", "name a directory that holds your dialect files, one .json file each")
		}
	}
	return nil
}

// checkListen wants host:port.
func checkListen(name, value, example string) *Problem {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return wrongOption(name, value, "is not host:port", "write for example 127.0.0.1:"+example+", or :"+example+" for all addresses")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return wrongOption(name, value, "the port is not a number from 0 to 65535", "write for example "+net.JoinHostPort(host, example))
	}
	return nil
}

func checkPublicURL(o *Options) *Problem {
	return checkLinks("public-url", o.PublicURL, "write the URL that people reach this server under, as in https://webhooks.example.com")
}

// checkInspect wants a listener of the inspectors' own: what they answer is a
// stranger's.
func checkInspect(o *Options) *Problem {
	if o.InspectListen == "" {
		if o.InspectURL != "" {
			return wrongOption("inspect-url", o.InspectURL, "needs --inspect-listen beside it", "say where inspectors receive, as in --inspect-listen 127.0.0.1:8402")
		}
		return nil
	}
	if p := checkListen("inspect-listen", o.InspectListen, "8402"); p != nil {
		return p
	}
	const fix = "write the URL that inspectors are reached under, with a host name of their own, as in https://inspect.example.com"
	if o.InspectURL != "" && o.InspectURL == o.PublicURL {
		return wrongOption("inspect-url", o.InspectURL, "is the same as --public-url: what inspectors answer is a stranger's, and browsers must not take it for this server's", fix)
	}
	return checkLinks("inspect-url", o.InspectURL, fix)
}

// checkLinks wants what links can be made of: everything before a path.
func checkLinks(name, value, fix string) *Problem {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	var why string
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		why = "is not an http or https URL"
	case u.User != nil:
		return &Problem{What: "--" + name + ": holds a name or password", Fix: fix}
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		why = "has a query or a fragment"
	default:
		return nil
	}
	return wrongOption(name, value, why, fix)
}

func checkKeys(o *Options) *Problem {
	if len(o.MasterKeys) == 0 {
		return &Problem{
			What: "no master key: secrets are encrypted at rest, and it is the key to them",
			Fix:  "make one with `malote key master --out master.key`, keep a copy safe, and pass --master-key-file master.key (or MALOTE_MASTER_KEY)",
		}
	}
	if _, err := keyring(o.MasterKeys); err != nil {
		return &Problem{
			What: "--master-key: " + err.Error(),
			Fix:  "pass what `malote key master` printed, unchanged",
			Err:  err,
		}
	}
	return nil
}

func keyring(keys []secret.Text) (*secret.Keyring, error) {
	plain := make([]string, len(keys))
	for i, k := range keys {
		plain[i] = k.Reveal()
	}
	return secret.NewKeyring(plain...)
}

func checkTLS(o *Options) *Problem {
	if (o.TLSCert == "") == (o.TLSKey == "") {
		return nil
	}
	if o.TLSCert == "" {
		return wrongOption("tls-key", o.TLSKey, "needs --tls-cert beside it", "pass both files, or none where a proxy ends TLS")
	}
	return wrongOption("tls-cert", o.TLSCert, "needs --tls-key beside it", "pass both files, or none where a proxy ends TLS")
}

func checkNumbers(o *Options) *Problem {
	durations := []struct {
		name             string
		value, low, high time.Duration
	}{
		{"retention", o.Retention, time.Hour, 10 * 365 * 24 * time.Hour},
		{"hold", o.Hold, time.Hour, 10 * 365 * 24 * time.Hour},
		{"idempotency", o.Idempotency, time.Hour, 30 * 24 * time.Hour},
		{"audit-retention", o.AuditRetention, 24 * time.Hour, 10 * 365 * 24 * time.Hour},
		{"grace", o.Grace, time.Second, time.Hour},
	}
	for _, d := range durations {
		if d.value < d.low || d.value > d.high {
			return wrongOption(d.name, d.value, "is out of range", "choose from "+d.low.String()+" to "+d.high.String())
		}
	}
	numbers := []struct {
		name             string
		value, low, high int64
		text             func(int64) string
	}{
		{"max-data", int64(o.MaxData), 1 << 10, 16 << 20, sizeText},
		{"hold-bytes", o.HoldBytes, 1 << 20, 1 << 40, sizeText},
		{"min-free", o.MinFree, 1 << 20, 1 << 40, sizeText},
		{"max-connections", int64(o.MaxConnections), 1, 1_000_000, plainText},
		{"per-endpoint", int64(o.PerEndpoint), 1, 10_000, plainText},
		{"per-host", int64(o.PerHost), 1, 10_000, plainText},
		{"in-flight", int64(o.InFlight), 1, 100_000, plainText},
		{"memory", o.Memory, 1 << 20, 1 << 40, sizeText},
	}
	for _, n := range numbers {
		if n.value < n.low || n.value > n.high {
			return wrongOption(n.name, n.value, "is out of range",
				"choose from "+n.text(n.low)+" to "+n.text(n.high))
		}
	}
	return nil
}

func plainText(n int64) string { return strconv.FormatInt(n, 10) }

// sizeText is a number of bytes as options take it.
func sizeText(n int64) string {
	for _, u := range []struct {
		suffix string
		factor int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.factor && n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

func checkAllow(o *Options) *Problem {
	for _, of := range []struct {
		option string
		ranges []netip.Prefix
	}{{"egress-allow", o.EgressAllow}, {"egress-address", o.EgressAddresses}} {
		for _, p := range of.ranges {
			if !p.IsValid() || p != p.Masked() {
				return wrongOption(of.option, p, "is not a range of addresses", "write the range's first address, as in "+p.Masked().String())
			}
		}
	}
	return nil
}
