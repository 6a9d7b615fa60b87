package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// desk is a store on fake time, and what it would have mailed.
type desk struct {
	*testing.T
	o       store.Options
	db      *store.DB
	project *store.Project
}

// atDesk runs a test in a bubble, on a project whose consumer acme has an address.
func atDesk(t *testing.T, test func(*desk)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ring, err := secret.NewKeyring(secret.NewMasterKey())
		if err != nil {
			t.Fatal(err)
		}
		d := &desk{T: t, o: store.Options{Dir: t.TempDir(), Keyring: ring, MinFree: -1, Mail: true}}
		d.start()
		defer func() { d.no(d.db.Close()) }()
		d.project = &store.Project{Name: "Shop", Environment: store.Production, Dialect: "standard"}
		d.no(d.db.CreateProject(d.Context(), d.project))
		d.consumer("acme", func(c *store.Consumer) { c.Emails = []string{"ti@acme.example"} })
		test(d)
	})
}

func (d *desk) start() {
	d.Helper()
	var err error
	d.db, err = store.Open(d.Context(), d.o)
	d.no(err)
}

func (d *desk) restart() {
	d.Helper()
	d.no(d.db.Close())
	d.start()
}

func (d *desk) no(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) consumer(uid string, change func(*store.Consumer)) {
	d.Helper()
	_, _, err := d.db.PutConsumer(d.Context(), d.project.ID, uid, change)
	d.no(err)
}

func (d *desk) endpoint(consumer string) *store.Endpoint {
	d.Helper()
	e := &store.Endpoint{
		ProjectID: d.project.ID, Consumer: consumer, URL: "https://" + consumer + ".example/hooks?token=t", EventTypes: []string{"*"},
		Secrets: []store.SigningSecret{{Value: "whsec_1"}},
	}
	d.no(d.db.CreateEndpoint(d.Context(), e, 0))
	return e
}

func (d *desk) change(e *store.Endpoint, change func(*store.Endpoint)) {
	d.Helper()
	_, _, err := d.db.UpdateEndpoint(d.Context(), d.project.ID, e.ID, func(e *store.Endpoint) error { change(e); return nil })
	d.no(err)
}

// deliver makes a pending delivery to an endpoint.
func (d *desk) deliver(e *store.Endpoint) *store.Work {
	d.Helper()
	return d.deliverMany(e, 1)[0]
}

func (d *desk) deliverMany(e *store.Endpoint, n int) []*store.Work {
	d.Helper()
	subs, err := d.db.Subscriptions(d.Context(), d.project.ID, e.Consumer)
	d.no(err)
	items := make([]*store.Acceptance, n)
	for i := range items {
		items[i] = &store.Acceptance{
			Event:     &store.Event{ProjectID: d.project.ID, Consumer: e.Consumer, Type: "invoice.paid", Data: []byte(`{}`), Dialect: "standard/1", Time: time.Now()},
			Endpoints: []store.ID{e.ID}, Version: subs.Version,
		}
	}
	kept, err := d.db.Accept(d.Context(), items)
	d.no(err)
	events := map[store.ID]*store.Event{}
	for i, k := range kept {
		d.no(k.Err)
		events[k.EventID] = items[i].Event
	}
	var works []*store.Work
	for f := (store.Filter{EndpointID: e.ID, States: []store.State{store.Pending}, Limit: 250}); len(works) < n; {
		page, err := d.db.Deliveries(d.Context(), d.project.ID, f)
		d.no(err)
		for _, item := range page.Items {
			if event := events[item.EventID]; event != nil {
				works = append(works, &store.Work{ID: item.ID, EndpointID: e.ID, Event: event})
			}
		}
		f.Before = page.Next
	}
	return works
}

// attempt ends the next one of each delivery: 0 tries on, -1 fails for good, a
// status delivers.
func (d *desk) attempt(outcome int, works ...*store.Work) {
	d.Helper()
	done := make(chan error, len(works))
	for _, w := range works {
		w.Attempts++
		o := &store.Outcome{Work: w, State: store.Pending, DueAt: time.Now().Add(time.Minute), Attempt: store.Attempt{
			Number: w.Attempts, At: time.Now(), Status: 500, Class: store.ClassStatus, Detail: "answered 500 Internal Server Error",
		}}
		switch {
		case outcome < 0:
			o.State, o.Reason, o.Effect.Exhausted = store.Failed, "exhausted", true
		case outcome > 0:
			o.State, o.Attempt.Status, o.Attempt.Class, o.Attempt.Detail = store.Delivered, outcome, "", ""
		}
		own := *w
		own.Attempts--
		o.Work = &own
		d.db.Finish(o, func(err error) { done <- err })
	}
	for range works {
		d.no(<-done)
	}
}

// Outcomes of attempts.
const (
	again  = 0
	forBad = -1
	ok     = 200
)

// mails takes all that are due, as a relay would.
func (d *desk) mails() (out []*store.Mail) {
	d.Helper()
	for {
		for more := true; more; {
			var err error
			more, err = d.db.TendMails(d.Context(), 100)
			d.no(err)
		}
		due, _, err := d.db.Mails(d.Context(), 100)
		d.no(err)
		if len(due) == 0 {
			return out
		}
		var results []store.MailResult
		for _, m := range due {
			out = append(out, m)
			results = append(results, store.MailResult{ID: m.ID})
		}
		d.no(d.db.SettleMails(d.Context(), results))
	}
}

// mailed holds what is due to "kind address" each.
func (d *desk) mailed(want ...string) []*store.Mail {
	d.Helper()
	mails := d.mails()
	var got []string
	for _, m := range mails {
		got = append(got, string(m.Notice.Kind)+" "+m.Address)
	}
	if !slices.Equal(got, want) {
		d.Fatalf("mailed %q, want %q", got, want)
	}
	return mails
}

// TestFirstFifthLastAndRecovery is the promise itself.
func TestFirstFifthLastAndRecovery(t *testing.T) {
	atDesk(t, func(d *desk) {
		e := d.endpoint("acme")
		w := d.deliver(e)
		d.attempt(again, w)
		m := d.mailed("first ti@acme.example")[0].Notice
		if m.Project != "Shop" || m.EndpointID != store.EndpointName.Format(e.ID) || m.Host != "acme.example" || m.EventType != "invoice.paid" || m.Status != 500 ||
			m.Class != store.ClassStatus || m.Attempt != 1 || m.NextAt.IsZero() || m.Because != store.BecauseConsumer {
			d.Errorf("%+v", m)
		}
		for range 3 {
			time.Sleep(time.Minute)
			d.attempt(again, w)
			d.mailed()
		}
		d.attempt(again, w)
		if m := d.mailed("fifth ti@acme.example")[0].Notice; m.Failures != 5 || m.Attempt != 5 || !m.Since.Before(m.At.Add(-2*time.Minute)) {
			d.Errorf("%+v", m)
		}
		for range 4 {
			d.attempt(again, w)
		}
		d.mailed()
		d.attempt(forBad, w)
		if m := d.mailed("failed ti@acme.example")[0].Notice; m.Reason != "exhausted" || m.Failed != 1 || m.DeliveryID != store.DeliveryName.Format(w.ID) {
			d.Errorf("%+v", m)
		}
		d.attempt(ok, d.deliver(e))
		if m := d.mailed("recovered ti@acme.example")[0].Notice; m.Failed != 1 || m.Since.IsZero() {
			d.Errorf("%+v", m)
		}
		d.attempt(ok, d.deliver(e))
		d.mailed()
	})
}

// TestAMailIsNotRepeatedByAStart: nor is one lost.
func TestAMailIsNotRepeatedByAStart(t *testing.T) {
	atDesk(t, func(d *desk) {
		e := d.endpoint("acme")
		w := d.deliver(e)
		d.attempt(again, w)
		d.restart() // the notice was kept, and nobody told yet
		d.mailed("first ti@acme.example")
		d.attempt(again, w)
		d.attempt(again, w)
		d.restart()
		d.mailed()
		d.attempt(again, w)
		d.mailed()
		d.restart()
		d.attempt(again, w) // the fifth, over three processes
		_, err := d.db.TendMails(d.Context(), 100)
		d.no(err)
		d.restart() // the mail was made, and not sent
		d.mailed("fifth ti@acme.example")
		d.attempt(forBad, w)
		d.mailed("failed ti@acme.example")
		d.restart()
		d.attempt(forBad, d.deliver(e))
		d.mailed()
		d.attempt(ok, d.deliver(e))
		d.mailed("recovered ti@acme.example")
		d.restart()
		d.attempt(again, d.deliver(e)) // soon after it: no news
		d.mailed()
	})
}

// TestAStormOfOneEndpoint: ten thousand deliveries that fail for good are one
// mail, and one more each day for as long as it goes on.
func TestAStormOfOneEndpoint(t *testing.T) {
	atDesk(t, func(d *desk) {
		e := d.endpoint("acme")
		const all = 10_000
		for range all / 1000 {
			d.attempt(forBad, d.deliverMany(e, 1000)...)
		}
		d.mailed("failed ti@acme.example")
		time.Sleep(time.Hour)
		if m := d.mailed("still ti@acme.example")[0].Notice; m.More != all-1 || m.Failed != all {
			d.Errorf("%+v", m)
		}
		for range 23 {
			d.attempt(forBad, d.deliver(e))
			time.Sleep(time.Hour)
			d.mailed()
		}
		d.restart()
		time.Sleep(2 * time.Hour)
		if m := d.mailed("still ti@acme.example")[0].Notice; m.More != 23 {
			d.Errorf("%+v", m)
		}
		time.Sleep(100 * time.Hour)
		d.mailed() // nothing new
		d.attempt(ok, d.deliver(e))
		d.mailed("recovered ti@acme.example")
	})
}

// TestAStormOfManyEndpoints: an address gets so many mails an hour, and then
// one that stands for the others.
func TestAStormOfManyEndpoints(t *testing.T) {
	atDesk(t, func(d *desk) {
		const endpoints = 60
		for range endpoints {
			d.attempt(again, d.deliver(d.endpoint("acme")))
		}
		mails := d.mails()
		if len(mails) != 12 {
			d.Fatalf("%d mails", len(mails))
		}
		if n := d.db.Counters().Suppressed; n != endpoints-12 {
			d.Errorf("%d suppressed", n)
		}
		d.restart()
		time.Sleep(59 * time.Minute)
		d.mailed()
		time.Sleep(2 * time.Minute)
		m := d.mailed("digest ti@acme.example")[0].Notice
		if m.Withheld != endpoints-12 || len(m.Held) != 20 || m.Project != "Shop" || m.Held[0].Kind != store.NoticeFirst || m.Held[0].Host != "acme.example" {
			d.Errorf("%+v", m)
		}
		d.attempt(again, d.deliver(d.endpoint("acme")))
		d.mailed("first ti@acme.example") // there is room again
		for range 20 {
			d.attempt(again, d.deliver(d.endpoint("acme")))
		}
		if n := len(d.mails()); n != 10 {
			d.Errorf("%d mails beside the digest and the one before", n)
		}
		time.Sleep(5 * time.Hour)
		d.mailed()
		time.Sleep(time.Hour)
		if m := d.mailed("digest ti@acme.example")[0].Notice; m.Withheld != 10 {
			d.Errorf("%+v", m)
		}
	})
}

// TestFlappingIsNoNews: an endpoint that fails now and then.
func TestFlappingIsNoNews(t *testing.T) {
	atDesk(t, func(d *desk) {
		e := d.endpoint("acme")
		for range 20 {
			d.attempt(again, d.deliver(e))
			d.attempt(ok, d.deliver(e))
		}
		d.mailed("first ti@acme.example", "recovered ti@acme.example")
		for range 20 { // five in a row are news, but not each time
			for range 5 {
				d.attempt(again, d.deliver(e))
			}
			d.attempt(ok, d.deliver(e))
		}
		if n := len(d.mails()); n != 4 {
			d.Errorf("%d mails", n)
		}
		time.Sleep(61 * time.Minute)
		if m := d.mailed("recovered ti@acme.example")[0].Notice; m.Withheld != 36 {
			d.Errorf("%+v", m)
		}
		time.Sleep(3 * time.Hour)
		d.attempt(again, d.deliver(e))
		d.mailed("first ti@acme.example")
	})
}

// TestWhatSaysNothingOfTheEndpoint is told to nobody.
func TestWhatSaysNothingOfTheEndpoint(t *testing.T) {
	atDesk(t, func(d *desk) {
		e := d.endpoint("acme")
		w := d.deliver(e)
		w.Event.Test = true
		d.attempt(again, w)
		w = d.deliver(e)
		done := make(chan error)
		for _, c := range []store.Class{store.ClassUnknown, store.ClassCancelled} {
			o := &store.Outcome{Work: w, State: store.Pending, DueAt: time.Now(), Attempt: store.Attempt{Number: 1, At: time.Now(), Class: c}}
			d.db.Finish(o, func(err error) { done <- err })
			d.no(<-done)
		}
		d.mailed()
	})
}

// TestWhoIsTold: the endpoint's own addresses, else its consumer's, and the
// operator's, each once and in its language.
func TestWhoIsTold(t *testing.T) {
	atDesk(t, func(d *desk) {
		told := func(want string, change func(*store.Endpoint)) {
			d.Helper()
			e := d.endpoint("acme")
			d.change(e, change)
			d.attempt(again, d.deliver(e))
			var got []string
			for _, m := range d.mails() {
				got = append(got, fmt.Sprintf("%s:%s:%s", m.Address, m.Notice.Because, m.Notice.Language))
			}
			if s := strings.Join(got, " "); s != want {
				d.Errorf("told %q, want %q", s, want)
			}
		}
		same := func(*store.Endpoint) {}
		own := func(emails ...string) func(*store.Endpoint) {
			return func(e *store.Endpoint) { e.Settings.Emails = append([]string{}, emails...) }
		}
		told("ti@acme.example:consumer:", same)
		told("", own())
		told("x@acme.example:endpoint: y@acme.example:endpoint:", own("x@acme.example", "y@acme.example"))
		_, err := d.db.UpdateProject(d.Context(), d.project.ID, func(p *store.Project) error {
			p.Emails, p.Language = []string{"ops@shop.example", "TI@acme.example"}, "pt-BR"
			return nil
		})
		d.no(err)
		told("ti@acme.example:consumer:pt-BR ops@shop.example:project:pt-BR", same)
		d.consumer("acme", func(c *store.Consumer) { c.Language = "en" })
		told("ti@acme.example:consumer:en ops@shop.example:project:pt-BR", same)
		told("ops@shop.example:project:pt-BR TI@acme.example:project:pt-BR", own())

		// Somebody who is named later is told from then on.
		_, err = d.db.UpdateProject(d.Context(), d.project.ID, func(p *store.Project) error { p.Emails = nil; return nil })
		d.no(err)
		e := d.endpoint("globex")
		w := d.deliver(e)
		d.attempt(again, w)
		d.mailed()
		d.consumer("globex", func(c *store.Consumer) { c.Emails = []string{"a@globex.example"} })
		d.attempt(again, w)
		d.mailed("first a@globex.example")
		e = d.endpoint("initech")
		w = d.deliver(e)
		d.attempt(again, w)
		d.change(e, own("b@initech.example"))
		d.attempt(again, w)
		d.mailed("first b@initech.example")
	})
}

// TestDisabledAndResumed: what ends an endpoint is one mail, and after a person
// stepped in all is news again.
func TestDisabledAndResumed(t *testing.T) {
	atDesk(t, func(d *desk) {
		e := d.endpoint("acme")
		gone := func() {
			w := d.deliver(e)
			done := make(chan error, 1)
			d.db.Finish(&store.Outcome{
				Work: w, State: store.Failed, Reason: "gone", Effect: store.Effect{Disable: "the receiver answered 410 Gone"},
				Attempt: store.Attempt{Number: 1, At: time.Now(), Status: 410, Class: store.ClassStatus, Detail: "answered 410 Gone"},
			}, func(err error) { done <- err })
			d.no(<-done)
		}
		gone()
		d.mailed("disabled ti@acme.example")
		d.change(e, func(e *store.Endpoint) { e.State = store.Active })
		d.attempt(again, d.deliver(e))
		d.mailed("first ti@acme.example")
		gone()
		d.mailed("disabled ti@acme.example")
		d.change(e, func(e *store.Endpoint) { e.State = store.Active })
		d.attempt(ok, d.deliver(e))
		d.mailed("recovered ti@acme.example")

		w := d.deliver(e)
		d.change(e, func(e *store.Endpoint) { e.State = store.Paused })
		n, err := d.db.WarnHeld(d.Context(), 0, 1<<40, 10)
		if n != 1 || err != nil {
			d.Fatal(n, err)
		}
		if m := d.mailed("expiring ti@acme.example")[0].Notice; m.State != store.Paused || m.ExpiresAt.IsZero() {
			d.Errorf("%+v", m)
		}
		// A deleted endpoint is forgotten, with what was to be told of it.
		_ = w
		w = d.deliver(e)
		time.Sleep(3 * time.Hour)
		d.attempt(again, w)
		_, err = d.db.DeleteEndpoint(d.Context(), d.project.ID, e.ID)
		d.no(err)
		d.mailed()
	})
}

// TestStopMails: an address that wants no more gets no more, until it does.
func TestStopMails(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.attempt(again, d.deliver(d.endpoint("acme")))
		mail := d.mailed("first ti@acme.example")[0]
		box := mail.Token
		d.attempt(again, d.deliver(d.endpoint("acme")))
		_, err := d.db.TendMails(d.Context(), 100)
		d.no(err)
		for range 2 {
			got, err := d.db.StopMails(d.Context(), box, true)
			if d.no(err); got.Address != "ti@acme.example" || got.StoppedAt.IsZero() || got.Project.Name != "Shop" {
				d.Errorf("%+v", got)
			}
		}
		if n := d.db.MailsQueued(); n != 0 {
			d.Errorf("%d are queued", n)
		}
		d.attempt(again, d.deliver(d.endpoint("acme")))
		d.restart()
		d.attempt(again, d.deliver(d.endpoint("acme")))
		d.mailed()
		_, err = d.db.StopMails(d.Context(), box, false)
		d.no(err)
		d.attempt(again, d.deliver(d.endpoint("acme")))
		d.mailed("first ti@acme.example")
		if got, err := d.db.Mailbox(d.Context(), box); err != nil || got.ID != mail.Mailbox || !got.StoppedAt.IsZero() {
			d.Errorf("%+v %v", got, err)
		}
		for _, bad := range []secret.Text{"", "x", box[1:], "A" + box[1:], box[:len(box)-2] + "AA", box + "A"} {
			if bad == box {
				continue
			}
			if _, err := d.db.StopMails(d.Context(), bad, true); !errors.Is(err, store.ErrNotFound) {
				d.Error(err)
			}
		}
		log, err := d.db.Audit(d.Context(), d.project.ID, store.AuditFilter{Object: store.MailboxName.Format(mail.Mailbox)})
		d.no(err)
		if len(log.Items) != 2 || log.Items[0].Action != store.ActionMailStart {
			d.Errorf("%v", log.Items)
		}
	})
}

// TestMailsAreTriedAgain, when they are due and not before; the queue is counted.
func TestMailsAreTriedAgain(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.attempt(again, d.deliver(d.endpoint("acme")))
		select {
		case <-d.db.MailsReady():
		default:
			d.Error("nobody is woken")
		}
		_, err := d.db.TendMails(d.Context(), 100)
		d.no(err)
		due, next, err := d.db.Mails(d.Context(), 10)
		d.no(err)
		if len(due) != 1 || !next.IsZero() || d.db.MailsQueued() != 1 {
			d.Fatalf("%d due, then %s", len(due), next)
		}
		later := time.Now().Add(5 * time.Minute)
		d.no(d.db.SettleMails(d.Context(), []store.MailResult{{ID: due[0].ID, Again: later}}))
		due, next, err = d.db.Mails(d.Context(), 10)
		d.no(err)
		if len(due) != 0 || !next.Equal(later) {
			d.Errorf("%d due, then %s, want %s", len(due), next, later)
		}
		d.restart()
		if d.db.MailsQueued() != 1 {
			d.Errorf("%d after a start", d.db.MailsQueued())
		}
		time.Sleep(5 * time.Minute)
		if due, _, err = d.db.Mails(d.Context(), 10); err != nil || len(due) != 1 || due[0].Tries != 1 {
			d.Errorf("%v %v", due, err)
		}
	})
}

// TestNothingIsKeptWithoutMail: a server that sends none pays nothing.
func TestNothingIsKeptWithoutMail(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.o.Mail = false
		d.restart()
		e := d.endpoint("acme")
		d.attempt(forBad, d.deliver(e))
		d.attempt(ok, d.deliver(e))
		d.o.Mail = true
		d.restart()
		d.mailed()
	})
}

// TestOldIncidentsAndMailboxesGo, and what is still wanted stays.
func TestOldIncidentsAndMailboxesGo(t *testing.T) {
	atDesk(t, func(d *desk) {
		e := d.endpoint("acme")
		d.attempt(again, d.deliver(e))
		d.attempt(ok, d.deliver(e))
		box := d.mails()[0].Token
		prune := func() {
			d.Helper()
			_, err := d.db.Prune(context.WithoutCancel(d.Context()), time.Now().Add(-100*24*time.Hour), 1000)
			d.no(err)
		}
		time.Sleep(29 * 24 * time.Hour)
		prune()
		_, err := d.db.StopMails(d.Context(), box, true)
		d.no(err)
		time.Sleep(60 * 24 * time.Hour)
		prune()
		_, err = d.db.StopMails(d.Context(), box, false) // a stop is kept
		d.no(err)
		prune()
		if _, err := d.db.StopMails(d.Context(), box, false); !errors.Is(err, store.ErrNotFound) {
			d.Error(err)
		}
	})
}
