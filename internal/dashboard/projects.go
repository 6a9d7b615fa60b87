package dashboard

import (
	"net/http"
	"net/url"

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
