package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// What an operator does with a delivery by hand: send its request from a shell
// of his own, or send its endpoint something a little different.

// curlView is a delivery's request as a command line.
type curlView struct {
	*client.SignedRequest
	ID string
}

func (v *visit) curlPage() error {
	id := v.r.PathValue("id")
	r, err := do[client.SignedRequest](v, ofProject, http.MethodPost, "/v1/deliveries/"+url.PathEscape(id)+"/sign", nil, "")
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "curl", lang.Text("The request as curl"), &curlView{SignedRequest: r, ID: id})
}

// editView is the form with an event's data.
type editView struct {
	*client.Delivery
	Once, Data string
	Problem    *problemView
}

func (v *visit) editPage() error {
	view, err := v.editedDelivery()
	if err != nil {
		return err
	}
	e, err := read[client.Event](v, ofProject, "/v1/events/"+url.PathEscape(view.EventID), nil)
	if err != nil {
		return err
	}
	view.Data = editable(e.Data)
	return v.show(http.StatusOK, "edit", lang.Text("Send edited"), view)
}

func (v *visit) editedDelivery() (*editView, error) {
	d, err := read[client.Delivery](v, ofProject, "/v1/deliveries/"+url.PathEscape(v.r.PathValue("id")), nil)
	return &editView{Delivery: d, Once: newOnce()}, err
}

// sendEdited sends data to the delivery's endpoint alone, as an event of its own.
func (v *visit) sendEdited() error {
	if err := v.form(); err != nil {
		return err
	}
	view, err := v.editedDelivery()
	if err != nil {
		return err
	}
	view.Data = v.field("data")
	in := map[string]any{"type": view.Type, "data": json.RawMessage(view.Data)}
	if !json.Valid([]byte(view.Data)) {
		view.Problem = v.wrongAt("data", "Data", lang.Text("The data is not JSON."), lang.Text("Look for a comma, a quotation mark or a bracket that is missing or too many."))
		return v.show(http.StatusUnprocessableEntity, "edit", lang.Text("Send edited"), view)
	}
	sent, err := do[client.TestSent](v, ofProject, http.MethodPost, "/v1/endpoints/"+url.PathEscape(view.EndpointID)+"/test", in, v.field("once"))
	if err != nil {
		return v.again(err, "edit", lang.Text("Send edited"), view, &view.Problem)
	}
	to := "/p/" + v.project.ID + "/endpoints/" + url.PathEscape(view.EndpointID)
	if sent.DeliveryID != "" {
		to = "/p/" + v.project.ID + "/deliveries/" + url.PathEscape(sent.DeliveryID)
	}
	return v.redirect(to + "?done=edited")
}

// editable is JSON on lines of its own, its tokens as they are, but for
// characters that nobody would see: these are escaped, which means the same.
func editable(data []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return string(data)
	}
	var out strings.Builder
	for _, r := range b.String() {
		if !isUnseen(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}
