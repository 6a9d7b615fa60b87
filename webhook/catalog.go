package webhook

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed dialects/*.json
var builtinFiles embed.FS

var builtin = sync.OnceValue(func() []*Dialect {
	ds, err := ReadDialects(builtinFiles, "dialects")
	if err != nil {
		panic("webhook: " + err.Error()) // a test keeps the built-in files right
	}
	return ds
})

// Builtin lists the dialects that come with the package, by name: standard
// (Standard Webhooks 1.0), those of the five companies, github and stripe.
func Builtin() []*Dialect { return slices.Clone(builtin()) }

// Standard is the dialect of Standard Webhooks 1.0, the default.
func Standard() *Dialect {
	for _, d := range builtin() {
		if d.Name == "standard" {
			return d
		}
	}
	panic("webhook: the standard dialect is missing")
}

// ReadDialects reads every *.json of a directory, by name. It reports all
// wrong files together. Errors: [*DialectError] (joined), fs errors.
func ReadDialects(fsys fs.FS, dir string) ([]*Dialect, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var ds []*Dialect
	var errs []error
	files := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".json" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		d, err := readDialect(fsys, dir, e)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if other, twice := files[d.Ref()]; twice {
			errs = append(errs, &DialectError{File: e.Name(), Line: 1, Reason: fmt.Sprintf("%s is defined in %s already", d.Ref(), other)})
			continue
		}
		files[d.Ref()] = e.Name()
		ds = append(ds, d)
	}
	return ds, errors.Join(errs...)
}

func readDialect(fsys fs.FS, dir string, e fs.DirEntry) (*Dialect, error) {
	// Stat, not the entry: mounted configuration is often symbolic links.
	name := path.Join(dir, e.Name())
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxDialectFile {
		return nil, &DialectError{File: e.Name(), Line: 1, Reason: "the file is larger than 1 MiB"}
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return ParseDialect(e.Name(), data)
}

// Catalog finds dialects by name. It never changes and is safe for
// concurrent use.
type Catalog struct {
	all   []*Dialect
	byRef map[string]*Dialect // "tarefa/1", and "tarefa": the newest revision
}

// NewCatalog makes a catalog of the built-in dialects and others. A name and
// revision that is taken is refused: a used revision never changes; a new
// revision of a built-in dialect is welcome. Errors: [*DialectError] (joined).
func NewCatalog(own ...*Dialect) (*Catalog, error) {
	c := &Catalog{byRef: map[string]*Dialect{}}
	var errs []error
	for _, d := range append(Builtin(), own...) {
		if d.plan == nil {
			errs = append(errs, errNotParsed)
			continue
		}
		if c.byRef[d.Ref()] != nil {
			errs = append(errs, d.plan.taken(d))
			continue
		}
		c.all = append(c.all, d)
		c.byRef[d.Ref()] = d
		if newest := c.byRef[d.Name]; newest == nil || newest.Revision < d.Revision {
			c.byRef[d.Name] = d
		}
	}
	slices.SortFunc(c.all, func(a, b *Dialect) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return a.Revision - b.Revision
	})
	return c, errors.Join(errs...)
}

func (p *plan) taken(d *Dialect) error {
	return p.reader.failAt("/revision", "%s exists already and never changes; take another name, or a higher revision", d.Ref())
}

// LoadCatalog reads an operator's dialect files beside the built-in ones.
// Errors: [*DialectError] (joined), fs errors.
func LoadCatalog(fsys fs.FS) (*Catalog, error) {
	own, err := ReadDialects(fsys, ".")
	if err != nil {
		return nil, err
	}
	return NewCatalog(own...)
}

// Lookup finds a dialect: "tarefa" is its newest revision, "tarefa/1" that one.
func (c *Catalog) Lookup(name string) (*Dialect, bool) {
	d, ok := c.byRef[name]
	return d, ok
}

// All lists every dialect, by name and revision.
func (c *Catalog) All() []*Dialect { return slices.Clone(c.all) }
