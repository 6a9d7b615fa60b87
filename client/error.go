package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is an answer that is not a success (RFC 9457).
type Error struct {
	Type       string        `json:"type"` // a URI; its last part is Kind
	Title      string        `json:"title"`
	Status     int           `json:"status"`
	Detail     string        `json:"detail"` // what is wrong with this request
	Errors     []FieldError  `json:"errors"`
	Fix        string        `json:"fix"` // what to do
	RequestID  string        `json:"request_id"`
	RetryAfter time.Duration `json:"-"` // 0: the server does not say
}

// FieldError is what is wrong with one member of the body, one parameter or
// one header.
type FieldError struct {
	Pointer   string `json:"pointer"` // JSON pointer into the body
	Parameter string `json:"parameter"`
	Header    string `json:"header"`
	Detail    string `json:"detail"`
}

// Kind is the class of the problem, as in "not-found" or "invalid-value".
func (e *Error) Kind() string { return e.Type[strings.LastIndexByte(e.Type, ':')+1:] }

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", e.Status, e.Title)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if len(e.Errors) > 1 {
		for _, f := range e.Errors {
			fmt.Fprintf(&b, "; %s %s", f.place(), f.Detail)
		}
	}
	return b.String()
}

func (f *FieldError) place() string {
	switch {
	case f.Parameter != "":
		return "parameter " + f.Parameter
	case f.Header != "":
		return "header " + f.Header
	case f.Pointer == "":
		return "the body"
	}
	return f.Pointer
}

// problem reads an error answer; one that no Malote server wrote (a proxy's)
// keeps its status.
func problem(r *http.Response, body []byte) *Error {
	e := &Error{}
	if json.Unmarshal(body, e) != nil || e.Status != r.StatusCode {
		e = &Error{
			Type: "about:blank", Title: http.StatusText(r.StatusCode), Status: r.StatusCode,
			Detail: "the answer is not one of a Malote server; is the URL right?",
		}
	}
	if e.RequestID == "" {
		e.RequestID = r.Header.Get("X-Request-Id")
	}
	if s, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(min(s, 24*60*60)) * time.Second
	}
	return e
}
