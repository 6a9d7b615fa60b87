// Command scripts bundles the TypeScript of the pages: each file that lies in
// internal/dashboard/scripts itself becomes one script of internal/dashboard/assets,
// with all that it imports. It is run by go generate ./internal/dashboard.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// Where things are, seen from this module, in which go generate runs this.
const (
	sources = "../internal/dashboard/scripts"
	outputs = "../internal/dashboard/assets"
)

func main() {
	if err := bundle(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func bundle() error {
	entries, err := filepath.Glob(filepath.Join(sources, "*.ts"))
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("there are no scripts in %s: run this by go generate ./internal/dashboard", sources)
	}
	built := api.Build(api.BuildOptions{
		EntryPoints:       entries,
		Outdir:            outputs,
		Bundle:            true,
		Write:             true,
		Format:            api.FormatIIFE, // scripts of pages, which load in order
		Platform:          api.PlatformBrowser,
		Target:            api.ES2022,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsEndOfFile,
		LogLevel:          api.LogLevelWarning,
	})
	if len(built.Errors) > 0 {
		return fmt.Errorf("nothing was bundled: %d errors", len(built.Errors))
	}
	return nil
}
