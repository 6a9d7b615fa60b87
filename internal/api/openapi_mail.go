package api

import (
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Words of what is told by mail.

// emailForm is what [store.CheckEmail] takes, but for the lengths of its parts.
const emailForm = "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"

func emailsWords(text string) fieldWords {
	return fieldWords{text: text, maxItems: new(store.MaxEmails), minLength: new(3), maxLength: new(store.MaxEmail), pattern: emailForm}
}

var mailFields = map[string]fieldWords{
	"projectInput.emails":    emailsWords("The operator's addresses, which are told of every endpoint that fails."),
	"projectInput.language":  {text: "The language of mails; null: the server's.", enum: lang.Tags()},
	"projectChange.emails":   emailsWords("The operator's addresses, which are told of every endpoint that fails; null: none."),
	"projectChange.language": {text: "The language of mails; null: the server's.", enum: lang.Tags()},
	"projectView.emails":     {text: "The operator's addresses, which are told of every endpoint that fails."},
	"projectView.language":   {text: "The language of mails; null: the server's.", enum: lang.Tags()},

	"consumerInput.emails":   emailsWords("Who is told by mail when its endpoints fail; null: nobody."),
	"consumerInput.language": {text: "The language of mails; null: the project's.", enum: lang.Tags()},
	"consumerView.emails":    {text: "Who is told by mail when its endpoints fail."},
	"consumerView.language":  {text: "The language of mails; null: the project's.", enum: lang.Tags()},

	"endpointInput.emails": emailsWords("Who is told by mail when it fails; null: its consumer's addresses, none at all: nobody."),
	"mailTest.to":          {text: "Whom to write to.", minLength: new(3), maxLength: new(store.MaxEmail), pattern: emailForm},
	"mailTest.language":    {text: "The language of the mail; null: that of the request.", enum: lang.Tags()},
	"mailTested.sent":      {text: "Whether the relay took it."},
	"mailTested.detail":    {text: "Why not, as the relay or the connection to it says it; empty: it did."},
	"endpointView.emails":  {text: "Who is told by mail when it fails; null: its consumer's addresses."},
}

var mailTypes = map[string]typeWords{
	"mailTest":   {name: "MailTest", text: "A mail to try the settings with.", required: []string{"to"}},
	"mailTested": {name: "MailTested", text: "What came of it."},
}

var mailRoutesWords = map[string]routeWords{
	"POST /v1/mail/test":    {id: "testMail", tag: "Server", text: "Whether the relay took it is the answer, either way.", problems: []int{409, 422, 429}, example: `{"to":"ana@example.com"}`},
	"GET /m/{token}":        {id: "showMailbox", tag: "Server", text: "A page that says what an address is told, and changes nothing: programs may look at it.", problems: []int{429, 503}, media: "text/html", pages: true},
	"POST /m/{token}":       {id: "stopMails", tag: "Server", text: "What the page's button does, and that of a mail program (RFC 8058): nothing more is mailed to the address, for this project.", problems: []int{429, 503}, media: "text/html", pages: true},
	"POST /m/{token}/start": {id: "startMails", tag: "Server", text: "The other way.", problems: []int{429, 503}, media: "text/html", pages: true},
}
