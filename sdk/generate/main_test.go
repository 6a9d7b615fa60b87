package main

import (
	"bytes"
	"os"
	"testing"
)

// What is committed is what the Go package says today.
func TestCopiesAreFresh(t *testing.T) {
	t.Parallel()
	want, err := files(os.DirFS("../../webhook/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		got, err := os.ReadFile("../" + name)
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, text) {
			t.Errorf("sdk/%s is stale: run go generate ./sdk", name)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := write(root, os.DirFS(dir)); err == nil {
		t.Error("writes without the published vectors")
	}
	published := os.DirFS("../../webhook/testdata")
	if err := write(root, published); err == nil {
		t.Error("writes into folders that are not there")
	}
	for _, sub := range []string{"node", "python", "python/malote", "php", "php/src", "testdata"} {
		if err := root.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(root, published); err != nil {
		t.Error(err)
	}
}
