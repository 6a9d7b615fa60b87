package ingest

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/schema"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// judge holds an event to what its project says about its type. Errors:
// [FieldErrors], of the store.
func (i *Ingester) judge(ctx context.Context, r *Request, rules *store.TypeRules, d *webhook.Dialect) error {
	rule, known := rules.Types[r.Type]
	if rules.Only && !known && catalogued(d, r.Type) == nil && r.Type != d.Test.Type {
		return FieldErrors{{Pointer: "/type", Detail: unknownType(r.Type, rules, d)}}
	}
	if !rule.Validate {
		return nil
	}
	s, err := i.schemas.of(ctx, i.store, r, rule)
	if err != nil || s == nil {
		return err
	}
	found := s.Check(r.Data, MaxErrors)
	if len(found) == 0 {
		return nil
	}
	errs := make(FieldErrors, len(found))
	for n, p := range found {
		errs[n] = &FieldError{Pointer: "/data" + p.Pointer, Detail: p.Detail}
	}
	return errs
}

// catalogued is a type as the dialect's catalogue has it; nil: it has not.
func catalogued(d *webhook.Dialect, name string) *webhook.EventType {
	for n := range d.Events {
		if d.Events[n].Type == name {
			return &d.Events[n]
		}
	}
	return nil
}

// CheckKnown says what is wrong with an event type that somebody wants of a
// project that takes only those that it knows; a pattern and what the project
// knows pass, and where it takes all, everything does.
func CheckKnown(name string, rules *store.TypeRules, d *webhook.Dialect) lang.Message {
	if rules == nil || !rules.Only {
		return lang.Message{}
	}
	if _, known := rules.Types[name]; known || strings.HasSuffix(name, "*") || catalogued(d, name) != nil || name == d.Test.Type {
		return lang.Message{}
	}
	if near := nearest(name, rules, d); near != "" {
		return lang.Text("is not an event type of this project; did you mean %s?", near)
	}
	return lang.Text("is not an event type of this project")
}

func unknownType(name string, rules *store.TypeRules, d *webhook.Dialect) lang.Message {
	if near := nearest(name, rules, d); near != "" {
		return lang.Text("is not an event type of this project; did you mean %s?", near)
	}
	return lang.Text("is not an event type of this project, which takes only those that it knows: see them with GET /v1/event-types, add it with POST /v1/event-types")
}

// nearest is the known type that was probably meant; empty: none.
func nearest(name string, rules *store.TypeRules, d *webhook.Dialect) string {
	near, least := "", maxDistance+1
	try := func(other string) {
		if n := distance(name, other); n < least || n == least && other < near {
			near, least = other, n
		}
	}
	for other := range rules.Types {
		try(other)
	}
	for n := range d.Events {
		try(d.Events[n].Type)
	}
	return near
}

// maxDistance is how many letters may be wrong in a name that is still taken
// for another.
const maxDistance = 3

// distance counts the letters to change, add or leave out to come from one
// name to another; beyond maxDistance it only says so.
func distance(a, b string) int {
	if len(a)-len(b) > maxDistance || len(b)-len(a) > maxDistance || len(a) > MaxType || len(b) > MaxType {
		return maxDistance + 1
	}
	var rows [2][MaxType + 1]int
	above, row := &rows[0], &rows[1]
	for j := range len(b) + 1 {
		above[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above[j+1]+1, row[j]+1)
			least = min(least, row[j+1])
		}
		if least > maxDistance {
			return least
		}
		above, row = row, above
	}
	return above[len(b)]
}

// maxSchemas is how much memory compiled schemas may hold together, in bytes.
const maxSchemas = 64 << 20

// schemas are those that were compiled: one that is used stays, however many
// others there are, within maxSchemas. The zero value is ready.
type schemas struct {
	mu     sync.Mutex
	at     map[schemaKey]*list.Element
	order  list.List // newest use first
	size   int
	making map[schemaKey]chan struct{} // closed when it is made, or cannot be
}

type schemaKey struct {
	id       store.ID // of the event type
	revision int64
}

type compiled struct {
	key    schemaKey
	schema *schema.Schema
}

// of gives the schema of a type; nil where the type is gone by now: the event
// is then matched again. However many ask at once, one compiles it.
func (s *schemas) of(ctx context.Context, db *store.DB, r *Request, rule store.TypeRule) (*schema.Schema, error) {
	key := schemaKey{rule.ID, rule.Revision}
	for {
		found, others := s.begin(key)
		switch {
		case found != nil:
			return found, nil
		case others == nil:
			defer s.end(key)
			return s.load(ctx, db, r, key)
		}
		select {
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *schemas) load(ctx context.Context, db *store.DB, r *Request, key schemaKey) (*schema.Schema, error) {
	t, err := db.EventType(ctx, r.Project, r.Type)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil //nolint:nilnil // see of
	case err != nil:
		return nil, fmt.Errorf("the schema of %s: %w", r.Type, err)
	case len(t.Schema) == 0:
		return nil, nil //nolint:nilnil // it is not validated any more
	}
	made, err := schema.Load(t.Schema)
	if err != nil {
		return nil, fmt.Errorf("the kept schema of the event type %s: %w", r.Type, err)
	}
	s.put(key, made)
	return made, nil
}

// begin gives a compiled schema; else what tells of the end of others who
// compile it; else nil twice: who asks compiles it, and calls end.
func (s *schemas) begin(key schemaKey) (_ *schema.Schema, others <-chan struct{}) {
	if found := s.get(key); found != nil {
		return found, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if others := s.making[key]; others != nil {
		return nil, others
	}
	if s.making == nil {
		s.making = map[schemaKey]chan struct{}{}
	}
	s.making[key] = make(chan struct{})
	return nil, nil
}

func (s *schemas) end(key schemaKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.making[key])
	delete(s.making, key)
}

func (s *schemas) get(key schemaKey) *schema.Schema {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at[key]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	return e.Value.(*compiled).schema
}

func (s *schemas) put(key schemaKey, made *schema.Schema) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[schemaKey]*list.Element{}
	}
	if s.at[key] != nil {
		return
	}
	s.at[key] = s.order.PushFront(&compiled{key, made})
	s.size += made.Size()
	for s.size > maxSchemas && s.order.Len() > 1 {
		last := s.order.Back()
		gone := s.order.Remove(last).(*compiled)
		delete(s.at, gone.key)
		s.size -= gone.schema.Size()
	}
}
