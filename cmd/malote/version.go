package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/malote-dev/malote/internal/app"
)

// release is set by the release build: -ldflags "-X main.release=v1.2.3".
var release string //nolint:gochecknoglobals // the linker writes it

type versionCmd struct{}

// Run prints what this binary is made of.
func (versionCmd) Run(c *console) error {
	fmt.Fprintf(c.out, "malote %s\nSQLite %s\n%s %s/%s\n", version(), app.SQLiteVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is the release, or the commit that the binary was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(development)"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "(development, " + s.Value[:12] + ")"
		}
	}
	return "(development)"
}
