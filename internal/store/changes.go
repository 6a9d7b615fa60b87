package store

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/secret"
)

// diff gathers what changed.
type diff []Change

func (d *diff) text(field, before, after string) {
	if before != after {
		*d = append(*d, Change{field, before, after})
	}
}

func (d *diff) list(field string, before, after []string) {
	d.text(field, strings.Join(before, ", "), strings.Join(after, ", "))
}

func (d *diff) number(field string, before, after int) {
	d.text(field, numberText(before), numberText(after))
}

func (d *diff) truth(field string, before, after bool) {
	d.text(field, strconv.FormatBool(before), strconv.FormatBool(after))
}

func (d *diff) time(field string, before, after time.Time) {
	d.text(field, timeText(before), timeText(after))
}

// hidden says that a value changed, and whether there was and is one.
func (d *diff) hidden(field, before, after string) {
	if before != after {
		*d = append(*d, Change{field, redacted(before), redacted(after)})
	}
}

// url says as much of one as an audit log may keep: the rest may hold a token.
func (d *diff) url(field, before, after string) {
	if before != after {
		*d = append(*d, Change{field, hostOf(before), hostOf(after)})
	}
}

func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func redacted(s string) string {
	if s == "" {
		return ""
	}
	return secret.Text(s).String()
}

// emails are people's, and the log outlives them.
func (d *diff) emails(before, after []string) {
	d.hidden("emails", emailsText(before), emailsText(after))
}

func projectChanges(was, p *Project) (d diff) {
	d.text("name", was.Name, p.Name)
	d.text("environment", string(was.Environment), string(p.Environment))
	d.text("dialect", was.Dialect, p.Dialect)
	d.truth("body_id", was.BodyID, p.BodyID)
	d.text("host", was.Host, p.Host)
	d.truth("known_types_only", was.KnownTypesOnly, p.KnownTypesOnly)
	d.emails(was.Emails, p.Emails)
	d.text("language", was.Language, p.Language)
	d.text("portal_name", was.Portal.Name, p.Portal.Name)
	d.text("portal_color", was.Portal.Color, p.Portal.Color)
	d.text("portal_logo", was.Portal.Logo.says(), p.Portal.Logo.says())
	d.list("portal_origins", was.Portal.Origins, p.Portal.Origins)
	return d
}

func eventTypeChanges(was, t *EventType) (d diff) {
	d.text("description", was.Description, t.Description)
	d.text("description_pt", was.DescriptionPT, t.DescriptionPT)
	d.list("tags", was.Tags, t.Tags)
	d.truth("deprecated", was.Deprecated, t.Deprecated)
	d.text("deprecation", was.Deprecation, t.Deprecation)
	d.text("replaced_by", was.ReplacedBy, t.ReplacedBy)
	d.text("schema", string(was.Schema), string(t.Schema))
	d.truth("validate", was.Validate, t.Validate)
	d.hidden("examples", string(joinRaw(was.Examples)), string(joinRaw(t.Examples))) // may be a real customer's
	return d
}

func joinRaw(items []json.RawMessage) (out []byte) {
	for _, i := range items {
		out = append(append(out, i...), ',')
	}
	return out
}

func newKeyChanges(k *Key) (d diff) {
	d.text("name", "", k.Name)
	d.text("prefix", "", k.Prefix)
	d.list("scopes", nil, k.Scopes)
	d.text("consumer", "", k.Consumer)
	d.time("expires_at", time.Time{}, k.ExpiresAt)
	return d
}

// Fields of an endpoint whose change alone has an action of its own.
const (
	fieldState      = "state"
	fieldSecret     = "secret"
	fieldOldSecrets = "old_secrets"
)

func endpointChanges(was, e *Endpoint) (d diff) {
	d.text("name", was.Name, e.Name)
	d.url("url", was.URL, e.URL)
	d.text("description", was.Description, e.Description)
	d.list("event_types", was.EventTypes, e.EventTypes)
	d.headers(was.Headers, e.Headers)
	d.secrets(was.Secrets, e.Secrets)
	d.number("rate_limit", was.RateLimit, e.RateLimit)
	d.settings(&was.Settings, &e.Settings)
	d.auth(&was.Auth, &e.Auth)
	d.hidden("path_secret", was.PathSecret.Reveal(), e.PathSecret.Reveal())
	d.text(fieldState, string(was.State), string(e.State))
	return d
}

func (d *diff) headers(was, now []Header) {
	value := func(of []Header, name string) string {
		for _, h := range of {
			if strings.EqualFold(h.Name, name) {
				return "=" + h.Value.Reveal() // also an empty one is there
			}
		}
		return ""
	}
	for _, h := range was {
		d.hidden("headers/"+h.Name, value(was, h.Name), value(now, h.Name))
	}
	for _, h := range now {
		if value(was, h.Name) == "" {
			d.hidden("headers/"+h.Name, "", value(now, h.Name))
		}
	}
}

func (d *diff) secrets(was, now []SigningSecret) {
	newest := func(of []SigningSecret) string {
		if len(of) == 0 {
			return ""
		}
		return of[0].Value.Reveal()
	}
	d.hidden(fieldSecret, newest(was), newest(now))
	same := func(a, b SigningSecret) bool { return a.Value == b.Value && a.ExpiresAt.Equal(b.ExpiresAt) }
	older := func(of []SigningSecret) []SigningSecret { return of[min(1, len(of)):] }
	if a, b := older(was), older(now); !slices.EqualFunc(a, b, same) {
		*d = append(*d, Change{fieldOldSecrets, untilText(a), untilText(b)})
	}
}

// untilText says until when secrets are in force.
func untilText(of []SigningSecret) string {
	times := make([]string, len(of))
	for i, s := range of {
		times[i] = "until " + timeText(s.ExpiresAt)
	}
	return strings.Join(times, ", ")
}

func (d *diff) settings(was, now *Settings) {
	d.text("wire_id", was.WireID, now.WireID)
	d.list("channels", was.Channels, now.Channels)
	d.text("filter", was.Filter, now.Filter)
	d.emails(was.Emails, now.Emails)
	d.number("concurrency", was.Concurrency, now.Concurrency)
	d.text("timeout", durationText(was.Timeout), durationText(now.Timeout))
	d.text("retry_schedule", scheduleText(was.Schedule), scheduleText(now.Schedule))
}

func (d *diff) auth(was, now *Auth) {
	d.text("auth/type", string(was.Kind), string(now.Kind))
	d.hidden("auth/username", was.Username, now.Username)
	d.hidden("auth/password", was.Password.Reveal(), now.Password.Reveal())
	d.hidden("auth/token", was.Token.Reveal(), now.Token.Reveal())
	d.hidden("auth/certificate", was.Certificate, now.Certificate)
	d.hidden("auth/private_key", was.PrivateKey.Reveal(), now.PrivateKey.Reveal())
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// scheduleText keeps no schedule of its own apart from one without any wait.
func scheduleText(waits []time.Duration) string {
	if waits != nil && len(waits) == 0 {
		return "none"
	}
	texts := make([]string, len(waits))
	for i, w := range waits {
		texts[i] = w.String()
	}
	return strings.Join(texts, ", ")
}

// endpointAction is what an update of an endpoint amounts to.
func endpointAction(d diff, now EndpointState) Action {
	only := func(fields ...string) bool {
		return !slices.ContainsFunc(d, func(c Change) bool { return !slices.Contains(fields, c.Field) })
	}
	switch {
	case only(fieldState) && now == Paused:
		return ActionEndpointPause
	case only(fieldState) && now == Active:
		return ActionEndpointResume
	case only(fieldSecret, fieldOldSecrets):
		return ActionEndpointRotate
	}
	return ActionEndpointUpdate
}

// noteEndpoint notes what became of an endpoint, if anything did.
func (b *batch) noteEndpoint(project key, action Action, e *Endpoint, d diff) error {
	if len(d) == 0 {
		return nil
	}
	return b.note(project, action, EndpointName.Format(e.ID), e.Consumer, d...)
}

// noteDelivery notes what somebody did to a delivery.
func (b *batch) noteDelivery(project, endpoint key, action Action, id ID, was State) error {
	var consumer string
	if _, err := b.row("SELECT consumer FROM endpoints WHERE k=?", []any{endpoint}, &consumer); err != nil {
		return err
	}
	return b.note(project, action, DeliveryName.Format(id), consumer, Change{Field: fieldState, Before: string(was), After: string(afterOf(action))})
}

func afterOf(a Action) State {
	if a == ActionDeliveryCancel {
		return Cancelled
	}
	return Pending
}
