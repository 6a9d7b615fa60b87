package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhatIsForgottenIsTold: what this process drops from memory, or takes
// over, after a change is what it tells others of. So only the files that do
// both for all changes do either; others note a change, with what sets it.
func TestWhatIsForgottenIsTold(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || slices.Contains([]string{"cache.go", "configuration.go", "learning.go", "elsewhere.go"}, name) {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		var path []ast.Node
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				path = path[:len(path)-1]
				return true
			}
			path = append(path, n)
			if call, ok := n.(*ast.CallExpr); ok && dropsMemory(call) && !noted(path) {
				t.Errorf("%s: what is in memory changes, and others do not hear of it: see batch.changed", files.Position(n.Pos()))
			}
			return true
		})
	}
}

// dropsMemory reports whether a call changes what is held in memory of the
// configuration.
func dropsMemory(call *ast.CallExpr) bool {
	if f, ok := call.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") {
		s, ok := call.Args[0].(*ast.SelectorExpr)
		return ok && slices.Contains([]string{"unheard", "mute", "projects", "hosts", "deleting", "skipping"}, s.Sel.Name)
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	if slices.Contains([]string{"setProject", "forgetProject", "setDeleting", "setSkipping", "forget", "EndpointChanged"}, f.Sel.Name) {
		return true
	}
	of, ok := f.X.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"subscriptions", "lanes", "keys", "rules"}, of.Sel.Name) && slices.Contains([]string{"drop", "dropAll", "clear"}, f.Sel.Name)
}

// noted reports whether a call is what a change sets, or the way of setting it.
func noted(path []ast.Node) bool {
	for _, n := range path {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if slices.Contains([]string{"setProject", "forgetProject", "setDeleting", "setSkipping"}, n.Name.Name) {
				return true
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "changed" {
				return true
			}
		}
	}
	return false
}
