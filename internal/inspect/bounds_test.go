package inspect

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
)

// TestBounds: what is too much at once is refused, not kept, and asked to come
// again; afterwards there is room as before.
func TestBounds(t *testing.T) {
	t.Parallel()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{Dir: storetest.Fresh(t), Keyring: ring, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	p := &store.Project{Name: "p", Environment: store.Development, Dialect: "standard"}
	if err := db.CreateProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	i := &store.Inspector{ProjectID: p.ID, Token: store.NewInspectorToken(), Keep: time.Hour}
	if _, err := db.CreateInspectorOnce(t.Context(), i, 1, nil); err != nil {
		t.Fatal(err)
	}
	h := New(db, slog.New(slog.DiscardHandler))
	ask := func(what, query string, size, want int) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/"+i.Token.Reveal()+query, strings.NewReader(strings.Repeat("x", size))))
		if w.Code != want || want != http.StatusOK && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v", what, w.Code, w.Header())
		}
		if w.Header().Get("Content-Security-Policy") != "sandbox" {
			t.Errorf("%s: %v", what, w.Header())
		}
	}
	fill := func(c chan struct{}) (empty func()) {
		for range cap(c) {
			c <- struct{}{}
		}
		return func() {
			for range cap(c) {
				<-c
			}
		}
	}
	kept := 0
	fits := func() {
		t.Helper()
		h.rates = rates{} // another second
		ask("as before", "?malote_delay=1ms", store.MaxInspectedBody, http.StatusOK)
		kept++
		if n := h.memory.Load(); n != 0 {
			t.Errorf("%d bytes are not given back", n)
		}
	}
	fits()
	empty := fill(h.under)
	ask("under way", "", 1, http.StatusServiceUnavailable)
	empty()
	fits()
	empty = fill(h.delayed)
	ask("held back", "?malote_delay=1s", 1, http.StatusServiceUnavailable)
	empty()
	fits()
	h.memory.Store(maxMemory)
	ask("memory", "", store.MaxInspectedBody, http.StatusServiceUnavailable)
	if n := h.memory.Swap(0); n != maxMemory {
		t.Errorf("%d bytes", n-maxMemory)
	}
	fits()
	now := time.Now()
	var r rates
	for n := range bytesASecond>>20 + 1 {
		if ok := r.admit(i.ID, 0, 1<<20, now); ok != (n < bytesASecond>>20) {
			t.Errorf("MiB %d: %v", n, ok)
		}
	}
	if r.admit(i.ID, 1, 0, now) || !r.admit(i.ID, 1, 0, now.Add(time.Second)) {
		t.Error("a second is not a second")
	}
	if got, err := db.Inspector(t.Context(), p.ID, i.ID); err != nil || got.Requests != kept {
		t.Errorf("%d of %d are kept: %v", got.Requests, kept, err)
	}
}
