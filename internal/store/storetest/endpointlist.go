package storetest

import (
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/store"
)

// endpointPagesAreBounded: where nothing is wanted a page ends, and the list
// goes on.
func endpointPagesAreBounded(s *shelf) {
	const walked = 2000
	n := len(s.manyEndpoints(walked + 100))
	s.endpoint("wanted", "rare")
	s.manyEndpoints(10)
	f := store.EndpointFilter{EventType: "rare", Search: "HOOKS"}
	p, err := s.db.EndpointList(s.ctx, s.project.ID, f)
	s.no(err)
	if len(p.Items) != 1 || p.Next.IsZero() {
		s.Errorf("first: %d, next %v", len(p.Items), p.Next)
	}
	f.Before = p.Next
	if p, err = s.db.EndpointList(s.ctx, s.project.ID, f); err != nil || len(p.Items) != 0 || !p.Next.IsZero() {
		s.Errorf("second: %d, next %v, %v", len(p.Items), p.Next, err)
	}
	// Paused ones are found at once, however many are active.
	for _, e := range s.endpoints("c0")[:2] {
		s.setState(e, store.Paused)
	}
	if p, err = s.db.EndpointList(s.ctx, s.project.ID, store.EndpointFilter{States: []store.EndpointState{store.Paused}}); err != nil || len(p.Items) != 2 || !p.Next.IsZero() {
		s.Errorf("paused: %d of %d, next %v, %v", len(p.Items), n, p.Next, err)
	}
}

// endpointsAreFound: by consumer, state, event type and text, in pages that
// look at a bounded number.
func endpointsAreFound(s *shelf) {
	var all []*store.Endpoint
	add := func(consumer, url, name, description string, state store.EndpointState, types ...string) {
		e := s.endpoint(consumer, types...)
		e, _, err := s.db.UpdateEndpoint(s.ctx, e.ProjectID, e.ID, func(e *store.Endpoint) error {
			e.URL, e.Name, e.Description, e.State = url, name, description, state
			return nil
		})
		s.no(err)
		all = append([]*store.Endpoint{e}, all...)
	}
	add("a", "https://one.example.com/Hook", "ERP", "", store.Active, "task.*")
	add("a", "https://two.example.com/", "", "Loja São Paulo", store.Paused, "*")
	add("b", "https://one.example.com/", "", "", store.Disabled, "invoice.paid")
	add("b", "https://three.example.com/", "erp 2", "", store.Active, "invoice.paid", "task.created")
	add("b", "https://four.example.com/", "", "", store.Paused, "task.created")
	_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, s.endpoint("b").ID)
	s.no(err)
	s.endpointOf(s.newProject("other"), "a")
	list := func(f store.EndpointFilter) (names string) {
		for {
			p, err := s.db.EndpointList(s.ctx, s.project.ID, f)
			s.no(err)
			for _, e := range p.Items {
				for i, known := range all {
					if known.ID == e.ID {
						names += fmt.Sprint(len(all) - i)
						if diff := cmp.Diff(known, e); diff != "" {
							s.Error(diff)
						}
					}
				}
			}
			if p.Next.IsZero() {
				return names
			}
			f.Before = p.Next
		}
	}
	paused, disabled, active := []store.EndpointState{store.Paused}, []store.EndpointState{store.Disabled, store.Paused, store.Disabled}, []store.EndpointState{store.Active, store.Disabled}
	for _, c := range []struct {
		f    store.EndpointFilter
		want string
	}{
		{store.EndpointFilter{}, "54321"}, {store.EndpointFilter{Consumer: "a"}, "21"}, {store.EndpointFilter{Consumer: "c"}, ""},
		{store.EndpointFilter{States: paused}, "52"}, {store.EndpointFilter{States: disabled}, "532"}, {store.EndpointFilter{States: active}, "431"},
		{store.EndpointFilter{Consumer: "b", States: disabled}, "53"},
		{store.EndpointFilter{EventType: "task.created"}, "5421"}, {store.EndpointFilter{EventType: "invoice.paid", States: active}, "43"}, {store.EndpointFilter{EventType: "x"}, "2"},
		{store.EndpointFilter{Search: "ONE.example"}, "31"}, {store.EndpointFilter{Search: "erp"}, "41"}, {store.EndpointFilter{Search: "são"}, "2"}, {store.EndpointFilter{Search: "/hook"}, "1"},
		{store.EndpointFilter{Search: "one", Consumer: "b"}, "3"}, {store.EndpointFilter{Search: "%"}, ""},
	} {
		for limit := range 4 {
			c.f.Limit = limit
			if got := list(c.f); got != c.want {
				s.Errorf("%+v: %s, want %s", c.f, got, c.want)
			}
		}
	}
	if p, err := s.db.EndpointList(s.ctx, store.ID{1}, store.EndpointFilter{}); err != nil || len(p.Items) != 0 {
		s.Errorf("of no project: %v %v", p, err)
	}
	if p, err := s.db.EndpointList(s.ctx, s.project.ID, store.EndpointFilter{Before: store.ID{1}}); err != nil || len(p.Items) != 0 {
		s.Errorf("before no id: %v %v", p, err)
	}
}
