package rig

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Build compiles the malote command into dir as a release is (no cgo) and
// returns the binary's path. It runs in the module that holds this package.
func Build(ctx context.Context, dir string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "malote")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "./cmd/malote")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building malote: %w\n%s", err, msg)
	}
	return out, nil
}

// Link puts the malote command into dir and returns the binary's path, for
// tests: it is built as they are, and linked once for however many packages
// ask, since the go command keeps what it runs.
func Link(ctx context.Context, dir string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "malote")
	cmd := exec.CommandContext(ctx, "go", "run", "-exec", "cp", "./cmd/malote", out)
	cmd.Dir = root
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("linking malote: %w\n%s", err, msg)
	}
	return out, nil
}

// depend looks at the sources, once, while tests run: the go command remembers
// what they looked at, and runs them again where it changed.
var depend = sync.OnceValue(func() error {
	root, err := moduleRoot(context.Background())
	if err != nil {
		return nil // a benchmark may run elsewhere, on a binary that is given
	}
	for _, dir := range []string{"client", "cmd", "internal", "webhook"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
})

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", fmt.Errorf("not inside the module: run from the repository")
	}
	return filepath.Dir(mod), nil
}
