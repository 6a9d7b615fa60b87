package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// eventTypeView is the form of an event type.
type eventTypeView struct {
	*client.EventType        // as it is; of a new one empty
	New                      bool
	Once                     string
	SchemaText, Sample, Tags string
	Names                    []string
	Problem                  *problemView
}

func (v *visit) newEventTypePage() error {
	return v.showEventType(http.StatusOK, &eventTypeView{EventType: &client.EventType{}, New: true})
}

func (v *visit) eventTypePage() error {
	t, err := v.eventType()
	if err != nil {
		return err
	}
	view := &eventTypeView{EventType: t, Tags: strings.Join(t.Tags, ", ")}
	if len(t.Schema) > 0 && string(t.Schema) != "null" {
		view.SchemaText = editable(t.Schema)
	}
	if len(t.Examples) > 0 {
		view.Sample = editable(t.Examples[0])
	}
	return v.showEventType(http.StatusOK, view)
}

func (v *visit) eventType() (*client.EventType, error) {
	return read[client.EventType](v, ofProject, "/v1/event-types/"+url.PathEscape(v.r.PathValue("name")), nil)
}

func (v *visit) showEventType(status int, view *eventTypeView) (err error) {
	if view.Names, err = v.eventTypeNames(); err != nil {
		return err
	}
	view.Once = newOnce()
	return v.show(status, "eventtype", view.title(), view)
}

func (view *eventTypeView) title() lang.Message {
	if view.New {
		return lang.Text("New event type")
	}
	return lang.Text("Event type %s", view.Name)
}

// eventTypeForm is the form as it was filled in. before is the type as it is;
// nil: it is new.
func (v *visit) eventTypeForm(before *client.EventType) (view *eventTypeView, change map[string]any, err error) {
	if err := v.form(); err != nil {
		return nil, nil, err
	}
	t := &client.EventType{
		Description: v.field("description"), DescriptionPT: v.field("description_pt"), Validate: v.field("validate") != "", Deprecated: v.field("deprecated") != "",
		Deprecation: v.field("deprecation"), ReplacedBy: v.field("replaced_by"), Name: v.field("name"),
	}
	view = &eventTypeView{EventType: t, New: before == nil, SchemaText: v.field("schema"), Sample: v.field("sample"), Tags: v.field("tags")}
	change = map[string]any{
		"description": t.Description, "description_pt": t.DescriptionPT, "tags": tagsOf(view.Tags), "validate": t.Validate, "deprecated": t.Deprecated,
	}
	if before == nil {
		change["name"] = t.Name
	} else {
		t.Name, t.Source = before.Name, before.Source
	}
	if t.Deprecated {
		change["deprecation"], change["replaced_by"] = t.Deprecation, textOrNull(t.ReplacedBy)
	}
	examples := []json.RawMessage{}
	if view.Sample != "" {
		examples = append(examples, json.RawMessage(view.Sample))
	}
	if before != nil && len(before.Examples) > 1 {
		examples = append(examples, before.Examples[1:]...)
	}
	change["examples"], change["schema"] = examples, nil
	if view.SchemaText != "" {
		change["schema"] = json.RawMessage(view.SchemaText)
	}
	return view, change, nil
}

// tagsOf reads tags with commas between; a tag may have spaces.
func tagsOf(text string) []string {
	out := []string{}
	for tag := range strings.SplitSeq(text, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			out = append(out, tag)
		}
	}
	return out
}

// notJSON says which of a form's texts is none.
func (v *visit) notJSON(view *eventTypeView) bool {
	p := &problemView{Fix: lang.Text("Correct what is marked, and send it again.").In(v.lang), Fields: map[string]string{}}
	for _, one := range []struct {
		pointer, text string
	}{{"schema", view.SchemaText}, {"examples", view.Sample}} {
		if one.text != "" && !json.Valid([]byte(one.text)) {
			f, _ := v.formField(one.pointer)
			p.add(f.name, f.words(v.lang), lang.Text("is not JSON: look for a comma, a quotation mark or a bracket that is missing or too many").In(v.lang))
		}
	}
	if len(p.Wrong) == 0 {
		return false
	}
	view.Problem = p
	return true
}

func (v *visit) createEventType() error {
	return v.keepEventType(nil, http.MethodPost, "/v1/event-types", v.r.PostFormValue("once"))
}

func (v *visit) changeEventType() error {
	before, err := v.eventType()
	if err != nil {
		return err
	}
	return v.keepEventType(before, http.MethodPatch, "/v1/event-types/"+url.PathEscape(before.Name), "")
}

func (v *visit) keepEventType(before *client.EventType, method, path, once string) error {
	view, change, err := v.eventTypeForm(before)
	if err != nil {
		return err
	}
	if v.notJSON(view) {
		return v.showEventType(http.StatusUnprocessableEntity, view)
	}
	kept, err := do[client.EventType](v, ofProject, method, path, change, once)
	if err != nil {
		names, failed := v.eventTypeNames()
		if failed != nil {
			return failed
		}
		view.Names, view.Once = names, newOnce()
		return v.again(err, "eventtype", view.title(), view, &view.Problem)
	}
	return v.redirect(v.base() + "/event-types/" + url.PathEscape(kept.Name) + "?done=changed")
}

func (v *visit) deleteEventType() error {
	if err := v.form(); err != nil {
		return err
	}
	at := v.base() + "/event-types"
	name := url.PathEscape(v.r.PathValue("name"))
	if v.field("sure") == "" {
		return v.redirect(at + "/" + name + "?done=kept")
	}
	if _, err := do[json.RawMessage](v, ofProject, http.MethodDelete, "/v1/event-types/"+name, nil, ""); err != nil {
		return err
	}
	return v.redirect(at + "?done=removed")
}
