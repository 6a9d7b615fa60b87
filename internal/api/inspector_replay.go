package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Sender sends a request by the one way out that there is. An answer that did
// not come is an [*egress.Error].
type Sender interface {
	Send(ctx context.Context, r *egress.Request) (*egress.Response, error)
}

// Limits of sending a request once more.
const (
	replayConnect = 10 * time.Second
	replayTotal   = 30 * time.Second
	replayKept    = 64 << 10 // bytes of the answer
)

type inspectedReplay struct {
	URL string `json:"url"`
}

// inspectedReplayed is what came of it.
type inspectedReplayed struct {
	Method   string        `json:"method"`
	URL      string        `json:"url"`
	LeftOut  []string      `json:"left_out"` // headers that belonged to the connection on which it arrived
	Response *responseView `json:"response"`
	Error    *attemptError `json:"error"`
	Timings  timingsView   `json:"timings"`
}

// replayMethods are those whose answers are framed as that of a POST.
func replayMethods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
}

// replayInspected sends what arrived to a URL, once, as a test send does:
// through the guard, and one a second.
func (s *server) replayInspected(c *call, in *inspectedReplay) (inspectedReplayed, error) {
	_, r, err := s.inspected(c)
	if err != nil {
		return inspectedReplayed{}, err
	}
	url, err := s.replayURL(c, in.URL)
	if err != nil {
		return inspectedReplayed{}, err
	}
	switch {
	case s.sender == nil:
		return inspectedReplayed{}, store.ErrClosed
	case !slices.Contains(replayMethods(), r.Method):
		return inspectedReplayed{}, kindConflict.problemf("a request with the method %s is not sent again", r.Method).fixed("Send it by hand.")
	case r.BodyBytes > int64(len(r.Body)) || r.Incomplete:
		return inspectedReplayed{}, kindConflict.problem("the body of the request is not all there: what is not kept cannot be sent").fixed("Send it by hand.")
	case !s.replayed.admit(r.InspectorID, time.Now()):
		return inspectedReplayed{}, kindTooMany.problem("the requests of an inspector are sent once more one a second").with("Retry-After", "1")
	}
	if err := s.store.NoteInspectorReplay(c.r.Context(), c.key.ProjectID, r.InspectorID, r.ID, url); err != nil {
		return inspectedReplayed{}, err
	}
	return s.sendInspected(c.r.Context(), r, url)
}

// replayURL judges where a request is sent as it does an endpoint's.
func (s *server) replayURL(c *call, raw string) (string, error) {
	p, d, err := s.project(c)
	if errors.Is(err, ingest.ErrDialect) {
		d, err = webhook.Standard(), nil
	}
	if err != nil {
		return "", err
	}
	var errs ingest.FieldErrors
	url := s.checkURL(raw, p, d, &errs)
	if len(errs) > 0 {
		return "", errs
	}
	return url, nil
}

func (s *server) sendInspected(ctx context.Context, r *store.InspectedRequest, url string) (inspectedReplayed, error) {
	u, err := s.policy.CheckURL(url)
	if err != nil {
		return inspectedReplayed{}, err
	}
	out := inspectedReplayed{Method: r.Method, URL: url, LeftOut: []string{}}
	q := &egress.Request{URL: u, Method: r.Method, Body: r.Body, Connect: replayConnect, Total: replayTotal, MaxBody: replayKept, MaxOK: replayKept}
	for _, f := range headFields(r.Head) {
		if egress.CheckField(f) != nil {
			out.LeftOut = append(out.LeftOut, shown(f.Name))
			continue
		}
		q.Fields = append(q.Fields, f)
	}
	resp, err := s.sender.Send(ctx, q)
	var failed *egress.Error
	switch {
	case errors.As(err, &failed):
		out.Error = &attemptError{Class: string(failed.Class), Detail: failed.Detail}
	case err != nil:
		return inspectedReplayed{}, err
	}
	out.Timings = viewTimings(&resp.Timings)
	if resp.Status == 0 {
		return out, nil
	}
	out.Response = &responseView{Status: resp.Status, Truncated: resp.Truncated}
	out.Response.Line, out.Response.Headers = splitHead(resp.Head)
	out.Response.contentView = viewContent(append([]byte{}, resp.Body...))
	return out, nil
}
