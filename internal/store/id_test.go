package store

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testKeys(t interface{ Fatal(...any) }, last key) *keymaker {
	m, err := newKeymaker([]byte("0123456789abcdef"), last)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestKeysAndIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := testKeys(t, 0)
		now := time.UnixMilli(rapid.Int64Range(0, 1<<43-1_000_000).Draw(t, "now"))
		var last key
		var lastID ID
		for range 20 {
			// A clock that is set back, too.
			now = now.Add(time.Duration(rapid.IntRange(-5000, 5000).Draw(t, "step")) * time.Millisecond)
			n := rapid.IntRange(1, 2000).Draw(t, "n")
			k := m.next(now, n)
			if k <= last {
				t.Fatalf("key %d after %d", k, last)
			}
			last = k + key(n) - 1
			for _, k := range []key{k, last} {
				id := m.id(k)
				if bytes.Compare(id[:], lastID[:]) < 0 {
					t.Fatalf("id %s after %s", id, lastID)
				}
				lastID = id
				if back, ok := m.key(id); !ok || back != k {
					t.Fatalf("%s reads as %d, %v; want %d", id, back, ok, k)
				}
				if id[6]>>4 != 7 || id[8]>>6 != 2 {
					t.Fatalf("%s is no UUIDv7", id)
				}
				bit := rapid.IntRange(0, 127).Draw(t, "bit")
				id[bit/8] ^= 1 << (bit % 8)
				if _, ok := m.key(id); ok {
					t.Fatalf("bit %d changed, still an id", bit)
				}
			}
		}
	})
}

func TestKeysOfTheEnds(t *testing.T) {
	t.Parallel()
	m := testKeys(t, 0)
	if !m.id(0).IsZero() {
		t.Error("no key has an id")
	}
	if _, ok := m.key(ID{}); ok {
		t.Error("the zero id has a key")
	}
	if !keyTime(0).IsZero() {
		t.Error("no key has a time")
	}
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(1<<60, 0)} {
		if k := timeKey(at); k < 0 {
			t.Errorf("%v: %d", at, k)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	if got := keyTime(m.next(at, 1)); !got.Equal(at) {
		t.Errorf("%v, want %v", got, at)
	}
	if id := m.id(1); id != m.id(1) || id == testOther(t).id(1) {
		t.Error("ids do not depend on the store's secret alone")
	}
}

func testOther(t *testing.T) *keymaker {
	m, err := newKeymaker([]byte("fedcba9876543210"), 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestClockSetBackOverARestart: the database knows the last key.
func TestClockSetBackOverARestart(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	out, err := s.accept(`{}`)
	s.no(err)
	ahead := timeKey(time.Now().Add(time.Hour))
	s.no(s.db.write(t.Context(), func(b *batch) error {
		b.db.keys.last = ahead // as if the clock had been an hour ahead
		return b.exec("UPDATE projects SET name=name")
	}))
	s.no(s.db.Close())
	s.open()
	later, err := s.accept(`{}`)
	s.no(err)
	if k, _ := s.db.keys.key(later.EventID); k <= ahead {
		t.Errorf("%s after a restart with the clock set back", later.EventID)
	}
	if bytes.Compare(later.EventID[:], out.EventID[:]) <= 0 {
		t.Error("out of order")
	}
	for _, w := range s.due() {
		if w.DueAt.After(time.Now()) {
			t.Errorf("due at %v: the clock that was wrong delays deliveries", w.DueAt)
		}
	}
}

func FuzzID(f *testing.F) {
	m := testKeys(f, 0)
	id := m.id(m.next(time.UnixMilli(1_700_000_000_000), 1))
	f.Add(id[:])
	f.Add(make([]byte, 16))
	f.Add(bytes.Repeat([]byte{0xff}, 16))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) != 16 {
			return
		}
		if k, ok := m.key(ID(data)); ok && m.id(k) != ID(data) {
			t.Errorf("%x is taken for key %d", data, k)
		}
	})
}
