package webhook

import "strings"

// forbidden are the headers that frame the message, belong to the connection,
// or change how a request is sent, by the length of their names: a request
// with Idempotency-Key may be sent again by what stands between sender and
// receiver, Accept-Encoding asks for bodies that are not inflated.
var forbidden = [20][]string{
	2:  {"TE"},
	4:  {"Host"},
	6:  {"Expect"},
	7:  {"Trailer", "Upgrade"},
	10: {"Connection", "Keep-Alive"},
	12: {"Content-Type"},
	14: {"Content-Length"},
	15: {"Accept-Encoding", "Idempotency-Key"},
	16: {"Content-Encoding", "Proxy-Connection"},
	17: {"Transfer-Encoding", "X-Idempotency-Key"},
	18: {"Proxy-Authenticate"},
	19: {"Proxy-Authorization"},
}

// ForbiddenHeader reports whether a header is the sender's alone, so that
// neither a dialect nor an endpoint may set it: it frames the message,
// belongs to the connection, or changes how a request is sent. Content-Type is
// one: a dialect names it in a field of its own.
func ForbiddenHeader(name string) bool {
	if len(name) >= len(forbidden) {
		return false
	}
	for _, f := range forbidden[len(name)] {
		if strings.EqualFold(f, name) {
			return true
		}
	}
	return false
}

// ValidHeaderName reports whether s can be the name of a header: a token of
// RFC 9110 (section 5.6.2).
func ValidHeaderName(s string) bool {
	for i := range len(s) {
		if !tokenChar[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenChar = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()
