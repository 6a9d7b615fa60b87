package dashboard

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// TestPagesSpeakBothLanguages: what stands between the tags of templates is
// said by t, whose texts the catalogue holds: names of the product and of
// figures alone are written out.
func TestPagesSpeakBothLanguages(t *testing.T) {
	t.Parallel()
	var files []string
	for _, dir := range []string{"pages", "portal"} {
		in, err := pageFiles.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range in {
			files = append(files, dir+"/"+f.Name())
		}
	}
	marks := regexp.MustCompile(`(?s)\{\{.*?\}\}|<[^>]*>`)
	for _, f := range files {
		text, err := pageFiles.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(marks.ReplaceAllString(string(text), "\n")) {
			if strings.ContainsFunc(word, func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }) &&
				!slices.Contains([]string{"Malote", "p50", "p95", "POST", "/v1/events", "base64", "JSON"}, word) {
				t.Errorf("%s: %q is said in one language only", f, word)
			}
		}
	}
}

// TestScriptsAreSmall: no page loads more than 60 kB of scripts, compressed.
func TestScriptsAreSmall(t *testing.T) {
	t.Parallel()
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	size, styles := 0, 0
	for name, f := range a.served {
		if strings.HasSuffix(name, ".js") {
			size += len(f.small)
		}
		if strings.HasSuffix(name, ".css") {
			styles += len(f.small)
		}
		if bytes.Contains(f.plain, []byte("eval(")) && !strings.HasPrefix(name, "htmx") { // whose use of it is switched off
			t.Errorf("%s evaluates text", name)
		}
	}
	if size == 0 || size > 60_000 || styles == 0 || styles > 20_000 {
		t.Errorf("%d bytes of scripts, %d of styles", size, styles)
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, ünïcödé 👩‍🚀\n\ttext": "plain, ünïcödé 👩‍🚀\n\ttext",
		"a\x1b[2Jb":                  "a⟨U+001B⟩[2Jb",
		"\u202eevil":                 "⟨U+202E⟩evil",
		"zero\u200bgo":               "zero⟨U+200B⟩go",
		"\x00\u0085":                 "⟨U+0000⟩⟨U+0085⟩",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{ago(now.Add(-time.Minute), now, lang.English), "1 minute ago"},
		{ago(now.Add(-3*time.Hour), now, lang.Portuguese), "há 3 horas"},
		{ago(now.Add(90*time.Second), now, lang.English), "in 1 minute"},
		{ago(time.Time{}, now, lang.English), ""},
		{number(1234567, lang.English), "1,234,567"},
		{number(1234567, lang.Portuguese), "1.234.567"},
		{number(-1000, lang.English), "-1,000"},
		{number(new(12000), lang.English), "12,000"},
		{share(new(0.9999), lang.English), "99.9 %"},
		{share(new(1.0), lang.Portuguese), "100 %"},
		{share(new(0.985), lang.Portuguese), "98,5 %"},
		{share(nil, lang.English), "–"},
		{millis(1.25, lang.Portuguese), "1,2 ms"},
		{millis(12345.0, lang.English), "12.3 s"},
		{moment("2026-01-31T09:00"), "2026-01-31T09:00:00Z"},
		{moment("nonsense"), "nonsense"},
		{sentence("the url is missing"), "The url is missing."},
		{inside("/p/x?a=b"), "/p/x?a=b"},
		{inside("https://evil.example/"), "/"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestPacer(t *testing.T) {
	t.Parallel()
	p := &pacer{burst: 3, every: time.Second, next: map[string]time.Time{}}
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		if wait := p.admit("a", now); wait > 0 {
			t.Fatalf("try %d waits %s", i, wait)
		}
	}
	if wait := p.admit("a", now); wait != time.Second {
		t.Errorf("waits %s", wait)
	}
	if wait := p.admit("b", now); wait > 0 {
		t.Error("another waits")
	}
	if wait := p.admit("a", now.Add(time.Second)); wait > 0 {
		t.Errorf("waits %s after a second", wait)
	}
	p.forget("a")
	if wait := p.admit("a", now); wait > 0 {
		t.Error("who succeeded waits")
	}
}
