package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/mail"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// SMTPURL is the URL of the mail relay, given directly or as the first line of
// a file. Errors: [*Problem].
func SMTPURL(direct, file string) (secret.Text, error) {
	return secretURL("smtp-url", "the URL of the mail relay", direct, file)
}

// secretURL is a URL that may hold a password, of an option that has one with
// -file beside it.
func secretURL(option, what, direct, file string) (secret.Text, error) {
	switch {
	case file == "":
		return secret.Text(direct), nil
	case direct != "":
		return "", &Problem{What: "--" + option + " and --" + option + "-file exclude each other", Fix: "pass one of them; a file is safer"}
	}
	text, err := readLine(file)
	if err != nil {
		p := wrongOption(option+"-file", file, err.Error(), "name a file with "+what+" in its first line")
		p.Err = err
		return "", p
	}
	return secret.Text(text), nil
}

func readLine(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 8<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", errors.New("the file's first line is empty")
	}
	return line, nil
}

const smtpForm = "write smtp://user:password@mail.example.com:587, or smtps:// for TLS from the first byte on; percent-encode what is reserved in a URL"

func checkMail(o *Options) *Problem {
	if o.SMTP == "" {
		if o.MailFrom != "" {
			return wrongOption("mail-from", o.MailFrom, "needs --smtp-url beside it", "name the mail relay with --smtp-url, or leave it out to mail nothing")
		}
	} else if _, err := mail.ParseServer(o.SMTP); err != nil {
		return &Problem{What: "--smtp-url: " + err.Error(), Fix: smtpForm}
	} else if o.MailFrom == "" {
		return &Problem{What: "--mail-from is missing: it says who mails are from", Fix: "add for example --mail-from 'Shop <webhooks@shop.example.com>'"}
	}
	if _, err := mail.ParseSender(o.MailFrom); err != nil && o.MailFrom != "" {
		return wrongOption("mail-from", o.MailFrom, err.Error(), "write for example 'Shop <webhooks@shop.example.com>'")
	}
	if _, ok := lang.Tagged(o.MailLanguage); !ok {
		return wrongOption("mail-language", o.MailLanguage, "is no language of mails", "choose from "+strings.Join(lang.Tags(), " and "))
	}
	return nil
}

// newMailer makes the mailer of valid options; nil: nothing is mailed.
func newMailer(o *Options, db *store.DB, log *slog.Logger, metrics prometheus.Registerer) *mail.Mailer {
	if o.SMTP == "" {
		return nil
	}
	server, _ := mail.ParseServer(o.SMTP)   // it was checked
	from, _ := mail.ParseSender(o.MailFrom) // the same
	in, _ := lang.Tagged(o.MailLanguage)    // the same
	return mail.New(mail.Options{
		Store: db, Server: server, Relay: server.Relay(), From: from, Language: in, PublicURL: o.PublicURL, Logger: log, Metrics: metrics,
	})
}

// testMail is how the API tries the mailer; nil: there is none.
func testMail(m *mail.Mailer) func(ctx context.Context, to string, in lang.Language) error {
	if m == nil {
		return nil
	}
	return m.Test
}
