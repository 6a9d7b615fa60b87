package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// story is a server, and what requests and answers of a documentation name
// with $. It is told in requests as documentation shows them, with the
// documented answer below.
type story struct {
	*testing.T
	api  *rig.API
	vars map[string]string
}

func newStory(t *testing.T, site *rig.Site, vars map[string]string) *story {
	t.Helper()
	s := &story{T: t, api: site.API(""), vars: map[string]string{"ROOT": site.RootKey}}
	maps.Copy(s.vars, vars)
	t.Cleanup(s.api.Client.CloseIdleConnections)
	return s
}

// says sends a request and compares the answer with the one below it:
//
//	POST /v1/endpoints
//	Authorization: Bearer $KEY
//
//	{"consumer": …}
//	---
//	201
//	{"id": "<ep=ENDPOINT>", "...": ""}
//
// $NAME is a variable; <kind> stands for any value of a kind, <kind=NAME>
// keeps it as a variable. An object with the member "..." may have others.
func (s *story) says(text string) *rig.Answer {
	s.Helper()
	first, ask := s.request(text)
	ans := ask()
	s.holds(first, ans, text)
	return ans
}

// request is what stands above the answer: its first line, and how to send it.
func (s *story) request(text string) (first string, send func() *rig.Answer) {
	s.Helper()
	asked, _, ok := strings.Cut(strings.TrimSpace(text), "\n---\n")
	if !ok {
		s.Fatalf("no --- in %s", text)
	}
	head, body, _ := strings.Cut(os.Expand(asked, s.value), "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	var header []string
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		header = append(header, name, value)
	}
	return lines[0], func() *rig.Answer { return s.ask(method, path, body, header...) }
}

// holds compares an answer with the documented one.
func (s *story) holds(what string, ans *rig.Answer, text string) {
	s.Helper()
	_, answered, _ := strings.Cut(strings.TrimSpace(text), "\n---\n")
	status, want, _ := strings.Cut(os.Expand(answered, s.value), "\n")
	if status != fmt.Sprint(ans.Status) {
		s.Fatalf("%s: %d, want %s: %s", what, ans.Status, status, ans.Body)
	}
	if strings.TrimSpace(want) != "" {
		var documented, got any
		if err := json.Unmarshal([]byte(want), &documented); err != nil {
			s.Fatalf("%v: %s", err, want)
		}
		if err := json.Unmarshal(ans.Body, &got); err != nil {
			s.Fatalf("%s: %v: %s", what, err, ans.Body)
		}
		if wrong := s.differ(documented, got, ""); wrong != "" {
			s.Fatalf("%s: %s\ngot  %s\nwant %s", what, wrong, ans.Body, want)
		}
	}
}

func (s *story) ask(method, path, body string, header ...string) *rig.Answer {
	s.Helper()
	ans, err := s.api.Raw(s.Context(), method, path, []byte(body), header...)
	if err != nil {
		s.Fatal(err)
	}
	return ans
}

func (s *story) value(name string) string {
	v, ok := s.vars[name]
	if !ok {
		s.Errorf("$%s is not known", name)
	}
	return v
}

// kindsOfValues that an answer may have where the documentation shows an example.
var kindsOfValues = map[string]string{
	"id": `[a-z]{2,3}_[0-9a-z]{26}`, "time": `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`, "key": `mlt_(prod|dev|portal)_[0-9a-z]{39}`,
	"secret": `[a-z]+_(secret_)?[0-9a-f]{64}`, "link": `/s/mlt_link_[0-9a-z]{39}`, "words": `.+`,
}

var hole = regexp.MustCompile(`^<([a-z]+)(?:=([A-Z]+))?>$`)

// differ says where an answer is not what is documented; "": it is.
func (s *story) differ(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		_, more := w["..."]
		for name, value := range w {
			if name == "..." {
				continue
			}
			if _, ok := g[name]; !ok {
				return at + "/" + name + " is missing"
			}
			if d := s.differ(value, g[name], at+"/"+name); d != "" {
				return d
			}
		}
		for name := range g {
			if _, ok := w[name]; !ok && !more {
				return at + "/" + name + " is not documented"
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return at + " is another list"
		}
		for i := range w {
			if d := s.differ(w[i], g[i], fmt.Sprintf("%s/%d", at, i)); d != "" {
				return d
			}
		}
		return ""
	case string:
		m := hole.FindStringSubmatch(w)
		if m == nil {
			break
		}
		text, _ := got.(string)
		if !regexp.MustCompile(`^(`+kindsOfValues[m[1]]+`)$`).MatchString(text) || kindsOfValues[m[1]] == "" {
			return fmt.Sprintf("%s is %q, no %s", at, text, m[1])
		}
		if m[2] != "" {
			s.vars[m[2]] = text
		}
		return ""
	}
	if fmt.Sprint(want) != fmt.Sprint(got) || (want == nil) != (got == nil) {
		return fmt.Sprintf("%s is %v, want %v", at, got, want)
	}
	return ""
}

// page presses a button, or only looks, and returns what stands there.
func (s *story) page(method, path string, status int, header ...string) string {
	s.Helper()
	ans := s.ask(method, path, "", header...)
	if ans.Status != status || ans.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		s.Fatalf("%s %s: %d, want %d: %s", method, path, ans.Status, status, ans.Body)
	}
	return string(ans.Body)
}

// patiently is says, for what is answered only so often: it asks again.
func (s *story) patiently(text string) {
	s.Helper()
	s.repeat(text, func(ans *rig.Answer) bool { return ans.Status != http.StatusTooManyRequests })
}

// until is says, for what comes true in a moment.
func (s *story) until(text string) {
	s.Helper()
	s.repeat(text, func(ans *rig.Answer) bool { return !strings.Contains(string(ans.Body), `"state":"pending"`) })
}

func (s *story) repeat(text string, over func(*rig.Answer) bool) {
	s.Helper()
	first, ask := s.request(text)
	deadline := time.Now().Add(patience)
	for {
		ans := ask()
		if over(ans) {
			s.holds(first, ans, text)
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s: still %s", first, ans.Body)
		}
		<-time.After(50 * time.Millisecond)
	}
}
