package api

import (
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Words of inspectors and of what arrives there.

var inspectorTypes = map[string]typeWords{
	"inspectorInput":    {name: "InspectorCreate", text: "A new inspector. An empty body will do."},
	"inspectorView":     {name: "Inspector", text: "A throw-away address that keeps what arrives there."},
	"answerInput":       {name: "InspectorAnswerSet", text: "What it answers; it takes the place of what was there.", required: []string{}},
	"inspectorAnswer":   {name: "InspectorAnswer", text: "What it answers."},
	"inspectedView":     {name: "InspectedRequestSummary", text: "A request that arrived, without headers and body. Bytes that are not UTF-8 stand as U+FFFD."},
	"inspectedFull":     {name: "InspectedRequest", text: "A request as it arrived."},
	"verdictView":       {name: "InspectedVerdict", text: "What the inspector's dialect and secret say of the request, as of when it arrived."},
	"cleared":           {name: "InspectorCleared", text: "The answer to a delete of all requests."},
	"inspectedReplay":   {name: "InspectedReplay", text: "Where to send it.", required: []string{"url"}},
	"inspectedReplayed": {name: "InspectedReplayed", text: "What came of it."},
}

// inspectorPatch is the same type as a create, seen by an update.
var inspectorPatch = typeWords{name: "InspectorChange", text: "What to change: what is absent stays, null goes back to the default."}

var inspectorFields = map[string]fieldWords{
	"inspectorInput.name":       {text: "For people.", maxLength: new(maxName), pattern: plainForm},
	"inspectorInput.answer":     {text: "What it answers; null: 200, and nothing more."},
	"inspectorInput.dialect":    {text: "The wire contract by which requests are verified; null: they are not. Left out of a new one with a secret: the project's."},
	"inspectorInput.secret":     {text: "What they are verified with, in the dialect's form. It is in no answer; null takes it away.", minLength: new(1), maxLength: new(maxVerifySecret)},
	"inspectorInput.retention":  {text: "Seconds that a request is kept; null: 7 days. Of what is kept the newest 500 stay, and 16 MiB.", min: new(minRetention), max: new(maxRetention)},
	"inspectorInput.expires_in": {text: "Seconds until it ends with its requests; null: it does not.", min: new(minInspector), max: new(maxInspector)},

	"answerInput.status":        {text: "The HTTP status.", min: new(200), max: new(599), standard: 200},
	"answerInput.headers":       {text: "Headers; those that frame the answer, and those that a browser keeps for the whole host, such as Set-Cookie, are refused.", maxItems: new(maxAnswerHeaders), values: headerValueForm, names: headerNameForm},
	"answerInput.body":          {text: "At most 64 KiB.", maxLength: new(inspectorBody)},
	"answerInput.body_encoding": {text: "How body is written.", enum: []string{encodedText, encodedBase64}, standard: encodedText},
	"answerInput.delay_ms":      {text: "Milliseconds before the answer goes out.", min: new(0), max: new(maxAnswerDelay), standard: 0},
	"answerInput.fail_rate":     {text: "Percent of the requests that get fail_status and no body.", min: new(0), max: new(100), standard: 0},
	"answerInput.fail_status":   {text: "What these get.", min: new(200), max: new(599), standard: defaultFailure},

	"inspectorView.id":            {text: "The inspector's id.", pattern: idPattern(store.InspectorName.Prefix)},
	"inspectorView.url":           {text: "Its address; whatever stands behind it arrives, too. null: this server does not receive for inspectors.", format: "uri"},
	"inspectorView.answer":        {text: "What it answers, unless parameters of the address say otherwise."},
	"inspectorView.dialect":       {text: "By which requests are verified; null: they are not."},
	"inspectorView.has_secret":    {text: "Whether there is a secret to verify with."},
	"inspectorView.retention":     {text: "Seconds that a request is kept.", min: new(minRetention), max: new(maxRetention)},
	"inspectorView.requests":      {text: "How many are kept.", min: new(0), max: new(store.MaxInspected)},
	"inspectorView.bytes":         {text: "What these take, about.", min: new(0)},
	"inspectorView.expires_at":    {text: "When it ends; null: it does not."},
	"inspectorAnswer.status":      {text: "The HTTP status.", min: new(200), max: new(599)},
	"inspectorAnswer.headers":     {text: "The headers, by their names."},
	"inspectorAnswer.delay_ms":    {text: "Milliseconds before the answer goes out.", min: new(0), max: new(maxAnswerDelay)},
	"inspectorAnswer.fail_rate":   {text: "Percent of the requests that get fail_status.", min: new(0), max: new(100)},
	"inspectorAnswer.fail_status": {text: "What these get.", min: new(200), max: new(599)},

	"inspectedView.id":             {text: "The request's id.", pattern: idPattern(store.RequestName.Prefix)},
	"inspectedView.inspector_id":   {text: "Where it arrived.", pattern: idPattern(store.InspectorName.Prefix)},
	"inspectedView.received_at":    {text: "When its first byte came.", always: true},
	"inspectedView.method":         {text: "The method."},
	"inspectedView.path":           {text: "The path behind the token, as it was sent; empty: nothing stood there."},
	"inspectedView.query":          {text: "The query as it was sent, without the question mark."},
	"inspectedView.host":           {text: "The host that it was sent to."},
	"inspectedView.remote":         {text: "The IP address and port that it came from, as this server saw them."},
	"inspectedView.http_version":   {text: "As in HTTP/1.1."},
	"inspectedView.tls":            {text: "The version of TLS, as in TLS 1.3; null: none, as behind a proxy that ends it."},
	"inspectedView.content_type":   {text: "The header Content-Type; null: none."},
	"inspectedView.body_bytes":     {text: "The length of the body as it came, whatever is kept of it.", min: new(0)},
	"inspectedView.body_truncated": {text: "It was longer than what is kept, which is 1 MiB."},
	"inspectedView.body_complete":  {text: "false: it broke off, or was so long that the rest was not read."},
	"inspectedView.read_ms":        {text: "From its first byte to its last.", min: new(0)},
	"inspectedView.status":         {text: "The HTTP status that it was answered with.", min: new(100), max: new(999)},
	"inspectedView.failed":         {text: "That status was fail_status, by chance."},
	"inspectedView.delay_ms":       {text: "How long the answer was held back.", min: new(0)},
	"inspectedView.ignored":        {text: "Parameters of the address that begin with malote_ and could not be used: they were passed over, as the header Malote-Ignored of the answer said."},
	"inspectedView.answered_at":    {text: "When the answer was out; null: not yet, or the sender was gone by then."},
	"inspectedFull.headers_exact":  {text: "Whether order and spelling of the headers are those of the wire; else they are in alphabetical order."},
	"inspectedFull.body":           {text: "The body in base64, at most 1 MiB of it."},
	"inspectedFull.text":           {text: "The same as text; null: it is not UTF-8."},
	"inspectedView.verdict":        {text: "Whether it verifies; null: the inspector has no dialect or no secret, or the body is not all there. Of a list the newest 4 MiB are judged; what is behind them has null, too, until it is read by itself."},
	"verdictView.outcome":          {text: "verified; authenticated: a static token fits, which says nothing of the body; failed.", enum: []string{string(webhook.Verified), string(webhook.Authenticated), verdictFailed}},
	"verdictView.cause":            {text: "Why it failed; null: it did not.", enum: verdictCauses()},
	"verdictView.detail":           {text: "The probable cause in words."},
	"cleared.deleted":              {text: "true: they are gone."},
	"cleared.requests":             {text: "How many there were.", min: new(0)},

	"inspectedReplay.url":        {text: "Where to: judged as an endpoint's URL is, at once and at the connection.", format: "uri", minLength: new(1), maxLength: new(maxURL), pattern: webForm},
	"inspectedReplayed.method":   {text: "The method."},
	"inspectedReplayed.url":      {text: "Where it went."},
	"inspectedReplayed.left_out": {text: "Headers that were not sent: they belonged to the connection on which it arrived, or are never sent."},
	"inspectedReplayed.response": {text: "What came back; null: nothing."},
	"inspectedReplayed.error":    {text: "Why nothing came back; null: something did."},
	"inspectedReplayed.timings":  {text: "How long its parts took."},
}

var inspectorParameters = map[string]fieldWords{
	"listInspectedRequests.search": {text: "Only those with this text in method, path, query, headers or body, whatever the case of its letters (A to Z)."},
	"request":                      {text: "The id of the request."},
	"after":                        {text: "The id of a request: the one after it is meant. Left out: the oldest that is kept.", pattern: wireIDPattern(store.RequestName.Prefix)},
	"wait":                         {text: "Seconds to wait for it, as in 20s.", pattern: waitForm, standard: "20s"},
}

var inspectorRoutesWords = map[string]routeWords{
	"POST /v1/inspectors":                                    {id: "createInspector", tag: "Inspectors", text: "Whatever is sent to its address is kept, and answered as it says. A 409 where the server does not receive for inspectors, or the project has 100.", problems: []int{409, 422}, example: `{"name":"checkout","answer":{"status":204},"expires_in":3600}`},
	"GET /v1/inspectors":                                     {id: "listInspectors", tag: "Inspectors", text: "Newest first."},
	"GET /v1/inspectors/{id}":                                {id: "getInspector", tag: "Inspectors"},
	"PATCH /v1/inspectors/{id}":                              {id: "updateInspector", tag: "Inspectors", text: "What is absent stays. Its address stays.", in: inspectorPatch, problems: []int{422}, example: `{"answer":{"status":503,"delay_ms":2000}}`},
	"DELETE /v1/inspectors/{id}":                             {id: "deleteInspector", tag: "Inspectors", text: "Its address answers 404 from then on."},
	"GET /v1/inspectors/{id}/requests":                       {id: "listInspectedRequests", tag: "Inspectors", text: "Newest first, without headers and bodies. A search looks at a bounded number of bytes: a page with few items, or none, may have a next."},
	"DELETE /v1/inspectors/{id}/requests":                    {id: "clearInspector", tag: "Inspectors"},
	"GET /v1/inspectors/{id}/requests/next":                  {id: "nextInspectedRequest", tag: "Inspectors", text: "Answers at once where there is one, else as soon as one arrives, and 204 where none does in time. With the id of the last one as after, none is missed.", also: []int{204}},
	"GET /v1/inspectors/{id}/requests/{request}":             {id: "getInspectedRequest", tag: "Inspectors"},
	"GET /v1/inspectors/{id}/requests/{request}/explanation": {id: "explainInspectedRequest", tag: "Inspectors", text: "What POST /v1/verify says of it by the inspector's dialect and secret. What the secret makes of it is not told: whoever reads requests need not have the secret.", problems: []int{409, 429}},
	"DELETE /v1/inspectors/{id}/requests/{request}":          {id: "deleteInspectedRequest", tag: "Inspectors"},
	"POST /v1/inspectors/{id}/requests/{request}/replay":     {id: "replayInspectedRequest", tag: "Inspectors", text: "Once, now, with the headers and the body as they came; a signature is not made anew. One a second of each inspector.", problems: []int{409, 422, 429}, example: `{"url":"https://example.com/webhooks"}`},
}

func verdictCauses() (names []string) {
	for _, c := range []webhook.Cause{
		webhook.CauseNoSecret, webhook.CauseMissingHeader, webhook.CauseMalformed, webhook.CauseClock, webhook.CauseSecret, webhook.CauseBody, webhook.CauseMismatch,
	} {
		names = append(names, string(c))
	}
	return names
}
