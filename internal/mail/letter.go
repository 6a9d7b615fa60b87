package mail

import (
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// letter is a mail in words, before it has a form.
type letter struct {
	subject    lang.Message
	paragraphs []lang.Message
	facts      []fact
	links      []link
	footer     []lang.Message
}

// fact is one line of what there is to know.
type fact struct{ name, value any } // messages, or texts as they are

type link struct {
	name lang.Message
	url  string
}

// letterTime is how mails write times.
const letterTime = "2006-01-02 15:04 UTC"

func at(t time.Time) string { return t.UTC().Format(letterTime) }

// letterOf puts a notice into words; nil: it says nothing that this server knows.
func letterOf(n *store.Notice) *letter {
	l := &letter{}
	switch n.Kind {
	case store.NoticeFirst:
		l.first(n)
	case store.NoticeFifth:
		l.fifth(n)
	case store.NoticeFailed:
		l.failed(n)
	case store.NoticeDisabled:
		l.disabled(n)
	case store.NoticeStill:
		l.still(n)
	case store.NoticeRecovered:
		l.recovered(n)
	case store.NoticeExpiring:
		l.expiring(n)
	case store.NoticeDigest:
		l.digest(n)
		return l
	default:
		return nil
	}
	l.withheld(n)
	l.aboutEndpoint(n)
	return l
}

func (l *letter) say(m lang.Message) {
	if !m.IsZero() {
		l.paragraphs = append(l.paragraphs, m)
	}
}

func (l *letter) first(n *store.Notice) {
	l.subject = lang.Text("[%s] A webhook to %s was not taken", n.Project, n.Host)
	l.say(lang.Text("%s sent a webhook to %s, and it was not acknowledged: %s.", n.Project, n.Host, lang.Recall(n.Detail)))
	l.next(n)
	l.say(advice(n))
}

func (l *letter) fifth(n *store.Notice) {
	l.subject = lang.Text("[%s] Webhooks to %s failed %d times in a row", n.Project, n.Host, n.Failures)
	l.say(lang.Text("The last %d attempts to deliver webhooks to %s failed, the first of them on %s. The last one: %s.", n.Failures, n.Host, at(n.Since), lang.Recall(n.Detail)))
	l.next(n)
	l.say(advice(n))
}

// next says that it goes on, and when.
func (l *letter) next(n *store.Notice) {
	if n.NextAt.IsZero() {
		l.say(lang.Text("It is tried again: nothing is lost before all attempts are used up."))
		return
	}
	l.say(lang.Text("It is tried again, next on %s: nothing is lost before all attempts are used up.", at(n.NextAt)))
}

func (l *letter) failed(n *store.Notice) {
	l.subject = lang.Text("[%s] A webhook to %s is given up", n.Project, n.Host)
	if n.Detail == "" {
		l.say(lang.Text("A webhook to %s could not be delivered, and is not tried again.", n.Host))
	} else {
		l.say(lang.Count(n.Attempt, "A webhook to %[2]s could not be delivered and is not tried again. What came of its one attempt: %[3]s.",
			"A webhook to %[2]s could not be delivered and is not tried again. What came of the last of its %[1]d attempts: %[3]s.", n.Host, lang.Recall(n.Detail)))
	}
	l.say(lang.Text("It is kept as failed: when the receiver works again, it can be sent once more. Other webhooks to it are still tried."))
	l.say(advice(n))
}

func (l *letter) disabled(n *store.Notice) {
	l.subject = lang.Text("[%s] The webhook to %s is disabled", n.Project, n.Host)
	if n.Detail == "" {
		l.say(lang.Text("Nothing more is sent to %s.", n.Host))
	} else {
		l.say(lang.Text("Nothing more is sent to %s, after an attempt of which this came: %s.", n.Host, lang.Recall(n.Detail)))
	}
	l.say(lang.Text("What happens from now on is kept for it, and sent when the endpoint is resumed."))
	l.say(advice(n))
}

func (l *letter) still(n *store.Notice) {
	l.subject = lang.Text("[%s] Webhooks to %s still fail", n.Project, n.Host)
	l.say(lang.Text("Webhooks to %s have been failing since %s.", n.Host, at(n.Since)))
	if n.More > 0 {
		l.say(lang.Count(n.More, "Since the mail before this one %d more was given up. It is kept as failed, and can be sent once more.",
			"Since the mail before this one %d more were given up. They are kept as failed, and can be sent once more."))
	}
}

func (l *letter) recovered(n *store.Notice) {
	l.subject = lang.Text("[%s] Webhooks to %s arrive again", n.Project, n.Host)
	l.say(lang.Text("%s acknowledged a webhook again. It had failed since %s.", n.Host, at(n.Since)))
	if n.Failed > 0 {
		l.say(lang.Count(n.Failed, "%d webhook was given up in that time. It is kept as failed, and can be sent once more.",
			"%d webhooks were given up in that time. They are kept as failed, and can be sent once more."))
	}
}

func (l *letter) expiring(n *store.Notice) {
	l.subject = lang.Text("[%s] What waits for %s will soon be given up", n.Project, n.Host)
	if n.State == store.Disabled {
		l.say(lang.Text("The webhook to %s is disabled (%s), and what happened meanwhile waits for it.", n.Host, lang.Recall(n.Reason)))
	} else {
		l.say(lang.Text("The webhook to %s is paused (%s), and what happened meanwhile waits for it.", n.Host, lang.Recall(n.Reason)))
	}
	l.say(lang.Text("It does not wait for ever: the oldest is given up on %s, or before that where too much waits. Resume the endpoint to have it sent, or to have it skipped.", at(n.ExpiresAt)))
}

// withheld says how many mails this one stands for.
func (l *letter) withheld(n *store.Notice) {
	if n.Withheld > 0 {
		l.say(lang.Count(n.Withheld, "And %d more notice about this endpoint was not sent by itself.", "And %d more notices about this endpoint were not sent by themselves."))
	}
}

func (l *letter) digest(n *store.Notice) {
	l.subject = lang.Count(n.Withheld, "[%[2]s] And %[1]d more notice about webhooks", "[%[2]s] And %[1]d more notices about webhooks", n.Project)
	l.say(lang.Count(n.Withheld, "%d notice was not sent by itself, so that this address does not get a mail for each. The last of each endpoint:",
		"%d notices were not sent by themselves, so that this address does not get a mail for each. The last of each endpoint:"))
	for _, h := range n.Held {
		l.facts = append(l.facts, fact{h.Host + " (" + h.EndpointID + "), " + at(h.At), inShort(&h.Notice)})
	}
}

// inShort is a notice in a few words.
func inShort(n *store.Notice) lang.Message {
	switch n.Kind {
	case store.NoticeFirst, store.NoticeFifth:
		return lang.Text("an attempt failed: %s", lang.Recall(n.Detail))
	case store.NoticeFailed:
		return lang.Text("a webhook was given up: %s", lang.Recall(n.Detail))
	case store.NoticeDisabled:
		return lang.Text("disabled")
	case store.NoticeRecovered:
		return lang.Text("it arrives again")
	case store.NoticeExpiring:
		return lang.Text("what waits for it will soon be given up")
	}
	return lang.Text("it still fails")
}

// aboutEndpoint adds what tells one endpoint from another, and where to look.
func (l *letter) aboutEndpoint(n *store.Notice) {
	add := func(name lang.Message, value string) {
		if value != "" {
			l.facts = append(l.facts, fact{name, value})
		}
	}
	add(lang.Text("Endpoint id"), n.EndpointID)
	add(lang.Text("Name"), shorten(n.Name))
	add(lang.Text("Host name"), n.Host)
	add(lang.Text("Consumer"), n.Consumer)
	add(lang.Text("Event type"), n.EventType)
	add(lang.Text("Delivery"), n.DeliveryID)
	if !n.Since.IsZero() && n.Kind != store.NoticeFirst {
		add(lang.Text("Failing since"), at(n.Since))
	}
	add(lang.Text("Time of this"), at(n.At))
}

// longestName of an endpoint in a mail: whoever sets it may be a stranger to
// whoever reads it.
const longestName = 80

func shorten(s string) string {
	if r := []rune(s); len(r) > longestName {
		return string(r[:longestName-1]) + "…"
	}
	return s
}
