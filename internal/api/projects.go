package api

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of texts, in characters.
const (
	maxName        = 200
	maxDescription = 1000
)

// defaultDialect is Standard Webhooks.
const defaultDialect = "standard"

type projectInput struct {
	Name           string             `json:"name"`
	Environment    string             `json:"environment"`
	Dialect        optional[string]   `json:"dialect"`
	BodyID         optional[bool]     `json:"body_id"`
	Host           optional[string]   `json:"host"`
	KnownTypesOnly optional[bool]     `json:"known_types_only"`
	Emails         optional[[]string] `json:"emails"`
	Language       optional[string]   `json:"language"`
	PortalName     optional[string]   `json:"portal_name"`
	PortalColor    optional[string]   `json:"portal_color"`
	PortalLogo     optional[string]   `json:"portal_logo"`
	PortalOrigins  optional[[]string] `json:"portal_origins"`
}

type projectView struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	Environment    string   `json:"environment"`
	Dialect        string   `json:"dialect"`
	BodyID         bool     `json:"body_id"`
	Host           string   `json:"host"`
	KnownTypesOnly bool     `json:"known_types_only"`
	Emails         []string `json:"emails"`
	Language       *string  `json:"language"` // null: the server's
	PortalName     string   `json:"portal_name"`
	PortalColor    string   `json:"portal_color"`
	PortalOrigins  []string `json:"portal_origins"`
	CreatedAt      stamp    `json:"created_at"`
}

// projectWhole is a project by itself: lists leave out what is large.
type projectWhole struct {
	projectView
	PortalLogo *string `json:"portal_logo"`
}

func viewWholeProject(p *store.Project) projectWhole {
	v := projectWhole{projectView: viewProject(p)}
	if len(p.Portal.Logo) > 0 {
		v.PortalLogo = new(base64.StdEncoding.EncodeToString(p.Portal.Logo))
	}
	return v
}

func viewProject(p *store.Project) projectView {
	return projectView{
		ID: projectID.Format(p.ID), Name: p.Name, Environment: string(p.Environment),
		Dialect: p.Dialect, BodyID: p.BodyID, Host: p.Host, KnownTypesOnly: p.KnownTypesOnly,
		Emails: append([]string{}, p.Emails...), Language: filled(p.Language),
		PortalName: p.Portal.Name, PortalColor: p.Portal.Color, PortalOrigins: append([]string{}, p.Portal.Origins...), CreatedAt: stamp(p.CreatedAt),
	}
}

func (s *server) createProject(c *call, in *projectInput) (projectWhole, error) {
	p := &store.Project{
		Name: in.Name, Environment: store.Environment(in.Environment),
		Dialect: in.Dialect.or(defaultDialect), BodyID: in.BodyID.or(false), Host: canonicalHost(in.Host.Value),
		KnownTypesOnly: in.KnownTypesOnly.or(false),
	}
	var errs ingest.FieldErrors
	errs.AddText("/name", checkText(p.Name, maxName, true))
	if p.Environment != store.Production && p.Environment != store.Development {
		addError(&errs, "/environment", `must be "production" or "development"`)
	}
	if d, ok := s.dialects(p.Dialect); !ok || d.Name != p.Dialect {
		addError(&errs, "/dialect", "%q is not a dialect of this server; `malote dialect list` names them", shorten(p.Dialect))
	}
	checkHost(p.Host, &errs)
	p.Emails, p.Language = checkEmails(in.Emails.Value, &errs), in.Language.Value
	checkLanguage(in.Language, &errs)
	portalLook{in.PortalName, in.PortalColor, in.PortalLogo, in.PortalOrigins}.set(&p.Portal, &errs)
	if len(errs) > 0 {
		return projectWhole{}, errs
	}
	var err error
	c.before, err = s.store.CreateProjectOnce(c.r.Context(), p, onceOf(c, func(p *store.Project) any { return viewWholeProject(p) }))
	return viewWholeProject(p), projectProblem(err, p)
}

func projectProblem(err error, p *store.Project) error {
	switch {
	case errors.Is(err, store.ErrHost):
		return kindConflict.problemf("the host name %s is bound to another project", p.Host).
			fixed("Choose another host name, or take it off the other project first: GET /v1/projects shows which has it.")
	case errors.Is(err, store.ErrConflict):
		return kindConflict.problemf("a project with this name exists in %s already", p.Environment).
			fixed("Choose another name, or use the project that exists: GET /v1/projects.")
	}
	return err
}

func (s *server) getProject(c *call) (projectWhole, error) {
	id, err := pathID(c, projectID)
	if err != nil {
		return projectWhole{}, err
	}
	p, err := s.store.Project(c.r.Context(), id)
	if err != nil {
		return projectWhole{}, err
	}
	return viewWholeProject(p), nil
}

// projectChange is what may be changed of a project.
type projectChange struct {
	Name           optional[string]   `json:"name"`
	Host           optional[string]   `json:"host"`
	KnownTypesOnly optional[bool]     `json:"known_types_only"`
	Emails         optional[[]string] `json:"emails"`
	Language       optional[string]   `json:"language"`
	PortalName     optional[string]   `json:"portal_name"`
	PortalColor    optional[string]   `json:"portal_color"`
	PortalLogo     optional[string]   `json:"portal_logo"`
	PortalOrigins  optional[[]string] `json:"portal_origins"`
}

func (s *server) patchProject(c *call, in *projectChange) (projectWhole, error) {
	id, err := pathID(c, projectID)
	if err != nil {
		return projectWhole{}, err
	}
	var errs ingest.FieldErrors
	if in.Name.Set {
		errs.AddText("/name", checkText(in.Name.Value, maxName, true))
	}
	host := canonicalHost(in.Host.Value)
	checkHost(host, &errs)
	emails := checkEmails(in.Emails.Value, &errs)
	checkLanguage(in.Language, &errs)
	look := portalLook{in.PortalName, in.PortalColor, in.PortalLogo, in.PortalOrigins}
	look.set(new(store.Portal), &errs)
	if len(errs) > 0 {
		return projectWhole{}, errs
	}
	var changed store.Project
	p, err := s.store.UpdateProject(c.r.Context(), id, func(p *store.Project) error {
		if in.Name.Set {
			p.Name = in.Name.Value
		}
		if in.Host.Set {
			p.Host = host
		}
		set(in.KnownTypesOnly, &p.KnownTypesOnly)
		set(in.Language, &p.Language)
		if in.Emails.Set {
			p.Emails = emails
		}
		look.set(&p.Portal, new(ingest.FieldErrors))
		changed = *p
		return nil
	})
	if err != nil {
		return projectWhole{}, projectProblem(err, &changed)
	}
	return viewWholeProject(p), nil
}

func (s *server) deleteProject(c *call, _ *none) (deleted, error) {
	id, err := pathID(c, projectID)
	if err != nil {
		return deleted{}, err
	}
	err = s.store.DeleteProject(c.r.Context(), id)
	if used, ok := errors.AsType[*store.HasEndpoints](err); ok {
		has := lang.Count(used.Number, "the project has %d endpoint", "the project has %d endpoints")
		if used.More {
			has = lang.Text("the project has more than %d endpoints", used.Number)
		}
		return deleted{}, kindConflict.problemf("%s: only one without any is deleted", has).
			fixed("Delete its consumers first, DELETE /v1/consumers/{uid}: that ends what waits for their endpoints, too.")
	}
	return deleted{Deleted: true, InFlight: new(int)}, err
}

// canonicalHost is a host name as it is compared.
func canonicalHost(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// checkHost judges a canonical host name; empty binds none.
func checkHost(s string, errs *ingest.FieldErrors) {
	if s == "" {
		return
	}
	ok := len(s) <= 253
	for label := range strings.SplitSeq(s, ".") {
		ok = ok && label != "" && len(label) <= 63 && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
			label[0] != '-' && label[len(label)-1] != '-'
	}
	if !ok {
		addError(errs, "/host", "is not a host name; write it without scheme, port and path, as in api.example.com")
	}
}

type projectsQuery struct {
	Limit  int    `query:"limit"`
	Cursor string `query:"cursor"`
}

func (s *server) listProjects(c *call, q *projectsQuery) (list[projectView], error) {
	after, err := c.after(q.Cursor)
	if err != nil {
		return list[projectView]{}, err
	}
	limit := limitOf(q.Limit)
	ps, err := s.store.Projects(c.r.Context(), after, limit+1)
	if err != nil {
		return list[projectView]{}, err
	}
	var next store.ID
	if len(ps) > limit {
		ps = ps[:limit]
		next = ps[limit-1].ID
	}
	return list[projectView]{Data: views(ps, viewProject), NextCursor: c.cursor(next)}, nil
}

// checkText returns what is wrong with a text for people, or "".
func checkText(s string, longest int, required bool) lang.Message {
	switch {
	case len(s) <= utf8.UTFMax*longest && required && strings.TrimSpace(s) == "":
		return lang.Text("is missing")
	case len(s) > utf8.UTFMax*longest || utf8.RuneCountInString(s) > longest:
		return lang.Text("has more than %d characters", longest)
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return lang.Text("holds a control character")
	}
	return lang.Message{}
}
