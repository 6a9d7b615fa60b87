package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGuidesOfOperators runs each curl of the guides of the two companies that
// have no API of their own, in order, against a server and a receiver, and
// holds the answers to what stands below.
func TestGuidesOfOperators(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"connectvets", "habilitar"} {
		for _, dir := range []string{"../docs/contracts/", "../docs/pt-BR/contracts/"} {
			t.Run(dir+dialect, func(t *testing.T) {
				t.Parallel()
				text, err := os.ReadFile(dir + dialect + ".md")
				if err != nil {
					t.Fatal(err)
				}
				customer := newClinic(t)
				site := startServer(t)
				s := newStory(t, site, map[string]string{"MALOTE_URL": "", "MALOTE_ROOT_KEY": site.RootKey})
				shown := guideExample.FindAllStringSubmatch(string(text), -1)
				if len(shown) < 8 {
					t.Fatalf("%d examples", len(shown))
				}
				for _, m := range shown {
					s.runs(m[1], m[2], customer.url)
					if secret := s.vars["SECRET"]; secret != "" {
						customer.verifies(t, dialect, secret)
					}
				}
			})
		}
	}
}

var (
	guideExample = regexp.MustCompile("(?s)```sh\n(curl [^`]*?)\n```\n\n```json\n(.*?)\n```")
	guideWord    = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)
	guideHost    = regexp.MustCompile(`https://\w+\.example\.com`)
)

// runs makes the request of a curl and holds the answer to what is shown of it.
func (s *story) runs(curl, shown, receiver string) {
	s.Helper()
	curl = guideHost.ReplaceAllString(os.Expand(strings.ReplaceAll(curl, "\\\n", " "), s.value), receiver)
	method, path, body, header := "GET", "", "", []string(nil)
	words := guideWord.FindAllString(curl, -1)
	for i := 1; i < len(words); i++ {
		w := strings.Trim(words[i], `'"`)
		switch w {
		case "-X", "-d", "-H":
			i++
			value := strings.Trim(words[i], `'"`)
			switch w {
			case "-X":
				method = value
			case "-d":
				body = value
			case "-H":
				name, v, _ := strings.Cut(value, ": ")
				header = append(header, name, v)
			}
		default:
			path = w
		}
	}
	ans := s.ask(method, path, body, header...)
	var want, got any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		s.Fatalf("%v: %s", err, shown)
	}
	if err := json.Unmarshal(ans.Body, &got); err != nil || ans.Status/100 != 2 {
		s.Fatalf("%s %s: %d %s", method, path, ans.Status, ans.Body)
	}
	if wrong := s.shows(want, got, ""); wrong != "" {
		s.Errorf("%s %s: %s\nguide  %s\nanswer %s", method, path, wrong, shown, ans.Body)
	}
}

// shows says where an answer is not what a guide shows of it; "": nowhere.
// Ids, times, and what ends with … are examples.
func (s *story) shows(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		for name, value := range w {
			if _, ok := g[name]; !ok {
				return at + "/" + name + " is missing"
			}
			if d := s.shows(value, g[name], at+"/"+name); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) == 0 {
			return at + " is no list of something"
		}
		return s.shows(w[0], g[0], at+"/0")
	case string:
		g, ok := got.(string)
		if !ok {
			return at + " is no text"
		}
		if at == "/state" || strings.HasSuffix(at, "/state") {
			if w == "delivered" && g == "pending" { // in a moment
				return ""
			}
		}
		return s.example(w, g, at)
	}
	if at == "/data/0/attempts" {
		return "" // in a moment
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		return fmt.Sprintf("%s is %v", at, got)
	}
	return ""
}

// example compares a text with an example of it, and keeps what the requests
// that follow name.
func (s *story) example(shown, got, at string) string {
	id := regexp.MustCompile(`^([a-z]{2,3}_)[0-9a-z]{26}$`)
	switch name := at[strings.LastIndex(at, "/")+1:]; name {
	case "key":
		s.vars["MALOTE_KEY"] = got
	case "token":
		s.vars["PORTAL_TOKEN"] = got
	case "secret":
		s.vars["SECRET"] = got
	case "id":
		s.vars[map[string]string{"prj": "PROJECT", "key": "KEY", "ep": "ENDPOINT", "lnk": "LINK", "evt": "EVENT", "dlv": "DELIVERY", "ses": "SESSION"}[got[:strings.Index(got, "_")]]] = got
	}
	switch m := id.FindStringSubmatch(shown); {
	case m != nil && strings.HasPrefix(got, m[1]):
	case strings.HasSuffix(shown, "…") && strings.HasPrefix(got, strings.TrimSuffix(shown, "…")) && len(got) > len(shown):
	case regexp.MustCompile(`^20\d\d-\d\d-\d\dT[0-9:.]+Z$`).MatchString(shown) && regexp.MustCompile(`^20\d\d-\d\d-\d\dT[0-9:.]+Z$`).MatchString(got):
	case shown != got:
		return fmt.Sprintf("%s is %q", at, got)
	}
	return ""
}
