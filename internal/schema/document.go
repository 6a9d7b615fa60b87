package schema

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/pattern"
	"github.com/malote-dev/malote/internal/rawjson"
)

// document is a schema's text on its way to nodes. All its subschemas are held
// to what the standard allows first; then nodes are made of those that count.
// The time of both grows with the length of the text and no faster.
type document struct {
	batch     *Batch
	kept      bool // the schema was taken once: bounds on what it may cost do not hold
	top       value
	at        map[*value]*place
	resources map[string]*resource // by their URL
	bases     int                  // bytes of these, together
	joined    int                  // bytes of URLs that references were resolved by
	patterns  map[string]*pattern.Pattern
	work      int   // of the patterns
	surplus   *path // of the first pattern past the limit
	err       *Problem
}

// place is a subschema that was found.
type place struct {
	path *path
	in   *resource
	node *node // once it is asked for
}

// path leads from the top to a value, to be written only where something is
// wrong.
type path struct {
	up    *path
	token string
}

func (p *path) with(token string) *path { return &path{p, token} }

func (p *path) item(i int) *path { return p.with(strconv.Itoa(i)) }

func (p *path) String() string {
	var tokens []string
	for ; p != nil && p.up != nil; p = p.up {
		tokens = append(tokens, p.token)
	}
	slices.Reverse(tokens)
	return pointerOf(tokens)
}

// resource is what a $id names: references and anchors within it are its own.
type resource struct {
	base    *url.URL
	top     *value
	path    *path
	anchors map[string]*value
}

// readDocument reads the text of a schema.
func readDocument(source []byte) (*document, error) {
	d := &document{at: map[*value]*place{}, resources: map[string]*resource{}, patterns: map[string]*pattern.Pattern{}}
	text := reading{schema: true}
	var err error
	if d.top, err = text.read(source, MaxDepth); err != nil {
		return nil, err
	}
	switch {
	case text.schemas > MaxObjects:
		return nil, problem("", "has more than %d objects, true and false together; make it of fewer parts", MaxObjects)
	case text.twice != nil:
		return nil, text.twice
	case text.wrong != nil:
		return nil, text.wrong
	case d.top.kind != rawjson.Object && d.top.kind != rawjson.Bool:
		return nil, problem("", "is not a JSON Schema; send an object, as in {\"type\":\"object\"}")
	}
	return d, nil
}

// short reports whether a number of a schema is one to reckon with.
func short(text string) bool {
	n := parseDecimal(text)
	return len(text) <= maxDigits && n.exp <= maxExponent && n.exp >= -maxExponent
}

func (d *document) fail(at *path, format lang.Format, args ...any) {
	if d.err == nil {
		d.err = problem(at.String(), format, args...)
	}
}

// wrong says that a value is not what the standard allows there.
func (d *document) wrong(at *path, rule lang.Message) {
	d.fail(at, "is not what JSON Schema allows here: %s", rule)
}

// survey holds a subschema, and those below it, to the rules of the standard.
func (d *document) survey(v *value, at *path, in *resource) {
	if d.err != nil || d.at[v] != nil {
		return
	}
	switch {
	case v.kind == rawjson.Bool:
		d.at[v] = &place{path: at, in: in}
		return
	case v.kind != rawjson.Object:
		d.wrong(at, mustBe("boolean", "object"))
		return
	}
	if id := v.get("$id"); id != nil || in == nil {
		in = d.resource(v, id, at, in)
	}
	d.at[v] = &place{path: at, in: in}
	if d.err == nil {
		d.anchor(v, at, in)
	}
	for i, name := range v.names {
		if d.err != nil {
			return
		}
		d.keyword(name, &v.items[i], at.with(name), in)
	}
}

// resource finds or makes the resource that a subschema begins.
func (d *document) resource(v, id *value, at *path, in *resource) *resource {
	made := &resource{top: v, path: at, anchors: map[string]*value{}}
	if in == nil {
		made.base, _ = url.Parse(documentURL)
		d.resources[documentURL] = made
	} else {
		made.base = in.base
	}
	if id == nil {
		return made
	}
	d.hold(uriReference, id, at.with("$id"))
	name, fragment, _ := strings.Cut(id.text, "#")
	switch {
	case d.err != nil:
		return made
	case fragment != "":
		d.wrong(at.with("$id"), lang.Text("it must match %s", "^[^#]*#?$"))
		return made
	case name == "" && in != nil:
		return in
	case name == "":
		return made
	}
	base := join(made.base, name)
	if base == nil {
		d.wrong(at.with("$id"), lang.Text("it must be of the format %s", "uri-reference"))
		return made
	}
	key := base.String()
	if d.bases += len(key); d.bases > maxBases && !d.kept {
		d.fail(at.with("$id"), "makes the $id of this schema longer than %d bytes together, each with the $id around it; use fewer or shorter ones", maxBases)
		return made
	}
	if d.resources[key] != nil && (in != nil || key != documentURL) {
		d.fail(at.with("$id"), "has the $id %q twice; give each its own", shorten(id.text))
	}
	made.base = base
	d.resources[key] = made
	return made
}

// join resolves a reference without fragment; nil: it cannot be read.
func join(base *url.URL, reference string) *url.URL {
	ref, err := url.Parse(reference)
	if err != nil {
		return nil
	}
	out := base.ResolveReference(ref)
	if !ref.IsAbs() && base.Opaque != "" {
		out.Opaque = base.Opaque
	}
	return out
}

// anchorName is how an anchor may be called.
var anchorName = regexp.MustCompile(`^[A-Za-z_][-A-Za-z0-9._]*$`)

func (d *document) anchor(v *value, at *path, in *resource) {
	a := v.get("$anchor")
	switch {
	case a == nil:
	case a.kind != rawjson.String:
		d.wrong(at.with("$anchor"), mustBe("string"))
	case !anchorName.MatchString(a.text):
		d.wrong(at.with("$anchor"), lang.Text("it must match %s", anchorName.String()))
	case in.anchors[a.text] != nil:
		d.fail(at.with("$anchor"), "has the $anchor %q twice; give each its own", shorten(a.text))
	default:
		in.anchors[a.text] = v
	}
}

// pattern compiles a regular expression of the schema.
func (d *document) pattern(text string, at *path) {
	if _, known := d.patterns[text]; known {
		return
	}
	if len(d.patterns) >= MaxPatterns && !d.kept {
		if d.surplus == nil {
			d.surplus = at
		}
		d.patterns[text] = nil // only counted
		return
	}
	left := max(maxPatternWork-d.work, 1)
	if d.kept {
		left = 0
	}
	p, why := d.batch.pattern(text, left)
	if p == nil {
		d.fail(at, "holds the pattern %q, which %s", shorten(text), why)
		return
	}
	d.patterns[text] = p
	d.work += pattern.Work(text) + workOfInst*p.Insts
	if d.work > maxPatternWork && !d.kept {
		d.fail(at, "holds the pattern %q, with which the patterns of this schema are too large together; make them shorter, repeat less in them, or use fewer", shorten(text))
	}
}

// follow finds what a reference leads to, and holds it to the rules, too.
func (d *document) follow(ref *value, at *path, in *resource) *value {
	name, fragment, _ := strings.Cut(ref.text, "#")
	if name != "" {
		u := join(in.base, name)
		d.joined += len(in.base.Path)
		if u == nil || d.resources[u.String()] == nil {
			d.fail(at, "refers to something outside of itself; put what it refers to under $defs, and write $ref as \"#/$defs/name\"")
			return nil
		}
		in = d.resources[u.String()]
	}
	fragment, err := url.PathUnescape(fragment)
	if err != nil {
		d.nothing(ref, at)
		return nil
	}
	tokens, pointer := strings.CutPrefix(fragment, "/")
	switch {
	case fragment == "":
		return in.top
	case pointer:
		return d.descend(ref, at, in, strings.Split(tokens, "/"))
	case in.anchors[fragment] == nil:
		d.nothing(ref, at)
	}
	return in.anchors[fragment]
}

// nothing says that a reference leads nowhere.
func (d *document) nothing(ref *value, at *path) {
	d.fail(at, "refers to %q, where it has nothing; put what it refers to there", shorten(ref.text))
}

// descend goes the way of a JSON pointer.
func (d *document) descend(ref *value, at *path, in *resource, tokens []string) *value {
	v, to := in.top, in.path
	for _, token := range tokens {
		name, ok := pointerName(token)
		var next *value
		switch {
		case !ok:
		case v.kind == rawjson.Object:
			next = v.get(name)
		case v.kind == rawjson.Array:
			if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v.items) {
				next = &v.items[i]
			}
		}
		if next == nil {
			d.nothing(ref, at)
			return nil
		}
		if v, to = next, to.with(name); d.at[v] != nil {
			in = d.at[v].in
		}
	}
	d.survey(v, to, in)
	d.countPatterns()
	return v
}

// countPatterns refuses a schema with too many patterns.
func (d *document) countPatterns() {
	if d.surplus != nil {
		d.fail(d.surplus, "is one pattern too many: the schema has %d different ones (pattern and patternProperties), the limit is %d; join some with |, or check less by pattern", len(d.patterns), MaxPatterns)
	}
}

// pointerName is the name that a token of a JSON pointer stands for.
func pointerName(token string) (name string, ok bool) {
	parts := strings.Split(token, "~")
	for _, p := range parts[1:] {
		if p == "" || p[0] != '0' && p[0] != '1' {
			return "", false
		}
	}
	return rawjson.PointerName(token), true
}
