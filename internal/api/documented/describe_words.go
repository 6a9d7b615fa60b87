package documented

import (
	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/store"
)

var gabinete360Words = words{
	title: "Gabinete360: channels", keyForm: "argos_ak_live_…",
	text: "Channels of the type webhook. A channel gets every event of its customer.",
	calls: map[string]callWords{
		"POST /api/v1/channels": {
			id: "createChannel", summary: "Create a channel", problems: []int{409},
			text: "The answer† is the only one that shows the secret.",
			in: api.TypeWords{Name: "ChannelCreate", Text: "A new channel.", Required: []string{"type", "name", "config"}, Within: map[string]api.TypeWords{
				"config": {Name: "ChannelConfigCreate", Text: "Where its deliveries go.", Required: []string{"url"}},
			}},
			example: `{"type":"webhook","name":"Alerts","config":{"type":"webhook","url":"https://example.com/hooks","secret":"a-long-random-string"}}`,
		},
		"GET /api/v1/channels":      {id: "listChannels", summary: "List the channels", text: "Newest first."},
		"GET /api/v1/channels/{id}": {id: "getChannel", summary: "Read a channel", problems: []int{404}},
		"PUT /api/v1/channels/{id}": {
			id: "updateChannel", summary: "Change a channel", problems: []int{404}, text: "Changes only what it names. A new secret signs at once.",
			in: api.TypeWords{Name: "ChannelChange", Text: "What to change.", Required: []string{}, Within: map[string]api.TypeWords{
				"config": {Name: "ChannelConfigChange", Text: "Where its deliveries go.", Required: []string{}},
			}},
			example: `{"name":"Alerts, renamed","enabled":false}`,
		},
		"DELETE /api/v1/channels/{id}": {id: "deleteChannel", summary: "Delete a channel", problems: []int{404}},
	},
	types: map[string]api.TypeWords{
		"channel":       {Name: "Channel", Text: "A channel.†"},
		"channelConfig": {Name: "ChannelConfig", Text: "Where its deliveries go."},
		"channels":      {Name: "Channels", Text: "All of the customer's channels."},
	},
	fields: map[string]api.FieldWords{
		".type": {Text: "Always webhook.", Enum: []string{channelType}}, ".name": nameWords, ".config": {Text: "Where its deliveries go."},
		".url": urlWords, ".secret": secretWords, "ChannelChange.name": newNameWords, "ChannelConfigChange.secret": newSecretWords,
		"channelConfig.secret": {Text: "What signs the deliveries; only in the answer to the call that makes the channel.†"},
		".enabled":             {Text: "Whether it sends.†"}, ".id": {Text: "The channel's id: a UUID, or the one that it brought along.†", Pattern: api.WireIDForm},
		".failureCount": countWords, ".createdAt": createdWords, ".channels": {Text: "The channels."},
	},
	parameters: map[string]api.FieldWords{"id": {Text: "The channel's id."}},
}

var placaflowWords = words{
	title: "PlacaFlow: webhooks", keyForm: "pk_…",
	text: "Webhooks with their own headers. Lists show their secrets.",
	calls: map[string]callWords{
		"GET /api/webhooks": {id: "listWebhooks", summary: "List the webhooks", text: "Newest first."},
		"POST /api/webhooks": {
			id: "createWebhook", summary: "Create a webhook", problems: []int{409},
			in:      api.TypeWords{Name: "WebhookCreate", Text: "A new webhook.", Required: []string{"name", "url", "events"}},
			example: `{"name":"Portaria","url":"https://example.com/webhooks/placas","events":["alert.triggered"]}`,
		},
		"GET /api/webhooks/{id}": {id: "getWebhook", summary: "Read a webhook", problems: []int{404}},
		"PUT /api/webhooks/{id}": {
			id: "updateWebhook", summary: "Change a webhook", problems: []int{404},
			text:    "Changes only what it names†, but headers as a whole†. A new secret signs at once†. The answer is ours†.",
			in:      api.TypeWords{Name: "WebhookChange", Text: "What to change.", Required: []string{}},
			example: `{"url":"https://example.com/novo","enabled":true}`,
		},
		"DELETE /api/webhooks/{id}": {id: "deleteWebhook", summary: "Delete a webhook", problems: []int{404}, text: "The answer is ours†."},
	},
	types: map[string]api.TypeWords{
		"placaflowWebhook": {Name: "Webhook", Text: "A webhook."},
		"placaflowOne":     {Name: "OneWebhook", Text: "One webhook."},
		"placaflowMany":    {Name: "Webhooks", Text: "All of the customer's webhooks."},
	},
	fields: map[string]api.FieldWords{
		".id": {Text: "The webhook's id: a UUID, or the one that it brought along.", Pattern: api.WireIDForm}, ".name": nameWords, ".url": urlWords, ".secret": secretWords,
		"WebhookChange.name": newNameWords, "WebhookChange.secret": newSecretWords, "placaflowWebhook.secret": {Text: "What signs the deliveries."},
		".enabled": {Text: "Whether it sends; true where a create does not say."}, ".events": eventsWords,
		".headers": {Text: "Sent with every delivery; at most 32, of 8 KiB in all.", MaxItems: new(32),
			Names: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$", Values: `^([!-~]([\t -~]*[!-~])?)?$`,
		},
		".failureCount": {Text: "Attempts that failed since one that succeeded.†", Min: new(0)}, ".createdAt": createdWords,
		".lastDeliveryAt":     {Text: "When the last attempt began; null: there was none."},
		".lastDeliveryStatus": {Text: "The HTTP status of the last attempt; null: no answer came, or there was none.", Min: new(100), Max: new(999)},
		".webhook":            {Text: "The webhook."}, ".webhooks": {Text: "The webhooks."},
	},
	parameters: map[string]api.FieldWords{"id": {Text: "The webhook's id."}},
}

var tarefaWords = words{
	title: "Tarefa AI: webhooks", keyForm: "A bearer token.",
	text: "Webhooks of numbered users, each with an address that takes events in.",
	calls: map[string]callWords{
		"POST /api/webhooks": {
			id: "createWebhook", summary: "Create a webhook", text: "The answer is the only one that shows the secret. A user's eleventh is refused†.", problems: []int{409},
			in:      api.TypeWords{Name: "WebhookCreate", Text: "A new webhook.", Required: []string{"url", "events"}},
			example: `{"url":"https://example.com/webhook","events":["task.completed","task.failed"],"description":"Production"}`,
		},
		"GET /api/webhooks":      {id: "listWebhooks", summary: "List the webhooks", text: "Newest first."},
		"GET /api/webhooks/{id}": {id: "getWebhook", summary: "Read a webhook", problems: []int{404}},
		"PUT /api/webhooks/{id}": {
			id: "updateWebhook", summary: "Change a webhook", text: "Changes only what it names.", problems: []int{404},
			in:      api.TypeWords{Name: "WebhookChange", Text: "What to change.", Required: []string{}},
			example: `{"events":["task.*"],"isActive":true}`,
		},
		"DELETE /api/webhooks/{id}": {id: "deleteWebhook", summary: "Delete a webhook", problems: []int{404}},
		"POST /api/webhooks/{id}/test": {
			id: "testWebhook", summary: "Send a test", text: "Sends the event test, signed like any delivery; one a second†. The answer is ours†.", problems: []int{404, 429},
		},
		"GET /api/webhooks/{id}/logs": {id: "listLogs", summary: "Read the log", text: "A record is one attempt; the newest delivery comes first.", problems: []int{404}},
		"GET /api/webhooks/{userId}/{secret}": {
			id: "checkAddress", summary: "Ask whether the address is there", text: "Takes no key: the secret in the path is one.", problems: []int{404},
		},
		"POST /api/webhooks/{userId}/{secret}": {
			id: "receiveEvent", summary: "Send an event in", large: true, problems: []int{404, 429}, headers: []string{"X-Webhook-Signature"},
			text:    "Takes no key, but the signature of the webhook's secret. The same type, timestamp and data twice are one event. The body may be as large as an event.",
			in:      api.TypeWords{Name: "InboundEvent", Text: "An event of this contract.", Required: []string{"event", "data"}},
			example: `{"event":"task.completed","timestamp":"2026-01-31T09:30:00.000Z","webhookId":"wh_01m8","userId":123,"data":{"task":{"id":456}}}`,
		},
	},
	types: map[string]api.TypeWords{
		"tarefaCreated": {Name: "CreatedWebhook", Text: "A webhook as it is made, with its secret."}, "tarefaMade": {Name: "Created", Text: "A webhook was made."},
		"tarefaWebhook": {Name: "Webhook", Text: "A webhook.†"}, "tarefaOne": {Name: "OneWebhook", Text: "One webhook.†"},
		"tarefaMany": {Name: "Webhooks", Text: "All of the user's webhooks.†"}, "tarefaDone": {Name: "Done", Text: "It was done.†"},
		"tarefaTested": {Name: "TestSent", Text: "The test is on its way.†"}, "tarefaLog": {Name: "LogRecord", Text: "One attempt."},
		"tarefaLogs": {Name: "Logs", Text: "A part of the log."}, "tarefaPage": {Name: "Pagination", Text: "Which part."},
		"tarefaHealth": {Name: "Address", Text: "The address is there."}, "tarefaReceived": {Name: "Received", Text: "The event is kept.†"},
	},
	fields: map[string]api.FieldWords{
		".id": {Text: "The webhook's id.", Pattern: api.WireIDForm}, ".url": urlWords, ".events": eventsWords, ".webhookId": {Text: "The webhook's id.", Pattern: api.WireIDForm},
		"tarefaLog.url": {Text: "The webhook's present URL.", Format: "uri"},
		".userId":       {Text: "The user's number."}, "tarefaHealth.userId": {Text: "The user's number, as a string."},
		".secret":      {Text: "What signs the deliveries; made by the server.", Pattern: "^.{8,256}$"},
		".description": {Text: "For people.", MaxLength: new(1000), Pattern: plainForm},
		".isActive":    {Text: "Whether it sends."}, ".createdAt": createdWords,
		".failedAt": {Text: "Since when it is marked failed; null: it is not.†"},
		".success":  {Text: "Whether it worked."}, ".webhook": {Text: "The webhook."}, ".webhooks": {Text: "The webhooks."},
		"tarefaTested.message": {Text: "What was done."}, "tarefaHealth.message": {Text: "That it is active."},
		".acceptedEvents": {Text: "The event types that it takes."}, ".received": {Text: "Always true."}, ".processedAt": {Text: "When it was kept.", Never: true},
		"tarefaLog.id":  {Text: "The record's id; from the second attempt on with the attempt's number.", Pattern: "^delivery_" + ulidForm + "(_[0-9]+)?$"},
		".event":        {Text: "The event's type.", MaxLength: new(128), MinLength: new(1)},
		".statusCode":   {Text: "The HTTP status; null: no answer came.", Min: new(100), Max: new(999)},
		".responseTime": {Text: "Milliseconds.", Min: new(0)}, ".attempt": {Text: "Counts from 1.", Min: new(1)}, ".timestamp": {Text: "When it began.", Never: true},
		"inboundEvent.timestamp": {Text: "When it happened, from 2000 to a day from now; left out: now, and the event cannot be told from another like it."},
		".data":                  {Text: "Any JSON value, nested at most 128 deep; its bytes are kept."},
		".logs":                  {Text: "The records."}, ".pagination": {Text: "Which part of the log this is."},
		".total":  {Text: "How many records there are.", Min: new(0)},
		".limit":  {Text: "How many records a part has.", Min: new(1), Max: new(maxLogs)},
		".offset": {Text: "How many records came before.", Min: new(0), Max: new(store.MaxLogOffset)},
	},
	parameters: map[string]api.FieldWords{
		"id": {Text: "The webhook's id."}, "userId": {Text: "The user's number."},
		"secret":              {Text: "The wh_… secret of the address; neither the id nor the signing secret."},
		"limit":               {Text: "How many records; more than 100 is taken as 100.", Min: new(1), Default: defaultLogs},
		"offset":              {Text: "How many records to pass over.", Min: new(0), Max: new(store.MaxLogOffset), Default: 0},
		"X-Webhook-Signature": {Text: "sha256= and the HMAC-SHA256 of the body in hex, with the webhook's secret.", Pattern: "^sha256=[0-9a-f]{64}$"},
	},
}
