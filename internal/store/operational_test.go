package store_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/schema"
	"github.com/malote-dev/malote/internal/store"
)

// TestOperationalCatalogue: each type is described in both languages, and its
// example is of its schema; without any of what the schema asks for, it is not.
func TestOperationalCatalogue(t *testing.T) {
	t.Parallel()
	types := store.OperationalTypes()
	guide, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(types, func(a, b *store.EventType) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not by name")
	}
	for _, e := range types {
		if e.Description == "" || e.DescriptionPT == "" || len(e.Examples) != 1 {
			t.Errorf("%s is not described", e.Name)
		}
		s, err := schema.Compile(e.Schema)
		if err != nil {
			t.Errorf("the schema of %s: %v", e.Name, err)
			continue
		}
		for _, p := range s.Check(e.Examples[0], 10) {
			t.Errorf("the example of %s: %s %s", e.Name, p.Pointer, p.Detail)
		}
		if !strings.Contains(string(guide), "`"+e.Name+"`") {
			t.Errorf("docs/operations.md does not name %s", e.Name)
		}
		if len(s.Check([]byte(`{}`), 10)) == 0 {
			t.Errorf("the schema of %s asks for nothing", e.Name)
		}
	}
}
