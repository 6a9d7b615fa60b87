package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/webhook"
)

// Limits of a request that is to be explained.
const (
	MaxExplainedBody = 1 << 20 // bytes

	maxExplainRoute = 2 << 20 // the same in base64, with its headers
	maxHeaderLines  = 200
	maxHeaderText   = 16 << 10 // bytes of a value
	maxSecretsGiven = 5
	maxSecretText   = 1024     // bytes
	maxPartShown    = 64 << 10 // bytes
)

// headerLine is one header line of a request.
type headerLine struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type headerLines []headerLine

func (h *headerLines) readJSON(r *rawjson.Reader, pointer string, errs *ingest.FieldErrors) {
	kind := r.Kind()
	ok := r.Items(func(i int) {
		var l headerLine
		readObject(r, reflect.ValueOf(&l).Elem(), fmt.Sprintf("%s/%d", pointer, i), "is not known here%s", errs)
		*h = append(*h, l)
	})
	if !ok {
		wrongType(errs, pointer, kind, `an array of objects, as in [{"name": "webhook-id", "value": "evt_1"}]`)
	}
}

// verifyInput is a request as it came in, and what it should be right by.
type verifyInput struct {
	Dialect  optional[string]    `json:"dialect"`
	Secrets  []string            `json:"secrets"`
	Endpoint optional[string]    `json:"endpoint_id"`
	Headers  headerLines         `json:"headers"`
	Body     optional[string]    `json:"body"`
	Encoding optional[string]    `json:"body_encoding"`
	At       optional[time.Time] `json:"received_at"`
}

// explanationView is what a verification looked at, and what came of it.
type explanationView struct {
	OK       bool           `json:"ok"`
	Proof    *string        `json:"proof"`
	Cause    *string        `json:"cause"`
	Detail   string         `json:"detail" lang:"kept"`
	Dialect  string         `json:"dialect"`
	Headers  []headerRead   `json:"headers"`
	Items    []itemRead     `json:"items"`
	Time     *timeRead      `json:"time"`
	Message  []messagePart  `json:"message"`
	Size     int            `json:"message_bytes"`
	Expected []expectedView `json:"expected"`
	Mistakes []mistakeView  `json:"mistakes"`
	Searched bool           `json:"searched"`
}

type headerRead struct {
	Name   string   `json:"name"`
	Role   string   `json:"role"`
	Values []string `json:"values"`
}

type itemRead struct {
	Text    string `json:"text"`
	Role    string `json:"role"`
	Matches bool   `json:"matches"`
}

type timeRead struct {
	Text      string `json:"text"`
	Format    string `json:"format"`
	Time      stamp  `json:"time"`
	Age       int64  `json:"age_seconds"`
	Tolerance int64  `json:"tolerance_seconds"`
}

type messagePart struct {
	Kind   string  `json:"kind"`
	Header *string `json:"header"`
	Offset int     `json:"offset"`
	Length int     `json:"length"`
	contentView
	Missing bool `json:"missing"`
}

type expectedView struct {
	Secret    int     `json:"secret"`
	Algorithm *string `json:"algorithm"`
	Signature *string `json:"signature"`
	Matches   bool    `json:"matches"`
	Problem   string  `json:"problem" lang:"kept"`
}

type mistakeView struct {
	Kind    string   `json:"kind"`
	Fits    bool     `json:"fits"`
	Detail  string   `json:"detail" lang:"kept"`
	Changes []string `json:"changes" lang:"kept"`
	Dialect *string  `json:"dialect"`
	Header  *string  `json:"header"`
}

// verify explains a request that is sent along. Nothing of it is kept or logged.
func (s *server) verify(c *call, in *verifyInput) (explanationView, error) {
	q, err := s.explainable(c, in)
	if err != nil {
		return explanationView{}, err
	}
	own, err := s.secretsOf(c, in.Endpoint)
	if err != nil {
		return explanationView{}, err
	}
	done, err := s.explaining.take(senderOf(c.key))
	if err != nil {
		return explanationView{}, err
	}
	defer done()
	v := viewExplanation(q.dialect, q.dialect.Explain(q.header, q.body, slices.Concat(in.Secrets, own), q.at, s.newestDialects()...))
	for i := range v.Expected {
		if v.Expected[i].Secret >= len(in.Secrets) { // else whoever may look could have anything signed
			v.Expected[i].Signature = nil
		}
	}
	return v, nil
}

// secretsOf are those in force of an endpoint that is named, which the caller
// need not have.
func (s *server) secretsOf(c *call, named optional[string]) ([]string, error) {
	if !named.given() {
		return nil, nil
	}
	if !c.key.ProjectID.IsZero() && !hasScope(c.key, endpointsRead) {
		return nil, kindForbidden.problemf("to name an endpoint needs a key with the scope %s", endpointsRead)
	}
	e, err := s.endpointNamed(c, named.Value)
	if err != nil {
		return nil, err
	}
	var out []string
	for now, i := time.Now(), 0; i < len(e.Secrets); i++ {
		if end := e.Secrets[i].ExpiresAt; end.IsZero() || end.After(now) {
			out = append(out, e.Secrets[i].Value.Reveal())
		}
	}
	return out, nil
}

// explainable is a request that can be explained.
type explainable struct {
	dialect *webhook.Dialect
	header  http.Header
	body    []byte
	at      time.Time
}

func (s *server) explainable(c *call, in *verifyInput) (*explainable, error) {
	var errs ingest.FieldErrors
	q := &explainable{header: http.Header{}, at: in.At.or(time.Now())}
	var err error
	if q.dialect, err = s.dialectAsked(c, in.Dialect, &errs); err != nil {
		return nil, err
	}
	if len(in.Secrets) > maxSecretsGiven {
		addError(&errs, "/secrets", "has %d secrets; send at most %d", len(in.Secrets), maxSecretsGiven)
	}
	for i, secret := range in.Secrets {
		if len(secret) > maxSecretText {
			addError(&errs, fmt.Sprintf("/secrets/%d", i), "has %d bytes; a secret has at most %d", len(secret), maxSecretText)
		}
	}
	if len(in.Headers) > maxHeaderLines {
		addError(&errs, "/headers", "has %d headers; send at most %d", len(in.Headers), maxHeaderLines)
	}
	for i, h := range in.Headers[:min(len(in.Headers), maxHeaderLines)] {
		at := fmt.Sprintf("/headers/%d", i)
		if !webhook.ValidHeaderName(h.Name) || len(h.Name) > maxName {
			addError(&errs, at+"/name", "is not a header's name; letters, digits and hyphens make one")
			continue
		}
		if len(h.Value) > maxHeaderText {
			addError(&errs, at+"/value", "has %d bytes; at most %d are read", len(h.Value), maxHeaderText)
		}
		q.header.Add(h.Name, h.Value)
	}
	q.body = in.content(&errs)
	if len(errs) > 0 {
		return nil, errs
	}
	return q, nil
}

// dialectAsked is the one that is named, else that of the key's project.
func (s *server) dialectAsked(c *call, named optional[string], errs *ingest.FieldErrors) (*webhook.Dialect, error) {
	if named.given() {
		d, ok := s.dialects(named.Value)
		if !ok {
			addError(errs, "/dialect", "%q is not a dialect of this server; `malote dialect list` names them", shorten(named.Value))
		}
		return d, nil
	}
	if c.key.ProjectID.IsZero() {
		return webhook.Standard(), nil
	}
	_, d, err := s.project(c)
	return d, err
}

// content is the body's bytes.
func (in *verifyInput) content(errs *ingest.FieldErrors) []byte {
	text := in.Body.or("")
	body := []byte(text)
	switch e := in.Encoding.or(encodedText); e {
	case encodedText:
	case encodedBase64:
		var err error
		if body, err = base64.StdEncoding.DecodeString(text); err != nil {
			addError(errs, "/body", "is not base64; send it as it is with \"body_encoding\": \"text\"")
		}
	default:
		addError(errs, "/body_encoding", "is neither text nor base64")
	}
	if len(body) > MaxExplainedBody {
		addError(errs, "/body", "has %d bytes; at most %d are read", len(body), MaxExplainedBody)
	}
	return body
}

// newestDialects are all that this server knows, each in its newest revision.
func (s *server) newestDialects() []*webhook.Dialect {
	if s.allDialects == nil {
		return webhook.Builtin()
	}
	var out []*webhook.Dialect
	for _, d := range s.allDialects() { // by name and revision
		if n := len(out); n > 0 && out[n-1].Name == d.Name {
			out[n-1] = d
			continue
		}
		out = append(out, d)
	}
	return out
}

func viewExplanation(d *webhook.Dialect, x *webhook.Explanation) explanationView {
	v := explanationView{
		OK: x.Verdict.OK, Proof: filled(string(x.Verdict.Proof)), Cause: filled(string(x.Verdict.Cause)), Detail: x.Verdict.Detail, Dialect: d.Ref(),
		Headers: make([]headerRead, len(x.Headers)), Items: make([]itemRead, len(x.Items)), Message: make([]messagePart, len(x.Message)),
		Expected: make([]expectedView, len(x.Expected)), Mistakes: make([]mistakeView, len(x.Mistakes)), Searched: x.Searched,
	}
	for i, h := range x.Headers {
		v.Headers[i] = headerRead{h.Name, string(h.Role), notNil(h.Values)}
	}
	for i, it := range x.Items {
		v.Items[i] = itemRead{it.Text, string(it.Role), it.Matches}
	}
	if t := x.Time; t != nil {
		v.Time = &timeRead{t.Text, string(t.Format), stamp(t.Time), int64(t.Off / time.Second), int64(t.Tolerance / time.Second)}
		if y := t.Time.UTC().Year(); y < 1 || y > 9999 {
			v.Time.Time = stamp{} // RFC 3339 cannot write it
		}
	}
	for i, p := range x.Message {
		v.Message[i] = messagePart{Kind: string(p.Kind), Header: filled(p.Header), Offset: p.Offset, Length: len(p.Bytes), Missing: p.Missing, contentView: viewPart(p.Bytes)}
		v.Size = p.Offset + len(p.Bytes)
	}
	for i, e := range x.Expected {
		v.Expected[i] = expectedView{e.Secret, filled(string(e.Algorithm)), filled(e.Text), e.Matches, e.Problem}
	}
	for i, m := range x.Mistakes {
		v.Mistakes[i] = mistakeView{string(m.Kind), m.Fits, m.Detail, notNil(m.Changes), filled(m.Dialect), filled(m.Header)}
	}
	return v
}

// viewPart shows the bytes of a part; none of a large one, which the caller has.
func viewPart(b []byte) contentView {
	if len(b) > maxPartShown {
		return contentView{Encoding: "none"}
	}
	return viewContent(b)
}

// Explaining tries hundreds of signatures: a caller has one at a time, and all
// together two.
const explainedAtOnce = 2

// explainSlots say who has what explained. The zero value is ready.
type explainSlots struct {
	mu sync.Mutex
	of map[sender]bool
}

// take gives a slot to a caller, or says why not; done gives it back.
func (e *explainSlots) take(of sender) (done func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = map[sender]bool{}
	}
	if e.of[of] || len(e.of) >= explainedAtOnce {
		return nil, kindTooMany.problem("a request is being explained at this moment; few are at a time").with("Retry-After", "1")
	}
	e.of[of] = true
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.of, of)
	}, nil
}
