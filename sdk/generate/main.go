// Command generate writes what the libraries share with the Go package
// webhook: the built-in dialects, bundled for each language, and the vectors
// that every language has to judge alike. Run it with
//
//	go generate ./sdk
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/malote-dev/malote/webhook"
)

func main() {
	root, err := os.OpenRoot(".") // go generate runs in the directory of sdk/doc.go
	if err == nil {
		err = write(root, os.DirFS(filepath.Join("..", "webhook", "testdata")))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write(root *os.Root, published fs.FS) error {
	files, err := files(published)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := root.WriteFile(filepath.FromSlash(name), files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// files are the generated ones by their path below sdk. published is where
// the vectors of the companies and providers stand.
func files(published fs.FS) (map[string][]byte, error) {
	bundle, err := dialects()
	if err != nil {
		return nil, err
	}
	vectors, err := vectors(published)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"node/dialects.json":          bundle,
		"python/malote/dialects.json": bundle,
		"php/src/dialects.json":       bundle,
		"testdata/vectors.json":       vectors,
	}, nil
}

// dialects bundles the built-in files, one a line. What verifying does not
// need stays out: the catalogue of events.
func dialects() ([]byte, error) {
	var lines []json.RawMessage
	for _, d := range webhook.Builtin() {
		slim := *d
		slim.Events = nil
		b, err := marshal(&slim)
		if err != nil {
			return nil, err
		}
		lines = append(lines, b)
	}
	return list(lines), nil
}

// list writes an array with one element a line.
func list(lines []json.RawMessage) []byte {
	var b bytes.Buffer
	b.WriteString("[\n")
	for i, l := range lines {
		b.Write(l)
		if i < len(lines)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	return b.Bytes()
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
