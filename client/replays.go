package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Kinds of replays.
const (
	// Recover sends deliveries again that failed, or wait for their next
	// attempt after one that failed, or others that States names.
	Recover = "recover"
	// Missed gives an endpoint the events that it would have got, had it been
	// there and wanted them when they came in.
	Missed = "missed"
)

// NewReplay says what to replay; zero fields do not narrow it.
type NewReplay struct {
	Kind       string // [Recover] or [Missed]
	EndpointID string // needed by [Missed]
	Consumer   string
	States     []string // of [Recover]; none: "failed" and "pending"
	EventTypes []string // exact names, prefixes as in "task.*", or "*"
	// From is inclusive, Until not: when the delivery, or of [Missed] the
	// event, was made.
	From, Until time.Time
	// IdempotencyKey makes calling again safe (empty: one for this call alone).
	IdempotencyKey string
}

// replayBody is how a replay is asked for.
type replayBody struct {
	Kind       string     `json:"kind"`
	EndpointID string     `json:"endpoint_id,omitempty"`
	Consumer   string     `json:"consumer,omitempty"`
	States     []string   `json:"states,omitempty"`
	EventTypes []string   `json:"event_types,omitempty"`
	From       *time.Time `json:"from,omitempty"`
	Until      *time.Time `json:"until,omitempty"`
	DryRun     bool       `json:"dry_run,omitempty"`
}

func (r *NewReplay) body(dry bool) replayBody {
	return replayBody{r.Kind, r.EndpointID, r.Consumer, r.States, r.EventTypes, timeOrNil(r.From), timeOrNil(r.Until), dry}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Replay is a job that puts deliveries into the queue, and how far it is.
type Replay struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	EndpointID string     `json:"endpoint_id"` // empty: all of the consumer's, or the project's
	Consumer   string     `json:"consumer"`    // empty: the whole project
	States     []string   `json:"states"`
	EventTypes []string   `json:"event_types"`
	From       *time.Time `json:"from"`
	Until      *time.Time `json:"until"`
	State      string     `json:"state"`    // "running", "done", "cancelled" or "failed"
	Reason     string     `json:"reason"`   // failed: why
	Matched    int        `json:"matched"`  // that it had to send when it was made
	More       bool       `json:"more"`     // and more than that
	Done       int        `json:"done"`     // put into the queue
	Skipped    int        `json:"skipped"`  // retried, delivered or ended anew meanwhile
	Failed     int        `json:"failed"`   // cannot be sent: past their retention
	Progress   *float64   `json:"progress"` // from 0 to 1; nil: not known
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

// ReplayCount is how many deliveries a replay would be of.
type ReplayCount struct {
	Matched int  `json:"matched"` // exact up to 100,000
	More    bool `json:"more"`    // and more than that
}

// CreateReplay starts a replay. It runs in the background, also over a restart
// of the server: [Client.Replay] says how far it is.
func (c *Client) CreateReplay(ctx context.Context, r NewReplay) (*Replay, error) {
	return do[Replay](ctx, c, request{method: http.MethodPost, path: "/v1/replays", body: r.body(false), idem: orRandom(r.IdempotencyKey)})
}

// CountReplay says how many deliveries a replay would be of, and does nothing.
func (c *Client) CountReplay(ctx context.Context, r NewReplay) (*ReplayCount, error) {
	out, err := do[struct {
		DryRun ReplayCount `json:"dry_run"`
	}](ctx, c, request{method: http.MethodPost, path: "/v1/replays", body: r.body(true), idem: orRandom("")})
	if err != nil {
		return nil, err
	}
	return &out.DryRun, nil
}

// RecoverEndpoint sends an endpoint again what failed since a time, and sends
// now what waits for its next attempt.
func (c *Client) RecoverEndpoint(ctx context.Context, endpoint string, since time.Time) (*Replay, error) {
	return c.replaySince(ctx, endpoint, "/recover", since)
}

// ReplayMissing sends an endpoint the events since a time that it wants and
// never got.
func (c *Client) ReplayMissing(ctx context.Context, endpoint string, since time.Time) (*Replay, error) {
	return c.replaySince(ctx, endpoint, "/replay-missing", since)
}

func (c *Client) replaySince(ctx context.Context, endpoint, action string, since time.Time) (*Replay, error) {
	body := struct {
		Since time.Time `json:"since"`
	}{since}
	return do[Replay](ctx, c, request{method: http.MethodPost, path: "/v1/endpoints/" + url.PathEscape(endpoint) + action, body: body, idem: orRandom("")})
}

// ReplayFilter narrows [Client.Replays]; zero fields do not.
type ReplayFilter struct {
	EndpointID      string
	Consumer, State string
	PageSize        int // at most 250
}

// Replays lists replays, newest first.
func (c *Client) Replays(ctx context.Context, f ReplayFilter) iter.Seq2[*Replay, error] {
	q := url.Values{}
	put(q, "endpoint_id", f.EndpointID)
	put(q, "consumer", f.Consumer)
	put(q, "state", f.State)
	putInt(q, "limit", f.PageSize)
	return pages[Replay](ctx, c, "/v1/replays", q)
}

// Replay reads one.
func (c *Client) Replay(ctx context.Context, id string) (*Replay, error) {
	return do[Replay](ctx, c, request{method: http.MethodGet, path: "/v1/replays/" + url.PathEscape(id)})
}

// CancelReplay ends one: what it put into the queue is sent, the rest stays as
// it was.
func (c *Client) CancelReplay(ctx context.Context, id string) (*Replay, error) {
	return do[Replay](ctx, c, request{method: http.MethodPost, path: "/v1/replays/" + url.PathEscape(id) + "/cancel"})
}

// EventReplayed are the deliveries that are due now.
type EventReplayed struct {
	EventID string   `json:"event_id"`
	Again   []string `json:"again"` // that were there
	New     []string `json:"new"`   // to endpoints that had none
}

// ReplayEvent sends one event again: to every endpoint that got it and those
// of its consumer that want it today, or to one endpoint (empty: all).
func (c *Client) ReplayEvent(ctx context.Context, event, endpoint string) (*EventReplayed, error) {
	body := struct {
		EndpointID string `json:"endpoint_id,omitempty"`
	}{endpoint}
	return do[EventReplayed](ctx, c, request{method: http.MethodPost, path: "/v1/events/" + url.PathEscape(event) + "/replay", body: body})
}
