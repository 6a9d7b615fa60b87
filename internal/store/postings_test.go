package store

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestBlocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.Int64Range(1, 1<<62), 1, 300, rapid.ID[int64]).Draw(t, "keys")
		slices.Sort(keys)
		slices.Reverse(keys)
		got, err := readBlock(nil, keys[0], appendBlock(nil, keys))
		if err != nil || !slices.Equal(got, keys) {
			t.Fatalf("%v %v, want %v", got, err, keys)
		}
	})
}

func FuzzBlock(f *testing.F) {
	f.Add(int64(100), []byte{1, 2, 3})
	f.Add(int64(1<<62), appendBlock(nil, []key{1 << 62, 1 << 61, 5}))
	f.Add(int64(1), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, last int64, data []byte) {
		if last <= 0 {
			return
		}
		keys, err := readBlock(nil, last, data)
		if err != nil {
			return
		}
		for i, k := range keys {
			if k < 0 || i > 0 && k > keys[i-1] {
				t.Fatalf("%d after %d", k, keys[max(0, i-1)])
			}
		}
	})
}

// TestWalker: whatever blocks a list was written in, it gives each key once,
// newest first, within its bounds.
func TestWalker(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	n := key(0)
	rapid.Check(t, func(rt *rapid.T) {
		n++
		var all []key
		var batches []postings
		for range rapid.IntRange(0, 6).Draw(rt, "batches") {
			p := postings{}
			at := rapid.Int64Range(1, 1<<40).Draw(rt, "at")
			for range rapid.IntRange(1, 300).Draw(rt, "keys") {
				// Clusters, wide gaps, and keys that are there twice.
				at += rapid.SampledFrom([]key{0, 1, 1 << 10, 1 << 31, 1 << 33}).Draw(rt, "gap")
				p.add(at, 't', n, "")
				all = append(all, at)
			}
			batches = append(batches, p)
		}
		err := s.db.write(s.Context(), func(b *batch) error {
			for _, p := range batches {
				if err := b.indexNow(p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		floor := rapid.Int64Range(0, 1<<41).Draw(rt, "floor")
		before := rapid.SampledFrom([]key{never, 1 << 40, 1 << 38}).Draw(rt, "before")
		if len(all) > 0 && rapid.Bool().Draw(rt, "from a key") {
			before = rapid.SampledFrom(all).Draw(rt, "before")
		}
		var want, got []key
		for _, k := range slices.Backward(all) {
			if k >= floor && k < before {
				want = append(want, k)
			}
		}
		err = s.db.read(s.Context(), true, func(c *conn) error {
			w := newWalker(c, term('t', n, ""), floor, before)
			for {
				k, err := w.next(s.Context())
				if err != nil || k == 0 {
					return err
				}
				got = append(got, k)
			}
		})
		if err != nil || !slices.Equal(got, want) {
			rt.Fatalf("%v, %d keys, want %d", err, len(got), len(want))
		}
	})
}

func TestAttemptsDecode(t *testing.T) {
	t.Parallel()
	for _, a := range []*Attempt{
		{},
		{Number: 1, At: time.UnixMicro(1).UTC(), Status: 200, Truncated: true, Timings: Timings{Reused: true}},
		{
			Number: 1 << 30, At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), RequestHead: []byte("a"), Status: 999, ResponseHead: []byte{0},
			ResponseBody: make([]byte, 1<<16), Class: ClassTLS, Detail: "d", Timings: Timings{1, 2, 3, 4, 5, false},
		},
	} {
		got, err := readAttempt(appendAttempt(nil, a))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzAttempt(f *testing.F) {
	f.Add(appendAttempt(nil, &Attempt{Number: 3, At: time.Unix(1, 0), Status: 200, ResponseBody: []byte("x"), Detail: "d"}))
	f.Add([]byte{attemptForm, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := readAttempt(data)
		if err != nil {
			return
		}
		again, err := readAttempt(appendAttempt(nil, a))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, again); diff != "" {
			t.Error(diff)
		}
	})
}

// TestListsEndWithTheirEvents: retention leaves no block behind whose events
// are gone.
func TestListsEndWithTheirEvents(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	blocks := func() (n int) {
		s.no(s.db.read(t.Context(), false, func(c *conn) error {
			_, err := c.row(t.Context(), "SELECT count(*) FROM postings", nil, &n)
			return err
		}))
		return n
	}
	_, err := s.accept(`{}`)
	s.no(err)
	w := s.send()
	done := make(chan error, 1)
	s.db.Finish(&Outcome{Work: w, State: Failed, Reason: "exhausted", Attempt: Attempt{Number: 1, At: time.Now(), Status: 500}}, func(err error) { done <- err })
	s.no(<-done)
	s.no(s.db.Flush(t.Context()))
	if blocks() == 0 {
		t.Fatal("nothing to delete")
	}
	for _, d := range must(s.db.Deliveries(t.Context(), s.p.ID, Filter{States: []State{Pending}}))(t).Items {
		_, _, err := s.db.CancelDelivery(t.Context(), s.p.ID, d.ID)
		s.no(err)
	}
	for range 3 {
		_, err := s.db.Prune(t.Context(), time.Now().Add(time.Hour), 1000)
		s.no(err)
	}
	if n := blocks(); n != 0 {
		t.Errorf("%d blocks are left", n)
	}
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
