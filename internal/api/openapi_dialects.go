package api

import (
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Words of the routes about dialects.

var dialectTypes = map[string]typeWords{
	"verifyInput":     {name: "VerifyRequest", text: "A request as it came in, and what it should be right by.", required: []string{}},
	"headerLine":      {name: "VerifyHeader", text: "A header line; one that came twice stands twice.", required: []string{"name"}},
	"explanationView": {name: "Explanation", text: "What a verification looked at, step by step, and what came of it."},
	"headerRead":      {name: "ExplanationHeader", text: "A header that the dialect reads."},
	"itemRead":        {name: "ExplanationItem", text: "One item of the signature's header."},
	"timeRead":        {name: "ExplanationTime", text: "The signed time."},
	"messagePart":     {name: "ExplanationPart", text: "A part of the bytes that are signed."},
	"expectedView":    {name: "ExplanationExpected", text: "What a secret makes of the signed bytes."},
	"mistakeView":     {name: "ExplanationMistake", text: "Something that may have gone wrong."},
	"renderInput":     {name: "DialectPreview", text: "The event to see: one that is stored, or a sample. Nothing at all: the test event of the project's dialect."},
	"renderedView":    {name: "DialectPreviewed", text: "An event as its receivers would see it."},
	"renderedInto":    {name: "DialectRequest", text: "The request of a first attempt in one dialect, signed now with a secret of nobody's."},
}

var dialectFields = map[string]fieldWords{
	"verifyInput.dialect":       {text: "The dialect, as in tarefa or tarefa/1; left out: that of the key's project, with a root key standard.", minLength: new(1), maxLength: new(50)},
	"verifyInput.secrets":       {text: "Those in force, any of which may match. They are used for this answer alone.", maxItems: new(maxSecretsGiven), maxLength: new(maxSecretText)},
	"verifyInput.endpoint_id":   {text: "An endpoint whose secrets in force are tried, too, after those that are given; needs the scope endpoints:read. What they make of the request is not told.", pattern: wireIDPattern("ep_")},
	"verifyInput.headers":       {text: "The header lines, in the order in which they came.", maxItems: new(maxHeaderLines), always: true},
	"verifyInput.body":          {text: "The raw bytes of the body, at most 1 MiB; left out: it was empty."},
	"verifyInput.body_encoding": {text: "How the body is written here.", enum: []string{encodedText, encodedBase64}, standard: encodedText},
	"verifyInput.received_at":   {text: "When it came in, for the age of a signed time; left out: now."},
	"headerLine.name":           {text: "The name; its case does not count.", maxLength: new(maxName), pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},
	"headerLine.value":          {text: "The value.", maxLength: new(maxHeaderText)},

	"explanationView.ok":            {text: "It is genuine."},
	"explanationView.proof":         {text: "verified: by a signature over the body. authenticated: by a token, which says nothing of the body. null: it is not ok.", enum: []string{string(webhook.Verified), string(webhook.Authenticated)}},
	"explanationView.cause":         {text: "Why it is not ok; null: it is.", enum: causes()},
	"explanationView.detail":        {text: "The same in words; empty: it is ok."},
	"explanationView.dialect":       {text: "The dialect that it was judged by, with its revision."},
	"explanationView.headers":       {text: "The headers that the dialect reads."},
	"explanationView.items":         {text: "What the signature's header holds, in its order; at most 64."},
	"explanationView.time":          {text: "The signed time; null: the dialect signs none, or it could not be read."},
	"explanationView.message":       {text: "The bytes that are signed, part by part, in their order."},
	"explanationView.message_bytes": {text: "How long they are together.", min: new(0)},
	"explanationView.expected":      {text: "What each secret that was sent makes of these bytes."},
	"explanationView.mistakes":      {text: "What was found by trying usual mistakes; what fits stands first."},
	"explanationView.searched":      {text: "Mistakes were searched for: they are where it is not ok and the body has at most 64 KiB."},
	"headerRead.name":               {text: "As the dialect spells it."},
	"headerRead.role":               {text: "What it is for: it carries the signature or the time, or its value is signed.", enum: []string{string(webhook.RoleSignature), string(webhook.RoleTimestamp), string(webhook.RoleSigned)}},
	"headerRead.values":             {text: "As they came; none: it is missing."},
	"itemRead.text":                 {text: "The item, with its prefix."},
	"itemRead.role":                 {text: "unknown: no prefix of the dialect begins it, so it is passed over.", enum: []string{string(webhook.ItemSignature), string(webhook.ItemTimestamp), string(webhook.ItemUnknown)}},
	"itemRead.matches":              {text: "One of the secrets makes it."},
	"timeRead.text":                 {text: "As it came."},
	"timeRead.format":               {text: "How the dialect writes it.", enum: []string{string(webhook.RFC3339), string(webhook.RFC3339Millis), string(webhook.Unix), string(webhook.UnixMillis)}},
	"timeRead.time":                 {text: "The time that it says; null: it is no time of this world."},
	"timeRead.age_seconds":          {text: "By how much it is before received_at; negative: ahead."},
	"timeRead.tolerance_seconds":    {text: "How far it may be off, either way.", min: new(0)},
	"messagePart.kind":              {text: "text: the dialect's own, as in a dot. body_sha256: in hex. secret: not shown.", enum: partKinds()},
	"messagePart.header":            {text: "Of the kind header: its name; else null."},
	"messagePart.offset":            {text: "Where it begins in the signed bytes.", min: new(0)},
	"messagePart.length":            {text: "In bytes.", min: new(0)},
	"messagePart.missing":           {text: "The header is not there, or there more than once."},
	"expectedView.secret":           {text: "Which of the secrets, from 0.", min: new(0)},
	"expectedView.algorithm":        {text: "What it signs with; null: it cannot be used.", enum: algorithms()},
	"expectedView.signature":        {text: "As it would stand in the header; null: a public key makes none, a token is not repeated, or a part is missing."},
	"expectedView.matches":          {text: "The request carries it."},
	"expectedView.problem":          {text: "Why the secret cannot be used in this dialect; empty: it can."},
	"mistakeView.kind":              {text: "What went wrong.", enum: mistakeKinds()},
	"mistakeView.fits":              {text: "It was tried: with it the signature is right. false: no more than a hint."},
	"mistakeView.changes":           {text: "Of the kind body: what the signed body was like."},
	"mistakeView.dialect":           {text: "Of the kind dialect: which one; else null."},
	"mistakeView.header":            {text: "Of the kind header: which one; else null."},

	"renderInput.event_id":  {text: "A stored event.", pattern: wireIDPattern(store.EventName.Prefix)},
	"renderInput.type":      {text: "Of a sample: its type, whose first example is its data where none is sent.", minLength: new(1), maxLength: new(128), pattern: "^[a-zA-Z0-9_.-]+$"},
	"renderInput.data":      {text: "Of a sample: its data."},
	"renderedView.event_id": {text: "The event; null: a sample.", pattern: idPattern(store.EventName.Prefix)},
	"renderedView.type":     {text: "The event's type."},
	"renderedView.dialects": {text: "Each dialect that this server knows, in its newest revision, by name."},
	"renderedInto.dialect":  {text: "The dialect, with its revision."},
	"renderedInto.title":    {text: "Its title."},
	"renderedInto.secret":   {text: "What it is signed with: made for this answer, and no endpoint's."},
	"renderedInto.problem":  {text: "Why the dialect cannot carry the event; empty: it can."},
}

func causes() []string {
	return names(webhook.CauseNoSecret, webhook.CauseMissingHeader, webhook.CauseMalformed, webhook.CauseClock, webhook.CauseSecret, webhook.CauseBody, webhook.CauseMismatch)
}

func partKinds() []string {
	return names(webhook.PartText, webhook.PartHeader, webhook.PartTimestamp, webhook.PartBody, webhook.PartBodySHA256, webhook.PartSecret)
}

func algorithms() []string {
	return names(webhook.HMACSHA256, webhook.HMACSHA512, webhook.HMACSHA1, webhook.SHA256, webhook.Ed25519, webhook.Token)
}

func mistakeKinds() []string {
	return names(webhook.MistakeSpelling, webhook.MistakeBody, webhook.MistakeSecret, webhook.MistakeMessage, webhook.MistakeTimestamp, webhook.MistakeClock, webhook.MistakeDialect, webhook.MistakeHeader)
}

func names[T ~string](all ...T) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = string(one)
	}
	return out
}

var dialectRoutesWords = map[string]routeWords{
	"POST /v1/dialects/preview": {id: "previewDialects", tag: "Dialects", text: "Shows what each dialect makes of one event: headers, body, signature. Nothing is kept or sent.", problems: []int{422}, example: `{"type":"invoice.paid","data":{"invoice":"inv_42","amount":"99.90"}}`},
	"POST /v1/verify":           {id: "verifyRequest", tag: "Dialects", text: "Judges a request that is sent along as a receiver would, and says step by step what was looked at: the headers, the bytes that were signed, what each secret makes of them, and which usual mistake fits. Takes any key, and nothing of it is kept or logged.", problems: []int{422, 429}, example: `{"dialect":"tarefa","secrets":["whsec_abc123def456"],"headers":[{"name":"X-Webhook-Signature","value":"sha256=7d4c…"}],"body":"{\"event\":\"task.completed\"}"}`},
}
