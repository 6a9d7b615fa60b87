package main

import (
	"strings"
	"testing"
)

// TestReadyFromTheShell: no key is needed, and who does not answer is not ready.
func TestReadyFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if out, _ := s.malote("", exitOK, "ready"); !strings.HasPrefix(out, "Ready: ") {
		t.Errorf("%s", out)
	}
	s.malote("", exitUnavailable, "ready", "--url", "http://"+freeAddr(t))
}

// TestKnownTypesFromTheShell: a project that takes known types only says so, and
// can be told otherwise.
func TestKnownTypesFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	made := s.object(s.root, "project", "create", "strict", "--environment", "development", "--known-types-only")
	id := text(t, made, "id")
	key := text(t, s.object(s.root, "key", "create", "--project", id), "key")
	s.malote(key, exitUsage, "event", "send", "unheard.of", "--consumer", "acme", "--data", "{}")
	if out, _ := s.malote(s.root, exitOK, "project", "get", id); !strings.Contains(out, "known types only  yes") {
		t.Errorf("%s", out)
	}
	s.malote(s.root, exitOK, "project", "update", id, "--no-known-types-only")
	s.malote(key, exitOK, "event", "send", "unheard.of", "--consumer", "acme", "--data", "{}")
}
