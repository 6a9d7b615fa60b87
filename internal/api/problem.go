package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/internal/store"
)

// problemType is the URI prefix of problem types (RFC 9457); docs/api.md lists them.
const problemType = "urn:malote:problem:"

// kind is a class of problems: what its type, status, title and advice are.
type kind struct {
	name   string
	status int
	title  lang.Format
	fix    lang.Format
}

// The kinds of problems: the one table from errors to answers.
var (
	kindJSON        = kind{"malformed-json", 400, "The body is not acceptable JSON", "Send one JSON object in UTF-8, without a byte order mark, and nothing after it."}
	kindShape       = kind{"invalid-request", 400, "The request has not the shape of this route", "Correct what errors names and send it again; /docs of this server shows the fields of each route."}
	kindBody        = kind{"unreadable-body", 400, "The body could not be read", "Send as many bytes as Content-Length says, without a pause."}
	kindKeyMissing  = kind{"unauthenticated", 401, "No key", "Send the header: Authorization: Bearer mlt_…"}
	kindKeyWrong    = kind{"unauthenticated", 401, "The key is not valid", "Check that the whole key was copied, that it has not expired and was not revoked, and that it is this server's."}
	kindForbidden   = kind{"forbidden", 403, "The key may not do this", "Use a key that has the scope named in detail."}
	kindNotFound    = kind{"not-found", 404, "Not found", "Check the id, and that the key belongs to the same project."}
	kindRoute       = kind{"no-such-route", 404, "No such route", "Check the path; /docs of this server lists all of them."}
	kindMethod      = kind{"method-not-allowed", 405, "The path does not take this method", "Use one of the methods in the header Allow."}
	kindTimeout     = kind{"timeout", 408, "The body did not arrive in time", "Send it again, without pauses."}
	kindConflict    = kind{"conflict", 409, "This is not possible in the present state", "Read it again and decide."}
	kindKeyReused   = kind{"idempotency-key-reused", 409, "The Idempotency-Key was used before with another request", "Use a new key for a new request; repeat a request with exactly the same body."}
	kindTooLarge    = kind{"body-too-large", 413, "The body is too large", "Send less in one request."}
	kindMedia       = kind{"unsupported-encoding", 415, "The body is encoded", "Send the JSON as it is, without Content-Encoding."}
	kindInvalid     = kind{"invalid-value", 422, "A value is missing or refused", "Correct what errors names and send it again."}
	kindTooMany     = kind{"too-many-requests", 429, "Too many requests", "Wait for as long as the header Retry-After says."}
	kindInternal    = kind{"internal", 500, "The server failed", "Try again; if it stays, give request_id to whoever runs the server."}
	kindFull        = kind{"storage-full", 503, "There is no room for new events", "Try again later, with the same Idempotency-Key; the operator must free disk space."}
	kindUnavailable = kind{"unavailable", 503, "The server cannot do this now", "Try again, with the same Idempotency-Key."}
)

// problem is an answer that is not a success (RFC 9457). Its texts are in
// English until [problem.speak]. Its cause is for the log alone.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Errors    []fieldProblem `json:"errors,omitempty"`
	Fix       string         `json:"fix"`
	RequestID string         `json:"request_id,omitempty"`

	title, detail, fix lang.Message
	header             map[string]string
	cause              error
}

// fieldProblem is one thing that is wrong: with a member of the body (a JSON
// pointer), a query parameter, or a header.
type fieldProblem struct {
	Pointer   *string `json:"pointer,omitempty"`
	Parameter string  `json:"parameter,omitempty"`
	Header    string  `json:"header,omitempty"`
	Detail    string  `json:"detail"`

	detail lang.Message
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.Detail + ": " + p.cause.Error()
	}
	return p.Detail
}

func (p *problem) Unwrap() error { return p.cause }

// problem makes a problem of a kind. Its detail is a constant, as it is the
// key of its translations; problemf takes arguments.
func (k kind) problem(detail lang.Format) *problem { return k.problemf(detail) }

func (k kind) problemf(detail lang.Format, args ...any) *problem {
	return k.say(lang.Text(detail, args...))
}

// say makes a problem of a message.
func (k kind) say(detail lang.Message) *problem {
	p := &problem{Type: problemType + k.name, Status: k.status, title: lang.Text(k.title), detail: detail, fix: lang.Text(k.fix)}
	p.speak(lang.English)
	return p
}

// speak says the problem in a language.
func (p *problem) speak(l lang.Language) {
	p.Title, p.Detail, p.Fix = p.title.In(l), p.detail.In(l), p.fix.In(l)
	for i := range p.Errors {
		p.Errors[i].Detail = p.Errors[i].detail.In(l)
	}
}

// because keeps the cause for the log.
func (p *problem) because(err error) *problem { p.cause = err; return p }

// fixed replaces the kind's general advice by a better one.
func (p *problem) fixed(fix lang.Format, args ...any) *problem {
	p.fix = lang.Text(fix, args...)
	p.Fix = p.fix.String()
	return p
}

func (p *problem) with(name, value string) *problem {
	if p.header == nil {
		p.header = map[string]string{}
	}
	p.header[name] = value
	return p
}

// fields makes a problem of all that is wrong with members of the body.
func (k kind) fields(errs ingest.FieldErrors) *problem {
	var names []any
	for i, e := range errs {
		if !slices.ContainsFunc(errs[:i], func(before *ingest.FieldError) bool { return before.Pointer == e.Pointer }) {
			names = append(names, place(e.Pointer))
		}
	}
	p := k.problemf("%s %s", names[0], together(errs))
	switch {
	case len(errs) >= ingest.MaxErrors: // the others were dropped
		p = k.problemf("at least %d fields are wrong: %s", len(names), lang.List(names...))
	case len(names) > 1:
		p = k.problemf("%d fields are wrong: %s", len(names), lang.List(names...))
	}
	for _, e := range errs {
		pointer := e.Pointer
		p.Errors = append(p.Errors, fieldProblem{Pointer: &pointer, Detail: e.Detail.String(), detail: e.Detail})
	}
	return p
}

// together is all that is wrong with one field.
func together(errs ingest.FieldErrors) lang.Message {
	m := errs[0].Detail
	for _, e := range errs[1:] {
		m = lang.Text("%s; %s", m, e.Detail)
	}
	return m
}

func place(pointer string) lang.Message {
	if pointer == "" {
		return lang.Text("the body")
	}
	return lang.Text("%s", pointer)
}

// field is the problem of one member.
func field(pointer string, detail lang.Format, args ...any) *problem {
	return kindInvalid.fields(ingest.FieldErrors{{Pointer: pointer, Detail: lang.Text(detail, args...)}})
}

func parameter(name string, detail lang.Format, args ...any) *problem {
	m := lang.Text(detail, args...)
	p := kindShape.problemf("the parameter %s %s", name, m)
	p.Errors = []fieldProblem{{Parameter: name, Detail: m.String(), detail: m}}
	return p
}

// span refuses the bounds of a list between which there is nothing.
func span(from, until time.Time) error {
	if !from.IsZero() && !until.IsZero() && !from.Before(until) {
		return parameter("from", "is not before until")
	}
	return nil
}

// keyProblem is what is wrong with the header Idempotency-Key.
func keyProblem(detail lang.Message) *problem {
	const name = "Idempotency-Key"
	p := kindShape.problemf("the header %s %s", name, detail)
	p.Errors = []fieldProblem{{Header: name, Detail: detail.String(), detail: detail}}
	return p
}

// asProblem finds the answer to any error.
func asProblem(err error) *problem {
	var p *problem
	var syntax *rawjson.SyntaxError
	var shape *ingest.ShapeError
	var values ingest.FieldErrors
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &syntax):
		return kindJSON.problemf("the body: %s", syntax)
	case errors.As(err, &shape):
		return kindShape.fields(shape.Fields)
	case errors.As(err, &values):
		return kindInvalid.fields(values)
	case errors.As(err, &tooLarge):
		return bodyTooLarge(tooLarge.Limit)
	case errors.Is(err, store.ErrEnded):
		return unauthenticated(kindKeyWrong, "this server knows no such key, or it has expired or was revoked")
	case errors.Is(err, store.ErrNotFound):
		return kindNotFound.problem("nothing of this project has this id")
	case errors.Is(err, store.ErrConflict):
		return kindConflict.problem("it conflicts with what is kept").because(err)
	case errors.Is(err, store.ErrFull):
		return kindFull.problem("the disk is nearly full; nothing was kept").with("Retry-After", "30").because(err)
	case errors.Is(err, store.ErrUnknown):
		return kindUnavailable.problem("the database stopped answering; whether the request was carried out is unknown").with("Retry-After", "5").because(err)
	case errors.Is(err, store.ErrUnreachable):
		return kindUnavailable.problem("the database cannot be reached at the moment").with("Retry-After", "1").because(err)
	case errors.Is(err, store.ErrBusy):
		return kindUnavailable.problem("the store cannot write now: it is locked, read-only, or behind; nothing was kept").with("Retry-After", "1").because(err)
	case errors.Is(err, store.ErrClosed):
		return kindUnavailable.problem("the server is stopping; nothing was kept").with("Retry-After", "5")
	case errors.Is(err, ingest.ErrBusy), errors.Is(err, store.ErrStale):
		return kindUnavailable.problem("the project's configuration keeps changing; nothing was kept").with("Retry-After", "1")
	case errors.Is(err, ingest.ErrDialect):
		return kindUnavailable.problem("the project's dialect is not loaded by this server; nothing was kept").
			with("Retry-After", "60").fixed("The operator must give the server the dialect's file (--dialects) again.").because(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return kindUnavailable.problem("the request was interrupted; whether it was carried out is unknown").with("Retry-After", "1").because(err)
	}
	return kindInternal.problem("something unexpected went wrong; the log of the server says what").because(err)
}

// asProblem is [asProblem], in the words of the call's route.
func (c *call) asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) || !errors.Is(err, store.ErrNotFound) {
		return asProblem(err)
	}
	names := pathParameters(c.route.pattern)
	last := ""
	if len(names) > 0 {
		last = names[len(names)-1]
	}
	switch last {
	case "uid":
		return kindNotFound.problem("no consumer that this key may see has this uid").
			fixed("Check the uid, percent-encoded in the path, and that the key belongs to the same project.")
	case "name":
		return kindNotFound.problem("no event type has this name").fixed("GET /v1/event-types lists those there are.")
	case "session":
		return kindNotFound.problem("no portal session of this consumer has this id").
			fixed("Check the uid and the id; GET /v1/consumers/{uid}/portal-sessions lists those in force.")
	case "link":
		return kindNotFound.problem("no one-time link of this endpoint has this id").
			fixed("Check both ids; GET /v1/endpoints/{id}/secret-links lists the links.")
	case "request":
		return kindNotFound.problem("no request of this inspector has this id, or it is not kept any more").
			fixed("Check both ids; GET /v1/inspectors/{id}/requests lists the requests that are kept.")
	case "key":
		if len(names) == 1 {
			return kindNotFound.problem("no root key has this id").fixed("GET /v1/keys lists them.")
		}
		return kindNotFound.problem("no key of this project has this id").fixed("Check both ids; GET /v1/projects/{id}/keys lists the keys.")
	case "id":
		if c.key != nil && c.key.ProjectID.IsZero() {
			return kindNotFound.problem("no project has this id").fixed("GET /v1/projects lists them.")
		}
	}
	return asProblem(err)
}

func bodyTooLarge(limit int64) *problem {
	return kindTooLarge.problemf("the body is larger than %d bytes, the limit of this route", limit)
}
