package sdk

import (
	"os"
	"os/exec"
	"testing"
)

// TestTypesOfNode compiles a program against the declarations of the library
// for Node.js.
func TestTypesOfNode(t *testing.T) {
	t.Parallel()
	const tsc = "testdata/node/node_modules/typescript/bin/tsc"
	why := missingNode()
	if _, err := os.Stat(tsc); err != nil && why == "" {
		why = "typescript is not installed: npm ci --prefix sdk/testdata/node"
	}
	need(t, why)
	out, err := exec.CommandContext(t.Context(), "node", tsc, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext",
		"--skipLibCheck", "--lib", "es2022,dom,dom.iterable", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "testdata/node/types.ts").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
