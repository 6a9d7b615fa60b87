package store

import (
	"encoding/json"
	"strings"

	"github.com/malote-dev/malote/internal/lang"
)

// MaxEmails is how many addresses a project, a consumer or an endpoint has.
const MaxEmails = 5

// MaxEmail is how long a mail address is at most (RFC 5321, 4.5.3.1.3, without
// its brackets).
const MaxEmail = 254

// emailAtoms are the characters of a local part beside letters, digits and dots.
const emailAtoms = "!#$%&'*+-/=?^_`{|}~"

// CheckEmail says what is wrong with a mail address; zero: nothing. It takes
// what is in use, which is less than RFC 5321 allows: no quotes, no comments,
// no addresses in place of a host name. What it takes needs no escaping in a header.
func CheckEmail(s string) lang.Message {
	local, host, ok := strings.Cut(s, "@")
	switch {
	case s == "":
		return lang.Text("is empty; write an address, as in ana@example.com")
	case strings.IndexFunc(s, func(r rune) bool { return r > '~' }) >= 0:
		return lang.Text("holds a character that is not ASCII; write the host name in its xn-- form")
	case !ok || local == "" || host == "":
		return lang.Text("is not a mail address; write one, as in ana@example.com")
	case len(s) > MaxEmail:
		return lang.Text("has more than %d characters", MaxEmail)
	case !isDotAtom(local):
		return lang.Text("has something before the @ that no mail address has")
	case !isMailHost(host):
		return lang.Text("has no host name behind the @; write it as in ana@example.com")
	}
	return lang.Message{}
}

func isDotAtom(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.Trim(part, lettersDigits+emailAtoms) != "" {
			return false
		}
	}
	return true
}

const (
	letters       = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lettersDigits = letters + "0123456789"
)

// isMailHost wants two labels at least, the last of which begins with a
// letter: an address of a machine is no host of mail.
func isMailHost(s string) bool {
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, lettersDigits+"-") != "" || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
	}
	return len(labels) > 1 && strings.IndexByte(letters, labels[len(labels)-1][0]) >= 0
}

// emailsText is how addresses are kept; without any, as nothing.
func emailsText(emails []string) string {
	if len(emails) == 0 {
		return ""
	}
	b, _ := json.Marshal(emails) // strings always encode
	return string(b)
}

// emailsOf reads them; what does not decode is nobody's.
func emailsOf(text string) (emails []string) {
	if text != "" && json.Unmarshal([]byte(text), &emails) != nil {
		return nil
	}
	return emails
}
