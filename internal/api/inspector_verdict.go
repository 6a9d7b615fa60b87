package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// verdictView is what an inspector's dialect and secret say of a request.
type verdictView struct {
	Outcome string  `json:"outcome"` // verified, authenticated or failed
	Cause   *string `json:"cause"`
	Detail  string  `json:"detail" lang:"kept"`
}

const verdictFailed = "failed"

// Bounds of judging what a list shows: requests do not change, so a verdict is
// remembered, and whoever looks at a list again and again reads what is new.
const (
	judgedBytes    = 4 << 20 // of bodies that one page reads; the rest of it is not judged
	maxRemembered  = 10_000  // verdicts
	judgedAtOnce   = 4       // pages that read at a time, in all
	requestJudging = 1 << 10 // bytes that a request counts as beside its body
)

// remembered are the verdicts on requests that a list showed.
type remembered struct {
	mu    sync.Mutex
	of    map[verdictKey]verdictView
	slots chan struct{} // of pages that read
}

func newRemembered() *remembered {
	return &remembered{of: map[verdictKey]verdictView{}, slots: make(chan struct{}, judgedAtOnce)}
}

// verdictKey is a request, and what it was judged by.
type verdictKey struct {
	request store.ID
	by      [sha256.Size]byte
}

func (m *remembered) get(k verdictKey) *verdictView {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.of[k]; ok {
		return &v
	}
	return nil
}

func (m *remembered) put(k verdictKey, v *verdictView) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.of) >= maxRemembered {
		clear(m.of)
	}
	m.of[k] = *v
}

// judge is the dialect that an inspector judges by; nil: it has none, or no secret.
func (s *server) judge(i *store.Inspector) *webhook.Dialect {
	d, ok := s.dialects(i.Dialect)
	if i.Dialect == "" || i.Secret == "" || !ok {
		return nil
	}
	return d
}

// isWhole reports whether all of a request's body is kept.
func isWhole(r *store.InspectedRequest) bool {
	return !r.Incomplete && r.BodyBytes <= store.MaxInspectedBody
}

// verdict of an inspector on a request, as of when it arrived; nil: it has no
// dialect or no secret, or the body is not all there.
func (s *server) verdict(i *store.Inspector, r *store.InspectedRequest) *verdictView {
	d := s.judge(i)
	if d == nil || !isWhole(r) {
		return nil
	}
	got := d.Verify(headerOf(r.Head), r.Body, []string{i.Secret.Reveal()}, r.ReceivedAt())
	if got.OK {
		return &verdictView{Outcome: string(got.Proof), Detail: got.Detail}
	}
	return &verdictView{Outcome: verdictFailed, Cause: filled(string(got.Cause)), Detail: got.Detail}
}

// addVerdicts judges what a page lists, newest first, as far as its bounds
// reach; what is not judged has no verdict.
func (s *server) addVerdicts(ctx context.Context, i *store.Inspector, rows []*store.InspectedRequest, views []inspectedView) error {
	d := s.judge(i)
	if d == nil {
		return nil
	}
	by := sha256.Sum256([]byte(d.Ref() + "\x00" + i.Secret.Reveal()))
	left := int64(judgedBytes)
	reads := false
	for n, r := range rows {
		k := verdictKey{r.ID, by}
		if views[n].Verdict = s.judged.get(k); views[n].Verdict != nil || !isWhole(r) {
			continue
		}
		if left -= r.BodyBytes + requestJudging; left < 0 {
			return nil
		}
		if !reads {
			select {
			case s.judged.slots <- struct{}{}:
				defer func() { <-s.judged.slots }()
			case <-ctx.Done():
				return ctx.Err()
			}
			reads = true
		}
		whole, err := s.store.InspectedRequest(ctx, i.ProjectID, i.ID, r.ID)
		if errors.Is(err, store.ErrNotFound) { // it went meanwhile
			continue
		}
		if err != nil {
			return err
		}
		if v := s.verdict(i, whole); v != nil {
			views[n].Verdict = v
			s.judged.put(k, v)
		}
	}
	return nil
}
