package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/secret"
)

const canary = "whsec_canary"

func TestTextIsNeverPrinted(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	s := secret.Text(canary)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", s, "in", struct{ S secret.Text }{s})
	asJSON, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		logged.String(), string(asJSON),
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%+v", struct{ S secret.Text }{s}),
	} {
		if strings.Contains(out, canary) {
			t.Errorf("secret printed: %s", out)
		}
	}
	if s.Reveal() != canary {
		t.Error("Reveal lost the value")
	}
}

func TestSealOpen(t *testing.T) {
	t.Parallel()
	oldKey, newKey := secret.NewMasterKey(), secret.NewMasterKey()
	before, err := secret.NewKeyring(oldKey)
	if err != nil {
		t.Fatal(err)
	}
	both, err := secret.NewKeyring(newKey, oldKey)
	if err != nil {
		t.Fatal(err)
	}
	after, err := secret.NewKeyring(newKey)
	if err != nil {
		t.Fatal(err)
	}

	sealed := before.Seal([]byte(canary), "endpoints/1/secret")
	if bytes.Contains(sealed, []byte(canary)) {
		t.Fatal("ciphertext holds the secret")
	}
	if plain, err := both.Open(sealed, "endpoints/1/secret"); err != nil || string(plain) != canary {
		t.Fatalf("old key in the ring: %q, %v", plain, err)
	}
	if both.Current(sealed) || !before.Current(sealed) {
		t.Error("Current does not tell the first key from the others")
	}
	if _, err := before.Open(sealed, "endpoints/2/secret"); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("swapped row: %v", err)
	}
	if _, err := after.Open(sealed, "endpoints/1/secret"); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("without the old key: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := before.Open(changed, "endpoints/1/secret"); err == nil {
			t.Fatalf("byte %d changed, still opens", i)
		}
	}
	for n := range sealed {
		if _, err := before.Open(sealed[:n], "endpoints/1/secret"); err == nil {
			t.Fatalf("cut to %d bytes, still opens", n)
		}
	}
}

func TestKeyringRefusesBadKeys(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "changeme", "c2hvcnQ=", strings.Repeat("!", 44)} {
		if _, err := secret.NewKeyring(bad); !errors.Is(err, secret.ErrKey) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
