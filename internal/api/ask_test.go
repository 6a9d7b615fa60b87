package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// visitor is somebody with a role who is signed in.
func (st *site) visitor(email string, role store.Role) *store.Visitor {
	st.t.Helper()
	invited, token := HashKey("invitation of "+email), HashKey("session of "+email)
	no := func(err error) {
		st.t.Helper()
		if err != nil {
			st.t.Fatal(err)
		}
	}
	hour := time.Now().Add(time.Hour)
	no(st.db.Invite(st.t.Context(), &store.Invitation{Email: email, Role: role, ExpiresAt: hour}, invited))
	p, err := st.db.TakeInvitation(st.t.Context(), invited, "", "hash")
	no(err)
	no(st.db.StartConsoleSession(st.t.Context(), &store.ConsoleSession{PersonID: p.ID, ExpiresAt: hour}, "hash", token))
	v, err := st.db.VisitorByHash(st.t.Context(), token, time.Now())
	no(err)
	return v
}

// TestRolesOnEveryRoute asks every route for each role: a viewer changes
// nothing, an operator nothing of the server, and what a role may is never
// refused for the person's sake.
func TestRolesOnEveryRoute(t *testing.T) {
	t.Parallel()
	st := setup(t)
	a := &API{st.server}
	g := st.stage("standard")
	project, err := store.ProjectName.Parse(g.project)
	if err != nil {
		t.Fatal(err)
	}
	st.visitor("owner@example.com", store.RoleOwner)
	for _, role := range append(store.Roles(), "nonsense") {
		v := st.visitor(string(role)+"@shop.example.com", role)
		for _, rt := range st.server.routes() {
			if rt.scope == public {
				continue
			}
			changes := rt.method != http.MethodGet && !rt.safe
			for _, of := range []store.ID{{}, project} {
				forRoot := rt.scope == root || rt.root && of.IsZero()
				switch {
				case rt.scope == root && !of.IsZero(), !forRoot && of.IsZero() && rt.scope != anyKey:
					continue // no page asks so
				}
				allowed := role == store.RoleOwner || role == store.RoleOperator && !(forRoot && changes) && rt.scope != keysWrite || role == store.RoleViewer && !changes
				// Nothing is there under these paths and with these bodies: who may gets another refusal.
				reply, err := a.Ask(t.Context(), &Question{Visitor: v, Project: of, Method: rt.method, Target: g.pathWith(rt.pattern, "id", "x"), Body: []byte("["), Language: lang.English})
				if err != nil {
					t.Fatal(err)
				}
				if refused := reply.Status == http.StatusForbidden; refused == allowed {
					t.Errorf("%s, %s %s: %d %s", role, rt.method, rt.pattern, reply.Status, reply.Body)
				}
			}
		}
	}
}

// TestWhoIsSignedOutChangesNothing: the session is judged with the write.
func TestWhoIsSignedOutChangesNothing(t *testing.T) {
	t.Parallel()
	st := setup(t)
	a := &API{st.server}
	g := st.stage("standard")
	project, err := store.ProjectName.Parse(g.project)
	if err != nil {
		t.Fatal(err)
	}
	v := st.visitor("ana@example.com", store.RoleOwner)
	put := &Question{Visitor: v, Project: project, Method: http.MethodPut, Target: "/v1/consumers/globex", Body: []byte(`{"name":"Globex"}`), Language: lang.Portuguese}
	reply, err := a.Ask(t.Context(), put)
	if err != nil || reply.Status/100 != 2 {
		t.Fatalf("%+v %v", reply, err)
	}
	log, err := st.db.Audit(t.Context(), project, store.AuditFilter{Actor: store.PersonName.Format(v.Person.ID), Limit: 10})
	if err != nil || len(log.Items) != 1 || log.Items[0].Actor.Kind != store.ActorPerson || log.Items[0].Actor.Request.IsZero() {
		t.Errorf("%+v %v", log.Items, err)
	}
	if err := st.db.EndConsoleSession(t.Context(), v.Person.ID, v.Session.ID); err != nil {
		t.Fatal(err)
	}
	put.Body = []byte(`{"name":"Eve"}`)
	reply, err = a.Ask(t.Context(), put)
	if err != nil || reply.Status != http.StatusUnauthorized {
		t.Fatalf("%+v %v", reply, err)
	}
	var p problem
	if err := json.Unmarshal(reply.Body, &p); err != nil || p.Title != "A chave não é válida" {
		t.Errorf("%s", reply.Body)
	}
}
