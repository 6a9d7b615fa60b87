package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
)

func (s *server) replayRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/replays", summary: "Replay deliveries by filter", scope: deliveriesWrite, body: smallBody, status: 202, action: creates(s.createReplay)},
		{method: "GET", pattern: "/v1/replays", summary: "List replays", scope: deliveriesRead, status: 200, action: asks(s.listReplays)},
		{method: "GET", pattern: "/v1/replays/{id}", summary: "Read a replay and its progress", scope: deliveriesRead, status: 200, action: gives(s.getReplay)},
		{method: "POST", pattern: "/v1/replays/{id}/cancel", summary: "End a replay", scope: deliveriesWrite, body: noBody, status: 200, action: takes(s.cancelReplay)},
		{method: "POST", pattern: "/v1/endpoints/{id}/recover", summary: "Send again what failed since a time", scope: deliveriesWrite, body: smallBody, status: 202, action: creates(s.recoverEndpoint)},
		{method: "POST", pattern: "/v1/endpoints/{id}/replay-missing", summary: "Send what an endpoint missed since a time", scope: deliveriesWrite, body: smallBody, status: 202, action: creates(s.replayMissing)},
		{method: "POST", pattern: "/v1/events/{id}/replay", summary: "Send one event again", scope: deliveriesWrite, body: smallBody, status: 202, action: takes(s.replayEvent)},
	}
}

// replayInput is a new replay.
type replayInput struct {
	Kind       optional[string]    `json:"kind"`
	EndpointID optional[string]    `json:"endpoint_id"`
	Consumer   optional[string]    `json:"consumer"`
	States     optional[[]string]  `json:"states"`
	EventTypes optional[[]string]  `json:"event_types"`
	From       optional[time.Time] `json:"from"`
	Until      optional[time.Time] `json:"until"`
	DryRun     optional[bool]      `json:"dry_run"`
}

// sinceInput is a replay of one endpoint.
type sinceInput struct {
	Since      optional[time.Time] `json:"since"`
	Until      optional[time.Time] `json:"until"`
	EventTypes optional[[]string]  `json:"event_types"`
	DryRun     optional[bool]      `json:"dry_run"`
}

// replayMade is a replay that began, or what a dry run found.
type replayMade struct {
	*replayView
	DryRun *countView `json:"dry_run,omitempty"`
}

// countView is how many deliveries a replay would be of.
type countView struct {
	Matched int  `json:"matched"`
	More    bool `json:"more"` // and more: counting them all would take too long
}

// replayView is a replay, and how far it is.
type replayView struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	EndpointID *string  `json:"endpoint_id"`
	Consumer   *string  `json:"consumer"`
	States     []string `json:"states"`
	EventTypes []string `json:"event_types"`
	From       stamp    `json:"from"`
	Until      stamp    `json:"until"`
	State      string   `json:"state"`
	Reason     string   `json:"reason,omitempty" lang:"kept"`
	Matched    int      `json:"matched"`
	More       bool     `json:"more"`
	Done       int      `json:"done"`
	Skipped    int      `json:"skipped"`
	Failed     int      `json:"failed"`
	Progress   *float64 `json:"progress"`
	CreatedAt  stamp    `json:"created_at"`
	FinishedAt stamp    `json:"finished_at"`
}

func viewReplay(r *store.Replay) replayView {
	v := replayView{
		ID: replayID.Format(r.ID), Kind: string(r.Kind), Consumer: filled(r.Consumer), States: []string{}, EventTypes: append([]string{}, r.EventTypes...),
		From: stamp(r.From), Until: stamp(r.Until), State: string(r.State), Reason: r.Reason, Matched: r.Matched, More: r.More,
		Done: r.Done, Skipped: r.Skipped, Failed: r.Failed, CreatedAt: stamp(r.CreatedAt), FinishedAt: stamp(r.FinishedAt),
	}
	if !r.EndpointID.IsZero() {
		v.EndpointID = new(endpointID.Format(r.EndpointID))
	}
	for _, state := range r.States {
		v.States = append(v.States, string(state))
	}
	if r.Progress >= 0 {
		v.Progress = &r.Progress
	}
	return v
}

// replayStates are those that a replay is of where none are named: what was
// given up, and what waits for its next attempt.
var replayStates = []store.State{store.Failed, store.Pending}

// replay checks what is asked for.
func (in *replayInput) replay(k *store.Key, errs *ingest.FieldErrors) *store.Replay {
	r := &store.Replay{ProjectID: k.ProjectID, KeyID: k.ID, Kind: store.ReplayKind(in.Kind.Value)}
	r.EventTypes, r.From, r.Until = in.EventTypes.Value, in.From.Value, in.Until.Value
	switch {
	case !in.Kind.given():
		addError(errs, "/kind", `is missing; send "recover" (what failed) or "missed" (what an endpoint never got)`)
	case r.Kind == store.ReplayRecover:
		r.States = states(in.States, errs)
	case r.Kind != store.ReplayMissed:
		addError(errs, "/kind", `must be "recover" (what failed) or "missed" (what an endpoint never got)`)
	case in.States.given():
		addError(errs, "/states", "is for the kind recover: what was missed has no deliveries yet")
	}
	if !in.From.given() { // a forgotten one would send everything that ever failed, to everybody
		addError(errs, "/from", "is missing; send the time from which on, as in 2026-01-31T09:30:00Z")
	}
	if r.Kind == store.ReplayMissed && !in.EndpointID.given() {
		addError(errs, "/endpoint_id", "is missing; a replay of what was missed is of one endpoint")
	}
	if r.Consumer = in.Consumer.Value; in.Consumer.given() && r.Consumer != store.SystemConsumer {
		errs.AddText("/consumer", ingest.CheckUID(r.Consumer))
	}
	checkReplayed(r, "/from", errs)
	return r
}

// states reads those that are named, or the default.
func states(named optional[[]string], errs *ingest.FieldErrors) (out []store.State) {
	if !named.given() || len(named.Value) == 0 {
		return replayStates
	}
	for i, name := range named.Value {
		state := store.State(name)
		switch {
		case !slices.Contains(deliveryStates(), name):
			addError(errs, fmt.Sprintf("/states/%d", i), "is none of failed, pending, cancelled and delivered")
		case slices.Contains(out, state):
			addError(errs, fmt.Sprintf("/states/%d", i), "is given twice; send it once")
		default:
			out = append(out, state)
		}
	}
	return out
}

// checkReplayed judges the event types and the times; from is what the first
// of these is called.
func checkReplayed(r *store.Replay, from string, errs *ingest.FieldErrors) {
	if len(r.EventTypes) > maxEventTypes {
		addError(errs, "/event_types", `has more than %d entries; use patterns such as "task.*"`, maxEventTypes)
	} else {
		for i, t := range r.EventTypes {
			errs.AddText(fmt.Sprintf("/event_types/%d", i), ingest.CheckPattern(t))
		}
	}
	switch {
	case !r.Until.IsZero() && !r.From.Before(r.Until):
		addError(errs, from, "is not before until")
	case r.From.After(time.Now()):
		addError(errs, from, "lies in the future, so there is nothing to send again; send the time from which on, as in 2026-01-31T09:30:00Z")
	}
}

func (s *server) createReplay(c *call, in *replayInput) (replayMade, error) {
	var errs ingest.FieldErrors
	r := in.replay(c.key, &errs)
	if len(errs) > 0 {
		return replayMade{}, errs
	}
	var own bool
	if r.Consumer, own = ownConsumer(c.key, r.Consumer); !own {
		return replayMade{}, otherConsumer()
	}
	if in.EndpointID.given() {
		e, err := s.endpointNamed(c, in.EndpointID.Value)
		if err != nil {
			return replayMade{}, err
		}
		if r.Consumer != "" && r.Consumer != e.Consumer {
			return replayMade{}, field("/endpoint_id", "is not an endpoint of the consumer that is named; leave consumer out")
		}
		r.EndpointID = e.ID
	}
	return s.beginReplay(c, r, in.DryRun.or(false))
}

func (s *server) recoverEndpoint(c *call, in *sinceInput) (replayMade, error) {
	return s.replaySince(c, in, &store.Replay{Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{States: replayStates}})
}

func (s *server) replayMissing(c *call, in *sinceInput) (replayMade, error) {
	return s.replaySince(c, in, &store.Replay{Kind: store.ReplayMissed})
}

func (s *server) replaySince(c *call, in *sinceInput, r *store.Replay) (replayMade, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return replayMade{}, err
	}
	r.ProjectID, r.KeyID, r.EndpointID = c.key.ProjectID, c.key.ID, e.ID
	r.EventTypes, r.From, r.Until = in.EventTypes.Value, in.Since.Value, in.Until.Value
	var errs ingest.FieldErrors
	if !in.Since.given() {
		addError(&errs, "/since", "is missing; send the time from which on, as in 2026-01-31T09:30:00Z")
	} else {
		checkReplayed(r, "/since", &errs)
	}
	if len(errs) > 0 {
		return replayMade{}, errs
	}
	return s.beginReplay(c, r, in.DryRun.or(false))
}

// beginReplay starts a replay, or says what it would be of.
func (s *server) beginReplay(c *call, r *store.Replay, dry bool) (out replayMade, err error) {
	r.From = seenFrom(c.key, r.From)
	if dry {
		n, more, err := s.store.CountReplay(c.r.Context(), r)
		if err != nil {
			return replayMade{}, replayFault(err)
		}
		c.status = http.StatusOK
		return replayMade{DryRun: &countView{Matched: n, More: more}}, nil
	}
	c.before, err = s.store.CreateReplay(c.r.Context(), r, onceOf(c, func(r *store.Replay) any { return replayMade{replayView: new(viewReplay(r))} }))
	if err != nil {
		return replayMade{}, replayFault(err)
	}
	return replayMade{replayView: new(viewReplay(r))}, nil
}

// replayFault says what to do where a replay has to wait.
func replayFault(err error) error {
	switch {
	case errors.Is(err, store.ErrLimit):
		return kindTooMany.problemf("so many replays of this project run already: at most %d of one consumer, as many of no consumer, and %d in all", store.MaxReplaysOf, store.MaxReplays).
			fixed("Wait until one has ended, or cancel one: POST /v1/replays/{id}/cancel.").with("Retry-After", "60")
	case errors.Is(err, store.ErrTurn):
		return kindTooMany.problem("other replays are being counted, and that takes long").
			fixed("Send it again in a few seconds; a shorter time, or one endpoint, is counted faster.").with("Retry-After", "5")
	}
	return err
}

type replaysQuery struct {
	EndpointID store.ID `query:"endpoint_id" prefix:"ep_"`
	Consumer   string   `query:"consumer"`
	State      string   `query:"state"`
	Limit      int      `query:"limit"`
	Cursor     string   `query:"cursor"`
}

func (s *server) listReplays(c *call, q *replaysQuery) (list[replayView], error) {
	if q.State != "" && !slices.Contains(replayStateNames(), q.State) {
		return list[replayView]{}, parameter("state", "is none of running, done, cancelled and failed")
	}
	before, err := c.after(q.Cursor)
	if err != nil {
		return list[replayView]{}, err
	}
	consumer, ok := ownConsumer(c.key, q.Consumer)
	if !ok {
		return list[replayView]{Data: []replayView{}}, nil
	}
	page, err := s.store.Replays(c.r.Context(), c.key.ProjectID, store.ReplaysFilter{
		Consumer: consumer, EndpointID: q.EndpointID, State: store.ReplayState(q.State), From: seenFrom(c.key, time.Time{}), Before: before, Limit: limitOf(q.Limit),
	})
	if err != nil {
		return list[replayView]{}, err
	}
	return list[replayView]{Data: views(page.Items, viewReplay), NextCursor: c.cursor(page.Next)}, nil
}

// replayOf reads the replay of the path, if it is the key's to see.
func (s *server) replayOf(c *call) (*store.Replay, error) {
	id, err := pathID(c, replayID)
	if err != nil {
		return nil, err
	}
	r, err := s.store.Replay(c.r.Context(), c.key.ProjectID, id)
	if err != nil {
		return nil, err
	}
	if !maySee(c.key, r.Consumer, r.CreatedAt) {
		return nil, store.ErrNotFound
	}
	return r, nil
}

func (s *server) getReplay(c *call) (replayView, error) {
	r, err := s.replayOf(c)
	if err != nil {
		return replayView{}, err
	}
	return viewReplay(r), nil
}

func (s *server) cancelReplay(c *call, _ *none) (replayView, error) {
	r, err := s.replayOf(c)
	if err != nil {
		return replayView{}, err
	}
	ended, err := s.store.CancelReplay(c.r.Context(), c.key.ProjectID, r.ID)
	if errors.Is(err, store.ErrConflict) {
		return replayView{}, kindConflict.problem("the replay is over: only one that runs can be cancelled").fixed("Nothing is left to do.")
	}
	if err != nil {
		return replayView{}, err
	}
	return viewReplay(ended), nil
}

// replayStateNames are the states of replays.
func replayStateNames() []string {
	return []string{string(store.ReplayRunning), string(store.ReplayDone), string(store.ReplayCancelled), string(store.ReplayFailed)}
}
