package store

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"
)

// NoticeKind is what a mail tells.
type NoticeKind string

// The kinds of notices.
const (
	NoticeFirst     NoticeKind = "first"     // an attempt failed, the first since a success
	NoticeFifth     NoticeKind = "fifth"     // five in a row
	NoticeFailed    NoticeKind = "failed"    // a delivery failed for good
	NoticeDisabled  NoticeKind = "disabled"  // the endpoint is disabled
	NoticeStill     NoticeKind = "still"     // it goes on: what was not told since
	NoticeRecovered NoticeKind = "recovered" // a success
	NoticeExpiring  NoticeKind = "expiring"  // what a paused or disabled endpoint holds will expire
	NoticeDigest    NoticeKind = "digest"    // what an address was spared
)

// Notice is what a mail tells, as it was when it happened. It holds no secret,
// and of a URL the host alone. Texts that people read are kept in English: see
// package lang.
type Notice struct {
	Kind    NoticeKind `json:"kind"`
	At      time.Time  `json:"at"`
	Project string     `json:"project"` // name

	EndpointID string        `json:"endpoint_id,omitempty"`
	Name       string        `json:"name,omitempty"` // of the endpoint
	Host       string        `json:"host,omitempty"`
	Consumer   string        `json:"consumer,omitempty"` // uid
	State      EndpointState `json:"state,omitempty"`
	Reason     string        `json:"reason,omitempty"` // of the state, or why the delivery failed

	// Of the failure.
	Since      time.Time `json:"since,omitzero"` // the first failed attempt
	Failures   int       `json:"failures,omitempty"`
	Failed     int       `json:"failed,omitempty"`   // deliveries for good, since then
	More       int       `json:"more,omitempty"`     // of them, those that no notice told of
	Withheld   int       `json:"withheld,omitempty"` // notices that this one stands for
	EventType  string    `json:"event_type,omitempty"`
	DeliveryID string    `json:"delivery_id,omitempty"`
	Attempt    int       `json:"attempt,omitempty"`
	Status     int       `json:"status,omitempty"`
	Class      Class     `json:"class,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	NextAt     time.Time `json:"next_at,omitzero"` // of the next attempt

	ExpiresAt time.Time `json:"expires_at,omitzero"` // of the oldest delivery that is held

	// Held is what a digest stands for, the newest first; it may be less than Withheld.
	Held []HeldNotice `json:"held,omitempty"`

	// Of whom it goes to.
	Language string  `json:"language,omitempty"` // a tag of package lang; empty: the server's
	Because  Because `json:"because,omitempty"`
}

// HeldNotice is what happened to one endpoint while nothing was sent.
type HeldNotice struct {
	Notice
	Count int `json:"count"`
}

// Because says where the address that is written to stands.
type Because string

// Where addresses stand.
const (
	BecauseEndpoint Because = "endpoint"
	BecauseConsumer Because = "consumer"
	BecauseProject  Because = "project"
)

// noticed keeps that something is to be told of an endpoint, for
// [DB.TendMails]: who is told, and what more there is to say, takes reading
// that the commit of an attempt must not wait for.
func (b *batch) noticed(endpoint key, n *Notice) error {
	n.At = b.now
	facts, err := json.Marshal(n)
	if err != nil {
		return err
	}
	b.after = append(b.after, b.db.mailsChanged)
	return b.exec("INSERT INTO notices VALUES (?,?,?)", b.key(), endpoint, facts)
}

// noticeOf is what an outcome says.
func noticeOf(kind NoticeKind, o *Outcome) *Notice {
	a := &o.Attempt
	n := &Notice{
		Kind: kind, EventType: o.Work.Event.Type, DeliveryID: DeliveryName.Format(o.Work.ID), Reason: o.Reason,
		Attempt: max(o.Work.Attempts, a.Number), Status: a.Status, Class: a.Class, Detail: a.Detail,
	}
	if o.State == Pending {
		n.NextAt = o.DueAt
	}
	return n
}

// addressee is one whom a notice goes to.
type addressee struct {
	address, language string
	because           Because
}

// addressees of what happens to an endpoint: those that it names, else those
// of its consumer; and the operator's.
func (b *batch) addressees(project *Project, k key, e *Endpoint) ([]addressee, error) {
	var emails, language string
	_, err := b.row("SELECT emails, language FROM consumers WHERE project=? AND uid=?", []any{k, e.Consumer}, &emails, &language)
	if err != nil {
		return nil, err
	}
	owners, because := e.Settings.Emails, BecauseEndpoint
	if owners == nil {
		owners, because = emailsOf(emails), BecauseConsumer
	}
	var out []addressee
	add := func(address, language string, because Because) {
		for _, a := range out {
			if strings.EqualFold(a.address, address) {
				return
			}
		}
		out = append(out, addressee{address, language, because})
	}
	for _, address := range owners {
		add(address, cmp.Or(language, project.Language), because)
	}
	for _, address := range project.Emails {
		add(address, project.Language, BecauseProject)
	}
	return out, nil
}

// anybody reports whether somebody is to be told of an endpoint. It is asked
// for each failed attempt of an endpoint without an incident, so the answer no
// is remembered.
func (b *batch) anybody(project ID, endpoint key) (bool, error) {
	if b.w.mute[endpoint] {
		return false, nil
	}
	if p := b.db.project(project); p != nil && len(p.Emails) > 0 {
		return true, nil
	}
	var settings string
	var emails *string
	_, err := b.row("SELECT e.settings, c.emails FROM endpoints e LEFT JOIN consumers c ON c.project=e.project AND c.uid=e.consumer WHERE e.k=?",
		[]any{endpoint}, &settings, &emails)
	if err != nil {
		return false, err
	}
	var s Settings
	if err := parseSettings(settings, &s); err != nil {
		return false, err
	}
	if s.Emails == nil && emails != nil {
		s.Emails = emailsOf(*emails)
	}
	if len(s.Emails) == 0 {
		b.after = append(b.after, func() {
			if len(b.w.mute) >= maxMute {
				b.w.mute = map[key]bool{}
			}
			b.w.mute[endpoint] = true
		})
	}
	return len(s.Emails) > 0, nil
}

const maxMute = 100_000 // endpoints that nobody is told of, and that are remembered

// heardAgain forgets for which endpoints nobody was to be told: addresses changed.
func (b *batch) heardAgain() {
	b.changed(changedEmails, 0, nil)
}

// tendNotices gives the oldest notices to those who are to be told.
func (b *batch) tendNotices(limit int) (int, error) {
	type row struct {
		k, endpoint key
		facts       []byte
	}
	var rows []row
	err := b.rows("SELECT k, endpoint, facts FROM notices ORDER BY k LIMIT ?", []any{limit}, func(scan func(...any) error) (bool, error) {
		var r row
		err := scan(&r.k, &r.endpoint, &r.facts)
		rows = append(rows, r)
		return true, err
	})
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		var n Notice
		if json.Unmarshal(r.facts, &n) == nil { // what does not decode is told to nobody
			if err := b.tell(r.endpoint, &n); err != nil {
				return 0, err
			}
		}
		if err := b.exec("DELETE FROM notices WHERE k=?", r.k); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

// tell writes a mail to everybody who is to be told of a notice.
func (b *batch) tell(endpoint key, n *Notice) error {
	r, err := b.db.endpointRow(context.Background(), b.c, endpoint)
	if err != nil || r == nil {
		return err // deleted meanwhile: nobody can mend it any more
	}
	p := b.db.project(r.ProjectID)
	if p == nil {
		return nil
	}
	to, err := b.addressees(p.Project, r.project, r.Endpoint)
	if err != nil {
		return err
	}
	n.Project, n.EndpointID, n.Name, n.Host, n.Consumer = p.Name, EndpointName.Format(r.ID), r.Name, hostOf(r.URL), r.Consumer
	for _, a := range to {
		own := *n
		own.Language, own.Because = a.language, a.because
		if err := b.post(r.project, endpoint, a.address, &own); err != nil {
			return err
		}
	}
	return nil
}
