package store

import (
	"context"
	"net/url"
	"slices"
	"time"
)

// The data of operational events; operational.json describes them.

type deliveryNews struct {
	DeliveryID string `json:"delivery_id"`
	EventID    string `json:"event_id"`
	EventType  string `json:"event_type"`
	EndpointID string `json:"endpoint_id"`
	Consumer   string `json:"consumer"`
	Host       string `json:"host"`
	Reason     string `json:"reason"`
	Attempts   int    `json:"attempts"`
	LastStatus int    `json:"last_status,omitempty"`
	LastError  string `json:"last_error,omitempty"`
}

type endpointNews struct {
	EndpointID   string     `json:"endpoint_id"`
	Consumer     string     `json:"consumer"`
	Host         string     `json:"host"`
	State        string     `json:"state"`
	Reason       string     `json:"reason,omitempty"`
	FailureCount int        `json:"failure_count"`
	FailedAt     *time.Time `json:"failed_at,omitempty"`
}

// changeNews is what somebody did to an endpoint.
type changeNews struct {
	endpointNews
	Name       string   `json:"name,omitempty"`
	EventTypes []string `json:"event_types"`
	Changed    []string `json:"changed,omitempty"` // fields, without their values
	By         string   `json:"by"`
}

// expiringNews is what endpoint.expiring says.
type expiringNews struct {
	endpointNews
	Cause     string    `json:"cause"` // age or bytes
	OldestAt  time.Time `json:"oldest_at"`
	ExpiresAt time.Time `json:"expires_at"` // of the oldest, by its age
	HeldBytes int64     `json:"held_bytes"` // of the project
}

type secretNews struct {
	EndpointID string     `json:"endpoint_id"`
	Consumer   string     `json:"consumer"`
	Host       string     `json:"host"`
	InForce    int        `json:"in_force"`
	OldUntil   *time.Time `json:"old_until,omitempty"` // when the last of the old ones ends
	By         string     `json:"by"`
}

type linkNews struct {
	LinkID     string    `json:"link_id"`
	EndpointID string    `json:"endpoint_id"`
	Consumer   string    `json:"consumer"`
	Host       string    `json:"host"`
	OpenedAt   time.Time `json:"opened_at"`
	OpenedFrom string    `json:"opened_from"`
}

type keyNews struct {
	KeyID     string     `json:"key_id"`
	Name      string     `json:"name"`
	Prefix    string     `json:"prefix"`
	Consumer  string     `json:"consumer,omitempty"` // that it acts for
	Scopes    []string   `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	By        string     `json:"by"`
}

type replayNews struct {
	ReplayID   string    `json:"replay_id"`
	Kind       string    `json:"kind"`
	State      string    `json:"state"`
	Reason     string    `json:"reason,omitempty"`
	EndpointID string    `json:"endpoint_id,omitempty"`
	Consumer   string    `json:"consumer,omitempty"`
	Done       int       `json:"done"`
	Skipped    int       `json:"skipped"`
	Failed     int       `json:"failed"`
	CreatedAt  time.Time `json:"created_at"`
	FinishedAt time.Time `json:"finished_at"`
}

// hostOf is all that an operational event says of a URL: the rest may hold a token.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// orNil is a time that may be none.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// by names who asked for what is being written.
func (b *batch) by() string {
	switch {
	case b.actor.ID != "":
		return b.actor.ID
	case b.actor.Kind != "":
		return string(b.actor.Kind)
	}
	return string(ActorServer)
}

func newsOf(e *Endpoint) endpointNews {
	return endpointNews{
		EndpointID: EndpointName.Format(e.ID), Consumer: e.Consumer, Host: hostOf(e.URL),
		State: string(e.State), Reason: e.StateReason, FailureCount: e.FailureCount, FailedAt: orNil(e.FailedAt),
	}
}

func (b *batch) announceFailed(e *Endpoint, o *Outcome) error {
	return b.announceEndpoint(EventDeliveryFailed, e, deliveryNews{
		DeliveryID: DeliveryName.Format(o.Work.ID), EventID: EventName.Format(o.Work.Event.ID), EventType: o.Work.Event.Type,
		EndpointID: EndpointName.Format(e.ID), Consumer: e.Consumer, Host: hostOf(e.URL),
		Reason: o.Reason, Attempts: max(o.Work.Attempts, o.Attempt.Number),
		LastStatus: o.Attempt.Status, LastError: string(o.Attempt.Class),
	})
}

// announceChange tells what somebody did to an endpoint: changed is what
// endpointChanges found.
func (b *batch) announceChange(was, e *Endpoint, changed diff) error {
	if !b.heard(e.ProjectID) {
		return nil
	}
	news := changeNews{endpointNews: newsOf(e), Name: e.Name, EventTypes: e.EventTypes, By: b.by()}
	var fields []string
	for _, c := range changed {
		if !slices.Contains([]string{fieldState, fieldSecret, fieldOldSecrets}, c.Field) {
			fields = append(fields, c.Field)
		}
	}
	if len(fields) > 0 {
		updated := news
		updated.Changed = fields
		if err := b.announceEndpoint(EventEndpointUpdated, e, updated); err != nil {
			return err
		}
	}
	if err := b.announceSecrets(was, e); err != nil {
		return err
	}
	switch {
	case was.State == e.State:
		return nil
	case e.State == Active:
		return b.announceEndpoint(EventEndpointResumed, e, news)
	case e.State == Paused:
		return b.announceEndpoint(EventEndpointPaused, e, news)
	}
	return nil // a rule disables, and says so itself
}

func (b *batch) announceCreated(e *Endpoint) error {
	return b.announceEndpoint(EventEndpointCreated, e, changeNews{endpointNews: newsOf(e), Name: e.Name, EventTypes: e.EventTypes, By: b.by()})
}

// announceDeleted tells of an endpoint that is about to be deleted.
func (b *batch) announceDeleted(project ID, k key, reason string) error {
	if !b.heard(project) {
		return nil
	}
	e, err := b.loadEndpoint(k)
	if err != nil || e == nil {
		return err
	}
	news := changeNews{endpointNews: newsOf(e), Name: e.Name, EventTypes: e.EventTypes, By: b.by()}
	news.Reason = reason
	return b.announceEndpoint(EventEndpointDeleted, e, news)
}

// announceSecrets tells of a new secret, and of old ones that somebody ended
// before their time.
func (b *batch) announceSecrets(was, e *Endpoint) error {
	rotated := len(was.Secrets) > 0 && was.Secrets[0].Value != e.Secrets[0].Value
	if rotated {
		return b.announceEndpoint(EventSecretRotated, e, b.secretNews(e))
	}
	for _, old := range was.Secrets {
		ended := !slices.ContainsFunc(e.Secrets, func(s SigningSecret) bool { return s.Value == old.Value })
		if ended && (old.ExpiresAt.IsZero() || old.ExpiresAt.After(b.now)) {
			return b.announceEndpoint(EventSecretRevoked, e, b.secretNews(e))
		}
	}
	return nil
}

func (b *batch) secretNews(e *Endpoint) secretNews {
	news := secretNews{EndpointID: EndpointName.Format(e.ID), Consumer: e.Consumer, Host: hostOf(e.URL), By: b.by()}
	var until time.Time
	for i, s := range e.Secrets {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(b.now) {
			news.InForce++
		}
		if i > 0 && s.ExpiresAt.After(b.now) && s.ExpiresAt.After(until) {
			until = s.ExpiresAt
		}
	}
	news.OldUntil = orNil(until)
	return news
}

func (b *batch) announceKey(eventType string, k *Key) error {
	if k.ProjectID.IsZero() || !b.heard(k.ProjectID) {
		return nil // a root key is of no project
	}
	return b.announce(k.ProjectID, eventType, keyNews{
		KeyID: KeyName.Format(k.ID), Name: k.Name, Prefix: k.Prefix, Consumer: k.Consumer, Scopes: k.Scopes,
		ExpiresAt: orNil(k.ExpiresAt), By: b.by(),
	})
}

// announceKeyRow is announceKey of a key that is in the table.
func (b *batch) announceKeyRow(eventType string, project, k key) error {
	if !b.heard(b.db.keys.id(project)) {
		return nil
	}
	var found *Key
	err := b.rows(selectKey+" WHERE k=?", []any{k}, func(scan func(...any) error) (_ bool, err error) {
		found, err = b.db.scanKey(scan)
		return false, err
	})
	if err != nil || found == nil {
		return err
	}
	return b.announceKey(eventType, found)
}

func (b *batch) announceReplay(k key) error {
	r, err := b.db.loadReplay(context.Background(), b.c, k)
	if err != nil || r == nil || !b.heard(r.ProjectID) {
		return err
	}
	news := replayNews{
		ReplayID: ReplayName.Format(r.ID), Kind: string(r.Kind), State: string(r.State), Reason: r.Reason, Consumer: r.Consumer,
		Done: r.Done, Skipped: r.Skipped, Failed: r.Failed, CreatedAt: r.CreatedAt, FinishedAt: r.FinishedAt,
	}
	if !r.EndpointID.IsZero() {
		news.EndpointID = EndpointName.Format(r.EndpointID)
	}
	return b.announce(r.ProjectID, EventReplayFinished, news)
}

func (b *batch) announceLink(l *SecretLink, e *Endpoint) error {
	return b.announceEndpoint(EventLinkOpened, e, linkNews{
		LinkID: LinkName.Format(l.ID), EndpointID: EndpointName.Format(e.ID), Consumer: e.Consumer, Host: hostOf(e.URL),
		OpenedAt: l.OpenedAt, OpenedFrom: l.OpenedFrom,
	})
}
