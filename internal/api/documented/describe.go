package documented

import (
	"maps"
	"net/http"
	"reflect"
	"slices"

	"github.com/malote-dev/malote/internal/api"
)

// words say of a contract's API what its table of routes does not.
type words struct {
	title, text, keyForm string
	calls                map[string]callWords // by method and pattern
	types                map[string]api.TypeWords
	fields               map[string]api.FieldWords
	parameters           map[string]api.FieldWords
}

// callWords are those of one call.
type callWords struct {
	id, summary, text string
	in                api.TypeWords // where the type of the body stands for two things
	example           string        // a body, in JSON
	large             bool          // the body may be as large as an event
	problems          []int         // besides those that follow from the route
	headers           []string      // that it reads
}

// problemWords are the statuses that are no success.
var problemWords = map[int]string{
	400: "The request is wrong; the words say where.",
	401: "No key, or not one that is in force; or a wrong signature.",
	403: "The key lacks the scope, or belongs to no customer.",
	404: "There is no such thing, or it belongs to another customer.",
	409: "The customer has as many as it may have, or the Idempotency-Key was used with another request.",
	413: "The body is too large.",
	415: "The body has a Content-Encoding.",
	429: "Too many requests.",
	500: "The server failed.",
	503: "The server cannot do this now.",
}

// Descriptions are of the companies' own APIs, in the order of their names,
// where an event may have maxData bytes of data.
func Descriptions(maxData int) []*api.Description {
	contracts := New(Options{}).contracts
	var out []*api.Description
	for _, name := range slices.Sorted(maps.Keys(contracts)) {
		out = append(out, contracts[name].describe(apisWords[name], maxData))
	}
	return out
}

var apisWords = map[string]*words{"gabinete360": &gabinete360Words, "placaflow": &placaflowWords, tarefaName: &tarefaWords}

func (ct *contract) describe(w *words, maxData int) *api.Description {
	d := &api.Description{
		Name: ct.name, Title: w.title, Key: "A key of one customer, with the scopes that each call names.", KeyForm: w.keyForm,
		Text: w.text + " Calls, fields and answers marked † are ours: the company's documentation does not have them. " +
			"Members of a body that are not known are passed over; null is as if a member had been left out.",
		Types: maps.Clone(w.types), Fields: maps.Clone(w.fields), Parameters: w.parameters, Problems: problemWords,
		Error: reflect.TypeOf(ct.style(&fault{})),
		Values: map[reflect.Type]api.FieldWords{
			reflect.TypeFor[millis]():     {Type: []string{"string", "null"}, Format: "date-time"},
			reflect.TypeFor[userNumber](): {Type: []string{"integer", "string"}},
		},
	}
	d.Types["errorOnly"] = api.TypeWords{Name: "Error", Text: "What is wrong.†"}
	d.Types["errorDetailed"] = api.TypeWords{Name: "Error", Text: "What is wrong."}
	d.Fields[".error"] = api.FieldWords{Text: "What is wrong, in words."}
	if ct.name == tarefaName {
		d.Fields[".message"] = api.FieldWords{Text: "More of it, in words."}
	}
	for i := range ct.routes {
		d.Operations = append(d.Operations, ct.routes[i].describe(w, maxData))
	}
	return d
}

func (rt *route) describe(w *words, maxData int) api.Operation {
	c := w.calls[rt.method+" "+rt.pattern]
	op := api.Operation{
		Method: rt.method, Pattern: rt.pattern, ID: c.id, Summary: c.summary, Text: c.text, Own: rt.own, Status: rt.status,
		In: rt.in, Query: rt.query, Out: rt.out, Input: c.in, Example: c.example, Headers: c.headers,
		Problems: append([]int{http.StatusUnauthorized, http.StatusInternalServerError, http.StatusServiceUnavailable}, c.problems...),
	}
	if rt.access != public {
		op.Scope = string(rt.access)
		op.Problems = append(op.Problems, http.StatusForbidden)
	}
	if rt.in != nil {
		if op.Body = maxBody; c.large {
			op.Body = inboundLimit(maxData)
		}
		op.Problems = append(op.Problems, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if rt.query != nil {
		op.Problems = append(op.Problems, http.StatusBadRequest)
	}
	return op
}

// Forms of texts, as regular expressions of JSON Schema.
const (
	ulidForm    = "[0-7][0-9a-hjkmnp-tv-z]{25}"
	plainForm   = `^[^\x00-\x1F\x7F-\x9F]*$` // no control characters
	chosenForm  = `^([^\x00-\x1F\x7F-\x9F]{8,})?$`
	patternForm = `^(\*|[a-zA-Z0-9_.-]+(\.\*)?)$`
)

// Fields that all contracts have, each under its own name.
var (
	urlWords = api.FieldWords{
		Text:   "Where deliveries are POSTed to. Addresses inside (loopback, private, link-local, metadata) are refused.",
		Format: "uri", Pattern: "^[hH][tT][tT][pP][sS]?://.", MaxLength: new(2048),
	}
	nameWords    = api.FieldWords{Text: "For people.", MaxLength: new(200), Pattern: plainForm}
	newNameWords = api.FieldWords{Text: "For people; null or left out: it stays. It cannot be empty.", MinLength: new(1), MaxLength: new(200), Pattern: plainForm}
	secretWords  = api.FieldWords{Text: "What signs the deliveries, 8 to 256 bytes; left out, null or empty: the server makes one.", MaxLength: new(256), Pattern: chosenForm}
	// Of a change.
	newSecretWords = api.FieldWords{Text: "What signs the deliveries from now on, 8 to 256 bytes; left out, null or empty: the one before stays.", MaxLength: new(256), Pattern: chosenForm}
	eventsWords    = api.FieldWords{Text: "The event types that it wants: exact names, a prefix (task.*)†, or *†. They are kept in the order in which they were sent, each once.", MinItems: new(1), MaxItems: new(100), MinLength: new(1), MaxLength: new(130), Pattern: patternForm}
	createdWords   = api.FieldWords{Text: "When it was made.", Never: true}
	countWords     = api.FieldWords{Text: "Deliveries in a row whose attempts were all used up.", Min: new(0)}
)
