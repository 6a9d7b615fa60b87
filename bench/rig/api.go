package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// API speaks to a server with one key.
type API struct {
	URL    string
	Key    string
	Client *http.Client
}

// API for one key of the site.
func (s *Site) API(key string) *API {
	return &API{URL: s.URL(), Key: key, Client: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true},
	}}
}

// Answer is what the server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Raw sends a body as it is. The error is for no answer at all.
func (a *API) Raw(ctx context.Context, method, path string, body []byte, header ...string) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if a.Key != "" {
		req.Header.Set("Authorization", "Bearer "+a.Key)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.GetBody = nil // one request is one request: no hidden second try
	resp, err := a.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	return &Answer{resp.StatusCode, resp.Header, b}, nil
}

// StatusError is an answer outside 2xx.
type StatusError struct {
	Call   string
	Status int
	Body   []byte
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %d %s", e.Call, e.Status, bytes.TrimSpace(e.Body))
}

// Do sends in as JSON and reads the answer into out; nil for neither.
// Errors: [*StatusError].
func (a *API) Do(ctx context.Context, method, path string, in, out any, header ...string) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	ans, err := a.Raw(ctx, method, path, body, header...)
	if err != nil {
		return err
	}
	if ans.Status < 200 || ans.Status > 299 {
		return &StatusError{method + " " + path, ans.Status, ans.Body}
	}
	if out == nil || len(ans.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(ans.Body, out); err != nil {
		return fmt.Errorf("%s %s: %w in %.200q", method, path, err, ans.Body)
	}
	return nil
}
