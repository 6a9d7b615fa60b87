package main

import (
	"context"
	"fmt"

	"github.com/malote-dev/malote/client"
)

type mailCmd struct {
	Test mailTestCmd `cmd:"" help:"Send a mail now, to try the server's settings (root key)."`
}

type mailTestCmd struct {
	remote
	To       string `required:"" placeholder:"ADDRESS" help:"Whom to write to."`
	Language string `placeholder:"TAG" help:"Language of the mail: en or pt-BR."`
}

// Run sends one; that the relay does not take it is a failure.
func (m *mailTestCmd) Run(c *console) error {
	var got *client.MailTested
	err := ask(&m.remote, c, func(ctx context.Context, api *client.Client) (_ *client.MailTested, err error) {
		got, err = api.TestMail(ctx, m.To, m.Language)
		return got, err
	}, func(got *client.MailTested) {
		if got.Sent {
			fmt.Fprintf(c.out, "The relay took a mail to %s.\n", m.To)
		}
	})
	if err == nil && !got.Sent {
		return &failure{what: "the relay did not take the mail: " + got.Detail, fix: "compare --smtp-url and --mail-from of the server with what the relay asks for", code: exitFailure}
	}
	return err
}
