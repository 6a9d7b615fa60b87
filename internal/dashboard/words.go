package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// words are what templates say things with, in a language.
func words(l lang.Language) template.FuncMap {
	return template.FuncMap{
		"t":     func(text string) string { return lang.Literal(text).In(l) },
		"say":   func(m lang.Message) string { return m.In(l) },
		"kept":  func(text string) string { return lang.Recall(text).In(l) },
		"when":  func(t any) stampView { return viewStamp(t, l) },
		"ago":   func(t any) string { return ago(t, time.Now(), l) },
		"num":   func(n any) string { return number(n, l) },
		"share": func(r *float64) string { return share(r, l) },
		"bare":  figure,
		"ms":    func(ms any) string { return millis(ms, l) },
		"state": func(s string) string { return stateWord(s).In(l) },
		"class": func(c string) string { return className(c).In(l) },
		"role":  func(r any) string { return roleWord(fmt.Sprint(r)).In(l) },
		"ask":   func(check string) string { return checkWord(check).In(l) },
		"is":    func(is string) string { return isWord(is).In(l) },
		"isof":  isOf,
		"set":   setHere,
		"path":  url.PathEscape,
		"wrong": func(p *problemView) map[string]string {
			if p == nil {
				return map[string]string{}
			}
			return p.Fields
		},
		"join": func(items []string) string { return strings.Join(items, ", ") },
		"plus": func(a, b int) int { return a + b },
		"dict": dict,
	}
}

// setHere is where a setting comes from that is empty by default.
func setHere(value string) string {
	if value == "" {
		return "default"
	}
	return "project"
}

// dict gives a part of a page several things at once.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// stampView is a time as pages show it: for people in UTC, for programs exactly.
type stampView struct{ Exact, Text string }

// timeOf reads what templates have times in; zero: none.
func timeOf(t any) time.Time {
	switch t := t.(type) {
	case time.Time:
		return t.UTC()
	case *time.Time:
		if t != nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func viewStamp(at any, l lang.Language) stampView {
	t := timeOf(at)
	if t.IsZero() {
		return stampView{}
	}
	form := "2006-01-02 15:04:05"
	if l == lang.Portuguese {
		form = "02/01/2006 15:04:05"
	}
	return stampView{t.Format("2006-01-02T15:04:05.000Z"), t.Format(form) + " UTC"}
}

// ago says how far a time is from now, in words.
func ago(at any, now time.Time, l lang.Language) string {
	t := timeOf(at)
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	if d < 0 {
		return inTime(-d).In(l)
	}
	switch {
	case d < 5*time.Second:
		return lang.Text("just now").In(l)
	case d < time.Minute:
		return lang.Count(int(d.Seconds()), "%d second ago", "%d seconds ago").In(l)
	case d < time.Hour:
		return lang.Count(int(d.Minutes()), "%d minute ago", "%d minutes ago").In(l)
	case d < 48*time.Hour:
		return lang.Count(int(d.Hours()), "%d hour ago", "%d hours ago").In(l)
	}
	return lang.Count(int(d.Hours()/24), "%d day ago", "%d days ago").In(l)
}

func inTime(d time.Duration) lang.Message {
	switch {
	case d < time.Minute:
		return lang.Count(int(math.Ceil(d.Seconds())), "in %d second", "in %d seconds")
	case d < time.Hour:
		return lang.Count(int(d.Minutes()), "in %d minute", "in %d minutes")
	case d < 48*time.Hour:
		return lang.Count(int(d.Hours()), "in %d hour", "in %d hours")
	}
	return lang.Count(int(d.Hours()/24), "in %d day", "in %d days")
}

// number writes a count with its digits in groups.
func number(n any, l lang.Language) string {
	if p, ok := n.(*int); ok && p != nil {
		n = *p
	}
	text := fmt.Sprint(n)
	digits := strings.TrimPrefix(text, "-")
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
		return text
	}
	comma := ","
	if l == lang.Portuguese {
		comma = "."
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + comma + digits[i:]
	}
	if text[0] == '-' {
		return "-" + digits
	}
	return digits
}

func decimal(f float64, places int, l lang.Language) string {
	text := strconv.FormatFloat(f, 'f', places, 64)
	if l == lang.Portuguese {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// share writes a part of 1 in percent. What is not all is never shown as all.
func share(r *float64, l lang.Language) string {
	switch {
	case r == nil:
		return "–"
	case *r == 1:
		return "100 %"
	case *r == 0:
		return "0 %"
	}
	return decimal(math.Floor(*r*1000)/10, 1, l) + " %"
}

// millis writes milliseconds as people read them.
func millis(ms any, l lang.Language) string {
	var f float64
	switch ms := ms.(type) {
	case float64:
		f = ms
	case *float64:
		if ms == nil {
			return "–"
		}
		f = *ms
	}
	switch {
	case f >= 10_000:
		return decimal(f/1000, 1, l) + " s"
	case f >= 1000:
		return decimal(f/1000, 2, l) + " s"
	case f >= 10:
		return decimal(f, 0, l) + " ms"
	}
	return decimal(f, 1, l) + " ms"
}

// sentence is a text as a page has it: with a capital and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	runes := []rune(text)
	text = strings.ToUpper(string(runes[:1])) + string(runes[1:])
	if !strings.ContainsAny(text[len(text)-1:], ".!?…") {
		text += "."
	}
	return text
}

// stateWord names states of deliveries, endpoints and replays.
func stateWord(s string) lang.Message {
	switch s {
	case "pending":
		return lang.Text("pending")
	case "delivered":
		return lang.Text("delivered")
	case "failed":
		return lang.Text("failed")
	case "cancelled":
		return lang.Text("cancelled")
	case "active":
		return lang.Text("active")
	case "paused":
		return lang.Text("paused")
	case "disabled":
		return lang.Text("disabled")
	case "failing":
		return lang.Text("failing")
	case "serving":
		return lang.Text("serving")
	case "stopping":
		return lang.Text("stopping")
	case "lost":
		return lang.Text("lost")
	}
	return lang.Text("%s", s)
}

// className names why attempts fail.
func className(c string) lang.Message {
	switch store.Class(c) {
	case store.ClassStatus:
		return lang.Text("an answer that is no success")
	case store.ClassRedirect:
		return lang.Text("a redirect")
	case store.ClassTimeout:
		return lang.Text("no answer in time")
	case store.ClassConnect:
		return lang.Text("no connection")
	case store.ClassReset:
		return lang.Text("connection cut off")
	case store.ClassDNS:
		return lang.Text("host name not found")
	case store.ClassTLS:
		return lang.Text("TLS failed")
	case store.ClassProtocol:
		return lang.Text("no HTTP")
	case store.ClassBlocked:
		return lang.Text("address not allowed")
	case store.ClassRender:
		return lang.Text("request could not be made")
	case store.ClassUnknown:
		return lang.Text("outcome not known")
	case store.ClassCancelled:
		return lang.Text("stopped by this server")
	}
	return lang.Text("%s", c)
}

func roleWord(r string) lang.Message {
	switch r {
	case "owner":
		return lang.Text("owner")
	case "operator":
		return lang.Text("operator")
	case "viewer":
		return lang.Text("viewer")
	}
	return lang.Text("%s", r)
}
