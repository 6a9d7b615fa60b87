package api

import (
	"sync"

	"github.com/malote-dev/malote/internal/store"
)

// Memory for bodies. A body within firstRead is read at once; a larger one
// takes the memory that it fills out of the common budget, as it arrives, until
// the request has its answer. So callers that send much and slowly cannot fill
// the memory together, nor can one caller take what others need: nobody has
// more than a share.
const (
	firstRead  = 64 << 10
	bodyBudget = 256 << 20
	bodyShare  = bodyBudget / 4
)

// bodies is what large bodies hold at this moment, in bytes.
type bodies struct {
	mu  sync.Mutex
	all int64
	of  map[sender]int64
}

// sender is who shares one share: a consumer's keys, or a project's own.
type sender struct {
	project  store.ID
	consumer string
}

func senderOf(key *store.Key) (s sender) {
	if key != nil {
		s = sender{key.ProjectID, key.Consumer}
	}
	return s
}

// take holds n bytes more for a sender, or says why it does not.
func (b *bodies) take(of sender, n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.of[of]+n > bodyShare:
		return kindTooMany.problem("this caller's large bodies, together, are more than the server takes in at once from one").
			fixed("Send fewer at the same time, or smaller ones.").with("Retry-After", "1")
	case b.all+n > bodyBudget:
		return kindUnavailable.problem("too many large bodies are being taken in at once").with("Retry-After", "1")
	}
	if b.of == nil {
		b.of = map[sender]int64{}
	}
	b.all += n
	b.of[of] += n
	return nil
}

func (b *bodies) give(of sender, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all -= n
	if b.of[of] -= n; b.of[of] == 0 {
		delete(b.of, of)
	}
}
