package api

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Limits of inspectors.
const (
	maxInspectors    = 100               // of a project
	defaultRetention = 7 * 24 * 60 * 60  // seconds
	minRetention     = 60                // seconds
	maxRetention     = 30 * 24 * 60 * 60 // seconds
	minInspector     = 60                // seconds until it ends
	maxInspector     = 365 * 24 * 60 * 60
	maxVerifySecret  = 4096 // characters

	inspectorBody = 128 << 10 // of a request: an answer's body in base64, and what is around it
)

func (s *server) inspectorRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/inspectors", summary: "Create an inspector", scope: inspectorsWrite, whole: true, body: inspectorBody, status: 201, action: creates(s.createInspector)},
		{method: "GET", pattern: "/v1/inspectors", summary: "List inspectors", scope: inspectorsRead, whole: true, status: 200, action: asks(s.listInspectors)},
		{method: "GET", pattern: "/v1/inspectors/{id}", summary: "Read an inspector", scope: inspectorsRead, whole: true, status: 200, action: gives(s.getInspector)},
		{method: "PATCH", pattern: "/v1/inspectors/{id}", summary: "Change an inspector", scope: inspectorsWrite, whole: true, body: inspectorBody, status: 200, action: takes(s.patchInspector)},
		{method: "DELETE", pattern: "/v1/inspectors/{id}", summary: "Delete an inspector with its requests", scope: inspectorsWrite, whole: true, body: noBody, status: 200, action: takes(s.deleteInspector)},
		{method: "GET", pattern: "/v1/inspectors/{id}/requests", summary: "List the requests that arrived", scope: inspectorsRead, whole: true, status: 200, action: asks(s.listInspected)},
		{method: "DELETE", pattern: "/v1/inspectors/{id}/requests", summary: "Delete all requests of an inspector", scope: inspectorsWrite, whole: true, body: noBody, status: 200, action: takes(s.clearInspector)},
		{method: "GET", pattern: "/v1/inspectors/{id}/requests/next", summary: "Wait for the next request", scope: inspectorsRead, whole: true, status: 200, action: waits(s.nextInspected)},
		{method: "GET", pattern: "/v1/inspectors/{id}/requests/{request}", summary: "Read a request that arrived", scope: inspectorsRead, whole: true, status: 200, action: gives(s.getInspected)},
		{method: "GET", pattern: "/v1/inspectors/{id}/requests/{request}/explanation", summary: "Explain what an inspector says of a request", scope: inspectorsRead, whole: true, status: 200, action: gives(s.explainInspected)},
		{method: "DELETE", pattern: "/v1/inspectors/{id}/requests/{request}", summary: "Delete a request that arrived", scope: inspectorsWrite, whole: true, body: noBody, status: 200, action: takes(s.deleteInspected)},
		{method: "POST", pattern: "/v1/inspectors/{id}/requests/{request}/replay", summary: "Send a request that arrived to a URL", scope: inspectorsWrite, whole: true, body: smallBody, status: 200, action: takes(s.replayInspected)},
	}
}

// inspectorInput is a create, or (absent members stay as they are) an update.
type inspectorInput struct {
	Name      optional[string]      `json:"name" body:"optional"`
	Answer    optional[answerInput] `json:"answer"`
	Dialect   optional[string]      `json:"dialect"`
	Secret    optional[string]      `json:"secret"`
	Retention optional[int]         `json:"retention"`
	ExpiresIn optional[int]         `json:"expires_in"`
}

// inspectorView shows of its secret only whether there is one.
type inspectorView struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	URL       *string         `json:"url"` // null: this server does not receive
	Answer    inspectorAnswer `json:"answer"`
	Dialect   *string         `json:"dialect"`
	HasSecret bool            `json:"has_secret"`
	Retention int             `json:"retention"` // seconds
	Requests  int             `json:"requests"`
	Bytes     int64           `json:"bytes"`
	CreatedAt stamp           `json:"created_at"`
	ExpiresAt stamp           `json:"expires_at"`
}

func (s *server) viewInspector(i *store.Inspector) inspectorView {
	v := inspectorView{
		ID: inspectorID.Format(i.ID), Name: i.Name, Answer: viewAnswer(&i.Answer), Dialect: filled(i.Dialect), HasSecret: i.Secret != "",
		Retention: seconds(i.Keep), Requests: i.Requests, Bytes: i.Bytes, CreatedAt: stamp(i.CreatedAt), ExpiresAt: stamp(i.ExpiresAt),
	}
	if s.inspect != "" {
		v.URL = new(s.inspect + "/" + i.Token.Reveal())
	}
	return v
}

// checkInspector judges an input and returns what applies it.
func (s *server) checkInspector(in *inspectorInput, now time.Time, errs *ingest.FieldErrors) func(*store.Inspector) error {
	errs.AddText("/name", checkText(in.Name.Value, maxName, false))
	answer := checkAnswer(in.Answer, errs)
	if d, ok := s.dialects(in.Dialect.Value); in.Dialect.given() && (!ok || d.Name != in.Dialect.Value) {
		addError(errs, "/dialect", "%q is not a dialect of this server; `malote dialect list` names them", shorten(in.Dialect.Value))
	}
	if in.Secret.given() && in.Secret.Value == "" || utf8.RuneCountInString(in.Secret.Value) > maxVerifySecret {
		addError(errs, "/secret", "has from 1 to %d characters; null takes it away", maxVerifySecret)
	}
	if n := in.Retention.or(defaultRetention); n < minRetention || n > maxRetention {
		addError(errs, "/retention", "is seconds, from %d to %d", minRetention, maxRetention)
	}
	if n := in.ExpiresIn.or(minInspector); n < minInspector || n > maxInspector {
		addError(errs, "/expires_in", "is seconds, from %d to %d; null: it does not end", minInspector, maxInspector)
	}
	return func(i *store.Inspector) error {
		set(in.Name, &i.Name)
		set(in.Dialect, &i.Dialect)
		if in.Secret.Set {
			i.Secret = secret.Text(in.Secret.Value)
		}
		if in.Answer.Set {
			i.Answer = answer
		}
		if in.Retention.Set {
			i.Keep = time.Duration(in.Retention.or(defaultRetention)) * time.Second
		}
		if in.ExpiresIn.Set {
			i.ExpiresAt = time.Time{}
		}
		if in.ExpiresIn.given() {
			i.ExpiresAt = now.Add(time.Duration(in.ExpiresIn.Value) * time.Second)
		}
		if i.Secret == "" || !in.Secret.Set && !in.Dialect.Set {
			return nil
		}
		if i.Dialect == "" {
			return field("/dialect", "is missing: it says how the secret is used")
		}
		if d, ok := s.dialects(i.Dialect); ok { // a public key does, too
			if v := d.Verify(nil, nil, []string{i.Secret.Reveal()}, now); v.Cause == webhook.CauseNoSecret {
				return field("/secret", "%s", lang.Recall(v.Detail))
			}
		}
		return nil
	}
}

func (s *server) createInspector(c *call, in *inspectorInput) (inspectorView, error) {
	var errs ingest.FieldErrors
	apply := s.checkInspector(in, time.Now(), &errs)
	if len(errs) > 0 {
		return inspectorView{}, errs
	}
	if s.inspect == "" {
		return inspectorView{}, kindConflict.problem("this server receives nothing for inspectors").
			fixed("Whoever runs it has to start it with --inspect-listen; `malote dev` does by itself.")
	}
	i := &store.Inspector{ProjectID: c.key.ProjectID, Token: store.NewInspectorToken(), Keep: defaultRetention * time.Second, Answer: defaultAnswer()}
	if in.Secret.given() && !in.Dialect.Set {
		p, err := s.store.Project(c.r.Context(), c.key.ProjectID)
		if err != nil {
			return inspectorView{}, err
		}
		i.Dialect = p.Dialect
	}
	if err := apply(i); err != nil {
		return inspectorView{}, err
	}
	var err error
	c.before, err = s.store.CreateInspectorOnce(c.r.Context(), i, maxInspectors, onceOf(c, func(i *store.Inspector) any { return s.viewInspector(i) }))
	if errors.Is(err, store.ErrLimit) {
		return inspectorView{}, kindConflict.problemf("the project has %d inspectors, the most that it may have", maxInspectors).
			fixed("Delete those that are not needed: DELETE /v1/inspectors/{id}. With expires_in they end by themselves.")
	}
	return s.viewInspector(i), err
}

type inspectorsQuery struct {
	Limit  int    `query:"limit"`
	Cursor string `query:"cursor"`
}

func (s *server) listInspectors(c *call, q *inspectorsQuery) (list[inspectorView], error) {
	before, err := c.after(q.Cursor)
	if err != nil {
		return list[inspectorView]{}, err
	}
	limit := limitOf(q.Limit)
	all, err := s.store.Inspectors(c.r.Context(), c.key.ProjectID, before, limit+1)
	if err != nil {
		return list[inspectorView]{}, err
	}
	var next store.ID
	if len(all) > limit {
		all = all[:limit]
		next = all[limit-1].ID
	}
	return list[inspectorView]{Data: views(all, s.viewInspector), NextCursor: c.cursor(next)}, nil
}

// inspector reads the one of the path.
func (s *server) inspector(c *call) (*store.Inspector, error) {
	id, err := pathID(c, inspectorID)
	if err != nil {
		return nil, err
	}
	return s.store.Inspector(c.r.Context(), c.key.ProjectID, id)
}

func (s *server) getInspector(c *call) (inspectorView, error) {
	i, err := s.inspector(c)
	if err != nil {
		return inspectorView{}, err
	}
	return s.viewInspector(i), nil
}

func (s *server) patchInspector(c *call, in *inspectorInput) (inspectorView, error) {
	id, err := pathID(c, inspectorID)
	if err != nil {
		return inspectorView{}, err
	}
	var errs ingest.FieldErrors
	apply := s.checkInspector(in, time.Now(), &errs)
	if len(errs) > 0 {
		return inspectorView{}, errs
	}
	i, err := s.store.UpdateInspector(c.r.Context(), c.key.ProjectID, id, apply)
	if err != nil {
		return inspectorView{}, err
	}
	return s.viewInspector(i), nil
}

func (s *server) deleteInspector(c *call, _ *none) (deleted, error) {
	id, err := pathID(c, inspectorID)
	if err != nil {
		return deleted{}, err
	}
	err = s.store.DeleteInspector(c.r.Context(), c.key.ProjectID, id)
	return deleted{Deleted: err == nil}, err
}
