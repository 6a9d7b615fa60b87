package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"
)

// Verification is a request as it came in, to be explained.
type Verification struct {
	Dialect    string    // empty: that of the key's project
	Secrets    []string  // those in force; the server keeps none of them
	EndpointID string    // whose secrets are tried, too, after those above; empty: none's
	Headers    []Header  // one that came twice stands twice
	Body       []byte    // raw; at most 1 MiB
	ReceivedAt time.Time // zero: now
}

// MarshalJSON writes what the API takes.
func (v Verification) MarshalJSON() ([]byte, error) {
	body, encoding := string(v.Body), "text"
	if !utf8.Valid(v.Body) {
		body, encoding = base64.StdEncoding.EncodeToString(v.Body), "base64"
	}
	return json.Marshal(struct {
		Dialect    string    `json:"dialect,omitempty"`
		Secrets    []string  `json:"secrets,omitempty"`
		EndpointID string    `json:"endpoint_id,omitempty"`
		Headers    []Header  `json:"headers"`
		Body       string    `json:"body"`
		Encoding   string    `json:"body_encoding"`
		ReceivedAt time.Time `json:"received_at,omitzero"`
	}{v.Dialect, v.Secrets, v.EndpointID, append([]Header{}, v.Headers...), body, encoding, v.ReceivedAt})
}

// Explanation is what a verification looked at, and what came of it.
type Explanation struct {
	OK       bool                  `json:"ok"`
	Proof    string                `json:"proof"`  // "verified" or "authenticated"; empty: it is not ok
	Cause    string                `json:"cause"`  // empty: it is ok
	Detail   string                `json:"detail"` // in words
	Dialect  string                `json:"dialect"`
	Headers  []ExplanationHeader   `json:"headers"`
	Items    []ExplanationItem     `json:"items"`
	Time     *ExplanationTime      `json:"time"` // nil: none is signed, or none could be read
	Message  []ExplanationPart     `json:"message"`
	Size     int                   `json:"message_bytes"`
	Expected []ExplanationExpected `json:"expected"`
	Mistakes []ExplanationMistake  `json:"mistakes"` // what fits stands first
	Searched bool                  `json:"searched"`
}

// ExplanationHeader is a header that the dialect reads.
type ExplanationHeader struct {
	Name   string   `json:"name"`
	Role   string   `json:"role"`   // "signature", "timestamp" or "signed"
	Values []string `json:"values"` // none: it is missing
}

// ExplanationItem is one item of the signature's header.
type ExplanationItem struct {
	Text    string `json:"text"`
	Role    string `json:"role"` // "signature", "timestamp" or "unknown"
	Matches bool   `json:"matches"`
}

// ExplanationTime is the signed time.
type ExplanationTime struct {
	Text      string    `json:"text"`
	Format    string    `json:"format"`
	Time      time.Time `json:"time"` // zero: it is no time of this world
	Age       int64     `json:"age_seconds"`
	Tolerance int64     `json:"tolerance_seconds"`
}

// ExplanationPart is a part of the bytes that are signed.
type ExplanationPart struct {
	Kind     string `json:"kind"`   // "text", "header", "timestamp", "body", "body_sha256" or "secret"
	Header   string `json:"header"` // of the kind header
	Offset   int    `json:"offset"`
	Length   int    `json:"length"`
	Body     string `json:"body"`          // its bytes,
	Encoding string `json:"body_encoding"` // as "text", in "base64", or "none" where they are not shown
	Missing  bool   `json:"missing"`
}

// ExplanationExpected is what a secret makes of the signed bytes.
type ExplanationExpected struct {
	Secret    int    `json:"secret"` // which of them, from 0
	Algorithm string `json:"algorithm"`
	Signature string `json:"signature"` // empty: it makes none
	Matches   bool   `json:"matches"`
	Problem   string `json:"problem"` // why it cannot be used, in words
}

// ExplanationMistake is something that may have gone wrong.
type ExplanationMistake struct {
	Kind    string   `json:"kind"`
	Fits    bool     `json:"fits"` // it was tried; false: a hint
	Detail  string   `json:"detail"`
	Changes []string `json:"changes"`
	Dialect string   `json:"dialect"`
	Header  string   `json:"header"`
}

// Verify has a request explained: whether it is genuine, and why.
func (c *Client) Verify(ctx context.Context, v Verification) (*Explanation, error) {
	return do[Explanation](ctx, c, request{method: http.MethodPost, path: "/v1/verify", body: v})
}
