package webhook

import (
	"strings"
	"testing"
)

func TestForbiddenHeaders(t *testing.T) {
	t.Parallel()
	n := 0
	for size, names := range forbidden {
		for _, name := range names {
			n++
			if len(name) != size {
				t.Errorf("%s stands at %d", name, size)
			}
			if !ForbiddenHeader(name) || !ForbiddenHeader(strings.ToLower(name)) || !Standard().ReservedHeader(strings.ToUpper(name)) {
				t.Errorf("%s may be set", name)
			}
			file := strings.Replace(string(Standard().Source()), `"User-Agent"`, `"`+name+`"`, 1)
			if _, err := ParseDialect("x.json", []byte(file)); err == nil {
				t.Errorf("a dialect may set %s", name)
			}
		}
	}
	if n != 17 {
		t.Errorf("%d names", n)
	}
	for _, name := range []string{"", "X", "Hosts", "User-Agent", "Authorization", "X-Accept-Encoding", strings.Repeat("x", 100)} {
		if ForbiddenHeader(name) {
			t.Errorf("%q may not be set", name)
		}
	}
}

func TestHeaderNames(t *testing.T) {
	t.Parallel()
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		name := "X" + string([]byte{byte(c)})
		if got, want := ValidHeaderName(name), strings.IndexByte(token, byte(c)) >= 0; got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	if ValidHeaderName("") {
		t.Error("an empty name passes")
	}
}
