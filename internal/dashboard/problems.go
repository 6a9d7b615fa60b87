package dashboard

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// problemView is what was wrong with a form: as a whole, and field by field.
type problemView struct {
	Text, Fix string
	Fields    map[string]string // by the form's name of the field
	Wrong     []wrongField      // the same in words, in the order in which it was found
}

// wrongField is one thing that is wrong with a form.
type wrongField struct{ Label, Detail string }

// formField is what a form calls something that the API has another name for.
type formField struct {
	name  string
	label lang.Format
}

// words are its label; what has none is called as the API calls it.
func (f formField) words(l lang.Language) string {
	if f.label == "" {
		return f.name
	}
	return lang.Text(f.label).In(l)
}

// formFields are those of all forms, by the API's pointer without its first
// slash. Where a form has other words for one, [visit.fields] has them.
var formFields = map[string]formField{
	"name": {"name", "Name"}, "description": {"description", "Description"}, "consumer": {"consumer", "Consumer"}, "url": {"url", "URL"},
	"event_types": {"event_types", "Event types"}, "channels": {"channels", "Channels"}, "filter": {"filter", "Filter"}, "rate_limit": {"rate_limit", "At most a minute"},
	"concurrency": {"concurrency", "At most at once"}, "timeout": {"timeout", "Timeout (seconds)"}, "retry_schedule": {"retry_schedule", "Waits between attempts"},
	"headers": {"headers", "Own headers"}, "emails": {"emails", "Addresses, a comma between"}, "auth": {"auth", "Authentication"},
	"auth/username": {"auth_username", "User name"}, "auth/password": {"auth_password", "Password"}, "auth/token": {"auth_token", "Bearer token"},
	"auth/certificate": {"auth_certificate", "Certificate (PEM)"}, "auth/private_key": {"auth_private_key", "Private key (PEM)"},
	"dialect": {"dialect", "Contract (dialect)"}, "environment": {"environment", "Environment"}, "host": {"host", "Host name"}, "language": {"language", "Language of mails"},
	"portal_name": {"portal_name", "Name on its pages"}, "portal_color": {"portal_color", "Colour"}, "portal_origins": {"portal_origins", "Who may show it in a frame"}, "portal_logo": {"portal_logo", "Picture"},
	"type": {"type", "Event type"}, "data": {"data", "Data"}, "schema": {"schema", "JSON Schema of the data"}, "examples": {"sample", "Sample of the data"},
	"tags": {"tags", "Tags"}, "deprecation": {"deprecation", "Why"}, "replaced_by": {"replaced_by", "Replaced by"}, "description_pt": {"description_pt", "Description in Portuguese"},
	"scopes": {"scopes", "What it may do"}, "expires_at": {"expires_at", "Until (UTC)"}, "since": {"since", "Since (UTC)"}, "from": {"from", "From (UTC)"}, "until": {"until", "Until (UTC)"},
	"search":        {"search", "Text"},
	"answer/status": {"status", "Status"}, "answer/headers": {"headers", "Headers"}, "answer/body": {"body", "Body"}, "answer/body_encoding": {"body", "Body"},
	"answer/delay_ms": {"delay", "Delay (milliseconds)"}, "answer/fail_rate": {"fail_rate", "Fails, of 100"}, "answer/fail_status": {"fail_status", "With the status"},
	"secret": {"secret", "Secret to verify with"},
}

// again shows a form once more, with what the API said of it. What is no fault
// of the form is a page of its own.
func (v *visit) again(err error, name string, title lang.Message, view any, at **problemView) error {
	if *at = v.problemOf(err); *at == nil {
		return err
	}
	return v.show(http.StatusUnprocessableEntity, name, title, view)
}

// problemOf is what the API said of a form; nil: the error is no fault of it.
func (v *visit) problemOf(err error) *problemView {
	var p *client.Error
	if !errors.As(err, &p) || p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden || p.Status == http.StatusNotFound || p.Status >= 500 {
		return nil
	}
	return v.problem(p)
}

// problem is what the API said; on pages it speaks of no routes and pointers.
func (v *visit) problem(p *client.Error) *problemView {
	view := &problemView{Text: sentence(p.Detail), Fix: v.pageFix(p.Fix), Fields: map[string]string{}}
	if p.Status == http.StatusTooManyRequests {
		view.Fix = "" // it speaks of a header
	}
	if len(p.Errors) > 0 && view.Fix == lang.Text("Correct what errors names and send it again.").In(v.lang) {
		view.Fix = lang.Text("Correct what is marked, and send it again.").In(v.lang)
	}
	for _, e := range p.Errors {
		pointer := strings.TrimPrefix(e.Pointer, "/")
		if pointer == "" {
			pointer = e.Parameter
		}
		f, below := v.formField(pointer)
		view.add(f.name, f.words(v.lang), below.detail(e.Detail, v.lang))
	}
	return view
}

// wrongAt is what a page itself finds wrong with a field of a form.
func (v *visit) wrongAt(name string, label lang.Format, detail, fix lang.Message) *problemView {
	view := &problemView{Text: detail.In(v.lang), Fix: fix.In(v.lang), Fields: map[string]string{}}
	view.add(name, lang.Text(label).In(v.lang), detail.In(v.lang))
	return view
}

func (view *problemView) add(name, label, detail string) {
	view.Wrong = append(view.Wrong, wrongField{label, detail})
	if before := view.Fields[name]; before != "" {
		detail = before + "; " + detail
	}
	view.Fields[name] = detail
}

// formField is the field that a pointer leads to, or into; what no form has
// keeps its name.
func (v *visit) formField(pointer string) (formField, inField) {
	for at := pointer; at != ""; at = at[:max(0, strings.LastIndexByte(at, '/'))] {
		f, ok := v.fields[at]
		if !ok {
			f, ok = formFields[at]
		}
		if ok {
			return f, inField(strings.TrimPrefix(pointer[len(at):], "/"))
		}
	}
	name, below, _ := strings.Cut(pointer, "/")
	return formField{name: name}, inField(below)
}

// inField is what of a pointer leads into a field; empty: it is the field.
type inField string

// detail names the part of the field that is wrong: an item of a list, or a
// member that somebody named himself.
func (in inField) detail(text string, l lang.Language) string {
	if in == "" {
		return text
	}
	first, _, _ := strings.Cut(string(in), "/")
	if n, err := strconv.Atoi(first); err == nil {
		return lang.Text("no. %d: %s", n+1, text).In(l)
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(string(in)) + ": " + text
}

// pageFix says on a page what the API says of routes: what to do there.
func (v *visit) pageFix(fix string) string {
	switch {
	case fix == "":
		return ""
	case strings.Contains(fix, "/resume"):
		return lang.Text("Resume it first.").In(v.lang)
	case strings.Contains(fix, "/docs"):
		return lang.Text("Correct what is marked, and send it again.").In(v.lang)
	case strings.Contains(fix, "/v1/"):
		return ""
	}
	return fix
}
