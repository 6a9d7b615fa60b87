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
	"endpointView.emails":  {text: "Who is told by mail when it fails; null: its consumer's addresses."},
}
