package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/malote-dev/malote/client"
)

type endpointCmd struct {
	Create  endpointCreateCmd  `cmd:"" help:"Create an endpoint; its secret is shown."`
	List    endpointListCmd    `cmd:"" help:"List endpoints."`
	Get     endpointGetCmd     `cmd:"" help:"Show an endpoint."`
	Preview endpointPreviewCmd `cmd:"" help:"Show which of the last events an endpoint would get, and why not the others."`
	Update  endpointUpdateCmd  `cmd:"" help:"Change what is named, leave the rest."`
	Rotate  endpointRotateCmd  `cmd:"" help:"Give an endpoint a new signing secret; the old one stays in force for a while."`
	Pause   endpointPauseCmd   `cmd:"" help:"Stop sending; deliveries are kept."`
	Resume  endpointResumeCmd  `cmd:"" help:"Send again, what was kept first."`
	Test    endpointTestCmd    `cmd:"" help:"Send a test event to this endpoint alone: the dialect's, or one of a type."`
	Checkup endpointCheckupCmd `cmd:"" help:"Check an endpoint's receiver up: does it take what is signed rightly, refuse what is not, answer in time?"`
	Probe   endpointProbeCmd   `cmd:"" help:"Ask whether an endpoint's receiver verifies: sends a request whose signature is wrong."`
	Delete  endpointDeleteCmd  `cmd:"" help:"Delete an endpoint; what waits for it is cancelled."`
}

type endpointCreateCmd struct {
	remote
	Consumer    string   `required:"" placeholder:"UID" help:"The customer who receives."`
	URL         string   `name:"to" required:"" placeholder:"URL" help:"Where webhooks go."`
	EventTypes  []string `required:"" placeholder:"TYPE" help:"Types to send: exact names, 'task.*', or '*'; repeat it for more."`
	Name        string   `placeholder:"TEXT" help:"Its name, as a company's own API shows it."`
	Description string   `placeholder:"TEXT" help:"For people."`
	Header      []string `sep:"none" placeholder:"NAME:VALUE" help:"A header of your own on every request; repeat it for more."`
	Secret      string   `placeholder:"TEXT" help:"Signing secret: itself, @FILE, or - for standard input; without it one is made."`
	RateLimit   int      `placeholder:"N" help:"Deliveries a minute; without it the dialect's."`
	WireID      string   `placeholder:"ID" help:"The id that it had elsewhere, which deliveries and the company's own API go on to call it; without it one of the server's."`
	Inbound     string   `name:"inbound-secret" placeholder:"TEXT" help:"Secret of its address that takes events in, brought along from elsewhere (tarefa): itself, @FILE, or - for standard input; without it one is made."`
	Ed25519     bool     `name:"ed25519" help:"Make a key pair: deliveries are signed with the private key, which stays here, and the public one is shown for the receiver."`
	Email       []string `placeholder:"ADDRESS" help:"Who is told by mail when it fails; repeat it for more, 'none': nobody; without it its consumer's addresses."`
	Paused      bool     `help:"Create it paused."`
	endpointSettings
}

// Run creates the endpoint.
func (e *endpointCreateCmd) Run(c *console) error {
	headers, err := parseHeaders(e.Header)
	if err != nil {
		return err
	}
	secret, err := c.secret(e.Secret)
	if err != nil {
		return err
	}
	inbound, err := c.secretOf("inbound-secret", e.Inbound)
	if err != nil {
		return err
	}
	in := client.NewEndpoint{
		Consumer: e.Consumer, Name: e.Name, URL: e.URL, EventTypes: e.EventTypes, Description: e.Description,
		Headers: headers, Secret: secret, RateLimit: e.RateLimit, WireID: e.WireID, InboundSecret: inbound,
	}
	if err := e.create(c, &in); err != nil {
		return err
	}
	if e.Paused {
		in.Enabled = new(bool)
	}
	if len(e.Email) > 0 {
		list, err := addressees(e.Email)
		if err != nil {
			return err
		}
		in.Emails = &list
	}
	if e.Ed25519 {
		if e.Secret != "" {
			return usage("--ed25519 and --secret exclude each other", "pass one of them; `malote key pair` makes a pair to pass")
		}
		in.SecretType = "ed25519"
	}
	return ask(&e.remote, c, func(ctx context.Context, api *client.Client) (*client.Endpoint, error) {
		return api.CreateEndpoint(ctx, in)
	}, c.endpoint)
}

// secret reads a secret; one that a file or a pipe gave loses its last line break.
func (c *console) secret(text string) (string, error) { return c.secretOf("secret", text) }

func (c *console) secretOf(flag, text string) (string, error) {
	b, err := c.input("--"+flag, text)
	if text == "-" || strings.HasPrefix(text, "@") {
		return strings.TrimRight(string(b), "\r\n"), err
	}
	return string(b), err
}

func parseHeaders(lines []string) (map[string]string, error) {
	if len(lines) == 0 {
		return nil, nil //nolint:nilnil // no headers are no map
	}
	headers := map[string]string{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, usage("--header: a header is NAME:VALUE", "write for example --header 'X-Tenant: 7'")
		}
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return headers, nil
}

func (c *console) endpoint(e *client.Endpoint) {
	rate := ""
	if e.RateLimit != nil {
		rate = fmt.Sprintf("%d a minute", *e.RateLimit)
	}
	emails := "its consumer's"
	if e.Emails != nil {
		emails = orNobody(*e.Emails)
	}
	headers := slices.Sorted(maps.Keys(e.Headers))
	state := e.State
	if e.StateReason != "" {
		state += ": " + e.StateReason
	}
	skipped := number(e.Skipped)
	if e.SkippedMore {
		skipped = "more than " + skipped
	}
	c.facts(slices.Concat([]string{
		"endpoint", e.ID, "consumer", e.Consumer, "name", e.Name, "url", e.URL, "event types", strings.Join(e.EventTypes, ", "),
		"state", state, "failures", number(e.FailureCount), "failed", stampOf(e.FailedAt), "rate limit", rate,
	}, settingsOf(e), []string{
		"emails", emails,
		"own headers", strings.Join(headers, ", "), "description", e.Description, "created", stamp(e.CreatedAt), "takes events in at", e.InboundPath,
		"secret", e.Secret, "public key", e.PublicKey, "skipped", skipped,
	})...)
	c.inFlight(e.InFlight)
	if len(e.Secrets) > 0 && e.Secrets[0].SignsFrom != nil {
		fmt.Fprintf(c.err, "The old secret signs until %s; then the new one does. To switch now: malote endpoint update %s --secret-overlap 0\n",
			stampOf(e.Secrets[0].SignsFrom), e.ID)
	} else if len(e.Secrets) > 1 && e.Secrets[1].ExpiresAt != nil {
		fmt.Fprintf(c.err, "The old secret is in force, too, until %s: deliveries are signed with both. To end it now: malote endpoint update %s --secret-overlap 0\n",
			stampOf(e.Secrets[1].ExpiresAt), e.ID)
	}
}

type endpointListCmd struct {
	remote
	Consumer  string   `placeholder:"UID" help:"Only this customer's."`
	State     []string `placeholder:"STATE" help:"Only those in this state: active, paused or disabled; repeat it for more."`
	EventType string   `placeholder:"TYPE" help:"Only those that want this event type, by name or pattern."`
	Search    string   `placeholder:"TEXT" help:"Only those with this text in their URL, name or description."`
	Limit     int      `default:"50" placeholder:"N" help:"How many to show, newest first; 0: all (default ${default})."`
}

// Run lists endpoints.
func (l *endpointListCmd) Run(c *console) error {
	return enumerate(&l.remote, c, l.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Endpoint, error] {
		return api.Endpoints(ctx, client.EndpointFilter{
			Consumer: l.Consumer, States: l.State, EventType: l.EventType, Search: l.Search, PageSize: pageSize(l.Limit),
		})
	}, []string{"ENDPOINT", "CONSUMER", "STATE", "EVENT TYPES", "URL"}, func(t *table, e *client.Endpoint) {
		t.row(e.ID, e.Consumer, healthOf(e), strings.Join(e.EventTypes, ","), e.URL)
	})
}

// healthOf is an endpoint's state and, where it is active but fails, that.
func healthOf(e *client.Endpoint) string {
	switch {
	case e.State != "active":
		return e.State
	case e.FailedAt != nil:
		return "failing since " + stampOf(e.FailedAt)
	case e.FailureCount > 0:
		return fmt.Sprintf("failing (%s in a row)", deliveries(e.FailureCount))
	}
	return e.State
}

func deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// oneEndpoint is an endpoint named on the command line.
type oneEndpoint struct {
	remote
	ID string `arg:"" name:"id" help:"The endpoint's id."`
}

func (o *oneEndpoint) ask(c *console, call func(*client.Client, context.Context, string) (*client.Endpoint, error)) error {
	if err := idOf("endpoint", o.ID); err != nil {
		return err
	}
	return ask(&o.remote, c, func(ctx context.Context, api *client.Client) (*client.Endpoint, error) {
		return call(api, ctx, o.ID)
	}, c.endpoint)
}

type endpointGetCmd struct{ oneEndpoint }

// Run shows one.
func (g *endpointGetCmd) Run(c *console) error { return g.ask(c, (*client.Client).Endpoint) }

type endpointPauseCmd struct{ oneEndpoint }

// Run pauses.
func (p *endpointPauseCmd) Run(c *console) error { return p.ask(c, (*client.Client).PauseEndpoint) }

type endpointResumeCmd struct {
	oneEndpoint
	Skip bool `help:"Cancel what was kept instead of sending it."`
}

// Run resumes.
func (r *endpointResumeCmd) Run(c *console) error {
	return ask(&r.remote, c, func(ctx context.Context, api *client.Client) (*client.Endpoint, error) {
		return api.ResumeEndpoint(ctx, r.ID, r.Skip)
	}, c.endpoint)
}

type endpointDeleteCmd struct{ oneEndpoint }

// Run deletes.
func (d *endpointDeleteCmd) Run(c *console) error {
	return ask(&d.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		return api.DeleteEndpoint(ctx, d.ID)
	}, c.deleted)
}

type endpointTestCmd struct {
	oneEndpoint
	Type string  `placeholder:"TYPE" help:"Send an event of this type, with its first example as data, in place of the dialect's test event."`
	Data *string `placeholder:"JSON" help:"With --type: send this data. JSON, @FILE, or - for standard input."`
}

// Run sends a test event.
func (t *endpointTestCmd) Run(c *console) error {
	if err := idOf("endpoint", t.ID); err != nil {
		return err
	}
	var data json.RawMessage
	if t.Data != nil {
		if t.Type == "" {
			return usage("--type is missing", "say which type the data of --data is of")
		}
		var err error
		if data, err = c.jsonInput("data", *t.Data); err != nil {
			return err
		}
	}
	return ask(&t.remote, c, func(ctx context.Context, api *client.Client) (*client.TestSent, error) {
		if t.Type == "" {
			return api.TestEndpoint(ctx, t.ID)
		}
		return api.TestEndpointWith(ctx, t.ID, t.Type, data)
	}, func(sent *client.TestSent) {
		c.facts("event", sent.EventID, "delivery", sent.DeliveryID)
		if sent.DeliveryID != "" {
			fmt.Fprintln(c.err, "What came of it: malote delivery attempts "+sent.DeliveryID)
		}
	})
}

type endpointProbeCmd struct{ oneEndpoint }

// Run sends a probe and says what came of it.
func (p *endpointProbeCmd) Run(c *console) error {
	if err := idOf("endpoint", p.ID); err != nil {
		return err
	}
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Probed, error) {
		return api.ProbeEndpoint(ctx, p.ID)
	}, func(got *client.Probed) {
		status := "none"
		if got.Status != nil {
			status = fmt.Sprint(*got.Status)
		}
		c.facts("verdict", got.Verdict, "answer", status, "took", fmt.Sprintf("%.0f ms", got.TookMS))
		fmt.Fprintln(c.out, oneLine(got.Message))
	})
}

type endpointCheckupCmd struct{ oneEndpoint }

// Run has an endpoint checked up and lists what was found.
func (u *endpointCheckupCmd) Run(c *console) error {
	if err := idOf("endpoint", u.ID); err != nil {
		return err
	}
	failed := false
	err := ask(&u.remote, c, func(ctx context.Context, api *client.Client) (*client.Checkup, error) {
		got, err := api.CheckupEndpoint(ctx, u.ID)
		failed = err == nil && got.Result == "failed"
		return got, err
	}, func(got *client.Checkup) {
		t := newTable(c, "CHECK", "RESULT", "ANSWER", "MEANS")
		for _, one := range got.Checks {
			status := ""
			if one.Status != nil {
				status = fmt.Sprint(*one.Status)
			}
			t.row(one.Check, one.Result, status, one.Message)
		}
		_ = t.flush() // as every print here
	})
	if err == nil && failed {
		return &failure{what: "the receiver is not ready: a check failed", code: exitFailure}
	}
	return err
}

type endpointUpdateCmd struct {
	oneEndpoint
	URL           *string  `name:"to" placeholder:"URL" help:"Where webhooks go."`
	EventTypes    []string `placeholder:"TYPE" help:"Types to send, in place of those before; repeat it for more."`
	Name          *string  `placeholder:"TEXT" help:"Its name, as a company's own API shows it."`
	Description   *string  `placeholder:"TEXT" help:"For people."`
	Header        []string `sep:"none" placeholder:"NAME:VALUE" help:"Set a header of your own; an empty value removes it."`
	Secret        *string  `placeholder:"TEXT" help:"New signing secret: itself, @FILE, or - for standard input."`
	RotateSecret  bool     `help:"Have a new signing secret made, of the same kind, and show it, or its public key."`
	Ed25519       bool     `name:"ed25519" help:"Have an Ed25519 key pair made in place of the secret, and show the public key."`
	SecretOverlap *span    `placeholder:"TIME" help:"How long the old secret stays in force, as in 24h."`
	RateLimit     *int     `placeholder:"N" help:"Deliveries a minute; 0: the dialect's."`
	Email         []string `placeholder:"ADDRESS" help:"Who is told by mail when it fails; repeat it for more, 'none': nobody, 'consumer': its consumer's addresses."`
	NoAuth        bool     `help:"Send no user name, token or client certificate any more."`
	endpointSettings
}

// Run changes what is named.
func (u *endpointUpdateCmd) Run(c *console) error {
	change, err := u.change(c)
	if err != nil {
		return err
	}
	if reflect.ValueOf(change).IsZero() {
		return usage("nothing to change is named", "name what is to change, as in --to URL or --rate-limit 60; see `malote endpoint update --help`")
	}
	return ask(&u.remote, c, func(ctx context.Context, api *client.Client) (*client.Endpoint, error) {
		return api.UpdateEndpoint(ctx, u.ID, change)
	}, c.endpoint)
}

func (u *endpointUpdateCmd) change(c *console) (ch client.EndpointChange, err error) {
	if u.URL != nil {
		ch.URL = client.Set(*u.URL)
	}
	if len(u.EventTypes) > 0 {
		ch.EventTypes = client.Set(u.EventTypes)
	}
	if u.Name != nil {
		ch.Name = client.Set(*u.Name)
	}
	if u.Description != nil {
		ch.Description = client.Set(*u.Description)
	}
	headers, err := parseHeaders(u.Header)
	if err != nil {
		return ch, err
	}
	if len(headers) > 0 {
		merged := map[string]*string{}
		for name, value := range headers {
			if merged[name] = nil; value != "" {
				merged[name] = &value
			}
		}
		ch.Headers = client.Set(merged)
	}
	switch {
	case u.Secret != nil && (u.RotateSecret || u.Ed25519):
		return ch, usage("--secret excludes --rotate-secret and --ed25519", "pass one of them")
	case u.Ed25519:
		ch.SecretType = client.Set("ed25519")
	case u.RotateSecret:
		ch.Secret = client.Null[string]()
	case u.Secret != nil:
		text, err := c.secret(*u.Secret)
		if err != nil {
			return ch, err
		}
		ch.Secret = client.Set(text)
	}
	if u.SecretOverlap != nil {
		ch.SecretOverlap = client.Set(u.SecretOverlap.seconds())
	}
	if u.RateLimit != nil {
		ch.RateLimit = client.Set(*u.RateLimit)
	}
	switch {
	case len(u.Email) == 1 && u.Email[0] == "consumer":
		ch.Emails = client.Null[[]string]()
	case len(u.Email) > 0:
		list, err := addressees(u.Email)
		if err != nil {
			return ch, err
		}
		ch.Emails = client.Set(list)
	}
	if err := u.endpointSettings.change(c, &ch); err != nil {
		return ch, err
	}
	if u.NoAuth && !ch.Auth.IsZero() {
		return ch, usage("--no-auth excludes the options that say what to send", "pass one of them")
	}
	if u.NoAuth {
		ch.Auth = client.Null[client.EndpointAuth]()
	}
	return ch, nil
}
