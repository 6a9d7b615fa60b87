package app

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/dashboard"
	"github.com/malote-dev/malote/internal/lang"
)

// shownSettings are the options that whoever looks at a project wants to know
// of. None of them is a secret.
func shownSettings(o *Options) []dashboard.Setting {
	number := func(name lang.Message, option string, value, standard int) dashboard.Setting {
		return dashboard.Setting{Name: name, Option: "--" + option, Value: strconv.Itoa(value), Default: value == standard}
	}
	days := func(name lang.Message, option string, value, standard time.Duration) dashboard.Setting {
		return dashboard.Setting{Name: name, Option: "--" + option, Value: inDays(value), Default: value == standard}
	}
	mail := dashboard.Setting{Name: lang.Text("Mail relay"), Option: "--smtp", Value: "–", Default: true}
	if o.SMTP != "" {
		mail.Value, mail.Default = "✓", false
	}
	public := dashboard.Setting{Name: lang.Text("Its address"), Option: "--public-url", Value: "–", Default: true}
	if o.PublicURL != "" {
		public.Value, public.Default = o.PublicURL, false
	}
	from := dashboard.Setting{Name: lang.Text("Addresses that webhooks come from"), Option: "--egress-address", Value: "–", Default: true}
	if len(o.EgressAddresses) > 0 {
		var texts []string
		for _, p := range o.EgressAddresses {
			texts = append(texts, p.String())
		}
		from.Value, from.Default = strings.Join(texts, ", "), false
	}
	return []dashboard.Setting{
		number(lang.Text("Requests at once to an endpoint"), "per-endpoint", o.PerEndpoint, DefaultPerEndpoint),
		number(lang.Text("Requests at once to a host"), "per-host", o.PerHost, DefaultPerHost),
		number(lang.Text("Bytes of an event's data"), "max-data", o.MaxData, DefaultMaxData),
		days(lang.Text("Days that history is kept"), "retention", o.Retention, DefaultRetention),
		days(lang.Text("Days that paused endpoints keep deliveries"), "hold", o.Hold, DefaultHold),
		days(lang.Text("Days that the audit log is kept"), "audit-retention", o.AuditRetention, DefaultAuditRetention),
		days(lang.Text("Days that idempotency keys are remembered"), "idempotency", o.Idempotency, DefaultIdempotency),
		{Name: lang.Text("Language of mails"), Option: "--mail-language", Value: o.MailLanguage, Default: o.MailLanguage == DefaultMailLanguage},
		mail, public, from,
	}
}

// inDays is a length of time in days, as many digits as it takes.
func inDays(d time.Duration) string {
	return fmt.Sprintf("%.4g", d.Hours()/24)
}
