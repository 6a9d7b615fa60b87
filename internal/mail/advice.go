package mail

import (
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// advice is what probably mends a failure.
func advice(n *store.Notice) lang.Message { return store.Advice(n.Class, n.Status) }
