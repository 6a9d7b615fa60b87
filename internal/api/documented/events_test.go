package documented_test

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestEventsStayAsSent: in their order, a repeated one once, in its first
// place; through the company's API and ours, when made, changed and listed.
func TestEventsStayAsSent(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for dialect, c := range map[string]struct{ first, second string }{
		"placaflow": {`"recognition.created","camera.*","alert.triggered"`, `"camera.online","alert.triggered","recognition.created"`},
		"tarefa":    {`"task.failed","execution.*","task.completed"`, `"task.started","execution.failed","task.created"`},
	} {
		project := st.project(dialect, store.Production)
		key, native := st.key(project, "1", "*"), st.key(project, "", "*")
		twice := func(list string) string { first, _, _ := strings.Cut(list, ","); return list + "," + first }
		has := func(what string, r *reply, member, list string) {
			t.Helper()
			if want := `"` + member + `":[` + list + `]`; !strings.Contains(r.body, want) {
				t.Errorf("%s, %s: %s, want %s", dialect, what, r.body, want)
			}
		}
		made := st.do("POST", "/api/webhooks", key, `{"name":"n","url":"https://example.com/","events":[`+twice(c.first)+`]}`).want(201)
		has("made", made, "events", c.first)
		_, rest, _ := strings.Cut(made.body, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		has("the list", st.do("GET", "/api/webhooks", key, nil).want(200), "events", c.first)
		has("ours", st.do("GET", "/v1/endpoints", native, nil).want(200), "event_types", c.first)
		has("changed", st.do("PUT", "/api/webhooks/"+id, key, `{"events":[`+twice(c.second)+`]}`).want(200), "events", c.second)
		has("read", st.do("GET", "/api/webhooks/"+id, key, nil).want(200), "events", c.second)

		own := st.do("POST", "/v1/endpoints", native, `{"consumer":"1","url":"https://example.com/","event_types":[`+twice(c.second)+`]}`).want(201)
		has("made by ours", own, "event_types", c.second)
		own = st.do("PATCH", "/v1/endpoints/"+st.text(own, "id"), native, `{"event_types":[`+twice(c.first)+`]}`).want(200)
		has("changed by ours", own, "event_types", c.first)
		has("in the company's list", st.do("GET", "/api/webhooks", key, nil).want(200), "events", c.first)

		last := strings.Trim(c.second[strings.LastIndex(c.second, ",")+1:], `"`) // the order decides nothing
		if r := st.do("POST", "/v1/events", native, `{"type":"`+last+`","consumer":"1","data":{}}`).want(202); strings.Contains(r.body, `"deliveries":0`) {
			t.Errorf("%s: %s: %s", dialect, last, r.body)
		}
		audit := st.do("GET", "/v1/audit", native, nil).want(200).body
		if want := `"before":"` + strings.ReplaceAll(strings.ReplaceAll(c.first, `"`, ""), ",", ", ") + `"`; !strings.Contains(audit, want) {
			t.Errorf("%s: the audit log lacks %s: %s", dialect, want, audit)
		}
	}
}

// TestKnownEvents: names are not checked, but in a project that takes only
// types that it knows. What a webhook has already may be sent back.
func TestKnownEvents(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for dialect, c := range map[string]struct{ known, near, meant string }{
		"placaflow": {"camera.online", "camera.onlin", "camera.online"}, "tarefa": {"task.completed", "task.complete", "task.completed"},
	} {
		project := st.project(dialect, store.Development)
		key := st.key(project, "1", "*")
		create := func(events string) *reply {
			return st.do("POST", "/api/webhooks", key, `{"name":"n","url":"https://example.com/","events":[`+events+`]}`)
		}
		made := create(`"no.such","` + c.known + `"`).want(201).body
		_, rest, _ := strings.Cut(made, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		st.do("PATCH", "/v1/projects/"+project, st.vars["ROOT"], `{"known_types_only":true}`).want(200)
		st.do("POST", "/v1/event-types", st.key(project, "", "*"), `{"name":"our.own"}`).want(201)
		for _, events := range []string{`"` + c.known + `","our.own"`, `"*"`, `"later.*"`, `"test"`} {
			create(events).want(201)
		}
		for events, want := range map[string]string{
			`"` + c.known + `","no.such"`: `events.1 is not an event type of this project"}`,
			`"` + c.near + `"`:            `events.0 is not an event type of this project; did you mean ` + c.meant + `?"}`,
		} {
			for what, r := range map[string]*reply{"POST": create(events), "PUT": st.do("PUT", "/api/webhooks/"+id, key, `{"events":[`+strings.Replace(events, "no.such", "none.such", 1)+`]}`)} {
				if r.want(400); !strings.Contains(r.body, want) {
					t.Errorf("%s, %s %s: %s, want %s", dialect, what, events, r.body, want)
				}
			}
		}
		st.do("PUT", "/api/webhooks/"+id, key, `{"events":["`+c.known+`","no.such"]}`).want(200)
	}
}
