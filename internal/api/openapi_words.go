package api

import (
	"maps"
	"reflect"

	"github.com/malote-dev/malote/internal/ingest"
)

// typeWords name a type in the document.
type typeWords struct {
	name, text string
	required   []string             // of an input, where the type does not say
	without    []string             // fields that this route refuses
	needs      [2]string            // a field, and the text that it is not taken without
	within     map[string]typeWords // of the objects in it, by field
}

// typesWords are the names of types, by their names in Go.
var typesWords = merged(accessTypes, replayTypes, keyTypes, statsTypes, catalogueTypes, settingsTypes, mailTypes, nodeTypes, dialectTypes, inspectorTypes, map[string]typeWords{
	"none":          {name: "Nothing", text: "No fields. An empty body will do."},
	"problem":       {name: "Problem", text: "What is not a success (RFC 9457)."},
	"fieldProblem":  {name: "FieldProblem", text: "One thing that is wrong, and where."},
	"deleted":       {name: "Deleted", text: "The answer to a delete."},
	"projectInput":  {name: "ProjectCreate", text: "A new project.", required: []string{"name", "environment"}},
	"projectChange": {name: "ProjectChange", text: "What may be changed of a project; what is absent stays."},
	"projectView":   {name: "ProjectListed", text: "A project as lists show it."},
	"projectWhole":  {name: "Project", text: "One product in one environment."},
	"consumerInput": {name: "ConsumerPut", text: "A consumer."},
	"consumerView":  {name: "Consumer", text: "Your customer, known by your own id for it."},
	"endpointInput": {name: "EndpointCreate", text: "A new endpoint.", required: []string{"url", "event_types"}, without: []string{"secret_overlap"}},
	"endpointView":  {name: "Endpoint", text: "A URL of a consumer, and the event types that it wants."},
	"secretView":    {name: "EndpointSecret", text: "A secret that is in force, without its value."},
	"resumeInput":   {name: "EndpointResume", text: "How to resume."},
	"probeView":     {name: "Probed", text: "What came of a probe."},
	"checkupView":   {name: "Checkup", text: "What a check-up of a receiver found."},
	"checkView":     {name: "Check", text: "One thing that a check-up looks at."},
	"testSent":      {name: "TestSent", text: "A test event on its way."},
	"eventInput":    {name: "EventCreate", text: "An event.", required: []string{"type", "data"}},
	"batchInput":    {name: "EventBatch", text: "Events that are kept in one commit."},
	"batchEvent":    {name: "EventBatchItem", text: "An event of a batch.", required: []string{"type", "data"}},
	"eventAccepted": {name: "EventAccepted", text: "An event that is on disk with its deliveries."},
	"batchAnswer":   {name: "EventBatchResult", text: "One result for each event, in order."},
	"batchResult":   {name: "EventBatchItemResult", text: "An event that is kept, or the problem with it."},
	"eventView":     {name: "Event", text: "An event without its data."},
	"eventFull":     {name: "EventWithData", text: "An event with its data."},
	"signedView":    {name: "SignedRequest", text: "The request of a delivery's next attempt, signed now."},
	"deliveryView":  {name: "Delivery", text: "One event on its way to one endpoint."},
	"attemptView":   {name: "Attempt", text: "One HTTP request for a delivery, and what came of it."},
	"requestView":   {name: "AttemptRequest", text: "What was sent, or would have been."},
	"responseView":  {name: "AttemptResponse", text: "What the receiver answered."},
	"headerView":    {name: "HeaderLine", text: "One header line, in the spelling of the wire."},
	"attemptError":  {name: "AttemptError", text: "Why the attempt did not succeed."},
	"timingsView":   {name: "AttemptTimings", text: "How long its parts took, in milliseconds; null: did not happen."},
	"healthAnswer":  {name: "Health", text: "How the server is."},
})

// merged is a table that stands in several places.
func merged[W any](tables ...map[string]W) map[string]W {
	all := map[string]W{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// endpointPatch is the same type as a create, seen by an update.
var endpointPatch = typeWords{name: "EndpointChange", text: "What to change: what is absent stays, null clears.", required: []string{}, without: []string{"consumer", "inbound_secret", "wire_id"}}

// fieldWords say of a field what its type does not.
type fieldWords struct {
	text                 string
	always               bool     // a time that is never null
	kinds                []string // of a JSON value that is kept as it is
	distinct             bool     // no item twice
	format, pattern      string
	enum                 []string
	min, max             *int
	minLength, maxLength *int
	minItems, maxItems   *int
	standard             any          // the default
	names, values        string       // forms of the members of an object
	items                reflect.Type // of an array that is read piece by piece
}

// Forms of headers.
const (
	headerNameForm  = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"
	webForm         = "^[hH][tT][tT][pP][sS]?://."
	headerValueForm = `^([!-~]([\t -~]*[!-~])?)?$`
)

// Forms of texts, as regular expressions of JSON Schema.
const (
	ulidForm    = "[0-7][0-9a-hjkmnp-tv-z]{25}"
	uuidForm    = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
	uidForm     = "^[!-~]+$"
	plainForm   = `^[^\x00-\x1F\x7F-\x9F]*$` // no control characters
	textForm    = `^[^\x00]*$`               // whatever is text
	hostForm    = "^[a-zA-Z0-9.-]*$"
	cursorForm  = "^[A-Za-z0-9_-]{14,200}$"
	statesForm  = "^(pending|delivered|failed|cancelled)(,(pending|delivered|failed|cancelled)){0,3}$"
	statusForm  = "^([1-5][0-9]{2}|[1-5]xx|none)$"
	patternForm = `^(\*|[a-zA-Z0-9_.-]+(\.\*)?)$`
)

// base64Form is what a pattern can say of base64.
const base64Form = "^[A-Za-z0-9+/]*={0,2}$"

func idPattern(prefix string) string { return "^" + prefix + ulidForm + "$" }

// wireIDPattern is an id, with its prefix or without, or the UUID that stands
// for it on the wire.
func wireIDPattern(prefix string) string {
	return "^((" + prefix + ")?" + ulidForm + "|" + uuidForm + ")$"
}

// fieldsWords are the fields, by type and name; ".name" speaks for every type
// that has no words of its own for it.
var fieldsWords = merged(accessFields, replayFields, keyFields, statsFields, catalogueFields, mailFields, settingsFields, nodeFields, dialectFields, inspectorFields, map[string]fieldWords{
	".created_at":  {text: "When it was made.", always: true},
	".updated_at":  {text: "When it was last changed.", always: true},
	".consumer":    {text: "The uid of the consumer."},
	".name":        {text: "For people.", maxLength: new(maxName)},
	".in_flight":   {text: "Attempts that began before the change and were still under way: these may arrive as things were before, none later. Left out where another server process sends to the endpoint and did not say in time.", min: new(0)},
	".deliveries":  {text: "How many endpoints get it.", min: new(0)},
	".unreached":   {text: "Why nobody gets it, in words; present where deliveries is 0."},
	".next_cursor": {text: "Send it back as cursor, with the same filters, for the next page; null: this was the last one."},
	".data":        {text: "The items of this page."},
	".headers":     {text: "The header lines, in the order of the wire."},
	".public_key":  {text: "What a receiver verifies with, where the secret is an Ed25519 key pair: whpk_…"},
	".project_id":  {text: "The key's project.", pattern: idPattern("prj_")},
	".event_id":    {text: "The event.", pattern: idPattern("evt_")},
	".status":      {text: "The HTTP status.", min: new(100), max: new(999)},
	".detail":      {text: "What is wrong, in words."},

	"problem.type":           {text: "The kind of problem.", format: "uri", pattern: "^" + problemType},
	"problem.title":          {text: "The kind of problem, in words."},
	"problem.errors":         {text: "Each thing that is wrong.", maxItems: new(ingest.MaxErrors)},
	"problem.fix":            {text: "What to do about it."},
	"problem.request_id":     {text: "The same as the header X-Request-Id, and in the server's log.", pattern: idPattern("req_")},
	"fieldProblem.pointer":   {text: "A JSON pointer into the body.", format: "json-pointer"},
	"fieldProblem.parameter": {text: "The name of a query parameter."},
	"fieldProblem.header":    {text: "The name of a header."},
	"deleted.deleted":        {text: "Always true."},

	"projectInput.name":            {text: "Unique in its environment.", minLength: new(1), maxLength: new(maxName), pattern: plainForm},
	"projectInput.environment":     {text: "Where the product runs.", enum: []string{"production", "development"}},
	"projectInput.dialect":         {text: "The wire contract of its webhooks; `malote dialect list` names them.", standard: defaultDialect},
	"projectInput.body_id":         {text: "Adds a top-level id to bodies whose envelope has none.", standard: false},
	"projectInput.host":            {text: "The host name under which the company's own API is called, as in api.example.com.", maxLength: new(254), pattern: hostForm},
	"projectChange.name":           {text: "Unique in its environment.", always: true, minLength: new(1), maxLength: new(maxName), pattern: plainForm},
	"projectInput.portal_name":     {text: "The company's name on its customers' portal; null or left out: the project's name.", maxLength: new(maxPortalName), pattern: plainForm},
	"projectChange.portal_name":    {text: "The company's name on its customers' portal; null: the project's name.", maxLength: new(maxPortalName), pattern: plainForm},
	"projectInput.portal_color":    {text: "The company's colour on the portal, as in #0b6148; null or left out: this server's.", pattern: "^$|^#[0-9A-Fa-f]{6}$"},
	"projectChange.portal_color":   {text: "The company's colour on the portal, as in #0b6148; null: this server's.", pattern: "^$|^#[0-9A-Fa-f]{6}$"},
	"projectInput.portal_origins":  {text: "Pages of these origins may show the portal in a frame, as in https://app.example.com; null or left out: none.", maxItems: new(maxOrigins), maxLength: new(maxOrigin), pattern: originForm},
	"projectChange.portal_origins": {text: "Pages of these origins may show the portal in a frame, as in https://app.example.com; null: none.", maxItems: new(maxOrigins), maxLength: new(maxOrigin), pattern: originForm},
	"projectInput.portal_logo":     {text: "The company's logo on the portal, in base64: PNG, JPEG or WebP of at most 64 KiB and 1,024 by 1,024 pixels; null or left out: none.", maxLength: new(maxLogoText), pattern: base64Form},
	"projectChange.portal_logo":    {text: "The company's logo on the portal, in base64: PNG, JPEG or WebP of at most 64 KiB and 1,024 by 1,024 pixels; null: none.", maxLength: new(maxLogoText), pattern: base64Form},
	"projectWhole.portal_logo":     {text: "The company's logo on the portal, in base64; null: none."},
	"projectView.portal_name":      {text: "The company's name on its customers' portal; empty: the project's name."},
	"projectView.portal_color":     {text: "The company's colour on the portal; empty: this server's."},
	"projectView.portal_origins":   {text: "The origins whose pages may show the portal in a frame."},
	"projectChange.host":           {text: "The host name under which the company's own API is called; null takes it away.", maxLength: new(254), pattern: hostForm},
	"projectView.id":               {text: "The project's id.", pattern: idPattern("prj_")},
	"projectView.environment":      {text: "Where the product runs.", enum: []string{"production", "development"}},
	"projectView.dialect":          {text: "The wire contract of its webhooks."},
	"projectView.body_id":          {text: "Whether bodies whose envelope has no id get one."},
	"projectView.host":             {text: "The host name of the company's own API; empty: none."},

	"consumerInput.name": {text: "For people.", maxLength: new(maxName), pattern: plainForm},
	"endpointInput.name": {text: "For people.", maxLength: new(maxName), pattern: plainForm},

	"consumerView.id":  {text: "The consumer's id.", pattern: idPattern("con_")},
	"consumerView.uid": {text: "Your own id for it."},

	"endpointInput.consumer":       {text: "The uid of its consumer, which is created on first mention. A key of one consumer may leave it out.", minLength: new(1), maxLength: new(128), pattern: uidForm},
	"endpointInput.url":            {text: "Where deliveries are POSTed to. Addresses inside (loopback, private, link-local, metadata) are refused here and again at every connection.", format: "uri", maxLength: new(maxURL), pattern: webForm, always: true},
	"endpointInput.event_types":    {always: true, text: "The types that it wants: exact names, a prefix (task.* is task.created and task.a.b), or *.", minItems: new(1), maxItems: new(maxEventTypes), minLength: new(1), maxLength: new(130), pattern: patternForm},
	"endpointInput.description":    {text: "For people.", maxLength: new(maxDescription), pattern: plainForm},
	"endpointInput.headers":        {text: "Sent with every delivery; at most 8 KiB in all. Values are secrets.", maxItems: new(maxHeaders), values: headerValueForm, names: headerNameForm},
	"EndpointChange.headers":       {text: "They merge: a value sets one, null removes one, [redacted] leaves one as it was. At most 32 and 8 KiB may be there afterwards.", maxItems: new(2 * maxHeaders), values: headerValueForm, names: headerNameForm},
	"endpointInput.secret":         {text: "Your own, in the dialect's form; left out, or null in a change: the server makes one.", minLength: new(1)},
	"endpointInput.secret_type":    {text: "The kind of secret that the server makes.", enum: []string{typeSymmetric, typeEd25519}},
	"endpointInput.secret_overlap": {text: "Seconds for which the old secret stays in force when it changes (86400 where none are given).", min: new(0), max: new(maxOverlap)},
	"endpointInput.wire_id":        {text: "The id that it had elsewhere: deliveries and the company's own API go on to call it that. With a key of the whole project.", minLength: new(1), maxLength: new(maxWireID), pattern: WireIDForm},
	"endpointInput.inbound_secret": {text: "The secret of its address that takes events in, brought along from elsewhere, in contracts that have such addresses; left out: one is made. With a key of the whole project.", pattern: inboundForm},
	"endpointInput.rate_limit":     {text: "Deliveries a minute; null or 0: the dialect's.", min: new(0), max: new(maxRate)},
	"endpointInput.enabled":        {text: "false pauses it, true resumes it."},
	"endpointView.id":              {text: "The endpoint's id.", pattern: idPattern("ep_")},
	"endpointView.url":             {text: "Where deliveries are POSTed to.", format: "uri"},
	"endpointView.description":     {text: "For people."},
	"endpointView.event_types":     {text: "The types that it wants, in the order in which they were sent, each once."},
	"endpointView.headers":         {text: "What is sent with every delivery; values are shown as [redacted]."},
	"endpointView.secret":          {text: "The newest secret, in the one answer that shows it, or always where the dialect's contract says so."},
	"endpointView.secrets":         {text: "The secrets that are in force, the newest first."},
	"endpointView.wire_id":         {text: "What deliveries and the company's own API call it, where not by its id."},
	"endpointView.inbound_path":    {text: "The path of the address that takes events in, where the project's contract has one. Its last part is a secret."},
	"endpointView.rate_limit":      {text: "Deliveries a minute; null: the dialect's.", min: new(1), max: new(maxRate)},
	"endpointView.enabled":         {text: "Whether its state is active."},
	"endpointView.state":           {text: "active, paused by a person, or disabled by a rule or a 410. What does not send keeps its deliveries.", enum: []string{"active", "paused", "disabled"}},
	"endpointView.state_reason":    {text: "Why, in words."},
	"endpointView.held":            {text: "Why what is due does not go to an active endpoint: the rate limit, the circuit breaker, a pause that the receiver asked for, or as many requests under way as may be. Where an endpoint is read or listed."},
	"endpointView.held_until":      {text: "Until when at least, where that is known."},
	"endpointView.state_since":     {text: "Since when.", always: true},
	"endpointView.failure_count":   {text: "Deliveries in a row whose attempts were all used up.", min: new(0)},
	"endpointView.failed_at":       {text: "When the dialect marked it as failed; null: it did not."},
	"endpointView.skipped":         {text: "After a resume that skips: how many deliveries were cancelled.", min: new(0)},
	"endpointView.skipped_more":    {text: "There were more than were counted."},
	"secretView.signs_from":        {text: "When it begins to sign: until then an older one does, because the contract's header holds one signature."},
	"secretView.expires_at":        {text: "When it ends; null: with the next one."},
	"resumeInput.skip":             {text: "Cancels what waits instead of sending it.", standard: false},
	"probeView.verdict":            {text: "verifies: it answered 401. accepts: it took a request whose signature is wrong. refuses: another 4xx. missing: nothing takes a POST there. fails: it redirects, or fails itself. no_answer: none came.", enum: verdicts()},
	"probeView.status":             {text: "The HTTP status; null: no answer came.", min: new(100), max: new(999)},
	"probeView.message":            {text: "The same in words, and what to do."},
	"probeView.error":              {text: "Why no answer came; null: one did."},
	"probeView.took_ms":            {text: "How long it took.", min: new(0)},
	"checkupView.result":           {text: "The worst of the checks; what is unknown is not counted.", enum: []string{checkPassed, checkWarning, checkFailed}},
	"checkupView.checks":           {text: "All of them, always in this order.", maxItems: new(len(checkNames()))},
	"checkView.check":              {text: "accepts: it takes what is signed rightly. in_time: it answers within 5 s, and within what a delivery waits. verifies: it refuses what is signed wrongly. duplicate: it answers a 2xx to the same event once more. direct: it does not redirect. encrypted: https, with a good certificate.", enum: checkNames()},
	"checkView.result":             {text: "How it came out; unknown: it could not be seen.", enum: checkResults()},
	"checkView.status":             {text: "The HTTP status of the answer that it is judged by; null: of none.", min: new(100), max: new(999)},
	"checkView.took_ms":            {text: "How long that answer took; null: it is judged by none.", min: new(0)},
	"checkView.message":            {text: "The same in words, and what to do."},
	"checkView.error":              {text: "Why no answer came; null: one did, or none was to come."},
	"testSent.delivery_id":         {text: "The delivery, where it is to be seen already.", pattern: idPattern("dlv_")},

	"eventInput.type":            {text: "What happened.", minLength: new(1), maxLength: new(128), pattern: "^[a-zA-Z0-9_.-]+$"},
	"eventInput.consumer":        {text: `The uid of its consumer; "*" is every consumer of the project and needs the scope events:broadcast. A key of one consumer may leave it out, or empty.`, maxLength: new(128), pattern: "^[!-~]*$"},
	"eventInput.data":            {text: "Any JSON value, nested at most 128 deep. Its bytes are kept and delivered as they came."},
	"eventInput.channels":        {text: "Names that endpoints choose events by, as of a store or a region; null or left out: none.", maxItems: new(ingest.MaxChannels), minLength: new(1), maxLength: new(128), pattern: "^[a-zA-Z0-9_.-]+$"},
	"eventInput.timestamp":       {text: "When it happened, from 2000 to a day from now; left out: now."},
	"batchInput.events":          {text: "The events.", minItems: new(1), maxItems: new(MaxBatch)},
	"batchEvent.idempotency_key": {text: "As the header Idempotency-Key, for this event alone.", minLength: new(1), maxLength: new(256), pattern: "^[ -~]+$"},
	"eventAccepted.id":           {text: "The event's id.", pattern: idPattern("evt_")},
	"eventAccepted.duplicate":    {text: "The Idempotency-Key was used before with the same event: this is the first answer."},
	"eventAccepted.more":         {text: "A broadcast goes on: more deliveries are being made."},
	"batchAnswer.accepted":       {text: "How many events are kept.", min: new(1)},
	"batchAnswer.refused":        {text: "How many are not.", min: new(0)},
	"batchAnswer.results":        {text: "What came of each event, in order."},
	"batchResult.error":          {text: "The problem with this event."},
	"eventView.id":               {text: "The event's id.", pattern: idPattern("evt_")},
	"eventView.type":             {text: "What happened."},
	"eventView.channels":         {text: "The channels that it carries, sorted.", maxItems: new(ingest.MaxChannels)},
	"eventView.timestamp":        {text: "When it happened."},
	"eventView.idempotency_key":  {text: "The one that it came with; null: none."},
	"eventView.dialect":          {text: "The dialect with its revision that its deliveries are rendered in."},
	"eventView.test":             {text: "Whether it is a test send."},
	"eventFull.delivery_list":    {text: "Its deliveries, the newest 50 at most; the others: GET /v1/deliveries?event_id=…. With a key that has deliveries:read.", maxItems: new(defaultLimit)},
	"eventFull.data":             {text: "The data, byte for byte as it came."},

	"signedView.method":        {text: "The method: POST."},
	"signedView.url":           {text: "Where it goes."},
	"signedView.headers":       {text: "In the order and the spelling of the wire, but for those that the connection adds."},
	"signedView.redacted":      {text: "Headers whose values are secret, and stand as [redacted]."},
	"signedView.curl":          {text: "The same as a command line of curl, for a POSIX shell."},
	"deliveryView.id":          {text: "The delivery's id.", pattern: idPattern("dlv_")},
	"deliveryView.type":        {text: "The event's type."},
	"deliveryView.endpoint_id": {text: "The endpoint.", pattern: idPattern("ep_")},
	"deliveryView.state":       {text: "Where it stands.", enum: deliveryStates()},
	"deliveryView.held":        {text: "Why it waits whatever is due, because its endpoint is not active; or why it waits though it is due: the rate limit, the circuit breaker, a pause that the receiver asked for, or as many requests under way as may be."},
	"deliveryView.held_until":  {text: "Until when it waits at least, where that is known."},
	"deliveryView.reason":      {text: "Why it failed or was cancelled."},
	"deliveryView.attempts":    {text: "How many attempts there were.", min: new(0)},
	"deliveryView.last_status": {text: "The HTTP status of the last attempt; null: no answer, or no attempt.", min: new(100), max: new(999)},
	"deliveryView.last_error":  {text: "Why the last attempt failed; null: it succeeded, or there was none."},
	"deliveryView.next_due_at": {text: "When the next attempt is due; null unless pending."},
	"deliveryView.finished_at": {text: "When it was over; null while pending."},

	"attemptView.number":            {text: "Counts from 1.", min: new(1)},
	"attemptView.at":                {text: "When it began.", always: true},
	"attemptView.request":           {text: "What was sent, byte for byte but for values that are secret."},
	"attemptView.response":          {text: "What came back; null: nothing."},
	"attemptView.error":             {text: "Why it did not succeed; null: it did."},
	"attemptView.timings":           {text: "How long its parts took."},
	"attemptView.next_due_at":       {text: "When the next attempt is due, with the last attempt of a delivery that is pending."},
	"requestView.sent":              {text: "false: nothing of it reached the receiver."},
	".line":                         {text: "The first line."},
	"contentView.body":              {text: "The body; null where it is not known any more."},
	"contentView.body_encoding":     {text: "text, base64 where it is not UTF-8, or none where the body is not known any more.", enum: []string{"text", "base64", "none"}},
	"responseView.truncated":        {text: "The answer was longer than what is kept."},
	"headerView.name":               {text: "The header's name."},
	"headerView.value":              {text: "Its value; [redacted] where it is secret. Bytes that are not UTF-8 are U+FFFD here."},
	"headerView.raw":                {text: "The same in base64, byte for byte; there only where it is not UTF-8."},
	"attemptError.class":            {text: "What kind of failure.", enum: errorClasses()},
	"timingsView.dns_ms":            {text: "Finding the address."},
	"timingsView.connect_ms":        {text: "The TCP connection."},
	"timingsView.tls_ms":            {text: "The TLS handshake."},
	"timingsView.first_byte_ms":     {text: "Until the first byte of the answer."},
	"timingsView.total_ms":          {text: "All of it."},
	"timingsView.reused_connection": {text: "Whether the connection stood before."},

	"healthAnswer.status":  {text: "ok or ready.", enum: []string{"ok", "ready"}},
	"healthAnswer.version": {text: "The server's version."},
})

// parametersWords are the parameters of paths and queries, by name, or by
// operation and name.
var parametersWords = merged(endpointParameters, accessParameters, replayParameters, keyParameters, statsParameters, catalogueParameters, inspectorParameters, map[string]fieldWords{
	"id":          {text: "The id, with its prefix or without, or the UUID that most dialects write on the wire."},
	"document":    {text: "gabinete360.json, placaflow.json or tarefa.json.", pattern: `^[a-z0-9]+\.json$`},
	"contract":    {text: "gabinete360, placaflow or tarefa.", pattern: "^[a-z0-9]+$"},
	"uid":         {text: "Your own id for the consumer, percent-encoded: 1 to 128 visible ASCII characters without spaces, not *.", minLength: new(1), maxLength: new(128), pattern: uidForm},
	"consumer":    {text: "Only those of this consumer."},
	"uid_prefix":  {text: "Only those whose uid begins so."},
	"type":        {text: "Only those of this event type."},
	"event_id":    {text: "Only those of this event: its id, or the UUID on the wire."},
	"endpoint_id": {text: "Only those of this endpoint: its id, or the UUID."},
	"state":       {text: "Only those in this state, or in one of several, with a comma between: failed,pending.", pattern: statesForm},
	"last_status": {text: "Only those whose last attempt had this HTTP status: 503, one of a class: 5xx, or no answer: none.", pattern: statusForm},

	"listEvents.id":              {text: "Only the one with this id: with its prefix or without, or the UUID on the wire."},
	"listEvents.idempotency_key": {text: "Only those that came with this Idempotency-Key."},
	"listEvents.search":          {text: "Only those with this text in their data, whatever the case of its letters (A to Z). A page looks at a bounded part of what is kept: it may have few items, or none, and still a next."},
	"listEvents.channel":         {text: "Only those that were sent to this channel."},

	"from":   {text: "Only those made at this time or later."},
	"until":  {text: "Only those made before this time."},
	"limit":  {text: "How many items a page has at most. It may have fewer while there is a next one.", min: new(1), max: new(maxLimit), standard: defaultLimit},
	"cursor": {text: "next_cursor of the page before; with the same filters.", pattern: cursorForm},
})
