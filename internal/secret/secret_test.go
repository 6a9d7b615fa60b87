package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/secret"
)

const canary = "whsec_canary"

// Not constant: vet finds what is wrong with a constant one.
var (
	noVerb     = "no verb"
	wrongVerbs = "%d %x %X %t %e %c %U %10s %-5v %[3]*.[2]*[1]f|%!|%z"
)

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
		fmt.Sprintf(wrongVerbs, s, s, s, s, s, s, s, s, s),
		fmt.Sprintf("%d", []secret.Text{s}), fmt.Sprintf("%v", map[string]secret.Text{"a": s}), fmt.Sprint(&s), fmt.Errorf("x: %v", s).Error(),
		fmt.Sprintf(noVerb, s),
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

func TestTextIsNotEncodedNorStored(t *testing.T) {
	t.Parallel()
	s := secret.Text(canary)
	if _, err := s.Value(); !errors.Is(err, secret.ErrPlain) {
		t.Errorf("%v", err)
	}
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(s); err != nil || bytes.Contains(out.Bytes(), []byte(canary)) {
		t.Errorf("%v %q", err, out.Bytes())
	}
	type document struct{ S secret.Text }
	x, err := xml.Marshal(document{s})
	if err != nil || bytes.Contains(x, []byte(canary)) {
		t.Errorf("%v %s", err, x)
	}
}

func TestErrorsHoldNoKey(t *testing.T) {
	t.Parallel()
	key := secret.NewMasterKey()
	for _, bad := range []string{key[:len(key)-4], key + "AAAA", "x" + key[1:] + "=", key + " " + key} {
		_, err := secret.NewKeyring(secret.NewMasterKey(), bad)
		if err == nil || strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), "2 of 2") {
			t.Errorf("%v", err)
		}
	}
	if _, err := secret.NewKeyring("  " + key + "\n"); err != nil {
		t.Errorf("a key with a newline, as read from a file: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add([]byte{1, 2, 3, 4, 5})
	good := ring.Seal([]byte(canary), "p")
	f.Add(good)
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := ring.Open(sealed, "p")
		if err == nil && !bytes.Equal(sealed, good) {
			t.Fatalf("%x opens as %q", sealed, plain)
		}
		ring.Current(sealed)
	})
}
