package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// contract prints a dialect's rules, one a line.
type contract struct {
	*webhook.Dialect
	w *tabwriter.Writer
}

func (k *contract) line(name, format string, args ...any) {
	fmt.Fprintf(k.w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
}

// describeDialect prints a contract the way a person asks about it: all of
// its rules, also those that are at their defaults.
func describeDialect(c *console, d *webhook.Dialect) error {
	fmt.Fprintf(c.out, "%s: %s\n%s\n\n", d.Ref(), d.Title, wrap(d.Description, 96))
	k := &contract{Dialect: d, w: tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)}
	k.request()
	k.signature()
	k.secrets()
	k.attempts()
	k.ending()
	k.limits()
	if err := k.w.Flush(); err != nil {
		return err
	}
	if len(d.Events) == 0 {
		return nil
	}
	fmt.Fprintln(c.out, "\nevent types")
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	for _, e := range d.Events {
		fmt.Fprintf(w, "  %s\t%s\n", e.Type, e.Description.English)
	}
	return w.Flush()
}

func (k *contract) request() {
	k.line("body", "%s", compactJSON(k.Envelope.Shape))
	k.line("content type", "%s", k.ContentType)
	for _, h := range k.Headers {
		when := ""
		if h.When == webhook.WhenRetry {
			when = "  (retries only)"
		}
		k.line("header", "%s: %s%s", h.Name, h.Value, when)
	}
	ids := &k.IDs
	for _, id := range []struct {
		name   string
		format webhook.IDFormat
	}{{"event", ids.Event}, {"endpoint", ids.Endpoint}, {"delivery", ids.Delivery}, {"request", ids.Request}, {"test", ids.Test}} {
		k.line("id of "+id.name, "%s<%s>", id.format.Prefix, id.format.Form)
	}
	k.line("test event", "%s with %s", k.Test.Type, compactJSON(k.Test.Data))
}

func (k *contract) signature() {
	before, t := "", k.Signature.Timestamp
	if t != nil && t.Item != "" {
		before = fmt.Sprintf("%s<%s>%s", t.Item, t.Format, k.Signature.Separator)
	}
	for _, s := range k.Signature.Schemes {
		what := " over " + k.Signature.Message
		if s.Algorithm == webhook.Token {
			what = ", which says nothing about the body"
		}
		k.line("signature", "%s: %s%s<%s in %s>%s", k.Signature.Header, before, s.Prefix, s.Algorithm, s.Encoding, what)
		k.line("key", "%s", keyRule(&s.Key))
	}
	switch {
	case t == nil:
		k.line("time signed", "no: a copy of a request stays valid")
	case t.Header != "":
		k.line("time signed", "%s in the header %s, at most %s off", t.Format, t.Header, short(t.Tolerance))
	default:
		k.line("time signed", "%s in the signature, at most %s off", t.Format, short(t.Tolerance))
	}
	if k.Signature.Rotation == webhook.RotateAll {
		k.line("rotation", "every secret in force signs")
	} else {
		k.line("rotation", "the oldest secret in force signs, until it ends")
	}
}

func keyRule(r *webhook.KeyRule) string {
	text := "the whole secret"
	if r.Prefix != "" {
		text = "the secret behind " + r.Prefix
	}
	if r.Decoding != webhook.Verbatim {
		text += ", decoded from " + string(r.Decoding)
	}
	switch {
	case r.MinBytes > 0 && r.MaxBytes > 0:
		text += fmt.Sprintf(", %d to %d bytes", r.MinBytes, r.MaxBytes)
	case r.MaxBytes > 0:
		text += fmt.Sprintf(", at most %d bytes", r.MaxBytes)
	case r.MinBytes > 0:
		text += fmt.Sprintf(", at least %d bytes", r.MinBytes)
	}
	if r.PublicPrefix != "" {
		text += "; its public key begins with " + r.PublicPrefix
	}
	return text
}

func (k *contract) secrets() {
	r := &k.Secret
	chosen := "or your own"
	if r.Chosen {
		chosen = "or your own, or chosen by callers of the company's API"
	}
	shown := "at creation"
	if r.Visible == webhook.VisibleAlways {
		shown = "always"
	}
	k.line("secret", "%s<%d random bytes in %s>, %s; %d to %d characters; shown %s",
		r.Generate.Prefix, r.Generate.Bytes, r.Generate.Encoding, chosen, r.MinLength, r.MaxLength, shown)
}

func (k *contract) attempts() {
	rule := &k.Delivery
	success := "2xx"
	if len(rule.Success) > 0 {
		success = strings.Join(rule.Success, ", ")
	}
	k.line("acknowledged by", "%s", success)
	total := rule.Connect + rule.Response
	if rule.Total > 0 {
		total = rule.Total
	}
	k.line("timeouts", "connect %s, answer %s, in all %s", short(rule.Connect), short(rule.Response), short(total))
	k.line("attempts", "%d: at once, then %s", k.Attempts(), waits(k.Dialect))
	k.line("Retry-After", "%s", either(rule.RetryAfter, "of a 429 or 503 delays the next attempt", "is not heeded"))
	k.line("circuit breaker", "%s", either(rule.Breaker, "spares a receiver that does not answer", "none: every attempt is made when it is due"))
}

func (k *contract) ending() {
	rule := &k.Delivery
	k.line("410 Gone", "%s", either(rule.Gone, "ends the delivery and disables the endpoint", "is a failed attempt like any other"))
	after := "the delivery is failed"
	if rule.MarkExhausted {
		after += "; the endpoint is marked failed, until the next success"
	}
	if rule.DisableAfter > 0 {
		after += fmt.Sprintf("; %d in a row disable the endpoint, a success starts the count again", rule.DisableAfter)
	}
	k.line("after the last", "%s", after)
}

func (k *contract) limits() {
	l := &k.Limits
	if n := l.RatePerMinute; n > 0 {
		k.line("rate", "%d deliveries a minute for each endpoint, unless it says otherwise; more wait", n)
	} else {
		k.line("rate", "no limit, unless the endpoint says one")
	}
	if n := l.EndpointsPerConsumer; n > 0 {
		k.line("endpoints", "%d for each consumer", n)
	} else {
		k.line("endpoints", "as many for each consumer as the server allows")
	}
	k.line("URLs", "%s", either(l.HTTPSInProduction, "https only in production", "http or https"))
	k.line("consumers", "%s", either(l.NumericConsumer, "are numbers", "have ids of any form"))
}

func either(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

func short(d webhook.Duration) string { return shortDuration(time.Duration(d)) }

func waits(d *webhook.Dialect) string {
	if len(d.Delivery.Schedule) == 0 {
		return "never again by itself"
	}
	parts := make([]string, len(d.Delivery.Schedule))
	for i, s := range d.Delivery.Schedule {
		parts[i] = short(s)
	}
	how := " (exact)"
	if d.Delivery.Jitter > 0 {
		how = fmt.Sprintf(" (up to %.0f %% later)", d.Delivery.Jitter*100)
	}
	return "after " + strings.Join(parts, ", ") + how
}
