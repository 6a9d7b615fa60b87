package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExpiryTakesBothForms: how long, and until when.
func TestExpiryTakesBothForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"10m": now.Add(10 * time.Minute), "7d": now.Add(7 * 24 * time.Hour), "2026-01-31T13:00:00Z": now.Add(time.Hour), "2026-02-01": now.Add(12 * time.Hour),
	} {
		var e expiry
		if err := e.UnmarshalText([]byte(in)); err != nil || !e.when(now).Equal(want) || e.seconds(now) != int(want.Sub(now)/time.Second) {
			t.Errorf("%s: %v %v %d, want %v", in, err, e.when(now), e.seconds(now), want)
		}
	}
	for _, in := range []string{"", "0", "-1h", "soon", "2026-13-01"} {
		var e expiry
		if err := e.UnmarshalText([]byte(in)); err == nil || !strings.Contains(err.Error(), "7d or 2026-01-31T12:00:00Z") {
			t.Errorf("%q: %v", in, err)
		}
	}
	var none expiry
	if !none.when(now).IsZero() {
		t.Error(none.when(now))
	}
	past := expiry{at: moment{now.Add(-time.Hour)}}
	if past.seconds(now) != 1 {
		t.Error(past.seconds(now))
	}
}

// TestExpiresFromTheShell: each command that has --expires takes both forms.
func TestExpiresFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	project := text(t, s.object(key, "whoami")["project"].(map[string]any), "id")
	endpoint := text(t, s.object(key, "endpoint", "create", "--consumer", "acme", "--to", "https://example.com/", "--event-types", "*"), "id")
	begun := time.Now()
	for _, form := range []string{"10h", begun.Add(10 * time.Hour).UTC().Format(time.RFC3339)} {
		for _, l := range [][]string{
			{s.root, "key", "create", "--project", project}, {s.root, "key", "create", "--root"}, {key, "portal", "create", "acme"}, {key, "link", "create", endpoint},
		} {
			made := s.object(l[0], append(l[1:], "--expires", form)...)
			at, err := time.Parse(time.RFC3339, text(t, made, "expires_at"))
			if off := at.Sub(begun.Add(10 * time.Hour)); err != nil || off < -time.Minute || off > time.Hour {
				t.Errorf("%v --expires %s: %v, %v off", l[1:], form, err, off)
			}
		}
	}
	s.malote(key, exitUsage, "portal", "create", "acme", "--expires", "2020-01-01")
}

// TestTheMasterKeysFileIsItsOwners: 0600 whatever the umask, and never over
// one that is there.
func TestTheMasterKeysFileIsItsOwners(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "master.key")
	if out := mustOutput(t, "key", "master", "--out", file); out != "" {
		t.Errorf("printed %q", out)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	first, err := os.ReadFile(file)
	if err != nil || len(strings.TrimSpace(string(first))) != len(strings.TrimSpace(mustOutput(t, "key", "master"))) {
		t.Errorf("%d bytes, %v", len(first), err)
	}
	if code, _, errOut := malote("key", "master", "--out", file); code != exitUsage || !strings.Contains(errOut, "never replaced") {
		t.Errorf("%d %s", code, errOut)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(first) {
		t.Errorf("the file was replaced: %v", err)
	}
}
