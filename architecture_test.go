// Package malote_test holds the rules of the whole repository as tests: the
// picture in ARCHITECTURE.md is the import graph, and each door to the outside
// has one owner.
package malote_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/malote-dev/malote"

// source is one parsed Go file.
type source struct {
	path    string // from the root, with slashes
	dir     string
	test    bool
	file    *ast.File
	fset    *token.FileSet
	imports map[string]string // local name → import path
}

// A rule looks at one file and says what breaks it.
type rule struct {
	name  string
	check func(*source) []string
	// allow lists files or directories that may break the rule, each with the reason.
	allow map[string]string
}

func rules(allowed map[string][]string) []rule {
	return []rule{
		{name: "imports follow the table of ARCHITECTURE.md", check: importsOf(allowed)},
		{name: "webhook needs the standard library only", check: onlyStandard("webhook")},
		{
			name: "only the store speaks SQL",
			check: noImport("database/sql", "database/sql/driver", "modernc.org/sqlite", "modernc.org/sqlite/lib", "github.com/pressly/goose/v3",
				"github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/pgconn", "github.com/jackc/pgx/v5/pgxpool", "github.com/jackc/pgx/v5/stdlib"),
			allow: map[string]string{
				"internal/store":          "it is the store",
				"internal/secret/text.go": "a secret refuses to be an argument of a statement",
				"bench":                   "the torture reads the database behind the server's back to judge it, and clusters for tests are made there",
			},
		},
		{
			name:  "only match knows the language of filters",
			check: noImport("cel.dev/cel-go/cel", "cel.dev/cel-go/common/types", "cel.dev/cel-go/interpreter"),
			allow: map[string]string{"internal/match": "it judges them"},
		},
		{
			name:  "only egress dials",
			check: noCall(dialers()),
			allow: map[string]string{
				"internal/deliver/egress": "it is the guarded dialer",
				"internal/oidc/oidc.go":   "is handed the client that egress makes",
				"client":                  "speaks to a Malote server for its caller, from the caller's machine",
				"bench":                   "plays the producers and receivers of a benchmark",
				"acceptance":              "plays the producers and receivers of the contracts",
			},
		},
		{
			name:  "only oidc speaks OpenID Connect",
			check: noImport("github.com/coreos/go-oidc/v3/oidc", "golang.org/x/oauth2"),
			allow: map[string]string{"internal/oidc": "it does, with the client that egress makes"},
		},
		{
			name:  "only mail speaks SMTP",
			check: noImport("net/smtp", "github.com/wneessen/go-mail", "github.com/wneessen/go-mail/smtp"),
			allow: map[string]string{"internal/mail": "it does, over connections that egress makes"},
		},
		{
			name:  "only the binary reads the command line and the environment",
			check: both(noImport("flag"), noCall(map[string][]string{"os": {"Args", "Getenv", "LookupEnv", "Environ", "ExpandEnv"}})),
			allow: map[string]string{
				"cmd":   "it is the command line",
				"bench": "programs of their own",
			},
		},
		{name: "logging goes through slog, handed in", check: both(noImport("log"), noCall(map[string][]string{"log/slog": slogGlobals()})),
			allow: map[string]string{"bench": "programs of their own"}},
		{
			name:  "no program is started",
			check: noImport("os/exec", "syscall/js", "plugin"),
			allow: map[string]string{"bench": "starts the server that it measures"},
		},
		{name: "nothing happens before main", check: noInit},
		{name: "package variables never change", check: noChangingGlobals},
		{name: "no drawers", check: noDrawer},
		{name: "tests wait for signals, not for time", check: testsDoNotSleep},
	}
}

// dialers are the ways out that the standard library offers.
func dialers() map[string][]string {
	return map[string][]string{
		"net": {
			"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "Resolver", "DefaultResolver",
			"LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupMX", "LookupNS", "LookupPort", "LookupSRV", "LookupTXT",
		},
		"net/http":      {"Get", "Head", "Post", "PostForm", "Client", "DefaultClient", "Transport", "DefaultTransport"},
		"crypto/tls":    {"Dial", "DialWithDialer", "Dialer"},
		"net/smtp":      {"Dial", "SendMail", "NewClient"},
		"net/rpc":       {"Dial", "DialHTTP"},
		"net/textproto": {"Dial"},
	}
}

func slogGlobals() []string {
	return []string{"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log", "LogAttrs",
		"DebugContext", "InfoContext", "WarnContext", "ErrorContext", "With"}
}

func TestArchitecture(t *testing.T) {
	t.Parallel()
	allowed := readPicture(t)
	files := parseAll(t, ".")
	for _, r := range rules(allowed) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, f := range files {
				if under(f.path, r.allow) {
					continue
				}
				for _, broken := range r.check(f) {
					t.Errorf("%s: %s", f.path, broken)
				}
			}
		})
	}
}

// TestRulesBite runs the rules over counter-examples: each file of
// testdata/architecture says in its first comment which rule it breaks.
func TestRulesBite(t *testing.T) {
	t.Parallel()
	byName := map[string]rule{}
	for _, r := range rules(readPicture(t)) {
		byName[r.name] = r
	}
	bitten := map[string]bool{}
	root := filepath.Join("testdata", "architecture")
	for _, f := range parseAll(t, root) {
		want := strings.TrimSpace(strings.TrimPrefix(f.file.Comments[0].Text(), "breaks:"))
		r, ok := byName[want]
		if !ok {
			t.Errorf("%s names no rule: %q", f.path, want)
			continue
		}
		if len(r.check(f)) == 0 {
			t.Errorf("%s: %q does not bite", f.path, want)
		}
		bitten[want] = true
	}
	for name := range byName {
		if !bitten[name] {
			t.Errorf("%q has no counter-example under %s", name, root)
		}
	}
}

// readPicture reads the table of ARCHITECTURE.md: package → what it may import
// of this module; nil means anything.
func readPicture(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	picture := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		pkg := strings.Trim(strings.TrimSpace(cells[1]), "`")
		may := []string{}
		for i, word := range strings.Split(cells[3], "`") {
			if i%2 == 1 {
				may = append(may, word)
			}
		}
		if strings.Contains(cells[3], "everybody") {
			may = nil
		}
		picture[pkg] = may
	}
	if len(picture) < 10 {
		t.Fatalf("ARCHITECTURE.md: the table has %d packages, expected more", len(picture))
	}
	return picture
}

// importsOf checks a file's imports of this module against the picture. Tests
// may import more: they are not part of what runs.
func importsOf(picture map[string][]string) func(*source) []string {
	return func(f *source) []string {
		if f.test {
			return nil
		}
		may, known := lookup(picture, f.dir)
		if !known {
			return []string{"package " + f.dir + " is not in the table of ARCHITECTURE.md"}
		}
		if may == nil {
			return nil
		}
		var broken []string
		for _, imported := range f.imports {
			inside, ok := strings.CutPrefix(imported, module+"/")
			if !ok || inside == f.dir || slices.ContainsFunc(may, func(m string) bool { return names(m, inside) }) {
				continue
			}
			broken = append(broken, f.dir+" may not import "+inside)
		}
		return broken
	}
}

// names says whether a word of the table means a package; "bench/..." means
// all below, too.
func names(word, pkg string) bool {
	if below, ok := strings.CutSuffix(word, "/..."); ok {
		return pkg == below || strings.HasPrefix(pkg, below+"/")
	}
	return pkg == word || pkg == "internal/"+word
}

// lookup finds the row of a package; a row ending in "/..." speaks for all below.
func lookup(picture map[string][]string, dir string) ([]string, bool) {
	if may, ok := picture[dir]; ok {
		return may, true
	}
	for d := dir; d != "." && d != "/"; d = path.Dir(d) {
		if may, ok := picture[d+"/..."]; ok {
			return may, true
		}
	}
	return nil, false
}

func onlyStandard(dir string) func(*source) []string {
	return func(f *source) []string {
		if f.test || f.dir != dir {
			return nil
		}
		var broken []string
		for _, imported := range f.imports {
			if strings.Contains(strings.Split(imported, "/")[0], ".") && imported != module+"/"+dir {
				broken = append(broken, "imports "+imported)
			}
		}
		return broken
	}
}

func noImport(forbidden ...string) func(*source) []string {
	return func(f *source) []string {
		if f.test {
			return nil
		}
		var broken []string
		for _, imported := range f.imports {
			if slices.Contains(forbidden, imported) {
				broken = append(broken, "imports "+imported)
			}
		}
		return broken
	}
}

// noCall finds uses of a package's names, called or passed on.
func noCall(forbidden map[string][]string) func(*source) []string {
	return func(f *source) []string {
		if f.test {
			return nil
		}
		return uses(f, f.file, forbidden)
	}
}

func uses(f *source, in ast.Node, forbidden map[string][]string) []string {
	var broken []string
	ast.Inspect(in, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		imported, ok := f.imports[x.Name]
		if ok && slices.Contains(forbidden[imported], sel.Sel.Name) {
			broken = append(broken, fmt.Sprintf("line %d uses %s.%s", f.fset.Position(sel.Pos()).Line, imported, sel.Sel.Name))
		}
		return true
	})
	return broken
}

func both(a, b func(*source) []string) func(*source) []string {
	return func(f *source) []string { return append(a(f), b(f)...) }
}

func noInit(f *source) []string {
	for _, d := range f.file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			return []string{"has an init function"}
		}
	}
	return nil
}

// noChangingGlobals finds package variables that the same file changes, or
// whose type only makes sense changing. Tables and sentinel errors are fine.
func noChangingGlobals(f *source) []string {
	if f.test {
		return nil
	}
	var broken []string
	globals := map[string]bool{}
	for _, d := range f.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			for _, n := range v.Names {
				globals[n.Name] = n.Name != "_"
			}
			if sel, ok := v.Type.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && (f.imports[x.Name] == "sync" || f.imports[x.Name] == "sync/atomic") {
					broken = append(broken, fmt.Sprintf("%s is state of the whole process", v.Names[0].Name))
				}
			}
		}
	}
	change := func(e ast.Expr) {
		if name := rootName(e); globals[name] {
			broken = append(broken, fmt.Sprintf("line %d changes %s", f.fset.Position(e.Pos()).Line, name))
		}
	}
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					change(e)
				}
			}
		case *ast.IncDecStmt:
			change(n.X)
		}
		return true
	})
	return broken
}

// rootName is x in x, x.f and x[i].
func rootName(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		default:
			return ""
		}
	}
}

func noDrawer(f *source) []string {
	drawers := []string{"util", "utils", "common", "helper", "helpers", "model", "models", "type", "types",
		"shared", "core", "base", "misc", "lib", "pkg", "service", "services", "manager"}
	name := strings.TrimSuffix(f.file.Name.Name, "_test")
	if slices.Contains(drawers, name) || slices.Contains(drawers, path.Base(f.dir)) {
		return []string{"package " + name + " is named after nothing that it does"}
	}
	return nil
}

// testsDoNotSleep lets pass what has synctest, for in its bubbles time is
// faked, and benchmarks, which measure time anyway.
func testsDoNotSleep(f *source) []string {
	if _, faked := f.imports["synctest"]; !f.test || faked {
		return nil
	}
	var broken []string
	for _, d := range f.file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Benchmark") {
			continue
		}
		broken = append(broken, uses(f, d, map[string][]string{"time": {"Sleep"}})...)
	}
	return broken
}

// TestPackagesSayWhatTheyOwn wants a package comment in each package.
func TestPackagesSayWhatTheyOwn(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range parseAll(t, ".") {
		if !f.test {
			documented[f.dir] = documented[f.dir] || f.file.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// TestNoPathOfAMachine looks through every file for paths that exist on one
// machine only.
func TestNoPathOfAMachine(t *testing.T) {
	t.Parallel()
	forbidden := []string{"/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/runner"}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(d.Name())
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > 4<<20 || d.Name() == ".git" { // a file in a second work tree
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, f := range forbidden {
			if i := strings.Index(string(text), f); i >= 0 && !strings.ContainsRune(string(text[:min(len(text), 8000)]), 0) {
				t.Errorf("%s:%d holds %s", p, 1+strings.Count(string(text[:i]), "\n"), f)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLinksLeadSomewhere follows every link between the documents.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(d.Name())
		}
		if filepath.Ext(p) != ".md" {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skipDir(name string) error {
	if name != "." && (strings.HasPrefix(name, ".") && name != ".ci" || name == "node_modules" || name == "dist" || name == "vendor") {
		return filepath.SkipDir
	}
	return nil
}

// parseAll parses the Go files under a directory; testdata below it stays out.
func parseAll(t *testing.T, root string) []*source {
	t.Helper()
	var files []*source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return skipDir(d.Name())
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parse(root, p)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no Go files under %s", root)
	}
	return files
}

func parse(root, p string) (*source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, p)
	if err != nil {
		return nil, err
	}
	rel = filepath.ToSlash(rel)
	f := &source{path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), file: file, fset: fset, imports: map[string]string{}}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
			if name == "_" {
				name = "_ " + imported // imported for its effect only
			}
		}
		f.imports[name] = imported
	}
	return f, nil
}

// under says whether a file lies in one of the directories.
func under(file string, dirs map[string]string) bool {
	for dir := range dirs {
		if file == dir || strings.HasPrefix(file, dir+"/") {
			return true
		}
	}
	return false
}
