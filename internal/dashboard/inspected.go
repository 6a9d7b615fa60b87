package dashboard

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/webhook"
)

// inspectedView is the page of a request that arrived at an inspector.
type inspectedView struct {
	*client.InspectedRequest
	Inspector  *client.Inspector
	Base       string // of the inspector's pages
	Query      []pair
	Form       []pair
	Parts      []formPart
	Pretty     *bodyView // nil: it is no JSON
	Text       *bodyView // nil: it is not UTF-8
	End        lang.Message
	Hex        []hexLine
	HexCut     bool
	Curl       string
	Older      string // id of the request before; empty: it is the first that is kept
	Explained  *explainedView
	Replayed   *client.InspectedReplay
	ReplayTo   string
	ReplayBody *bodyView
	Problem    *problemView
}

// pair is a name with a value, in the order in which they came.
type pair struct{ Name, Value string }

// formPart is a part of a multipart body.
type formPart struct {
	Name, File, Type string
	Size             int
	Text             string // its beginning, where it is text
	Cut              bool
}

// Bounds of what a page shows of a body.
const (
	maxHexShown   = 4 << 10 // bytes
	maxPairs      = 200
	maxFormParts  = 50
	maxPartText   = 2 << 10 // bytes
	hexLineLength = 16
)

// hexLine is a line of a body's bytes.
type hexLine struct{ Offset, Hex, Text string }

func (v *visit) inspectedPage() error { return v.showInspected(http.StatusOK, &inspectedView{}) }

func (v *visit) inspectedPath() string {
	return inspectorPath(v.r.PathValue("id")) + "/requests/" + url.PathEscape(v.r.PathValue("request"))
}

func (v *visit) showInspected(status int, view *inspectedView) (err error) {
	if view.Inspector, err = read[client.Inspector](v, ofProject, inspectorPath(v.r.PathValue("id")), nil); err != nil {
		return err
	}
	path := v.inspectedPath()
	if view.InspectedRequest, err = read[client.InspectedRequest](v, ofProject, path, nil); err != nil {
		return err
	}
	view.Base = v.inspectorBase()
	view.take()
	if view.Inspector.Dialect != "" && view.Inspector.HasSecret {
		x, err := read[client.Explanation](v, ofProject, path+"/explanation", nil)
		switch {
		case err == nil:
			view.Explained = viewExplained(x, len(x.Expected))
		case !isStatus(err, http.StatusConflict) && !isStatus(err, http.StatusTooManyRequests):
			return err
		}
	}
	return v.show(status, "inspected", lang.Text("Request %s", view.Method+" "+view.Path), view)
}

// take reads the request in the ways that its kind has.
func (view *inspectedView) take() {
	r := view.InspectedRequest
	view.Query = pairsOf(r.Query)
	view.Hex, view.HexCut = hexLines(r.Body)
	view.Curl = view.curl()
	kind, parameters, err := mime.ParseMediaType(r.ContentType)
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded":
		view.Form = pairsOf(string(r.Body))
	case err == nil && strings.HasPrefix(kind, "multipart/"):
		view.Parts = formParts(r.Body, parameters["boundary"])
	}
	if len(r.Body) == 0 || !utf8.Valid(r.Body) {
		return
	}
	view.End = endOf(r.Body)
	body := viewBody(string(r.Body))
	if body.JSON {
		view.Pretty = body
	}
	view.Text = rawBody(string(r.Body))
}

// rawBody shows a body as it came: line for line, nothing indented.
func rawBody(text string) *bodyView {
	v := &bodyView{Text: text, Size: len(text)}
	if len(text) > maxShown {
		v.Text, v.Cut = strings.ToValidUTF8(text[:maxShown], ""), true
	}
	v.Text = visible(v.Text)
	return v
}

// endOf says what a text ends with that nobody sees.
func endOf(b []byte) lang.Message {
	switch {
	case bytes.HasSuffix(b, []byte("\r\n")):
		return lang.Text("It ends with a line end: CRLF.")
	case bytes.HasSuffix(b, []byte("\n")):
		return lang.Text("It ends with a line end: LF.")
	}
	return lang.Text("It ends without a line end.")
}

// hexLines are a body's bytes, sixteen a line.
func hexLines(b []byte) (lines []hexLine, cut bool) {
	if len(b) > maxHexShown {
		b, cut = b[:maxHexShown], true
	}
	for at := 0; at < len(b); at += hexLineLength {
		line := b[at:min(at+hexLineLength, len(b))]
		var text strings.Builder
		for _, c := range line {
			if c < ' ' || c > '~' {
				c = '.'
			}
			text.WriteByte(c)
		}
		lines = append(lines, hexLine{fmt.Sprintf("%06x", at), fmt.Sprintf("% x", line), text.String()})
	}
	return lines, cut
}

// pairsOf reads a query, or a form, in its order. What cannot be read stays as
// it came.
func pairsOf(text string) (out []pair) {
	for one := range strings.SplitSeq(text, "&") {
		if one == "" || len(out) == maxPairs {
			continue
		}
		name, value, _ := strings.Cut(one, "=")
		out = append(out, pair{visible(unescaped(name)), visible(unescaped(value))})
	}
	return out
}

func unescaped(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return strings.ToValidUTF8(plain, "\uFFFD")
}

// formParts reads a multipart body, as far as it can be.
func formParts(body []byte, boundary string) (out []formPart) {
	if boundary == "" {
		return nil
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for len(out) < maxFormParts {
		p, err := parts.NextRawPart()
		if err != nil {
			return out
		}
		content, err := io.ReadAll(p)
		one := formPart{Name: visible(p.FormName()), File: visible(p.FileName()), Type: visible(p.Header.Get("Content-Type")), Size: len(content)}
		if utf8.Valid(content) {
			text := string(content)
			if one.Cut = len(text) > maxPartText; one.Cut {
				text = strings.ToValidUTF8(text[:maxPartText], "")
			}
			one.Text = visible(text)
		}
		if out = append(out, one); err != nil {
			return out
		}
	}
	return out
}

// ofConnection are headers that the one who sends makes anew.
var ofConnection = map[string]bool{
	"host": true, "content-length": true, "connection": true, "transfer-encoding": true, "keep-alive": true, "te": true, "trailer": true, "upgrade": true, "expect": true, "accept-encoding": true,
}

// curl is the request as a command line, to the address that it came to.
func (view *inspectedView) curl() string {
	r := view.InspectedRequest
	to := view.Inspector.URL + r.Path
	if r.Query != "" {
		to += "?" + r.Query
	}
	var fields []webhook.Field
	for _, h := range r.Headers {
		if !ofConnection[strings.ToLower(h.Name)] {
			fields = append(fields, webhook.Field{Name: h.Name, Value: h.Value})
		}
	}
	return api.Curl(r.Method, to, fields, r.Body)
}

func (v *visit) replayInspected() error {
	if err := v.form(); err != nil {
		return err
	}
	view := &inspectedView{ReplayTo: v.field("url")}
	got, err := do[client.InspectedReplay](v, ofProject, http.MethodPost, v.inspectedPath()+"/replay", map[string]any{"url": view.ReplayTo}, "")
	if err != nil {
		if view.Problem = v.problemOf(err); view.Problem == nil {
			return err
		}
		return v.showInspected(http.StatusUnprocessableEntity, view)
	}
	view.Replayed = got
	if got.Response != nil && got.Response.Body != "" {
		view.ReplayBody = viewBody(got.Response.Body)
	}
	return v.showInspected(http.StatusOK, view)
}

func (v *visit) deleteInspected() error {
	if _, err := do[client.Deleted](v, ofProject, http.MethodDelete, v.inspectedPath(), nil, ""); err != nil {
		return err
	}
	return v.redirect(v.inspectorBase() + "?done=removed")
}

// comparedView is two requests side by side.
type comparedView struct {
	Base   string
	A, B   *client.InspectedRequest
	Groups []comparedGroup
}

// compareInspected compares the requests a and b of the address; without b,
// a with the one before it.
func (v *visit) compareInspected() error {
	q, path := v.r.URL.Query(), inspectorPath(v.r.PathValue("id"))+"/requests/"
	view := &comparedView{Base: v.inspectorBase()}
	var err error
	for _, one := range []struct {
		id string
		to **client.InspectedRequest
	}{{q.Get("a"), &view.A}, {q.Get("b"), &view.B}} {
		if one.id == "" {
			return errNoPage
		}
		if *one.to, err = read[client.InspectedRequest](v, ofProject, path+url.PathEscape(one.id), nil); err != nil {
			return err
		}
	}
	view.Groups = v.comparedInspected(view.A, view.B)
	return v.show(http.StatusOK, "inspectcompare", lang.Text("Two requests compared"), view)
}

func (v *visit) comparedInspected(a, b *client.InspectedRequest) []comparedGroup {
	row := func(name lang.Message, of func(*client.InspectedRequest) string) comparedRow {
		return comparedRow{name.In(v.lang), of(a), of(b)}
	}
	line := []comparedRow{
		row(lang.Text("Came in"), func(r *client.InspectedRequest) string { return viewStamp(r.ReceivedAt, v.lang).Text }),
		row(lang.Text("Request"), func(r *client.InspectedRequest) string { return r.Method + " " + cmp.Or(r.Path, "/") }),
		row(lang.Text("Query"), func(r *client.InspectedRequest) string { return r.Query }),
		row(lang.Text("From"), func(r *client.InspectedRequest) string { return r.Remote }),
		row(lang.Text("Protocol"), func(r *client.InspectedRequest) string { return strings.TrimSpace(r.HTTPVersion + " " + r.TLS) }),
	}
	body := []comparedRow{
		row(lang.Text("bytes"), func(r *client.InspectedRequest) string { return number(r.BodyBytes, v.lang) }),
		row(lang.Text("Body"), func(r *client.InspectedRequest) string {
			if !utf8.Valid(r.Body) {
				lines, _ := hexLines(r.Body)
				var b strings.Builder
				for _, l := range lines {
					b.WriteString(l.Hex + "\n")
				}
				return b.String()
			}
			return shown(string(r.Body))
		}),
		row(lang.Text("Its end"), func(r *client.InspectedRequest) string {
			if len(r.Body) == 0 {
				return ""
			}
			return endOf(r.Body).In(v.lang)
		}),
	}
	return []comparedGroup{{lang.Text("Request"), line}, {lang.Text("Headers"), comparedHeaders(a.Headers, b.Headers)}, {lang.Text("Body"), body}}
}
