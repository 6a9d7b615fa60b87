package dashboard

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// A request that somebody has, judged as a receiver would, with every step of
// it. The form works without a script; the secrets that are sent with it are
// never shown again.

// explainView is the form, and what came of it.
type explainView struct {
	Path              string // of the form
	Dialects          []choice
	Headers, Body, At string
	Most              lang.Message // of a body
	CRLF              bool
	Problem           *problemView
	Explained         *explainedView // nil: nothing was asked yet
}

func verifyPages() []*page {
	var all []*page
	for _, base := range []string{"", "/p/{project}"} {
		all = append(all,
			&page{method: "GET", pattern: base + "/verify", role: store.RoleViewer, serve: (*visit).explainPage},
			&page{method: "POST", pattern: base + "/verify", role: store.RoleViewer, serve: (*visit).explain},
		)
	}
	return all
}

func (v *visit) explainPage() error { return v.showExplain(http.StatusOK, &explainView{}) }

func (v *visit) showExplain(status int, view *explainView) error {
	view.Path, view.Most = v.r.URL.Path, lang.Text("It has at most %d MiB, also as a file.", api.MaxExplainedBody>>20)
	chosen := v.field("dialect")
	if chosen == "" && v.project != nil {
		chosen = v.project.Dialect
	}
	if view.Dialects = v.dialects(chosen); len(view.Dialects) > 0 {
		for i, d := range view.Dialects {
			view.Dialects[i].Label = d.Value + " · " + d.Label
		}
	}
	return v.show(status, "verify", lang.Text("Verify a request"), view)
}

// dialects are those that the server knows, for a form.
func (v *visit) dialects(chosen string) []choice {
	if chosen == "" {
		chosen = webhook.Standard().Name
	}
	var out []choice
	for _, d := range v.d.api.Dialects() {
		out = append(out, choice{d.Name, d.Title, d.Name == chosen})
	}
	return out
}

// verifyFields are what the form calls what a verification has.
var verifyFields = map[string]formField{
	"secrets": {"secret", "Secret"}, "headers": {"headers", "Headers"}, "body": {"body", "Body"}, "received_at": {"at", "Came in (UTC)"}, "endpoint_id": {"endpoint_id", "Endpoint"},
}

// explain answers the form.
func (v *visit) explain() error {
	view := &explainView{}
	status, err := v.explained(view)
	if err != nil {
		return err
	}
	return v.showExplain(status, view)
}

// explained reads the form and has its request explained, or says what is
// wrong with it.
func (v *visit) explained(view *explainView) (status int, err error) {
	if err := v.formWithFile(); err != nil {
		return 0, err
	}
	v.fields = verifyFields
	*view = explainView{Headers: v.r.PostFormValue("headers"), Body: v.r.PostFormValue("body"), At: v.field("at"), CRLF: v.field("crlf") != ""}
	in := client.Verification{Dialect: v.field("dialect"), Secrets: v.secretsGiven(), EndpointID: v.field("endpoint_id")}
	if in.Headers, view.Problem = v.headerLines(view.Headers); view.Problem != nil {
		return http.StatusUnprocessableEntity, nil
	}
	if in.Body, err = v.bodyGiven(view); err != nil {
		return 0, err
	}
	if in.ReceivedAt, view.Problem = v.momentGiven(view.At); view.Problem != nil {
		return http.StatusUnprocessableEntity, nil
	}
	x, err := do[client.Explanation](v, v.ofWhat(), http.MethodPost, "/v1/verify", in, "")
	var p *client.Error
	switch {
	case errors.As(err, &p) && p.Status/100 == 4 && p.Status != http.StatusUnauthorized && p.Status != http.StatusForbidden:
		view.Problem = v.problem(p)
		return http.StatusUnprocessableEntity, nil
	case err != nil:
		return 0, err
	}
	view.Explained = viewExplained(x, len(in.Secrets))
	return http.StatusOK, nil
}

// ofWhat is the scope of a page that is also one of a project.
func (v *visit) ofWhat() scope {
	if v.project != nil {
		return ofProject
	}
	return serverWide
}

// secretsGiven are the secrets of a form, as they were typed: white space
// around one is a mistake that can be found.
func (v *visit) secretsGiven() (out []string) {
	for _, s := range []string{v.r.PostFormValue("secret"), v.r.PostFormValue("secret2")} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// headerLines reads what was pasted as a request's head.
func (v *visit) headerLines(text string) ([]client.Header, *problemView) {
	var out []client.Header
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "> ") // as curl prints it
		name, value, ok := strings.Cut(line, ":")
		switch {
		case ok && webhook.ValidHeaderName(name):
			out = append(out, client.Header{Name: name, Value: strings.TrimSpace(value)})
		case line == "", line == ">", n == 0 && strings.Contains(line, " HTTP/"):
		default:
			return nil, v.wrongAt("headers", "Headers", lang.Text("Line %d of the headers is none.", n+1), lang.Text("Write one header a line, as in webhook-id: evt_1."))
		}
	}
	return out, nil
}

// bodyGiven is the file's bytes, where there is one: what stands in a form's
// field comes with its line ends turned into CRLF.
func (v *visit) bodyGiven(view *explainView) ([]byte, error) {
	file, _, err := v.r.FormFile("file")
	if err == nil {
		defer func(f multipart.File) { _ = f.Close() }(file)
		body, err := io.ReadAll(file)
		if err != nil {
			return nil, errForm
		}
		if len(body) > 0 {
			return body, nil
		}
	}
	body := strings.ReplaceAll(view.Body, "\r\n", "\n")
	if view.CRLF {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	return []byte(body), nil
}

// momentGiven reads a time of a form, in UTC; empty: zero.
func (v *visit) momentGiven(text string) (time.Time, *problemView) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, v.wrongAt("at", "Came in (UTC)", lang.Text("What was given is no time."), lang.Text("Write it as in 2026-01-31T09:30, in UTC."))
}

// explainedView is an explanation as pages show it.
type explainedView struct {
	*client.Explanation
	Title lang.Message
	Why   string // in words; empty: the first mistake says it
	Parts []partView
	Age   lang.Message // of the signed time

	Expected []expectedView
	Secret   lang.Message // of the one that was typed, beside the endpoint's; zero: nothing is to be said
}

// expectedView is what a secret makes of the request.
type expectedView struct {
	*client.ExplanationExpected
	Own bool // it is the endpoint's, and was not typed
}

// partView is a part of the signed bytes.
type partView struct {
	*client.ExplanationPart
	Number int
	What   lang.Message
	Text   string
	Base64 bool
	Cut    bool         // the text is only its beginning
	End    lang.Message // what a body ends with, as far as one would not see it
}

// Style is one of a few, so that neighbours differ in more than colour.
func (p *partView) Style() int { return (p.Number - 1) % 5 }

// viewExplained shows an explanation, where so many secrets were typed; those
// after them are an endpoint's.
func viewExplained(x *client.Explanation, typed int) *explainedView {
	view := &explainedView{Explanation: x, Title: verdictWords(x)}
	if x.Detail != "" && (len(x.Mistakes) == 0 || x.Mistakes[0].Detail != x.Detail) {
		view.Why = sentence(x.Detail)
	}
	for i := range x.Message {
		view.Parts = append(view.Parts, viewPart(&x.Message[i], i+1))
	}
	if x.Time != nil {
		view.Age = ageWords(x.Time.Age, x.Time.Tolerance)
	}
	fits := map[bool]bool{} // by whether it is the endpoint's
	for i := range x.Expected {
		e := expectedView{&x.Expected[i], x.Expected[i].Secret >= typed}
		fits[e.Own] = fits[e.Own] || e.Matches
		view.Expected = append(view.Expected, e)
	}
	if own := len(x.Expected) > 0 && view.Expected[len(x.Expected)-1].Own; own && typed > 0 {
		view.Secret = secretWords(fits[false], fits[true])
	}
	return view
}

// secretWords say how the secret of somebody's code compares with the endpoint's.
func secretWords(typed, own bool) lang.Message {
	switch {
	case own && !typed:
		return lang.Text("It is signed with the endpoint's secret, and the one that your code has is another: give it the endpoint's.")
	case typed && !own:
		return lang.Text("It is signed with the secret that your code has, which is none of this endpoint: is it another endpoint's, or one that has ended?")
	}
	return lang.Message{}
}

func viewPart(p *client.ExplanationPart, number int) partView {
	v := partView{ExplanationPart: p, Number: number, What: partWords(p), Text: p.Body, Base64: p.Encoding == "base64"}
	if len(v.Text) > maxShown {
		v.Text, v.Cut = strings.ToValidUTF8(v.Text[:maxShown], ""), true
	}
	if p.Kind == "body" && !v.Base64 {
		v.End = endWords(p)
	}
	return v
}

// endWords says what a text ends with that nobody sees.
func endWords(p *client.ExplanationPart) lang.Message {
	switch {
	case p.Encoding == "none", p.Length == 0:
		return lang.Message{}
	case strings.HasSuffix(p.Body, "⟨U+000D⟩\n"): // made visible
		return lang.Text("It ends with a line end: CRLF.")
	case strings.HasSuffix(p.Body, "\n"):
		return lang.Text("It ends with a line end: LF.")
	}
	return lang.Text("It ends without a line end.")
}

func partWords(p *client.ExplanationPart) lang.Message {
	switch p.Kind {
	case "header":
		return lang.Text("the header %s", p.Header)
	case "timestamp":
		return lang.Text("the time")
	case "body":
		return lang.Text("the body")
	case "body_sha256":
		return lang.Text("the SHA-256 of the body, in hex")
	case "secret":
		return lang.Text("the secret, which is not shown")
	}
	return lang.Text("text of the contract")
}

// verdictWords say in one sentence what came of it.
func verdictWords(x *client.Explanation) lang.Message {
	switch webhook.Cause(x.Cause) {
	case webhook.CauseNoSecret:
		return lang.Text("There is no secret that it could be verified with.")
	case webhook.CauseMissingHeader:
		return lang.Text("A header that verifying takes is missing.")
	case webhook.CauseMalformed:
		return lang.Text("The signature is not written as the contract says.")
	case webhook.CauseClock:
		return lang.Text("The signature is right, but its time is too far away.")
	case webhook.CauseSecret:
		return lang.Text("The secret was read in another way than the contract says.")
	case webhook.CauseBody:
		return lang.Text("The body is not the one that was signed.")
	case webhook.CauseMismatch:
		return lang.Text("The signature fits none of the secrets.")
	}
	if webhook.Proof(x.Proof) == webhook.Authenticated {
		return lang.Text("The token is right. It says nothing of the body.")
	}
	return lang.Text("It is genuine: signed with the secret, and not changed since.")
}

func ageWords(age, tolerance int64) lang.Message {
	most := time.Duration(tolerance) * time.Second
	d := time.Duration(age) * time.Second
	if age > int64(time.Duration(1<<62)/time.Second) || age < -int64(time.Duration(1<<62)/time.Second) {
		return lang.Text("far away; at most %s either way", most)
	}
	if age < 0 {
		return lang.Text("%s ahead; at most %s either way", -d, most)
	}
	return lang.Text("%s old; at most %s either way", d, most)
}
