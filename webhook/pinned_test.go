package webhook_test

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/webhook"
)

// dialectAs is the standard dialect under another name, with replacements.
func dialectAs(t *testing.T, name string, replace ...string) *webhook.Dialect {
	t.Helper()
	source := strings.NewReplacer(append([]string{`"name": "standard"`, `"name": "` + name + `"`}, replace...)...).
		Replace(string(webhook.Standard().Source()))
	d, err := webhook.ParseDialect(name+".json", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSameContract(t *testing.T) {
	t.Parallel()
	was := dialectAs(t, "acme")
	same := map[string]*webhook.Dialect{
		"spacing": dialectAs(t, "acme", "\n  ", "\n\t"),
		"title":   dialectAs(t, "acme", `"title": "`, `"title": "New `),
	}
	for name, d := range same {
		if string(d.Source()) == string(was.Source()) || !was.SameContract(d) {
			t.Errorf("%s: not the same contract, or nothing was changed", name)
		}
	}
	other := map[string]*webhook.Dialect{
		"name":     dialectAs(t, "acme2"),
		"body":     dialectAs(t, "acme", `"{data}"`, `["{data}"]`),
		"header":   dialectAs(t, "acme", "webhook-id", "x-id"),
		"schedule": dialectAs(t, "acme", `"5s"`, `"6s"`),
	}
	for name, d := range other {
		if was.SameContract(d) {
			t.Errorf("%s: the same contract", name)
		}
	}
	if was.File() != "acme.json" {
		t.Errorf("file is %q", was.File())
	}
}

func TestCatalogWithKeptRevisions(t *testing.T) {
	t.Parallel()
	files, err := webhook.NewCatalog(dialectAs(t, "acme"))
	if err != nil {
		t.Fatal(err)
	}
	acme2, gone1, gone3 := dialectAs(t, "acme", `"revision": 1`, `"revision": 2`), dialectAs(t, "gone"), dialectAs(t, "gone", `"revision": 1`, `"revision": 3`)
	standard := dialectAs(t, "standard", `"title": "`, `"title": "Kept `)
	c := files.With(acme2, gone3, gone1, standard)
	file, _ := files.Lookup("acme")
	for name, want := range map[string]*webhook.Dialect{
		"acme": file, "acme/1": file, "acme/2": acme2, // a file outranks what was kept
		"gone": gone3, "gone/1": gone1, "gone/3": gone3,
		"standard": standard, "standard/1": standard,
	} {
		if got, ok := c.Lookup(name); !ok || got != want {
			t.Errorf("%s: %p, want %p", name, got, want)
		}
	}
	if _, ok := files.Lookup("gone"); ok || len(c.All()) != len(files.All())+3 {
		t.Errorf("the catalog itself was changed, or %d dialects are listed", len(c.All()))
	}
}
