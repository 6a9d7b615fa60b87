package lang_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/lang"
)

const (
	module = "github.com/malote-dev/malote"
	top    = "../.."
)

// use is a text in the source.
type use struct {
	at   string
	text lang.Format
	kept bool
	one  string // of a text that counts: the singular
	args int    // how many are given to it; -1: the function that takes it decides
}

// sourceReader type-checks packages from their source. What is neither the
// module's nor the standard library's is taken for empty.
type sourceReader struct {
	fset   *token.FileSet
	std    types.Importer
	pkgs   map[string]*types.Package
	uses   []use
	broken []string
}

// readSource finds all texts of the module.
func readSource(t *testing.T) *sourceReader {
	t.Helper()
	ctx := build.Default
	ctx.CgoEnabled = false
	fset := token.NewFileSet()
	r := &sourceReader{fset: fset, std: importer.ForCompiler(fset, "source", nil), pkgs: map[string]*types.Package{}}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || name == "node_modules" || path != top && strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		if p := strings.TrimPrefix(filepath.ToSlash(path), top); r.speaks(path) {
			_, err = r.Import(module + p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// speaks reports whether a directory holds a package with texts.
func (r *sourceReader) speaks(dir string) bool {
	bp, err := build.Default.ImportDir(dir, 0)
	return err == nil && slices.Contains(bp.Imports, module+"/internal/lang")
}

// Import reads a package, and what it imports.
func (r *sourceReader) Import(path string) (*types.Package, error) {
	if p := r.pkgs[path]; p != nil {
		return p, nil
	}
	var p *types.Package
	var err error
	switch first, _, _ := strings.Cut(path, "/"); {
	case strings.HasPrefix(path, module):
		p, err = r.check(path)
	case strings.Contains(first, "."):
		p = types.NewPackage(path, filepath.Base(path))
		p.MarkComplete()
	default:
		p, err = r.std.Import(path)
	}
	r.pkgs[path] = p
	return p, err
}

func (r *sourceReader) check(path string) (*types.Package, error) {
	dir := filepath.Join(top, strings.TrimPrefix(path, module))
	bp, err := build.Default.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range slices.Concat(bp.GoFiles, bp.CgoFiles) {
		f, err := parser.ParseFile(r.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	// What is wrong follows from packages that are taken for empty.
	c := types.Config{Importer: r, Error: func(error) {}}
	p, _ := c.Check(path, r.fset, files, info)
	for _, f := range files {
		if path != module+"/internal/lang" {
			r.read(f, info)
		}
		if path == module+"/webhook" {
			r.readReasons(f, info)
			r.readSaid(f, info)
			r.readKept(f, info)
			continue
		}
		if slices.Contains(bp.Imports, module+"/internal/lang") { // the client has members of these names, and says nothing itself
			r.readKept(f, info)
		}
	}
	for _, name := range bp.IgnoredGoFiles {
		f, err := parser.ParseFile(r.fset, filepath.Join(dir, name), nil, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		for _, i := range f.Imports {
			if i.Path.Value == strconv.Quote(module+"/internal/lang") && !strings.HasSuffix(name, "_test.go") {
				r.wrong(f, "holds texts, but is not of every system: this test cannot see them")
			}
		}
	}
	return p, nil
}

func (r *sourceReader) wrong(n ast.Node, format string, args ...any) {
	r.broken = append(r.broken, r.fset.Position(n.Pos()).String()+": "+fmt.Sprintf(format, args...))
}

// read finds the constants of one file that are texts, and the conversions
// that could make texts of variables.
func (r *sourceReader) read(f *ast.File, info *types.Info) {
	args := map[ast.Expr]int{}
	singular := map[ast.Expr]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			r.readCall(call, info, args, singular)
		}
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		tv := info.Types[e]
		if kind := textType(tv.Type); kind != "" && tv.Value != nil {
			if text := constant.StringVal(tv.Value); text != "" && singular[e] != "is one" {
				r.uses = append(r.uses, use{r.fset.Position(e.Pos()).String(), lang.Format(text), kind == "Kept", singular[e], args[e]})
			}
			return false
		}
		return true
	})
}

// readCall says how many arguments the texts of a call get.
func (r *sourceReader) readCall(call *ast.CallExpr, info *types.Info, args map[ast.Expr]int, singular map[ast.Expr]string) {
	fun := info.Types[call.Fun]
	if fun.IsType() {
		if textType(fun.Type) != "" && info.Types[call].Value == nil {
			r.wrong(call, "makes a text of a variable")
		}
		return
	}
	sig, ok := fun.Type.(*types.Signature)
	if !ok {
		return
	}
	params := sig.Params()
	last := -1 // the text that gets the arguments
	for i := range params.Len() {
		if textType(params.At(i).Type()) != "" {
			last = i
		}
	}
	if last < 0 {
		return
	}
	if name := calleeName(call); !sig.Variadic() && name != "problem" { // which gives none
		for _, a := range call.Args {
			args[a] = -1
		}
	}
	rest := call.Args[min(params.Len()-1, len(call.Args)):]
	if !sig.Variadic() || call.Ellipsis.IsValid() || last != params.Len()-2 {
		if call.Ellipsis.IsValid() && info.Types[call.Args[last]].Value != nil {
			r.wrong(call, "gives a text arguments that cannot be counted")
		}
		return
	}
	n := len(rest)
	if name := calleeName(call); name == "Count" && last == 2 {
		n++
		if one := info.Types[call.Args[1]].Value; one != nil {
			singular[call.Args[2]], singular[call.Args[1]] = constant.StringVal(one), "is one"
		}
	}
	args[call.Args[last]] = n
	for _, a := range rest {
		if t := info.Types[a].Type; t != nil && isError(t) && !hasWords(t) {
			r.wrong(a, "an error says itself in English only; give it Words, or use lang.Recall")
		}
	}
}

func calleeName(call *ast.CallExpr) string {
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

func textType(t types.Type) string {
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == module+"/internal/lang" {
		if name := n.Obj().Name(); name == "Format" || name == "Kept" {
			return name
		}
	}
	return ""
}

func isError(t types.Type) bool {
	return types.Implements(t, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

func hasWords(t types.Type) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, "Words")
	return obj != nil
}

// keptMembers hold texts that are kept, or shown from what was kept.
var keptMembers = []string{"Detail", "StateReason", "Unreached", "Held", "Disable"}

// readKept finds such texts that lang.Keep did not make: nothing would know
// them again.
func (r *sourceReader) readKept(f *ast.File, info *types.Info) {
	judge := func(name *ast.Ident, e ast.Expr) {
		if name == nil || !slices.Contains(keptMembers, name.Name) {
			return
		}
		if b, ok := info.Types[e].Type.(*types.Basic); !ok || b.Info()&types.IsString == 0 {
			return
		}
		v := info.Types[e].Value
		_, sum := ast.Unparen(e).(*ast.BinaryExpr)
		call, _ := ast.Unparen(e).(*ast.CallExpr)
		if v != nil && constant.StringVal(v) != "" || v == nil && sum || call != nil && strings.HasPrefix(calleeName(call), "Sprint") {
			r.wrong(e, "%s is a text that lang.Keep did not make", name.Name)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			name, _ := n.Key.(*ast.Ident)
			judge(name, n.Value)
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if sel, ok := left.(*ast.SelectorExpr); ok && len(n.Rhs) == len(n.Lhs) {
					judge(sel.Sel, n.Rhs[i])
				}
			}
		}
		return true
	})
}

// readReasons finds the texts of the errors that webhook makes for people: the
// package knows nothing of languages, so they are taken up again as kept ones.
func (r *sourceReader) readReasons(f *ast.File, info *types.Info) {
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		named, ok := info.Types[lit].Type.(*types.Named)
		if !ok || named.Obj().Name() != "DataError" && named.Obj().Name() != "SecretError" {
			return true
		}
		for i, e := range lit.Elts {
			kv, keyed := e.(*ast.KeyValueExpr)
			if keyed && kv.Key.(*ast.Ident).Name == "Reason" {
				e = kv.Value
			} else if keyed || i != len(lit.Elts)-1 {
				continue
			}
			text, args := r.reason(e, info)
			r.uses = append(r.uses, use{at: r.fset.Position(e.Pos()).String(), text: lang.Format(text), kept: true, args: args})
		}
		return true
	})
}

// readSaid finds the texts of verdicts and mistakes, which are taken up again
// in the same way.
func (r *sourceReader) readSaid(f *ast.File, info *types.Info) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		id, ok := call.Fun.(*ast.Ident)
		if !ok || id.Name != "say" && id.Name != "malformed" {
			return true
		}
		if v := info.Types[call.Args[0]].Value; v != nil {
			r.uses = append(r.uses, use{at: r.fset.Position(call.Pos()).String(), text: lang.Format(constant.StringVal(v)), kept: true, args: len(call.Args) - 1})
		} else if !call.Ellipsis.IsValid() { // one hands on what it was given
			r.wrong(call, "%s gets a text that is no constant", id.Name)
		}
		return true
	})
}

// reason makes a format of a text that is put together.
func (r *sourceReader) reason(e ast.Expr, info *types.Info) (format string, args int) {
	if v := info.Types[e].Value; v != nil {
		return strings.ReplaceAll(constant.StringVal(v), "%", "%%"), 0
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.BinaryExpr:
		left, n := r.reason(e.X, info)
		right, m := r.reason(e.Y, info)
		return left + right, n + m
	case *ast.CallExpr:
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sprintf" {
			return constant.StringVal(info.Types[e.Args[0]].Value), len(e.Args) - 1
		}
	}
	return "%s", 1
}
