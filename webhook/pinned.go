package webhook

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// File is the name that the dialect was parsed under.
func (d *Dialect) File() string {
	if d.plan == nil {
		return ""
	}
	return d.plan.reader.file
}

// SameContract reports whether two dialects send, sign and try alike. What is
// written for people (title, description, the catalogue of events), the probe,
// which is no delivery, and the spacing of the file do not count.
func (d *Dialect) SameContract(o *Dialect) bool { return bytes.Equal(d.contract(), o.contract()) }

// contract is all of a dialect that decides what a receiver sees, as JSON.
func (d *Dialect) contract() []byte {
	c := *d
	c.plan, c.Title, c.Description, c.Events, c.Probe = nil, "", "", nil, nil
	b, err := json.Marshal(&c)
	if err != nil {
		panic("webhook: " + err.Error()) // a parsed dialect always marshals
	}
	return b
}

// With gives a catalog that also knows revisions which were in use before.
// Each is found by its Ref, in place of another of that Ref: a used revision
// never changes. By its name it is found where nothing else has that name.
func (c *Catalog) With(kept ...*Dialect) *Catalog {
	all := maps.Clone(c.byRef)
	named := map[string]bool{} // by the catalog itself
	for _, d := range c.all {
		named[d.Name] = true
	}
	for _, d := range kept {
		if was := all[d.Ref()]; was != nil && all[d.Name] == was {
			all[d.Name] = d
		}
		all[d.Ref()] = d
		if newest := all[d.Name]; !named[d.Name] && (newest == nil || newest.Revision < d.Revision) {
			all[d.Name] = d
		}
	}
	out := &Catalog{byRef: all}
	for ref, d := range all {
		if ref == d.Ref() {
			out.all = append(out.all, d)
		}
	}
	slices.SortFunc(out.all, func(a, b *Dialect) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return a.Revision - b.Revision
	})
	return out
}
