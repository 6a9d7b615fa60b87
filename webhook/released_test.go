package webhook

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

// TestReleasedContractsStay: events were accepted under the revisions that a
// release brought, so these never change. Words for people may; another
// contract is another revision.
func TestReleasedContractsStay(t *testing.T) {
	t.Parallel()
	var got []byte
	for _, d := range Builtin() {
		got = fmt.Appendf(got, "%s %x\n", d.Ref(), sha256.Sum256(d.contract()))
	}
	golden(t, "contracts.txt", got)
}
