package store_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

func TestCheckEmail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a.", 120) + "aa@example.com" // 254 characters
	for _, good := range []string{
		"ana@example.com", "Ana.Maria+webhooks@mail.Example.com", "o'neil@example.co", "a@b.c1", "1@2.x", "x@xn--exmple-cua.com",
		"!#$%&'*+-/=?^_`{|}~@example.com", long,
	} {
		if m := store.CheckEmail(good); !m.IsZero() {
			t.Errorf("%s: %s", good, m)
		}
		if a, err := mail.ParseAddress(good); err != nil || a.Address != good {
			t.Errorf("%s is no address elsewhere: %v", good, err)
		}
	}
	for bad, why := range map[string]string{
		"":                                   "is empty",
		"ana":                                "is not a mail address",
		"@example.com":                       "is not a mail address",
		"ana@":                               "is not a mail address",
		"ana@localhost":                      "no host name",
		"ana@10.0.0.1":                       "no host name",
		"ana@[10.0.0.1]":                     "no host name",
		"ana@example..com":                   "no host name",
		"ana@-example.com":                   "no host name",
		"ana@example.com.":                   "no host name",
		"ana@example.com\r\nBcc: b@evil.com": "no host name",
		"ana@example.com, b@example.com":     "no host name",
		"Ana <ana@example.com>":              "before the @",
		"a..b@example.com":                   "before the @",
		".a@example.com":                     "before the @",
		`"a b"@example.com`:                  "before the @",
		"a\nb@example.com":                   "before the @",
		"a\x00@example.com":                  "before the @",
		"jos\u00e9@example.com":              "ASCII",
		"a" + long:                           "254",
	} {
		if m := store.CheckEmail(bad); !strings.Contains(m.String(), why) {
			t.Errorf("%q: %q, want %q", bad, m, why)
		}
	}
}
