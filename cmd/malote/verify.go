package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/webhook"
)

type verifyCmd struct {
	dialectFlags
	File       string   `arg:"" help:"The request as it came over the wire: header lines, an empty line, the body; - is standard input."`
	Dialect    string   `default:"standard" placeholder:"NAME" help:"The dialect, as in tarefa or tarefa/1 (default ${default})."`
	SecretFile []string `placeholder:"FILE" help:"A file with the secret, - is standard input; repeat it while one rotates. Without it the variable WEBHOOK_SECRET is taken."`
	Body       string   `placeholder:"FILE" help:"The body, byte for byte, where it is in a file of its own."`
	At         *moment  `placeholder:"TIME" help:"When it came in, for the age of a signed time (default: now)."`
	JSON       bool     `name:"json" help:"Print JSON, as POST /v1/verify answers it."`
}

// Run explains a request on this machine; nothing of it leaves it.
func (v *verifyCmd) Run(c *console) error {
	catalog, err := app.LoadDialects(v.Dialects)
	if err != nil {
		return err
	}
	d, ok := catalog.Lookup(v.Dialect)
	if !ok {
		return unknownDialect(catalog, v.Dialect)
	}
	secrets, err := v.secrets(c)
	if err != nil {
		return err
	}
	header, body, err := v.request(c)
	if err != nil {
		return err
	}
	at := time.Now()
	if v.At != nil {
		at = v.At.Time
	}
	x := d.Explain(header, body, secrets, at, newest(catalog)...)
	if v.JSON {
		if err := c.json(explained(d, x)); err != nil {
			return err
		}
	} else {
		c.explanation(d, x)
	}
	if x.Verdict.OK {
		return nil
	}
	f := &failure{what: "not genuine: " + string(x.Verdict.Cause), code: exitFailure}
	if len(secrets) == 0 {
		f.what, f.fix = "no secret was given to verify with", "name the file that holds it with --secret-file, or put it into the variable WEBHOOK_SECRET"
	}
	return f
}

// secrets are those of the files, else that of the variable.
func (v *verifyCmd) secrets(c *console) ([]string, error) {
	var out []string
	for _, name := range v.SecretFile {
		if name == "-" && v.File == "-" {
			return nil, usage("--secret-file and <file> both name standard input", "put one of them into a file")
		}
		text, err := readSome(c, name)
		if err != nil {
			return nil, err
		}
		out = append(out, strings.TrimRight(string(text), "\r\n"))
	}
	if s := os.Getenv("WEBHOOK_SECRET"); len(out) == 0 && s != "" {
		out = append(out, s)
	}
	return out, nil
}

// readSome reads a file, or standard input.
func readSome(c *console, name string) ([]byte, error) {
	in := c.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage(err.Error(), "name a file that can be read")
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("%s has more than %d bytes", name, maxInput)
	}
	return text, err
}

func (v *verifyCmd) request(c *console) (http.Header, []byte, error) {
	raw, err := readSome(c, v.File)
	if err != nil {
		return nil, nil, err
	}
	header, body, err := parseRequest(raw)
	if err != nil || v.Body == "" {
		return header, body, err
	}
	if body, err = os.ReadFile(v.Body); err != nil {
		return nil, nil, usage(err.Error(), "name a file that can be read with --body")
	}
	return header, body, nil
}

// parseRequest splits a request as it came over the wire. Its first line may be
// missing, its lines may end with LF alone, and each of its head may begin with
// "> ", as curl --verbose prints it. The body is what stands behind the empty
// line, to the last byte.
func parseRequest(raw []byte) (http.Header, []byte, error) {
	header := http.Header{}
	for n := 1; ; n++ {
		line, rest, more := bytes.Cut(raw, []byte("\n"))
		raw = rest
		text := strings.TrimPrefix(strings.TrimSuffix(string(line), "\r"), "> ")
		if text == "" || text == ">" {
			return header, rest, nil
		}
		name, value, ok := strings.Cut(text, ":")
		switch {
		case ok && webhook.ValidHeaderName(name):
			header.Add(name, strings.TrimSpace(value))
		case n > 1 || !strings.Contains(text, " HTTP/"):
			return nil, nil, usage(fmt.Sprintf("line %d of the request is no header: %s", n, shorten(text)), "write the header lines first, then an empty line, then the body; or name the body's file with --body")
		}
		if !more {
			return header, nil, nil
		}
	}
}

func shorten(s string) string {
	if r := []rune(oneLine(s)); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return oneLine(s)
}

// newest are the dialects of a catalog, each in its newest revision.
func newest(catalog *webhook.Catalog) []*webhook.Dialect {
	var out []*webhook.Dialect
	for _, d := range catalog.All() {
		if now, _ := catalog.Lookup(d.Name); now == d {
			out = append(out, d)
		}
	}
	return out
}

// explanation prints what was looked at.
func (c *console) explanation(d *webhook.Dialect, x *webhook.Explanation) {
	paint := c.style()
	if x.Verdict.OK {
		fmt.Fprintf(c.out, "%s: %s\n", paint.green(string(x.Verdict.Proof)), d.Ref())
	} else {
		fmt.Fprintf(c.out, "%s: %s\n%s\n", paint.red(string(x.Verdict.Cause)), d.Ref(), oneLine(x.Verdict.Detail))
	}
	fmt.Fprintln(c.out, "\n"+paint.bold("headers"))
	t := newTable(c)
	for _, h := range x.Headers {
		value := strings.Join(h.Values, " | ")
		if h.Values == nil {
			value = "(missing)"
		}
		t.row("  "+h.Name, string(h.Role), value)
	}
	if x.Time != nil {
		t.row("  "+x.Time.Text, "time", fmt.Sprintf("%s, %s before; at most %s either way", x.Time.Time.Format(time.RFC3339), x.Time.Off.Round(time.Second), x.Time.Tolerance))
	}
	_ = t.flush()
	c.signedParts(x, paint)
	c.signatures(x, paint)
	if len(x.Mistakes) == 0 {
		return
	}
	fmt.Fprintln(c.out, "\n"+paint.bold("found by trying"))
	for _, m := range x.Mistakes {
		sure := "hint"
		if m.Fits {
			sure = "fits"
		}
		fmt.Fprintf(c.out, "  %s  %s\n", sure, oneLine(m.Detail))
		for _, change := range m.Changes {
			fmt.Fprintf(c.out, "        what was signed had %s\n", change)
		}
	}
}

// maxPartPrinted is how much of a part is printed, in bytes.
const maxPartPrinted = 200

func (c *console) signedParts(x *webhook.Explanation, paint style) {
	if len(x.Message) == 0 {
		return
	}
	last := &x.Message[len(x.Message)-1]
	fmt.Fprintf(c.out, "\n%s, %d bytes\n", paint.bold("signed"), last.Offset+len(last.Bytes))
	t := newTable(c, "  AT", "BYTES", "WHAT", "")
	for _, p := range x.Message {
		text := string(p.Bytes[:min(len(p.Bytes), maxPartPrinted)])
		switch {
		case p.Missing:
			text = "(missing)"
		case p.Kind == webhook.PartSecret:
			text = "(the secret)"
		case len(p.Bytes) > maxPartPrinted:
			text += "…"
		}
		t.row(fmt.Sprintf("  %d", p.Offset), fmt.Sprint(len(p.Bytes)), strings.TrimSpace(string(p.Kind)+" "+p.Header), text)
	}
	_ = t.flush()
}

func (c *console) signatures(x *webhook.Explanation, paint style) {
	fmt.Fprintln(c.out, "\n"+paint.bold("signatures"))
	t := newTable(c)
	for _, it := range x.Items {
		t.row("  received", matched(it.Matches), string(it.Role), it.Text)
	}
	for _, e := range x.Expected {
		text := e.Text
		if e.Problem != "" {
			text = "(cannot be used: it " + e.Problem + ")"
		}
		t.row(fmt.Sprintf("  secret %d", e.Secret+1), matched(e.Matches), string(e.Algorithm), text)
	}
	_ = t.flush()
}

func matched(b bool) string { return either(b, "matches", "no match") }

// explained is an explanation as the API answers it.
func explained(d *webhook.Dialect, x *webhook.Explanation) *client.Explanation {
	out := &client.Explanation{
		OK: x.Verdict.OK, Proof: string(x.Verdict.Proof), Cause: string(x.Verdict.Cause), Detail: x.Verdict.Detail, Dialect: d.Ref(), Searched: x.Searched,
		Headers: []client.ExplanationHeader{}, Items: []client.ExplanationItem{}, Message: []client.ExplanationPart{}, Expected: []client.ExplanationExpected{}, Mistakes: []client.ExplanationMistake{},
	}
	for _, h := range x.Headers {
		out.Headers = append(out.Headers, client.ExplanationHeader{Name: h.Name, Role: string(h.Role), Values: append([]string{}, h.Values...)})
	}
	for _, it := range x.Items {
		out.Items = append(out.Items, client.ExplanationItem{Text: it.Text, Role: string(it.Role), Matches: it.Matches})
	}
	if t := x.Time; t != nil {
		out.Time = &client.ExplanationTime{Text: t.Text, Format: string(t.Format), Time: t.Time, Age: int64(t.Off / time.Second), Tolerance: int64(t.Tolerance / time.Second)}
		if y := t.Time.Year(); y < 1 || y > 9999 {
			out.Time.Time = time.Time{}
		}
	}
	for _, p := range x.Message {
		part := client.ExplanationPart{Kind: string(p.Kind), Header: p.Header, Offset: p.Offset, Length: len(p.Bytes), Missing: p.Missing, Body: string(p.Bytes), Encoding: "text"}
		if !utf8.Valid(p.Bytes) {
			part.Body, part.Encoding = base64.StdEncoding.EncodeToString(p.Bytes), "base64"
		}
		out.Size = p.Offset + len(p.Bytes)
		out.Message = append(out.Message, part)
	}
	for _, e := range x.Expected {
		out.Expected = append(out.Expected, client.ExplanationExpected{Secret: e.Secret, Algorithm: string(e.Algorithm), Signature: e.Text, Matches: e.Matches, Problem: e.Problem})
	}
	for _, m := range x.Mistakes {
		out.Mistakes = append(out.Mistakes, client.ExplanationMistake{Kind: string(m.Kind), Fits: m.Fits, Detail: m.Detail, Changes: append([]string{}, m.Changes...), Dialect: m.Dialect, Header: m.Header})
	}
	return out
}
