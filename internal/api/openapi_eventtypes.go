package api

import (
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
)

// Words of the routes for event types.

var catalogueTypes = map[string]typeWords{
	"eventTypeInput": {name: "EventTypeCreate", text: "A new event type.", required: []string{"name"}},
	"eventTypeView":  {name: "EventType", text: "A type of events, without schema and examples."},
	"eventTypeFull":  {name: "EventTypeFull", text: "A type of events with all that is known of its data."},
	"importInput":    {name: "EventTypeImport", text: "A document to read event types from.", required: []string{"openapi"}},
	"imported":       {name: "EventTypesImported", text: "What became of a document."},
	"importedType":   {name: "EventTypeImported", text: "What became of one webhook of it."},
	"testInput":      {name: "EndpointTest", text: "What to send; without a type, the dialect's test event.", needs: [2]string{"data", "type"}},
}

// eventTypePatch is the same type as a create, seen by an update.
var eventTypePatch = typeWords{name: "EventTypeChange", text: "What to change: what is absent stays, null clears.", required: []string{}}

const typeForm = "^[a-zA-Z0-9_.-]+$"

var catalogueFields = map[string]fieldWords{
	"eventTypeInput.name":           {text: "As events say it. It cannot be changed.", always: true, minLength: new(1), maxLength: new(ingest.MaxType), pattern: typeForm},
	"eventTypeInput.description":    {text: "For people, in English.", maxLength: new(maxDescription), pattern: plainForm},
	"eventTypeInput.description_pt": {text: "For people, in Portuguese.", maxLength: new(maxDescription), pattern: plainForm},
	"eventTypeInput.tags":           {text: "To group types by.", distinct: true, maxItems: new(maxTags), minLength: new(1), maxLength: new(maxTag), pattern: plainForm},
	"eventTypeInput.schema":         {text: "JSON Schema (2020-12) of the data: an object, true or false; at most 64 KiB. docs/event-types.md says what it may hold.", kinds: []string{"object", "boolean", "null"}},
	"eventTypeInput.validate":       {text: "Refuses events whose data does not match the schema, which it needs.", standard: false},
	"eventTypeInput.examples":       {text: "Examples of the data; each has to match the schema. A test send takes the first.", maxItems: new(maxExamples)},
	"eventTypeInput.deprecated":     {text: "Says that the type will go. It changes nothing for events.", standard: false},
	"eventTypeInput.deprecation":    {text: "Why, and since when, in words; of a type that is deprecated.", maxLength: new(maxDescription), pattern: plainForm},
	"eventTypeInput.replaced_by":    {text: "The type to use instead; of a type that is deprecated.", maxLength: new(ingest.MaxType), pattern: "^[a-zA-Z0-9_.-]*$"},
	"eventTypeView.id":              {text: "The type's id; null: it comes with the dialect.", pattern: idPattern("typ_")},
	"eventTypeView.name":            {text: "As events say it."},
	"eventTypeView.source":          {text: "Who brought it: the project's dialect, the project itself, or the server, whose operational events it is of.", enum: []string{sourceDialect, sourceProject, sourceServer}},
	"eventTypeView.description":     {text: "For people, in English."},
	"eventTypeView.description_pt":  {text: "For people, in Portuguese."},
	"eventTypeView.tags":            {text: "To group types by."},
	"eventTypeView.validate":        {text: "Whether events whose data does not match the schema are refused."},
	"eventTypeView.deprecated":      {text: "Whether the type will go."},
	"eventTypeView.deprecation":     {text: "Why, and since when, in words."},
	"eventTypeView.replaced_by":     {text: "The type to use instead."},
	"eventTypeView.created_at":      {text: "When it was made; null: it comes with the dialect."},
	"eventTypeView.updated_at":      {text: "When it was last changed; null: it comes with the dialect."},
	"eventTypeFull.schema":          {text: "JSON Schema (2020-12) of the data; null: none."},
	"eventTypeFull.examples":        {text: "Examples of the data."},

	"importInput.openapi":  {text: "The document: OpenAPI 3.1, as JSON. Its webhooks become event types.", kinds: []string{"object"}},
	"importInput.dry_run":  {text: "Says what would be done, and does nothing.", standard: false},
	"importInput.validate": {text: "Switches validation on or off for the types that are imported; left out: it stays, and is off for new ones."},
	"importInput.data_at":  {text: "Where the event's data stands in the bodies, as a JSON pointer, such as /data; left out: the whole body is the data.", maxLength: new(512), pattern: "^(/.*)?$"},
	"imported.dry_run":     {text: "Whether nothing was done."},
	"imported.created":     {text: "How many are new.", min: new(0)},
	"imported.updated":     {text: "How many were changed.", min: new(0)},
	"imported.unchanged":   {text: "How many were as the document says already.", min: new(0)},
	"imported.skipped":     {text: "How many could not be imported.", min: new(0)},
	"imported.results":     {text: "One for each webhook, by name.", maxItems: new(store.MaxEventTypes)},
	"importedType.name":    {text: "The webhook's name."},
	"importedType.outcome": {text: "What became of it.", enum: []string{outcomeCreated, outcomeUpdated, outcomeUnchanged, outcomeSkipped}},
	"importedType.reason":  {text: "Why it was skipped, in words."},
	"importedType.remark":  {text: "What of it could not be taken over, in words: that it has no schema to validate with, or no body in JSON."},

	"testInput.type": {text: "The event type to send an example of.", minLength: new(1), maxLength: new(ingest.MaxType), pattern: typeForm},
	"testInput.data": {text: "Data to send instead of the type's first example; needs a type."},

	"projectInput.known_types_only":  {text: "Refuses events of types that are in no list of event types.", standard: false},
	"projectChange.known_types_only": {text: "Refuses events of types that are in no list of event types."},
	"projectView.known_types_only":   {text: "Whether events of unknown types are refused."},
}

var catalogueParameters = map[string]fieldWords{
	"name":       {text: "The event type's name.", minLength: new(1), maxLength: new(ingest.MaxType), pattern: typeForm},
	"tag":        {text: "Only those with this tag."},
	"source":     {text: "Only those that this brought; left out: the project and its dialect. server has the operational events, which go to endpoints of the consumer _system.", enum: []string{sourceProject, sourceDialect, sourceServer}},
	"deprecated": {text: "Deprecated types: show them, hide them, or show them only. Left out: show; hide for a key of one consumer.", enum: []string{deprecatedShow, deprecatedHide, deprecatedOnly}},
}

var catalogueRoutes = map[string]routeWords{
	"POST /v1/event-types":          {id: "createEventType", tag: "Event types", text: "A name that the dialect's catalogue has becomes the project's own.", problems: []int{409, 422}, example: `{"name":"invoice.paid","description":"An invoice was paid","description_pt":"Uma fatura foi paga","schema":{"type":"object","required":["invoice"],"properties":{"invoice":{"type":"string"}}},"validate":true,"examples":[{"invoice":"inv_42"}]}`},
	"GET /v1/event-types":           {id: "listEventTypes", tag: "Event types", text: "By name: the project's own, and those that come with its dialect."},
	"GET /v1/event-types/{name}":    {id: "getEventType", tag: "Event types", problems: []int{404}},
	"PATCH /v1/event-types/{name}":  {id: "updateEventType", tag: "Event types", text: "What is absent stays, null clears. A type that comes with the dialect becomes the project's own.", in: eventTypePatch, problems: []int{404, 409, 422}, example: `{"deprecated":true,"replaced_by":"invoice.settled"}`},
	"DELETE /v1/event-types/{name}": {id: "deleteEventType", tag: "Event types", text: "Events of the type stay. Where the dialect brings a type of this name, that one is back.", problems: []int{404, 409}},
	"POST /v1/event-types/import":   {id: "importEventTypes", tag: "Event types", text: "Each webhook of the document becomes an event type, with the schema and the examples of its body. What the document does not say stays.", problems: []int{409, 422}, example: `{"openapi":{"openapi":"3.1.0","info":{"title":"Shop","version":"1"},"webhooks":{"order.created":{"post":{"summary":"An order was placed","requestBody":{"content":{"application/json":{"schema":{"type":"object"}}}},"responses":{"200":{"description":"OK"}}}}}},"dry_run":true}`},
}
