package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/store"
)

// inspectedView is a request that arrived at an inspector, without headers and
// body. Bytes that are not UTF-8 become U+FFFD.
type inspectedView struct {
	ID            string       `json:"id"`
	InspectorID   string       `json:"inspector_id"`
	ReceivedAt    exactStamp   `json:"received_at"` // its first byte
	Method        string       `json:"method"`
	Path          string       `json:"path"` // behind the token
	Query         string       `json:"query"`
	Host          string       `json:"host"`
	Remote        string       `json:"remote"`
	HTTPVersion   string       `json:"http_version"`
	TLS           *string      `json:"tls"`
	ContentType   *string      `json:"content_type"`
	BodyBytes     int64        `json:"body_bytes"`
	BodyTruncated bool         `json:"body_truncated"`
	BodyWhole     bool         `json:"body_complete"`
	ReadMS        float64      `json:"read_ms"`
	Status        int          `json:"status"` // that it was answered with
	Failed        bool         `json:"failed"` // on purpose, by the inspector's fail_rate
	DelayMS       int          `json:"delay_ms"`
	Ignored       []string     `json:"ignored"` // parameters of the address that could not be used
	AnsweredAt    stamp        `json:"answered_at"`
	Verdict       *verdictView `json:"verdict"` // null: not judged
}

// inspectedFull is a request as it arrived.
type inspectedFull struct {
	inspectedView
	HeadersExact bool         `json:"headers_exact"`
	Headers      []headerView `json:"headers"`
	Body         string       `json:"body"` // base64
	Text         *string      `json:"text"` // null: the body is not UTF-8
}

func viewInspected(r *store.InspectedRequest) inspectedView {
	return inspectedView{
		ID: requestID.Format(r.ID), InspectorID: inspectorID.Format(r.InspectorID), ReceivedAt: exactStamp(r.ReceivedAt()),
		Method: r.Method, Path: shown(r.Path), Query: shown(r.Query), Host: shown(r.Host), Remote: r.Remote, HTTPVersion: r.Version,
		TLS: filled(r.TLS), ContentType: filled(shown(r.ContentType)), BodyBytes: r.BodyBytes, BodyTruncated: r.BodyBytes > store.MaxInspectedBody, BodyWhole: !r.Incomplete,
		ReadMS: inMillis(r.Read), Status: r.Status, Failed: r.Failed, DelayMS: int(r.Delay.Milliseconds()), Ignored: append([]string{}, r.Ignored...), AnsweredAt: stamp(r.AnsweredAt),
	}
}

// shown is text as JSON can hold it.
func shown(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// showInspected shows a request whole, and what its inspector says of it.
func (s *server) showInspected(i *store.Inspector, r *store.InspectedRequest) inspectedFull {
	v := inspectedFull{inspectedView: viewInspected(r), HeadersExact: !r.Inexact, Body: base64.StdEncoding.EncodeToString(r.Body)}
	v.Verdict = s.verdict(i, r)
	_, v.Headers = splitHead(append([]byte("\r\n"), r.Head...))
	if utf8.Valid(r.Body) {
		v.Text = new(string(r.Body))
	}
	return v
}

// headerOf reads header lines as a verifier takes them.
func headerOf(head []byte) http.Header {
	h := http.Header{}
	for _, f := range headFields(head) {
		h.Add(f.Name, f.Value)
	}
	return h
}

type inspectedQuery struct {
	Search string `query:"search"`
	Limit  int    `query:"limit"`
	Cursor string `query:"cursor"`
}

func (s *server) listInspected(c *call, q *inspectedQuery) (list[inspectedView], error) {
	i, err := s.inspector(c)
	if err != nil {
		return list[inspectedView]{}, err
	}
	f := store.InspectedFilter{Search: q.Search, Limit: limitOf(q.Limit)}
	if f.Before, err = c.after(q.Cursor); err != nil {
		return list[inspectedView]{}, err
	}
	page, err := s.store.InspectedRequests(c.r.Context(), c.key.ProjectID, i.ID, f)
	if err != nil {
		return list[inspectedView]{}, err
	}
	rows := views(page.Items, viewInspected)
	if err := s.addVerdicts(c.r.Context(), i, page.Items, rows); err != nil {
		return list[inspectedView]{}, err
	}
	return list[inspectedView]{Data: rows, NextCursor: c.cursor(page.Next)}, nil
}

// inspected reads the inspector and the request of the path.
func (s *server) inspected(c *call) (*store.Inspector, *store.InspectedRequest, error) {
	i, err := s.inspector(c)
	if err != nil {
		return nil, nil, err
	}
	id, err := parseID(requestID, c.r.PathValue("request"))
	if err != nil {
		return nil, nil, store.ErrNotFound
	}
	r, err := s.store.InspectedRequest(c.r.Context(), c.key.ProjectID, i.ID, id)
	return i, r, err
}

func (s *server) getInspected(c *call) (inspectedFull, error) {
	i, r, err := s.inspected(c)
	if err != nil {
		return inspectedFull{}, err
	}
	return s.showInspected(i, r), nil
}

func (s *server) deleteInspected(c *call, _ *none) (deleted, error) {
	inspector, err := pathID(c, inspectorID)
	if err != nil {
		return deleted{}, err
	}
	id, err := parseID(requestID, c.r.PathValue("request"))
	if err != nil {
		return deleted{}, store.ErrNotFound
	}
	err = s.store.DeleteInspectedRequest(c.r.Context(), c.key.ProjectID, inspector, id)
	return deleted{Deleted: err == nil}, err
}

// cleared is the answer to a delete of all requests.
type cleared struct {
	Deleted  bool `json:"deleted"`
	Requests int  `json:"requests"`
}

func (s *server) clearInspector(c *call, _ *none) (cleared, error) {
	id, err := pathID(c, inspectorID)
	if err != nil {
		return cleared{}, err
	}
	n, err := s.store.ClearInspector(c.r.Context(), c.key.ProjectID, id)
	return cleared{Deleted: err == nil, Requests: n}, err
}

// Bounds of waiting for a request.
const (
	defaultWait = 20  // seconds
	maxWait     = 30  // seconds
	maxWaiters  = 256 // in all
	waitForm    = "^([0-9]|[12][0-9]|30)s?$"

	// waitStep is how often it is looked whether the server stops, or the key ended.
	waitStep = time.Second
)

type nextQuery struct {
	After string `query:"after"`
	Wait  string `query:"wait"`
}

// read reads the parameters.
func (q *nextQuery) read(db *store.DB) (after store.ID, wait time.Duration, err error) {
	wait = defaultWait * time.Second
	if q.Wait != "" {
		n, err := strconv.Atoi(strings.TrimSuffix(q.Wait, "s"))
		if err != nil || n < 0 || n > maxWait {
			return after, 0, parameter("wait", "is seconds from 0 to %d, as in 20s", maxWait)
		}
		wait = time.Duration(n) * time.Second
	}
	if q.After != "" {
		if after, err = parseID(requestID, q.After); err != nil || !db.Made(after) {
			return after, 0, parameter("after", "is not the id of a request; send that of the last one you have, or leave it out")
		}
	}
	return after, wait, nil
}

func (s *server) nextInspected(c *call, q *nextQuery) (*inspectedFull, error) {
	i, err := s.inspector(c)
	if err != nil {
		return nil, err
	}
	after, wait, err := q.read(s.store)
	if err != nil {
		return nil, err
	}
	select {
	case s.waiters <- struct{}{}:
		defer func() { <-s.waiters }()
	default:
		return nil, kindUnavailable.problemf("%d callers wait for requests already", maxWaiters).with("Retry-After", "1").fixed("Try again in a moment.")
	}
	r, err := s.awaitInspected(c, i.ID, after, time.Now().Add(wait))
	if err != nil || r == nil {
		return nil, err
	}
	if i, err = s.inspector(c); err != nil { // its dialect and secret may be others by now
		return nil, err
	}
	return new(s.showInspected(i, r)), nil
}

// awaitInspected waits until a time, in steps: a key that ends meanwhile gets
// nothing, and a server that stops does not wait.
func (s *server) awaitInspected(c *call, inspector, after store.ID, until time.Time) (*store.InspectedRequest, error) {
	for {
		ctx, cancel := context.WithTimeout(c.r.Context(), min(time.Until(until), waitStep))
		r, err := s.store.NextInspected(ctx, c.key.ProjectID, inspector, after)
		cancel()
		if err != nil {
			return nil, err
		}
		if err := s.rejudge(c); err != nil {
			return nil, err
		}
		over := c.r.Context().Err() != nil || !time.Now().Before(until) || s.ready != nil && s.ready() != nil
		if r != nil || over {
			return r, nil
		}
	}
}
