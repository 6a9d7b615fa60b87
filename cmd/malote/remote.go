package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/malote-dev/malote/client"
)

// maxInput bounds what is read from a file or from standard input.
const maxInput = 16 << 20

// remote is how a command reaches a server; commands of the API embed it.
type remote struct {
	URL  string `name:"url" env:"MALOTE_URL" default:"http://127.0.0.1:8400" placeholder:"URL" help:"The server (default ${default})."`
	Key  string `env:"MALOTE_KEY" placeholder:"KEY" help:"The key to speak with."`
	JSON bool   `name:"json" help:"Print JSON: one object, or one a line for lists."`
}

// connect gives a client, and a context that ends with Ctrl-C. What the server
// answers goes to answer, too, unless that is nil.
func (r *remote) connect(answer func([]byte)) (context.Context, *client.Client, func(), error) {
	c, err := client.New(client.Options{URL: r.URL, Key: r.Key, UserAgent: "malote-cli/" + version(), Answer: answer})
	if err != nil {
		return nil, nil, nil, usage(strings.TrimPrefix(err.Error(), "malote: "), "pass --url and --key, or set MALOTE_URL and MALOTE_KEY")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	return ctx, c, stop, nil
}

// ask makes one call and prints what came: as JSON, the server's own last
// answer, or as show says.
func ask[T any](r *remote, c *console, call func(context.Context, *client.Client) (*T, error), show func(*T)) error {
	var answer []byte
	ctx, api, stop, err := r.connect(func(body []byte) { answer = body })
	if err != nil {
		return err
	}
	defer stop()
	got, err := call(ctx, api)
	if err != nil {
		return err
	}
	if r.JSON {
		return c.answer(answer)
	}
	show(got)
	return nil
}

// enumerate prints at most limit items of a list: as JSON, or as rows.
func enumerate[T any](r *remote, c *console, limit int, list func(context.Context, *client.Client) iter.Seq2[*T, error], header []string, row func(*table, *T)) error {
	var answered page
	ctx, api, stop, err := r.connect(answered.read)
	if err != nil {
		return err
	}
	defer stop()
	t := newTable(c, header...)
	n := 0
	for item, err := range list(ctx, api) {
		if err != nil {
			return err
		}
		if n++; limit > 0 && n > limit {
			fmt.Fprintf(c.err, "There are more: --limit %d shows twice as many, --limit 0 all.\n", 2*limit)
			break
		}
		if !r.JSON {
			row(t, item)
			continue
		}
		if err := answered.line(c.out); err != nil {
			return err
		}
	}
	if r.JSON {
		return nil
	}
	if n == 0 {
		fmt.Fprintln(c.out, "None.")
		return nil
	}
	return t.flush()
}

// page is what of a list's last answer is not printed yet, as it came.
type page struct {
	Data []json.RawMessage `json:"data"`
}

func (p *page) read(body []byte) {
	p.Data = nil
	_ = json.Unmarshal(body, p) // the client has read it before
}

// line prints the next item.
func (p *page) line(w io.Writer) error {
	if len(p.Data) == 0 {
		return errors.New("the server's list ended before its items did")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, p.Data[0]); err != nil {
		return err
	}
	p.Data = p.Data[1:]
	b.WriteByte('\n')
	_, err := b.WriteTo(w)
	return err
}

// pageSize asks for no more than is shown, and one to know that there is more.
func pageSize(limit int) int {
	if limit > 0 && limit < 250 {
		return limit + 1
	}
	return 250
}

// listFlags narrow a list by time and length.
type listFlags struct {
	From  moment `placeholder:"TIME" help:"Made at or after this time, as in 2026-01-31T00:00:00Z."`
	Until moment `placeholder:"TIME" help:"Made before this time."`
	Limit int    `default:"50" placeholder:"N" help:"How many to show, newest first; 0: all (default ${default})."`
}

// describeRemote turns what a server said, or its silence, into words. It
// returns nil for other errors.
func describeRemote(err error, a *asked) *failure {
	var e *client.Error
	if errors.As(err, &e) {
		return describeAnswer(e, a)
	}
	var u *url.Error
	var n net.Error
	var number syscall.Errno
	switch {
	case errors.Is(err, context.Canceled):
		return &failure{what: "interrupted", code: exitFailure, err: err}
	case errors.As(err, &u) && strings.Contains(u.Err.Error(), "HTTP response to HTTPS client"):
		return &failure{
			what: "the server speaks http, not https: " + serverOf(u.URL), fix: "write --url (or MALOTE_URL) with http://",
			code: exitUnavailable, err: err,
		}
	case errors.As(err, &u):
		return &failure{
			what: "the server does not answer: " + u.Err.Error(),
			fix:  "is it running, and is --url (or MALOTE_URL) right? Asked was " + serverOf(u.URL),
			code: exitUnavailable, err: err,
		}
	case errors.As(err, &n) && !errors.As(err, &number), errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{what: "the answer broke off: " + err.Error(), fix: "look whether it was done, then try again", code: exitUnavailable, err: err}
	}
	return nil
}

func serverOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Scheme + "://" + u.Host
}

func describeAnswer(e *client.Error, a *asked) *failure {
	f := &failure{what: a.shell(e.Detail), fix: e.Fix, code: exitFailure, err: e}
	if f.what == "" {
		f.what = fmt.Sprintf("the server answered %d %s", e.Status, e.Title)
	}
	var fields []string
	for _, x := range e.Errors {
		where := a.place(x.Pointer)
		if name := x.Parameter + x.Header; name != "" {
			where = a.option(name)
		}
		fields = append(fields, where+": "+a.shell(x.Detail))
	}
	if len(fields) > 0 {
		f.what = strings.Join(fields, "\n")
	}
	f.fix = a.shellFix(f.fix)
	switch {
	case e.Status == http.StatusUnauthorized:
		f.code, f.fix = exitNotAllowed, "pass the key with --key or MALOTE_KEY: root keys come from `malote key root`, others from `malote key create`"
	case e.Status == http.StatusForbidden:
		f.code = exitNotAllowed
	case e.Status == http.StatusNotFound:
		f.code = exitNotFound
	case e.Status == http.StatusConflict:
		f.code = exitConflict
	case e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout || e.Status >= 502:
		f.code = exitUnavailable
	case e.Status < 500:
		f.code = exitUsage
	default:
		f.fix += " (request " + e.RequestID + ")"
	}
	return f
}

// idOf refuses an id that is plainly of something else.
func idOf(want, id string) error {
	for _, k := range []struct{ prefix, name, with, fix string }{
		{"evt_", "event", "an", "see its deliveries with: malote delivery list --event " + id},
		{"dlv_", "delivery", "a", "see it with: malote delivery get " + id},
		{"ep_", "endpoint", "an", "see it with: malote endpoint get " + id},
		{"ins_", "inspector", "an", "see it with: malote inspector show " + id},
		{"req_", "request", "a", "see the inspectors with: malote inspector list"},
		{"rpl_", "replay", "a", "see it with: malote replay get " + id},
		{"prj_", "project", "a", "see the projects with: malote project list"},
		{"key_", "key", "a", "see the keys with: malote key list"},
	} {
		if k.name != want && strings.HasPrefix(id, k.prefix) {
			return usage(id+" is "+k.with+" "+k.name+", and here the id of another kind is needed: "+want, k.fix)
		}
	}
	return nil
}

// input is text that stands on the command line, in a file (@FILE) or in
// standard input (-); name is what the command line calls it.
func (c *console) input(name, text string) ([]byte, error) {
	var from io.Reader
	switch {
	case text == "-":
		from = c.in
	case strings.HasPrefix(text, "@"):
		f, err := os.Open(text[1:])
		if err != nil {
			return nil, usage(name+": "+err.Error(), "name a file as @FILE, or write the value itself")
		}
		defer f.Close()
		from = f
	default:
		return []byte(text), nil
	}
	b, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err != nil {
		return nil, usage(name+": "+err.Error(), "name a file that can be read")
	}
	if len(b) > maxInput {
		return nil, usage(name+": more than 16 MiB", "send less at once")
	}
	return b, nil
}

// facts prints names and values, one a line; empty values are left out.
func (c *console) facts(pairs ...string) {
	width := 0
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			width = max(width, len(pair[0]))
		}
	}
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			fmt.Fprintf(c.out, "%-*s  %s\n", width, pair[0], oneLine(pair[1]))
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func stampOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
