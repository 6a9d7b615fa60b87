package secret_test

import (
	"context"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/secret"
)

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := secret.NewPasswords(1)
	hash, err := p.Hash(t.Context(), "correct horse battery")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=47104,t=1,p=1$") {
		t.Fatalf("%q, %v", hash, err)
	}
	again, err := p.Hash(t.Context(), "correct horse battery")
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are the same, or %v", err)
	}
	for _, c := range []struct {
		password secret.Text
		hash     string
		want     bool
	}{
		{"correct horse battery", hash, true},
		{"correct horse battery", again, true},
		{"correct horse batterz", hash, false},
		{"", hash, false},
		{"correct horse battery", "", false},
		{"", "", false},
		{"correct horse battery", hash[:len(hash)-1], false},
		{"correct horse battery", strings.Replace(hash, "argon2id", "argon2i", 1), false},
		{"correct horse battery", strings.Replace(hash, "m=47104", "m=4294967295", 1), false},
		{"correct horse battery", strings.Replace(hash, "t=1", "t=0", 1), false},
		{"correct horse battery", hash[:strings.LastIndexByte(hash, '$')+1], false},
	} {
		if got, err := p.Same(t.Context(), c.password, c.hash); got != c.want || err != nil {
			t.Errorf("%q, %q: %v, %v", c.password.Reveal(), c.hash, got, err)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	full := secret.NewPasswords(0) // nobody's turn comes
	if same, err := full.Same(over, "x", hash); same || err == nil {
		t.Error("a hash was made without a turn")
	}
}
