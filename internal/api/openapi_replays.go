package api

import "github.com/malote-dev/malote/internal/store"

// Words of the routes for replays.

var replayTypes = map[string]typeWords{
	"replayInput":      {name: "ReplayCreate", text: "What to replay.", required: []string{"kind", "from"}},
	"sinceInput":       {name: "EndpointReplay", text: "From when on.", required: []string{"since"}},
	"replayView":       {name: "Replay", text: "A job that puts deliveries into the queue, and how far it is."},
	"replayMade":       {name: "ReplayStarted", text: "A replay that began, or what a dry run found."},
	"countView":        {name: "ReplayCount", text: "How many deliveries a replay would be of."},
	"eventReplayInput": {name: "EventReplay", text: "Where an event is sent again."},
	"eventReplayed":    {name: "EventReplayed", text: "The deliveries that are due now."},
}

var replayFields = map[string]fieldWords{
	"replayInput.kind":             {text: "recover: deliveries that failed, or others that are named by states, are sent again. missed: an endpoint gets the events that it would have got if it had been there, and had wanted them, when they came in.", enum: replayKinds(), always: true},
	"replayInput.endpoint_id":      {text: "Only those of this endpoint; the kind missed needs it.", pattern: wireIDPattern(store.EndpointName.Prefix)},
	"replayInput.consumer":         {text: "Only those of this consumer. With a key of one consumer, its own.", minLength: new(1), maxLength: new(128), pattern: uidForm},
	"replayInput.states":           {text: "Of the kind recover: those in these states; left out: failed and pending. Of what is pending, only what waits for its next attempt after one that failed.", enum: deliveryStates(), maxItems: new(len(deliveryStates()))},
	"replayInput.event_types":      {text: "Only these types: exact names, a prefix (task.*), or *.", maxItems: new(maxEventTypes), minLength: new(1), maxLength: new(130), pattern: patternForm},
	"replayInput.from":             {always: true, text: "Only what was made at this time or later."},
	"replayInput.until":            {text: "Only what was made before this time."},
	"replayInput.dry_run":          {text: "Counts, and does nothing.", standard: false},
	"sinceInput.since":             {text: "What was made at this time or later.", always: true},
	"sinceInput.until":             {text: "And before this time."},
	"sinceInput.event_types":       {text: "Only these types: exact names, a prefix (task.*), or *.", maxItems: new(maxEventTypes), minLength: new(1), maxLength: new(130), pattern: patternForm},
	"sinceInput.dry_run":           {text: "Counts, and does nothing.", standard: false},
	"replayView.id":                {text: "The replay's id.", pattern: idPattern(store.ReplayName.Prefix)},
	"replayView.kind":              {text: "recover: what failed is sent again; missed: an endpoint gets what it never got.", enum: replayKinds()},
	"replayView.endpoint_id":       {text: "The endpoint; null: all of the consumer's, or the project's.", pattern: idPattern(store.EndpointName.Prefix)},
	"replayView.consumer":          {text: "The uid of the consumer; null: the whole project."},
	"replayView.states":            {text: "Of the kind recover: the states of what is sent again.", enum: deliveryStates()},
	"replayView.event_types":       {text: "The types; none: all."},
	"replayView.from":              {text: "From when on; null: from the beginning."},
	"replayView.until":             {text: "Until when; null: until the replay was made."},
	"replayView.state":             {text: "Whether it runs, and else how it ended.", enum: replayStateNames()},
	"replayView.reason":            {text: "Why it failed."},
	"replayView.matched":           {text: "How many deliveries it was to send when it was made; exact up to 100,000.", min: new(0)},
	"replayView.more":              {text: "And more than that."},
	"replayView.done":              {text: "Put into the queue so far.", min: new(0)},
	"replayView.skipped":           {text: "Left alone: retried, delivered or ended anew meanwhile.", min: new(0)},
	"replayView.failed":            {text: "Cannot be sent: their events are past their retention.", min: new(0)},
	"replayView.progress":          {text: "From 0 to 1, which is everything put into the queue; null: not known.", min: new(0), max: new(1)},
	"replayView.finished_at":       {text: "When it was over; null while it runs."},
	"replayMade.dry_run":           {text: "What a dry run found, alone."},
	"countView.matched":            {text: "How many; exact up to 100,000.", min: new(0)},
	"countView.more":               {text: "And more than that."},
	"eventReplayInput.endpoint_id": {text: "To this endpoint alone; left out: to all that got the event, and all of its consumer that want it today.", pattern: wireIDPattern(store.EndpointName.Prefix)},
	"eventReplayed.again":          {text: "Deliveries that were there: due now, with a schedule that begins anew.", maxItems: new(store.MaxReplayed), pattern: idPattern(store.DeliveryName.Prefix)},
	"eventReplayed.new":            {text: "Deliveries to endpoints that had none.", maxItems: new(store.MaxReplayed), pattern: idPattern(store.DeliveryName.Prefix)},
}

var replayParameters = map[string]fieldWords{
	"listReplays.state":       {text: "Only those in this state.", enum: replayStateNames()},
	"listReplays.endpoint_id": {text: "Only those of this one endpoint."},
}

var replayRoutes = map[string]routeWords{
	"POST /v1/replays":                       {id: "createReplay", tag: "Replays", text: "Runs in the background, beside everything else, also over a restart. With dry_run the answer is a 200 with the count alone.", also: []int{200}, problems: []int{409, 422, 429}, example: `{"kind":"recover","consumer":"acme","from":"2026-01-31T09:30:00Z","dry_run":true}`},
	"GET /v1/replays":                        {id: "listReplays", tag: "Replays", text: "Newest first."},
	"GET /v1/replays/{id}":                   {id: "getReplay", tag: "Replays"},
	"POST /v1/replays/{id}/cancel":           {id: "cancelReplay", tag: "Replays", text: "Nothing more is put into the queue; what is there is sent.", problems: []int{409}},
	"POST /v1/endpoints/{id}/recover":        {id: "recoverEndpoint", tag: "Replays", text: "What failed since then is sent again, and what waits for its next attempt is sent now: a replay of the kind recover.", also: []int{200}, problems: []int{409, 422, 429}, example: `{"since":"2026-01-31T09:30:00Z"}`},
	"POST /v1/endpoints/{id}/replay-missing": {id: "replayMissing", tag: "Replays", text: "Events since then that the endpoint wants and never got: a replay of the kind missed.", also: []int{200}, problems: []int{409, 422, 429}, example: `{"since":"2026-01-31T09:30:00Z"}`},
	"POST /v1/events/{id}/replay":            {id: "replayEvent", tag: "Replays", text: "At once, to all that got it and all that want it today, or to one endpoint; at most 250 deliveries.", problems: []int{409, 422}, example: `{}`},
}

func replayKinds() []string {
	return []string{string(store.ReplayRecover), string(store.ReplayMissed)}
}
