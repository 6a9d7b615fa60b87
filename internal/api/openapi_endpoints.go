package api

import (
	"reflect"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// What the document says of an endpoint's own settings, and of matching.
var (
	settingsTypes = map[string]typeWords{
		"authInput":       {name: "EndpointAuthSet", text: "What requests are authenticated with, beside their signature: a type with its members. It takes the place of what was there.", required: []string{"type"}},
		"authView":        {name: "EndpointAuth", text: "What requests are authenticated with. Secrets are shown as [redacted], which may be sent back."},
		"rotateInput":     {name: "EndpointSecretRotate", text: "The new secret, and how long the old one stays in force. An empty body will do."},
		"previewInput":    {name: "EndpointPreview", text: "What an endpoint would ask of events, and the events: samples, one that is stored, or the newest of a consumer. With endpoint_id the endpoint's own wishes hold where none are given."},
		"previewView":     {name: "EndpointPreviewed", text: "What came of each event."},
		"previewResult":   {name: "EndpointPreviewResult", text: "An event, and whether the endpoint would have got it."},
		"certificateView": {name: "ClientCertificate", text: "The client certificate that the receiver is shown."},
	}

	settingsFields = map[string]fieldWords{
		"endpointInput.concurrency":    {text: "Attempts in flight at once; null or 0: the server's (16).", min: new(0), max: new(store.MaxConcurrency)},
		"endpointInput.timeout":        {text: "Seconds that an answer is waited for, once connected; null or 0: the dialect's.", min: new(0), max: new(seconds(store.MaxTimeout))},
		"endpointInput.retry_schedule": {text: "Seconds to wait before each further attempt, at most 30 days in all; [] is one attempt without retries, null the dialect's schedule. The dialect's jitter applies.", maxItems: new(store.MaxWaits), min: new(seconds(store.MinWait)), max: new(seconds(store.MaxWait))},
		"endpointInput.channels":       {text: "Only events that carry one of these channels; null or []: of any, or of none.", maxItems: new(store.MaxChannels), minLength: new(1), maxLength: new(128), pattern: "^[a-zA-Z0-9_.-]+$"},
		"endpointInput.filter":         {text: "Only events that this CEL expression is true for, or cannot be judged for: docs/filters.md. null or empty: none.", maxLength: new(match.MaxFilter)},
		"endpointInput.auth":           {text: "What requests are authenticated with, beside their signature; null: nothing."},

		"authInput.type":        {text: "basic: a user name and a password (RFC 7617); bearer: a token (RFC 6750); mtls: a client certificate.", always: true, enum: authKinds()},
		"authInput.username":    {text: "Of basic: without a colon; may be empty where the password is not.", maxLength: new(maxCredential), pattern: `^[^:\x00-\x1F\x7F-\x9F]*$`},
		"authInput.password":    {text: "Of basic. [redacted] keeps the one before.", maxLength: new(maxCredential), pattern: plainForm},
		"authInput.token":       {text: "Of bearer, without the word Bearer. [redacted] keeps the one before.", minLength: new(1), maxLength: new(maxToken), pattern: "^[!-~]+$"},
		"authInput.certificate": {text: "Of mtls: PEM, the leaf first, at most 8 certificates.", minLength: new(1), maxLength: new(egress.MaxPEM)},
		"authInput.private_key": {text: "Of mtls: PEM, the leaf's. [redacted] keeps the one before.", minLength: new(1), maxLength: new(egress.MaxPEM)},

		"settingsView.concurrency":    {text: "Attempts in flight at once; null: the server's.", min: new(1), max: new(store.MaxConcurrency)},
		"settingsView.timeout":        {text: "Seconds that an answer is waited for, once connected; null: the dialect's.", min: new(1), max: new(seconds(store.MaxTimeout))},
		"settingsView.retry_schedule": {text: "Seconds to wait before each further attempt; null: the dialect's schedule.", min: new(1)},
		"settingsView.channels":       {text: "Only events that carry one of these; empty: of any, or of none."},
		"settingsView.filter":         {text: "Only events that this CEL expression is true for, or cannot be judged for; null: none."},

		"rotateInput.secret":         {text: "Your own, in the dialect's form; null or left out: the server makes one.", minLength: new(1)},
		"rotateInput.secret_type":    {text: "The kind of secret that the server makes; left out: the kind before.", enum: []string{typeSymmetric, typeEd25519}},
		"rotateInput.secret_overlap": {text: "Seconds for which the old secret stays in force; 0: it is revoked now.", min: new(0), max: new(maxOverlap), standard: defaultOverlap},

		"previewInput.endpoint_id":  {text: "An endpoint that is there; needs the scope endpoints:read.", pattern: wireIDPattern("ep_")},
		"previewInput.consumer":     {text: "Whose stored events are judged; the endpoint's, where one is named.", minLength: new(1), maxLength: new(128), pattern: uidForm},
		"previewInput.event_types":  {text: "As in an endpoint; without an endpoint and left out: all types.", minItems: new(1), maxItems: new(maxEventTypes), minLength: new(1), maxLength: new(130), pattern: patternForm},
		"previewInput.channels":     {text: "As in an endpoint.", maxItems: new(store.MaxChannels), minLength: new(1), maxLength: new(128), pattern: "^[a-zA-Z0-9_.-]+$"},
		"previewInput.filter":       {text: "As in an endpoint; empty: none.", maxLength: new(match.MaxFilter)},
		"previewInput.events":       {text: "Sample events, as POST /v1/events takes them; their consumer may be left out.", items: reflect.TypeFor[eventInput](), minItems: new(1), maxItems: new(maxPreviewed)},
		"previewInput.event_id":     {text: "One stored event. With endpoint_id the answer says whether there is a delivery, and why not.", pattern: wireIDPattern("evt_")},
		"previewInput.type":         {text: "Of stored events, only those of this type.", minLength: new(1), maxLength: new(128), pattern: "^[a-zA-Z0-9_.-]+$"},
		"previewInput.limit":        {text: "How many of the newest stored events are judged (50 where it is left out).", min: new(1), max: new(maxPreviewed)},
		"previewView.judged":        {text: "How many events were judged.", min: new(0)},
		"previewView.matched":       {text: "How many of them the endpoint would have got.", min: new(0)},
		"previewView.more":          {text: "There may be older ones; or judging cost as much as one preview may, and the rest was left."},
		"previewView.results":       {text: "Stored events newest first, samples in their order.", maxItems: new(maxPreviewed)},
		"previewResult.event_id":    {text: "The event; null: a sample.", pattern: idPattern("evt_")},
		"previewResult.type":        {text: "Its type."},
		"previewResult.channels":    {text: "Its channels."},
		"previewResult.timestamp":   {text: "When it happened."},
		"previewResult.matched":     {text: "Whether the endpoint would have got it."},
		"previewResult.reason":      {text: "Why not; null: it matches.", enum: []string{match.OtherType.String(), match.OtherChannel.String(), match.FilteredOut.String()}},
		"previewResult.problem":     {text: "Why the filter could not be judged, so that the event matches; null: it could.", enum: match.Problems()},
		"previewResult.detail":      {text: "The same in words."},
		"previewResult.delivery_id": {text: "With event_id and endpoint_id: the delivery that the endpoint got.", pattern: idPattern("dlv_")},

		"endpointView.auth":               {text: "What requests are authenticated with, beside their signature; null: nothing."},
		"endpointView.client_certificate": {text: "Where auth has one: what it says of itself."},
		"authView.type":                   {text: "basic, bearer or mtls.", enum: authKinds()},
		"authView.username":               {text: "Of basic."},
		"authView.password":               {text: "Of basic: [redacted]."},
		"authView.token":                  {text: "Of bearer: [redacted]."},
		"authView.certificate":            {text: "Of mtls: PEM."},
		"authView.private_key":            {text: "Of mtls: [redacted]."},
		"certificateView.subject":         {text: "Whose it is."},
		"certificateView.issuer":          {text: "Who issued it."},
		"certificateView.serial":          {text: "Its number, in hexadecimal.", pattern: "^-?[0-9a-f]+$"},
		"certificateView.fingerprint":     {text: "SHA-256 of it, in hexadecimal.", pattern: "^[0-9a-f]{64}$"},
		"certificateView.not_before":      {text: "From when on it is valid.", always: true},
		"certificateView.expires_at":      {text: "Until when it is valid: send a new one before.", always: true},
	}
)

// endpointParameters are those of lists of endpoints.
var endpointParameters = map[string]fieldWords{
	"listEndpoints.state":      {text: "Only those in this state, or in one of several, with a comma between: paused,disabled.", pattern: "^(active|paused|disabled)(,(active|paused|disabled)){0,2}$"},
	"listEndpoints.event_type": {text: "Only those whose event types have this one, by name or pattern.", pattern: "^[a-zA-Z0-9_.-]{1,128}$"},
	"listEndpoints.search":     {text: "Only those with this text in their URL, name or description, whatever its case."},
}

func authKinds() []string {
	return []string{string(store.AuthBasic), string(store.AuthBearer), string(store.AuthMTLS)}
}
