package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// maxProjects is how many a page lists; of the first few it shows counts.
const (
	maxProjects   = 250
	countProjects = 12
)

type projectsView struct {
	Projects []projectCard
}

type projectCard struct {
	client.Project
	Stats *client.Stats // nil: not counted on this page
	Chart *chart
}

func (v *visit) projects() ([]client.Project, error) {
	l, err := read[listed[client.Project]](v, serverWide, "/v1/projects", url.Values{"limit": {itoa(maxProjects)}})
	if err != nil {
		return nil, err
	}
	return l.Data, nil
}

// home leads to the only project there is, else to the list.
func (v *visit) home() error {
	ps, err := v.projects()
	if err != nil {
		return err
	}
	if len(ps) == 1 {
		return v.redirect("/p/" + ps[0].ID)
	}
	return v.redirect("/projects")
}

func (v *visit) projectsPage() error {
	ps, err := v.projects()
	if err != nil {
		return err
	}
	view := &projectsView{}
	for i, p := range ps {
		card := projectCard{Project: p}
		if i < countProjects {
			if v.projectID, err = store.ProjectName.Parse(p.ID); err != nil {
				return err
			}
			if card.Stats, err = read[client.Stats](v, ofProject, "/v1/stats", nil); err != nil {
				return err
			}
			card.Chart = drawStats(card.Stats)
		}
		view.Projects = append(view.Projects, card)
	}
	return v.show(http.StatusOK, "projects", lang.Text("Projects"), view)
}

// newProjectView is the form, as it was filled in.
type newProjectView struct {
	Once, Name, Environment, Dialect string
	Dialects                         []string
	Problem                          *problemView
}

// builtIn are the contracts that a new project may choose from by clicking.
func builtIn() []string {
	return []string{"standard", "gabinete360", "connectvets", "habilitar", "placaflow", "tarefa", "github", "stripe"}
}

func (v *visit) newProjectPage() error {
	view := &newProjectView{Once: newOnce(), Environment: "production", Dialect: "standard", Dialects: builtIn()}
	return v.show(http.StatusOK, "newproject", lang.Text("New project"), view)
}

func (v *visit) createProject() error {
	if err := v.form(); err != nil {
		return err
	}
	in := client.NewProject{Name: v.field("name"), Environment: v.field("environment"), Dialect: v.field("dialect")}
	made, err := do[client.Project](v, serverWide, http.MethodPost, "/v1/projects", in, v.field("once"))
	if err != nil {
		view := &newProjectView{Once: newOnce(), Name: in.Name, Environment: in.Environment, Dialect: in.Dialect, Dialects: builtIn()}
		return v.again(err, "newproject", lang.Text("New project"), view, &view.Problem)
	}
	return v.redirect("/p/" + made.ID)
}

// problemView is what was wrong with a form, as a whole and field by field.
type problemView struct {
	Text, Fix string
	Fields    map[string]string // by the first name of the pointer
}

// again shows a form once more, with what the API said of it. What is no fault
// of the form is a page of its own.
func (v *visit) again(err error, name string, title lang.Message, view any, at **problemView) error {
	if *at = v.problemOf(err); *at == nil {
		return err
	}
	return v.show(http.StatusUnprocessableEntity, name, title, view)
}

// problemOf is what the API said of a form; nil: the error is no fault of it.
func (v *visit) problemOf(err error) *problemView {
	var p *client.Error
	if !errors.As(err, &p) || p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden || p.Status == http.StatusNotFound || p.Status >= 500 {
		return nil
	}
	return v.problem(p)
}

// problem is what the API said; on pages it speaks of no routes.
func (v *visit) problem(p *client.Error) *problemView {
	view := viewProblem(p)
	view.Fix = v.pageFix(view.Fix)
	return view
}

// pageFix says on a page what the API says of routes: what to do there.
func (v *visit) pageFix(fix string) string {
	switch {
	case fix == "":
		return ""
	case strings.Contains(fix, "/resume"):
		return lang.Text("Resume it first.").In(v.lang)
	case strings.Contains(fix, "/docs"):
		return lang.Text("Correct what is marked, and send it again.").In(v.lang)
	case strings.Contains(fix, "/v1/"):
		return ""
	}
	return fix
}

func viewProblem(p *client.Error) *problemView {
	view := &problemView{Text: sentence(p.Detail), Fix: p.Fix, Fields: map[string]string{}}
	if p.Status == http.StatusTooManyRequests {
		view.Fix = "" // it speaks of a header
	}
	for _, e := range p.Errors {
		name := fieldOf(e.Pointer)
		if name == "" {
			name = e.Parameter
		}
		if before := view.Fields[name]; before != "" {
			view.Fields[name] = before + "; " + e.Detail
			continue
		}
		view.Fields[name] = e.Detail
	}
	return view
}

// fieldOf is the member that a pointer leads into.
func fieldOf(pointer string) string {
	if pointer == "" {
		return ""
	}
	name := pointer[1:]
	for i := range name {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return name
}
