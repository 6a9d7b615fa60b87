package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// caller is somebody who asks, with a key of a kind.
type caller struct {
	name     string
	token    func(st *site, g *stage, rt *route) string
	refused  *kind // 401, whatever is asked
	scopes   []string
	root     bool
	foreign  bool   // of another project
	consumer string // that the key is bound to
}

// may reports what follows from a route's declaration alone.
func (c *caller) may(rt *route) bool {
	switch {
	case rt.scope == public:
		return true
	case c.refused != nil:
		return false
	case rt.scope == anyKey:
		return true
	case c.root:
		return rt.scope == root || rt.root
	case rt.scope == root, rt.whole && c.consumer != "":
		return false
	}
	return slices.Contains(c.scopes, string(rt.scope))
}

// sees reports whether what a route's path names, on stage a, is the caller's.
func (c *caller) sees(rt *route) bool {
	for _, p := range pathParameters(rt.pattern) {
		switch owners[kindOf(rt.pattern, p)] {
		case aProject:
			if c.foreign {
				return false
			}
		case aConsumer:
			if c.foreign || c.consumer != "" && c.consumer != "acme" {
				return false
			}
		}
	}
	return true
}

// beside are scopes that a route needs besides its own, as a key gives away
// only what it has.
var beside = map[string][]string{
	"POST /v1/consumers/{uid}/portal-sessions": {"endpoints:read", "event_types:read", "events:read", "deliveries:read"},
}

// mentions are routes that make what their path names where it is not there:
// in the caller's own project no uid is foreign.
var mentions = []string{"PUT /v1/consumers/{uid}", "POST /v1/consumers/{uid}/portal-sessions"}

// What a portal session may, as docs/api.md promises it.
var (
	portalReads   = []string{"endpoints:read", "event_types:read", "events:read", "deliveries:read"}
	portalManages = append(slices.Clone(portalReads), "endpoints:write", "deliveries:write")
)

// callers of all kinds; b is the stage of another project.
func callers(b *stage) []*caller {
	wrong, _, _ := NewKey(KeyProduction)
	noSession, _, _ := newKey(portalPrefix)
	fixed := func(text string) func(*site, *stage, *route) string {
		return func(*site, *stage, *route) string { return text }
	}
	session := func(consumer string, access store.PortalAccess) func(*site, *stage, *route) string {
		return func(st *site, g *stage, _ *route) string { return st.session(g.full, consumer, access).text("token") }
	}
	star := slices.DeleteFunc(Scopes(), func(s string) bool { return s == string(keysWrite) })
	return []*caller{
		{name: "no key", token: fixed(""), refused: &kindKeyMissing},
		{name: "a key of nobody", token: fixed(wrong.Reveal()), refused: &kindKeyWrong},
		{name: "a session of nobody", token: fixed(noSession.Reveal()), refused: &kindKeyWrong},
		{name: "half a key", token: func(_ *site, g *stage, _ *route) string { return g.full[:len(g.full)-1] + "!" }, refused: &kindKeyWrong},
		{name: "an expired key", token: (*site).expiredKey, refused: &kindKeyWrong},
		{name: "a revoked key", token: (*site).revokedKey, refused: &kindKeyWrong},
		{name: "an expired session", token: (*site).expiredSession, refused: &kindKeyWrong},
		{name: "an ended session", token: (*site).endedSession, refused: &kindKeyWrong},
		{name: "a session of a revoked key", token: (*site).orphanSession, refused: &kindKeyWrong},
		{name: "the root key", token: func(st *site, _ *stage, _ *route) string { return st.root }, root: true},
		{name: "a key with every scope", token: func(_ *site, g *stage, _ *route) string { return g.full }, scopes: Scopes()},
		{name: "a key with *", token: func(st *site, g *stage, _ *route) string { return st.key(g.project, allScopes) }, scopes: star},
		{name: "a key to read", token: func(_ *site, g *stage, _ *route) string { return g.readOnly }, scopes: scopesToRead()},
		{name: "the consumer's key", token: func(st *site, g *stage, _ *route) string { return st.boundKey(g.project, "acme", allScopes) }, scopes: star, consumer: "acme"},
		{name: "another consumer's key", token: func(_ *site, g *stage, _ *route) string { return g.bound }, scopes: star, consumer: "other"},
		{name: "the consumer's session to read", token: session("acme", store.PortalRead), scopes: portalReads, consumer: "acme"},
		{name: "the consumer's session to manage", token: session("acme", store.PortalManage), scopes: portalManages, consumer: "acme"},
		{name: "another consumer's session to read", token: session("other", store.PortalRead), scopes: portalReads, consumer: "other"},
		{name: "another consumer's session to manage", token: session("other", store.PortalManage), scopes: portalManages, consumer: "other"},
		{name: "another project's key", token: fixed(b.full), scopes: Scopes(), foreign: true},
		{name: "another project's session", token: func(st *site, _ *stage, _ *route) string {
			return st.session(b.full, b.consumer, store.PortalManage).text("token")
		}, scopes: portalManages, consumer: b.consumer, foreign: true},
	}
}

// scopeCallers have exactly what a route asks for, and all but that; nil: it
// asks for no scope.
func scopeCallers(rt *route) (just, lacking *caller) {
	if rt.scope == public || rt.scope == root || rt.scope == anyKey {
		return nil, nil
	}
	least := append([]string{string(rt.scope)}, beside[rt.method+" "+rt.pattern]...)
	of := func(scopes []string) func(st *site, g *stage, _ *route) string {
		return func(st *site, g *stage, _ *route) string { return st.key(g.project, scopes...) }
	}
	return &caller{name: "a key with just the scope", token: of(least), scopes: least},
		&caller{name: "a key with all other scopes", token: of(others(rt.scope)), scopes: others(rt.scope)}
}

func (st *site) keep(project store.ID, k *store.Key) string {
	st.t.Helper()
	text, prefix, hash := NewKey(KeyDevelopment)
	k.ProjectID, k.Prefix, k.Scopes = project, prefix, []string{allScopes}
	if err := st.db.CreateKey(st.t.Context(), k, hash); err != nil {
		st.t.Fatal(err)
	}
	return text.Reveal()
}

func (st *site) idOfProject(g *stage) store.ID {
	st.t.Helper()
	id, err := projectID.Parse(g.project)
	if err != nil {
		st.t.Fatal(err)
	}
	return id
}

func (st *site) expiredKey(g *stage, _ *route) string {
	return st.keep(st.idOfProject(g), &store.Key{ExpiresAt: time.Now().Add(-time.Second)})
}

func (st *site) revokedKey(g *stage, _ *route) string {
	k := &store.Key{}
	text := st.keep(st.idOfProject(g), k)
	st.do(text, "GET", "/v1/me", nil).want(200) // so that it is in memory
	st.do(st.root, "DELETE", "/v1/projects/"+g.project+"/keys/"+keyID.Format(k.ID), nil).want(200)
	return text
}

func (st *site) expiredSession(g *stage, _ *route) string {
	st.t.Helper()
	by := &store.Key{}
	st.keep(st.idOfProject(g), by)
	text, prefix, hash := newKey(portalPrefix)
	p := &store.PortalSession{ProjectID: st.idOfProject(g), Consumer: g.consumer, Access: store.PortalManage, MadeBy: by.ID, Prefix: prefix, ExpiresAt: time.Now().Add(-time.Second)}
	if _, err := st.db.CreatePortalSessionOnce(st.t.Context(), p, hash, 100, nil); err != nil {
		st.t.Fatal(err)
	}
	return text.Reveal()
}

func (st *site) endedSession(g *stage, _ *route) string {
	made := st.session(g.full, g.consumer, store.PortalManage)
	st.do(made.text("token"), "GET", "/v1/me", nil).want(200)
	st.do(g.full, "DELETE", "/v1/consumers/"+g.consumer+"/portal-sessions/"+made.text("id"), nil).want(200)
	return made.text("token")
}

func (st *site) orphanSession(g *stage, _ *route) string {
	made := st.do(st.root, "POST", "/v1/projects/"+g.project+"/keys", `{"scopes":["*"]}`).want(201)
	token := st.session(made.text("key"), g.consumer, store.PortalManage).text("token")
	st.do(token, "GET", "/v1/me", nil).want(200)
	st.do(st.root, "DELETE", "/v1/projects/"+g.project+"/keys/"+made.text("id"), nil).want(200)
	return token
}

// TestMatrix asks every route with every kind of key; what must come follows
// from the route's declaration alone. A new route is in it by itself, and
// fails until objects, inputs and prepare know what it needs.
func TestMatrix(t *testing.T) {
	t.Parallel()
	st := setup(t)
	a, b := st.stage("standard"), st.stageOf("connectvets", "zeta")
	st.do(a.full, "PUT", "/v1/consumers/other", `{}`).want(201)
	all := callers(b)
	tokens := map[*caller]string{}
	for _, c := range all {
		tokens[c] = c.token(st, a, nil)
	}
	lacking := map[*route]*caller{}
	routes := st.inOrder()
	for _, rt := range routes {
		if _, c := scopeCallers(rt); c != nil {
			lacking[rt], tokens[c] = c, c.token(st, a, rt)
		}
	}
	before := st.dump(a)
	for _, rt := range routes {
		for _, p := range pathParameters(rt.pattern) {
			if _, known := owners[kindOf(rt.pattern, p)]; !known {
				t.Fatalf("%s %s: say in objects and owners what {%s} names, and in stageOf how one is made", rt.method, rt.pattern, p)
			}
		}
		for _, c := range all {
			st.refuses(rt, c, tokens[c], a, b)
		}
		if c := lacking[rt]; c != nil {
			st.refuses(rt, c, tokens[c], a, b)
		}
		st.missing(rt, a, b)
	}
	for i, after := range st.dump(a) {
		if after != before[i] {
			t.Errorf("what was refused changed something:\n%s\n%s", before[i], after)
		}
	}
	for _, rt := range routes {
		for _, c := range all {
			st.serves(rt, c)
		}
		if c, _ := scopeCallers(rt); c != nil {
			st.serves(rt, c)
		}
	}
}

// refuses asks for what a caller may not do or see, on stage a.
func (st *site) refuses(rt *route, c *caller, token string, a, b *stage) {
	st.t.Helper()
	name := rt.method + " " + rt.pattern
	ask := func(path string) *answer { return st.do(token, rt.method, path, bodyFor(name)) }
	switch {
	case rt.scope == public:
	case c.refused != nil:
		ask(a.path(rt.pattern)).problem(*c.refused)
	case !c.may(rt):
		got := ask(a.path(rt.pattern)).problem(kindForbidden)
		for _, p := range pathParameters(rt.pattern) { // who may not learns nothing of what is there
			for _, id := range st.notThere(rt, p, b) {
				if other := ask(a.pathWith(rt.pattern, p, id)); blank(other.body) != blank(got.body) {
					st.t.Errorf("%s: to %s %s is answered otherwise:\n%s\n%s", name, c.name, id, got.body, other.body)
				}
			}
		}
	case slices.Contains(mentions, name) && c.consumer != "" && c.consumer != "acme":
		ask(a.path(rt.pattern)).problem(kindForbidden)
	case slices.Contains(mentions, name): // it is made
	case !c.sees(rt):
		foreign := ask(a.path(rt.pattern)).problem(kindNotFound)
		for _, p := range pathParameters(rt.pattern) {
			for _, id := range st.notThere(rt, p, nil) {
				if other := ask(a.pathWith(rt.pattern, p, id)).problem(kindNotFound); blank(foreign.body) != blank(other.body) {
					st.t.Errorf("%s: to %s a foreign id and %s differ:\n%s\n%s", name, c.name, id, foreign.body, other.body)
				}
			}
		}
	case rt.method == http.MethodGet && (c.foreign || c.consumer == "other"):
		got := ask(a.path(rt.pattern)).want(rt.status)
		for kind, id := range a.ids {
			if owner := owners[kind]; (owner == aConsumer || owner == aProject && c.foreign) && strings.Contains(string(got.body), `"`+id+`"`) {
				st.t.Errorf("%s shows %s the %s %s: %s", name, c.name, kind, id, got.body)
			}
		}
	}
}

// notThere are ids in the place of a parameter that name nothing, and the
// other stage's, if one is given.
func (st *site) notThere(rt *route, parameter string, b *stage) (ids []string) {
	kind := kindOf(rt.pattern, parameter)
	if b != nil && owners[kind] != "" {
		ids = append(ids, b.ids[kind])
	}
	const nobody = "00000000000000000000000001"
	switch kind {
	case aConsumer, aType, aContract, aDocument:
		return append(ids, "nobody", "%27--")
	case aToken:
		text, _, _ := newKey(keyPrefix + keyLink + "_")
		return append(ids, text.Reveal(), "mlt_link_x", "x", "%27--")
	case aMailbox:
		return append(ids, strings.Repeat("A", 32), "x", "%27--")
	}
	return append(ids, st.formOf(kind)+nobody, "x", st.formOf(kind), "dlv_'--")
}

// forms are what the ids of a kind begin with.
var forms = map[string]string{
	aProject: "prj_", anEndpoint: "ep_", anEvent: "evt_", aDelivery: "dlv_", aReplay: "rpl_", aKey: "key_", aRootKey: "key_", aSession: "ses_", aLink: "lnk_", anInspector: "ins_", aRequest: "req_",
}

func (st *site) formOf(kind string) string {
	if forms[kind] == "" {
		st.t.Fatalf("say in forms what the ids of a %s begin with", kind)
	}
	return forms[kind]
}

// kindWith is what ids with a prefix name.
func kindWith(prefix string) string {
	for kind, form := range forms {
		if form == prefix && kind != aRootKey {
			return kind
		}
	}
	return ""
}

// missing asks with a key that may everything: what is another project's, what
// does not exist and what is no id have the same answer, whichever parameter.
func (st *site) missing(rt *route, a, b *stage) {
	st.t.Helper()
	name := rt.method + " " + rt.pattern
	key := a.full
	switch {
	case rt.scope == root:
		key = st.root
	case rt.scope == public:
		key = ""
	}
	for _, p := range pathParameters(rt.pattern) {
		kind := kindOf(rt.pattern, p)
		if slices.Contains(mentions, name) || rt.scope == root && kind == aProject && b != nil {
			continue // it is made; and a root key sees every project
		}
		first := ""
		for _, id := range st.notThere(rt, p, b) {
			got := st.do(key, rt.method, a.pathWith(rt.pattern, p, id), bodyFor(name)).want(404)
			if first == "" {
				first = blank(got.body)
			}
			if blank(got.body) != first {
				st.t.Errorf("%s: %s in the place of {%s} is answered otherwise:\n%s\n%s", name, id, p, first, got.body)
			}
		}
	}
}

// serves asks for what a caller may do and see, each time on a stage of its own
// where it changes something.
func (st *site) serves(rt *route, c *caller) {
	st.t.Helper()
	name := rt.method + " " + rt.pattern
	if rt.pattern == "/metrics" || !c.may(rt) || c.foreign || !c.sees(rt) || slices.Contains(mentions, name) && c.consumer != "" {
		return
	}
	if c.consumer != "" && c.consumer != "acme" && inputs[name] != "" {
		return // the inputs name acme: TestIDsInQueriesAndBodies
	}
	g := st.shared
	if rt.method != http.MethodGet || g == nil {
		g = st.stage("standard")
		if f := prepare[name]; f != nil {
			f(st, g)
		}
		if rt.method == http.MethodGet {
			st.shared = g
		}
	}
	got := st.do(c.token(st, g, rt), rt.method, g.path(rt.pattern), bodyFor(name))
	if ok := append([]int{rt.status}, routesWords[name].also...); !slices.Contains(ok, got.status) {
		st.t.Errorf("%s with %s: %d, want %v: %s", name, c.name, got.status, ok, got.body)
	}
}

var usedAt = regexp.MustCompile(`"last_used_at":("[^"]*"|null)`)

// dump is all that can be read of a stage.
func (st *site) dump(g *stage) (all []string) {
	st.t.Helper()
	for _, rt := range st.server.routes() {
		if rt.method != http.MethodGet || rt.scope == public || rt.scope == root {
			continue
		}
		text := usedAt.ReplaceAllString(string(st.do(g.full, "GET", g.path(rt.pattern), nil).want(200).body), "")
		if strings.HasSuffix(rt.pattern, "/stats") {
			text, _, _ = strings.Cut(anyTime.ReplaceAllString(text, ""), `"buckets":`) // hours go by
		}
		all = append(all, rt.pattern+"\n"+text)
	}
	return all
}

// Parameters and fields that name objects, by their names; and those that do
// not although they look like it, with the reason.
var (
	naming = map[string]string{
		"consumer": aConsumer, "event_id": anEvent, "endpoint_id": anEndpoint, "project": aProject,
	}
	notNaming = map[string]string{
		"body_id": "a switch of a project", "private_key": "of a client certificate", "idempotency_key": "the caller's own word",
		"key": "the text of a new one", "wire_id": "an id of elsewhere, of a new endpoint",
	}
	looksNaming = regexp.MustCompile(`(^|_)(id|ids|uid|consumer|endpoint|project|event|delivery|key|session|link)$`)
)

// TestIDsInQueriesAndBodies: also where an id is not in the path, a foreign
// one is answered byte for byte like a missing one.
func TestIDsInQueriesAndBodies(t *testing.T) {
	t.Parallel()
	st := setup(t)
	a, b := st.stage("standard"), st.stageOf("connectvets", "zeta")
	st.do(a.full, "PUT", "/v1/consumers/other", `{}`).want(201)
	for _, rt := range st.server.routes() {
		if rt.scope == public {
			continue
		}
		places := append(namingFields(t, rt.query, "query", nil), namingFields(t, rt.in, "json", nil)...)
		for _, at := range places {
			for _, c := range []struct {
				who, key string
				theirs   *stage
			}{
				{"the project's key", a.full, b}, {"another consumer's key", a.bound, a}, {"another project's key", b.full, a},
				{"another consumer's session", st.session(a.full, "other", store.PortalManage).text("token"), a}, {"the root key", st.root, nil},
			} {
				if c.theirs == nil { // a root key sees every project's; of other objects it sees nothing
					continue
				}
				foreign, missing := c.theirs.ids[at.kind], st.nobody(at.kind)
				if foreign == "" {
					t.Fatalf("%s %s: no %s is on the stage", rt.method, rt.pattern, at)
				}
				x, y := st.askNaming(rt, c.key, a, at, foreign), st.askNaming(rt, c.key, a, at, missing)
				if x.status != y.status || faceless(x, foreign) != faceless(y, missing) {
					t.Errorf("%s %s: to %s a foreign %s and a missing one differ:\n%d %s\n%d %s", rt.method, rt.pattern, c.who, at, x.status, x.body, y.status, y.body)
				}
			}
		}
	}
}

// spot is where an id stands in a query or a body.
type spot struct {
	in   string // query or json
	path []string
	kind string // of what it names
}

func (p spot) name() string   { return p.path[len(p.path)-1] }
func (p spot) String() string { return p.in + " " + strings.Join(p.path, ".") }

// namingFields finds the fields of an input that name objects.
func namingFields(t *testing.T, in reflect.Type, tag string, path []string) (out []spot) {
	t.Helper()
	if in == nil {
		return nil
	}
	for in.Kind() == reflect.Pointer || in.Kind() == reflect.Slice {
		in = in.Elem()
	}
	if in.Kind() != reflect.Struct {
		return nil
	}
	if f, ok := in.FieldByName("Value"); ok && strings.HasPrefix(in.Name(), "optional[") {
		return namingFields(t, f.Type, tag, path)
	}
	for f := range in.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		if name == "" && f.Anonymous {
			out = append(out, namingFields(t, f.Type, tag, path)...)
			continue
		}
		if name == "" || notNaming[name] != "" {
			continue
		}
		at := append(slices.Clone(path), name)
		kind := naming[name]
		if prefix := f.Tag.Get("prefix"); prefix != "" {
			kind = kindWith(prefix)
		}
		switch {
		case kind != "":
			out = append(out, spot{tag, at, kind})
		case looksNaming.MatchString(name) || f.Tag.Get("prefix") != "":
			t.Errorf("say in naming what %s names, or in notNaming why it names nothing", strings.Join(at, "."))
		default:
			out = append(out, namingFields(t, f.Type, tag, at)...)
		}
	}
	return out
}

// nobody is an id that names nothing.
func (st *site) nobody(kind string) string {
	if kind != aConsumer {
		return st.formOf(kind) + "00000000000000000000000001"
	}
	return "nobody"
}

// askNaming makes a request in which one place names something.
func (st *site) askNaming(rt *route, key string, g *stage, at spot, id string) *answer {
	st.t.Helper()
	path, name := g.path(rt.pattern), rt.method+" "+rt.pattern
	if at.in == "query" {
		return st.do(key, rt.method, path+"?"+at.name()+"="+id, nil)
	}
	body := map[string]any{}
	if in := inputs[name]; in != "" {
		if err := json.Unmarshal([]byte(in), &body); err != nil {
			st.t.Fatal(err)
		}
	}
	into := any(body)
	for i, part := range at.path {
		if items, ok := into.([]any); ok {
			into = items[0]
		}
		m := into.(map[string]any)
		if i == len(at.path)-1 {
			m[part] = id
			break
		}
		if m[part] == nil {
			m[part] = map[string]any{}
		}
		into = m[part]
	}
	a := st.do(key, rt.method, path, body)
	if rt.out == reflect.TypeFor[replayMade]() && a.status == rt.status {
		st.over(key, a.text("id")) // what a list shows of it stands still then
	}
	return a
}

var (
	anyID    = regexp.MustCompile(`(prj|key|ep|evt|dlv|req|con|typ|aud|rpl|ses|lnk|ins)_[0-9a-z]{26}`)
	anyTime  = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+Z`)
	anyToken = regexp.MustCompile(`(mlt_(dev|prod|root|portal|link)_|whsec_|cv_secret_)[0-9a-zA-Z+/=]+`)
)

// faceless is an answer without what is new in each.
func faceless(a *answer, id string) string {
	s := anyToken.ReplaceAllString(anyTime.ReplaceAllString(anyID.ReplaceAllString(string(a.body), "$1"), "T"), "$1")
	return strings.ReplaceAll(s, id, "ID") // last: at some moments an id of the server's spells acme
}
