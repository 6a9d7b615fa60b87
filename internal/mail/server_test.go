package mail

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/secret"
)

func TestParseServer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Server{
		"smtp://mail.example.com":                       {Host: "mail.example.com", Port: 587},
		"smtp://u:p@mail.example.com:2525/":             {Host: "mail.example.com", Port: 2525, User: "u", Password: "p"},
		"SMTPS://a%40b.example:p%2F%40%3A@mail.Example": {Host: "mail.example", Port: 465, Security: TLS, User: "a@b.example", Password: "p/@:"},
		"smtp+insecure://10.0.0.5":                      {Host: "10.0.0.5", Port: 25, Security: Insecure},
		"smtp://localhost:1025":                         {Host: "localhost", Port: 1025, Security: Insecure},
		"smtp://127.0.0.1:1025":                         {Host: "127.0.0.1", Port: 1025, Security: Insecure},
		"smtp://[::1]:1025":                             {Host: "::1", Port: 1025, Security: Insecure},
		"smtp://mailpit.localhost":                      {Host: "mailpit.localhost", Port: 587, Security: Insecure},
		"smtps://localhost":                             {Host: "localhost", Port: 465, Security: TLS},
		"smtp://[2001:db8::1]:587":                      {Host: "2001:db8::1", Port: 587},
		"smtp://localhost.example.com":                  {Host: "localhost.example.com", Port: 587},
	} {
		got, err := ParseServer(secret.Text(text))
		if err != nil || *got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	const canary = "canary"
	for text, want := range map[string]error{
		"mail.example.com:587":                    errScheme,
		"http://u:canary@mail.example.com":        errScheme,
		"":                                        errScheme,
		"smtp://":                                 errHost,
		"smtp://u:canary@":                        errHost,
		"smtp://u:canary@mail.example.com:0":      errPort,
		"smtp://u:canary@mail.example.com:":       errPort,
		"smtp://u:canary@mail.example.com:99999":  errPort,
		"smtp://u:canary@mail.example.com:x":      errNotURL,
		"smtp://u:can%zzary@mail.example.com":     errNotURL,
		"smtp://canary@mail.example.com":          errPassword,
		"smtp://canary:@mail.example.com":         errPassword,
		"smtp://:canary@mail.example.com":         errPassword,
		"smtp://u:canary@mail.example.com/path":   errMore,
		"smtp://u:canary@mail.example.com?tls=no": errMore,
		"smtp://u:canary@mail.example.com#x":      errMore,
		"smtp:u:canary@mail.example.com":          errHost,
	} {
		got, err := ParseServer(secret.Text(text))
		if !errors.Is(err, want) || got != nil {
			t.Errorf("%s: %+v, %v, want %v", text, got, err, want)
		}
		if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, canary) {
			t.Errorf("%s is shown: %s", text, s)
		}
	}
}
