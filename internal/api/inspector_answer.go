package api

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Limits of the answer of an inspector.
const (
	maxAnswerHeaders = 20
	maxAnswerHeader  = 1024 // characters of a value
	maxAnswerBody    = 64 << 10
	maxAnswerDelay   = 30_000 // milliseconds
	defaultFailure   = 500
)

// answerInput is what an inspector answers; it takes the place of what was
// there.
type answerInput struct {
	Status       optional[int]           `json:"status" body:"optional"`
	Headers      optional[[]headerValue] `json:"headers"`
	Body         optional[string]        `json:"body"`
	BodyEncoding optional[string]        `json:"body_encoding"`
	DelayMS      optional[int]           `json:"delay_ms"`
	FailRate     optional[int]           `json:"fail_rate"`
	FailStatus   optional[int]           `json:"fail_status"`
}

type inspectorAnswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	contentView
	DelayMS    int `json:"delay_ms"`
	FailRate   int `json:"fail_rate"`
	FailStatus int `json:"fail_status"`
}

func defaultAnswer() store.InspectorAnswer {
	return store.InspectorAnswer{Status: 200, FailStatus: defaultFailure}
}

func viewAnswer(a *store.InspectorAnswer) inspectorAnswer {
	body := a.Body
	if body == nil {
		body = []byte{}
	}
	v := inspectorAnswer{
		Status: a.Status, Headers: map[string]string{}, contentView: viewContent(body),
		DelayMS: int(a.Delay.Milliseconds()), FailRate: a.FailRate, FailStatus: a.FailStatus,
	}
	for _, f := range a.Headers {
		v.Headers[f.Name] = f.Value
	}
	return v
}

// checkAnswer judges an answer; null is the default.
func checkAnswer(given optional[answerInput], errs *ingest.FieldErrors) store.InspectorAnswer {
	in, a := given.Value, defaultAnswer()
	a.Status, a.FailStatus = in.Status.or(a.Status), in.FailStatus.or(a.FailStatus)
	if a.Status < 200 || a.Status > 599 {
		addError(errs, "/answer/status", "is an HTTP status from 200 to 599")
	}
	if a.FailStatus < 200 || a.FailStatus > 599 {
		addError(errs, "/answer/fail_status", "is an HTTP status from 200 to 599")
	}
	if a.FailRate = in.FailRate.or(0); a.FailRate < 0 || a.FailRate > 100 {
		addError(errs, "/answer/fail_rate", "is percent of the requests, from 0 to 100")
	}
	if n := in.DelayMS.or(0); n < 0 || n > maxAnswerDelay {
		addError(errs, "/answer/delay_ms", "is milliseconds, from 0 to %d", maxAnswerDelay)
	}
	a.Delay = time.Duration(in.DelayMS.or(0)) * time.Millisecond
	a.Headers = answerHeaders(in.Headers.Value, errs)
	a.Body = answerBody(&in, errs)
	return a
}

func answerHeaders(headers []headerValue, errs *ingest.FieldErrors) (out []webhook.Field) {
	if len(headers) > maxAnswerHeaders {
		addError(errs, "/answer/headers", "has %d members; send at most %d", len(headers), maxAnswerHeaders)
		return nil
	}
	for _, h := range headers {
		errs.AddText("/answer/headers/"+rawjson.PointerToken(h.Name), checkAnswerHeader(h))
		out = append(out, webhook.Field{Name: h.Name, Value: h.Value})
	}
	return out
}

func checkAnswerHeader(h headerValue) lang.Message {
	switch {
	case h.Null:
		return lang.Text("is null; send a value, or leave it out")
	case !webhook.ValidHeaderName(h.Name) || len(h.Name) > maxHeaderName:
		return lang.Text("is not the name of a header: use letters, digits and !#$%%&'*+-.^_`|~, at most 128 of them")
	case store.ForbiddenAnswerHeader(h.Name):
		return lang.Text("is not sent by an inspector: it frames the answer, or is for a browser that also sees the pages of others")
	case len(h.Value) > maxAnswerHeader:
		return lang.Text("has more than %d characters", maxAnswerHeader)
	case strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return lang.Text("has a value with characters that a header cannot carry; use visible ASCII and spaces")
	case strings.TrimSpace(h.Value) != h.Value:
		return lang.Text("has a value that begins or ends with white space")
	}
	return lang.Message{}
}

// answerBody reads the body in its encoding.
func answerBody(in *answerInput, errs *ingest.FieldErrors) []byte {
	body := []byte(in.Body.Value)
	switch in.BodyEncoding.or(encodedText) {
	case encodedText:
	case encodedBase64:
		var err error
		if body, err = base64.StdEncoding.DecodeString(in.Body.Value); err != nil {
			addError(errs, "/answer/body", "is not base64, as body_encoding says")
		}
	default:
		addError(errs, "/answer/body_encoding", "is text or base64")
	}
	if len(body) > maxAnswerBody {
		addError(errs, "/answer/body", "has %d bytes; send at most %d", len(body), maxAnswerBody)
	}
	return body
}
