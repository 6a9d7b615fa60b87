// Package client speaks the REST API of a Malote server. Its methods are the
// server's routes; docs/api.md says what each does.
//
// Safe calls are repeated after a failure of the network or of the server.
// Others are not, except creations, which carry an idempotency key of their
// own, and events that the caller gave one: repeating those makes nothing twice.
package client

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options of a Client.
type Options struct {
	URL       string       // of the server, as in http://127.0.0.1:8400
	Key       string       // bearer key: of a project, or a root key
	HTTP      *http.Client // default: a client of its own that gives up after 60 s
	Retries   int          // repeats after a failure (default 3; negative: none)
	UserAgent string       // default "malote-go"
	// Answer gets the body of each answer that succeeded as it came, before
	// the method that asked returns; nil: nobody does. Calls that run at once
	// call it at once.
	Answer func(body []byte)
}

// Client speaks to one server with one key. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	key     string
	http    *http.Client
	retries int
	agent   string
	answer  func([]byte)
}

// Limits of the client.
const (
	maxAnswer  = 64 << 20 // bytes of one answer
	callTime   = 60 * time.Second
	firstWait  = 100 * time.Millisecond
	longestAsk = 10 * time.Second // of a Retry-After that is followed
)

// New makes a client. The error says what is wrong with the URL or the key.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("malote: %q is not the URL of a server; write for example http://127.0.0.1:8400", o.URL)
	}
	if strings.ContainsFunc(o.Key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("malote: the key holds characters that no key has; copy it again")
	}
	c := &Client{base: base, key: o.Key, http: o.HTTP, retries: o.Retries, agent: o.UserAgent, answer: o.Answer}
	if c.http == nil {
		c.http = &http.Client{
			Timeout: callTime,
			// An API does not move; a redirect must not take the key elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.retries == 0 {
		c.retries = 3
	}
	if c.agent == "" {
		c.agent = "malote-go"
	}
	return c, nil
}

// request is one call of the API.
type request struct {
	method string
	path   string // escaped
	query  url.Values
	body   any    // marshalled, unless it is []byte
	idem   string // Idempotency-Key
}

// orRandom is an idempotency key: the caller's, or one for this call alone.
func orRandom(key string) string {
	if key != "" {
		return key
	}
	return crand.Text()
}

// do makes a request and reads the answer.
func do[T any](ctx context.Context, c *Client, q request) (*T, error) {
	out := new(T)
	if err := c.call(ctx, q, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Client) call(ctx context.Context, q request, out any) error {
	body, err := q.bytes()
	if err != nil {
		return err
	}
	again := q.method == http.MethodGet || q.idem != ""
	for try := 0; ; try++ {
		answer, err := c.once(ctx, &q, body)
		if err == nil {
			if len(answer) == 0 { // 204
				return nil
			}
			if err := json.Unmarshal(answer, out); err != nil {
				return fmt.Errorf("malote: %s %s: the answer is not what this client knows: %w", q.method, q.path, err)
			}
			if c.answer != nil {
				c.answer(answer)
			}
			return nil
		}
		if !again || try >= c.retries || !temporary(ctx, err) || !wait(ctx, try, err) {
			return err
		}
	}
}

func (q *request) bytes() ([]byte, error) {
	switch b := q.body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(q.body); err != nil {
		return nil, fmt.Errorf("malote: %s %s: %w", q.method, q.path, err)
	}
	return buf.Bytes(), nil
}

func (c *Client) once(ctx context.Context, q *request, body []byte) ([]byte, error) {
	u := *c.base
	u.RawQuery = q.query.Encode()
	target := strings.TrimSuffix(u.EscapedPath(), "/") + q.path
	parsed, err := u.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("malote: %w", err)
	}
	parsed.RawQuery = u.RawQuery
	r, err := http.NewRequestWithContext(ctx, q.method, parsed.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("malote: %w", err)
	}
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("Accept", "application/json")
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.idem != "" {
		r.Header.Set("Idempotency-Key", q.idem)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("malote: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("malote: read the answer: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, problem(resp, answer)
	}
	return answer, nil
}

// temporary reports whether a repeat may help.
func temporary(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var e *Error
	if !errors.As(err, &e) {
		return true // the network
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// wait before the next try: longer each time, with jitter, or as the server
// asks. It reports false where ctx ends first, or the server asks for too much.
func wait(ctx context.Context, try int, err error) bool {
	d := firstWait << try
	d = d/2 + rand.N(d)
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > d {
		if d = e.RetryAfter; d > longestAsk {
			return false
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// page is how lists come.
type page[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"next_cursor"`
}

// pages walks a list to its end, page by page, as it is asked for.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		query := query
		for {
			var p page[T]
			if err := c.call(ctx, request{method: http.MethodGet, path: path, query: query}, &p); err != nil {
				yield(nil, err)
				return
			}
			for i := range p.Data {
				if !yield(&p.Data[i], nil) {
					return
				}
			}
			if p.NextCursor == "" {
				return
			}
			query = with(query, "cursor", p.NextCursor)
		}
	}
}

func with(q url.Values, name, value string) url.Values {
	out := url.Values{}
	maps.Copy(out, q)
	out.Set(name, value)
	return out
}

// put adds a parameter that is not empty.
func put(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func putTime(q url.Values, name string, t time.Time) {
	if !t.IsZero() {
		q.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func putInt(q url.Values, name string, n int) {
	if n > 0 {
		q.Set(name, strconv.Itoa(n))
	}
}
