package api

import "fmt"

// note is what holds for many routes, in short.
type note struct{ Name, Text string }

// documentNotes are those of the native API.
func documentNotes() []note {
	return []note{
		{"Keys", "Each request carries a key: Authorization: Bearer mlt_…. A root key makes projects and their keys, and nothing else; a project's key does what its scopes say in its project; " +
			"a key of one consumer, or a portal session's token, sees and changes what is that consumer's. GET /v1/me says what a key may do."},
		{"Ids", "Opaque texts with a prefix that says of what: prj_, key_, con_, ep_, evt_, dlv_, rpl_, ses_, lnk_, typ_. In paths and filters the prefix may be left out, and the UUID that a receiver " +
			"sees on the wire is taken, too. An id of another project is answered as one that does not exist. Consumers go by your own id for them, the uid."},
		{"Times", "RFC 3339 in UTC: 2026-01-31T09:30:00.000Z."},
		{"Pages", fmt.Sprintf("A list is {\"data\":[…],\"next_cursor\":…}. Send next_cursor back as cursor, with the same filters, until it is null. limit is 1 to %d, %d where it is left out. "+
			"A page may be shorter than the limit, even empty, while there is a next one.", maxLimit, defaultLimit)},
		{"Repeating", "With the header Idempotency-Key (1 to 256 printable ASCII characters) a request that makes something is safe to repeat for 24 hours: the same key with the same body makes nothing new and gets " +
			"the first answer again, with the secret that was shown in it; with another body it is a 409. Routes that take it name it among their parameters. After a 5xx, or no answer, repeat with the same key."},
		{"Problems", "What is no success is application/problem+json (RFC 9457): type says the kind, detail what is wrong, errors where (pointer: a JSON pointer into the body, parameter, or header), fix what to do about it. " +
			"With Accept-Language: pt-BR the words are Portuguese. request_id is also the header X-Request-Id, and in the server's log."},
	}
}
