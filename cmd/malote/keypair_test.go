package main

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/webhook"
)

func TestKeyPair(t *testing.T) {
	t.Parallel()
	out := mustOutput(t, "key", "pair")
	words := strings.Fields(out)
	if len(words) != 5 || words[0] != "secret" {
		t.Fatalf("printed %q", out)
	}
	if public, ok := webhook.Standard().PublicKey(words[1]); !ok || public != words[4] {
		t.Errorf("%s is not the public key of %s", words[4], words[1])
	}
	if code, _, errOut := malote("key", "pair", "--dialect", "tarefa"); code != exitUsage || !strings.Contains(errOut, "tarefa/1") {
		t.Errorf("a dialect without: %d %s", code, errOut)
	}
	if code, _, errOut := malote("key", "pair", "--dialect", "nonsense"); code != exitUsage || !strings.Contains(errOut, "fix:") {
		t.Errorf("no dialect: %d %s", code, errOut)
	}
}

// TestEd25519FromTheShell: people see the public key, whatever the command.
func TestEd25519FromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	made := s.object(key, "endpoint", "create", "--consumer", "acme", "--to", "https://example.com/", "--event-types", "*", "--ed25519", "--paused")
	id, public := text(t, made, "id"), text(t, made, "public_key")
	if made["state"] != "paused" || made["secret"] != nil || !strings.HasPrefix(public, "whpk_") {
		t.Errorf("created %v", made)
	}
	if out, _ := s.malote(key, exitOK, "endpoint", "get", id); !strings.Contains(out, public) || strings.Contains(out, "whsk_") {
		t.Errorf("shown:\n%s", out)
	}
	if out, _ := s.malote(key, exitOK, "endpoint", "update", id, "--rotate-secret"); !strings.Contains(out, "whpk_") || strings.Contains(out, public) {
		t.Errorf("rotated:\n%s", out)
	}
	plain := s.object(key, "endpoint", "create", "--consumer", "acme", "--to", "https://example.com/", "--event-types", "*")
	if out, _ := s.malote(key, exitOK, "endpoint", "update", text(t, plain, "id"), "--ed25519"); !strings.Contains(out, "whpk_") {
		t.Errorf("moved to a pair:\n%s", out)
	}
	s.malote(key, exitUsage, "endpoint", "create", "--consumer", "acme", "--to", "https://example.com/", "--event-types", "*", "--ed25519", "--secret", "whsk_x")
	s.malote(key, exitUsage, "endpoint", "update", id, "--ed25519", "--secret", "whsk_x")
}

// TestKeysFromTheShell: a key is found by its beginning, and ends at once.
func TestKeysFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	project := text(t, s.object(s.root, "project", "create", "shop", "--environment", "development"), "id")
	made := s.object(s.root, "key", "create", "--project", project, "--name", "ci")
	key, id := text(t, made, "key"), text(t, made, "id")
	s.malote(key, exitOK, "event", "list")
	out, _ := s.malote(s.root, exitOK, "key", "list", "--project", project)
	if !strings.Contains(out, id) || !strings.Contains(out, text(t, made, "prefix")) || !strings.Contains(out, "in force") || strings.Contains(out, key) {
		t.Errorf("listed:\n%s", out)
	}
	s.malote(s.root, exitOK, "key", "revoke", id, "--project", project)
	s.malote(key, exitNotAllowed, "event", "list")
	if out, _ := s.malote(s.root, exitOK, "key", "list", "--project", project); !strings.Contains(out, "revoked") {
		t.Errorf("after it:\n%s", out)
	}
	s.malote(s.root, exitNotFound, "key", "revoke", "key_00000000000000000000000001", "--project", project)
}
