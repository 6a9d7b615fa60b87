package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSendsPack(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 200, 599, 999} {
		at := time.Date(2100, 1, 2, 3, 4, 5, 678000, time.UTC)
		if us, got := unpackSend(packSend(at, status)); us != micros(at) || got != status {
			t.Errorf("%d: %d %d", status, us, got)
		}
	}
	b := &batch{now: time.UnixMicro(99)}
	b.sent(7, &Attempt{At: time.UnixMicro(5), Status: 503, Class: ClassStatus, Timings: Timings{Total: time.Second}})
	b.endsWith(Failed)
	b.sent(8, &Attempt{At: time.UnixMicro(6), Class: "new", Timings: Timings{Total: 48 * time.Hour}})
	b.endedWithout(9, Cancelled)
	var got []send
	eachSend(b.sends, func(s *send) { got = append(got, *s) })
	want := []send{
		{endpoint: 7, at: 5, status: 503, took: 1e6, class: 1, final: 2, attempt: true},
		{endpoint: 8, at: 6, took: 1<<32 - 1, class: classOther, attempt: true},
		{endpoint: 9, at: 99, final: 3},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(send{})); d != "" {
		t.Error(d)
	}
	for i, c := range classes {
		if int(classNumber(c)) != i || classOf(uint8(i)) != c {
			t.Errorf("class %q", c)
		}
	}
}

// TestTimeBins: what is read back of a time is off by no more than the docs say.
func TestTimeBins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Uint32().Draw(t, "us")
		back, bin := float64(binTime(timeBin(us)).Microseconds()), timeBin(us)
		if off := back - float64(us); off > max(8, float64(us)/16) || -off > max(8, float64(us)/16) {
			t.Fatalf("%d µs came back as %v", us, back)
		}
		if us > 0 && timeBin(us-1) > bin {
			t.Fatal("bins are out of order")
		}
	})
}

func appendOld(row []byte, endpoint key, at time.Time, status int) []byte {
	row = binary.BigEndian.AppendUint64(row, uint64(endpoint))
	return binary.BigEndian.AppendUint64(row, packSend(at, status))
}

func drawRollup(t *rapid.T) *rollup {
	r := &rollup{events: rapid.Uint64Range(0, 1<<40).Draw(t, "events")}
	for range rapid.IntRange(0, 40).Draw(t, "entries") {
		r.count(&send{
			at: rapid.Int64Range(1, 1<<50).Draw(t, "at"), status: rapid.SampledFrom([]int{0, 200, 500}).Draw(t, "status"),
			took: rapid.Uint32().Draw(t, "took"), class: rapid.Uint8Range(0, 13).Draw(t, "class"),
			final: rapid.Uint8Range(0, 3).Draw(t, "final"), attempt: rapid.Bool().Draw(t, "attempt"),
		})
	}
	return r
}

func TestRollupsAddUp(t *testing.T) {
	t.Parallel()
	equal := cmp.Comparer(func(a, b rollup) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRollup(t), drawRollup(t)
		var back, sum rollup
		for _, r := range []*rollup{a, b} {
			if err := back.decode(r.encode(nil)); err != nil || !cmp.Equal(back, *r, equal) {
				t.Fatalf("%v: %+v came back as %+v", err, r, back)
			}
			sum.merge(&back)
		}
		a.merge(b)
		if !cmp.Equal(sum, *a, equal) {
			t.Fatalf("%+v, want %+v", sum, a)
		}
	})
}

func FuzzRollup(f *testing.F) {
	r := rollup{attempts: 3, succeeded: 1, answered: 2, took: 5000, classes: tallied{{1, 2}}, times: tallied{{30, 1}, {31, 1}}}
	f.Add(r.encode(nil))
	f.Add([]byte{rollupForm})
	f.Add([]byte{rollupFormFirst, 3, 1, 2, 5, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r, again rollup
		if r.decode(data) != nil {
			return
		}
		if err := again.decode(r.encode(nil)); err != nil || fmt.Sprint(r) != fmt.Sprint(again) {
			t.Fatalf("%v: %+v, %+v", err, r, again)
		}
	})
}

// done keeps an outcome of one attempt.
func (s *shelf) done(w *Work, number int, state State, a Attempt) {
	s.Helper()
	a.Number = number
	done := make(chan error, 1)
	s.db.Finish(&Outcome{Work: w, State: state, DueAt: time.Now(), Attempt: a}, func(err error) { done <- err })
	s.no(<-done)
}

// step lets the ledger go on as if time had passed.
func (s *shelf) step() {
	s.Helper()
	s.no(s.db.write(s.Context(), func(b *batch) error {
		b.db.ledger.from, b.db.ledger.sliced = time.Time{}, time.Time{}
		return b.exec("UPDATE meta SET value=value WHERE name='ids'")
	}))
	s.no(s.db.write(s.Context(), func(*batch) error { return nil })) // past what follows the commit
}

// snapshot is a copy of the files as a crash would leave them now.
func (s *shelf) snapshot() string {
	s.Helper()
	s.no(s.db.write(s.Context(), func(*batch) error { return nil }))
	dir := s.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(filepath.Join(s.o.Dir, dbFile+suffix))
		s.no(err)
		s.no(os.WriteFile(filepath.Join(dir, dbFile+suffix), data, 0o600))
	}
	return dir
}

// TestLedgerSurvivesACrash: whatever part of a round was written when the
// process ended, every attempt is counted once, for the endpoint, its consumer
// and the project, in the hour of the attempt.
func TestLedgerSurvivesACrash(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const endpoints = 3*ledgerSlice/2 + 5 // with consumers several slices
	ids := []ID{s.e.ID}
	for i := 1; i < endpoints; i++ {
		ids = append(ids, s.endpoint(fmt.Sprint("c", i%7)).ID)
	}
	hour := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	want, total := map[ID]int64{}, int64(0)
	attempt := func(n int) {
		id := ids[n%len(ids)]
		at := hour.Add(time.Duration(n%2) * time.Hour)
		s.done(&Work{ID: id, EndpointID: id, Event: &Event{}}, 1, Delivered, Attempt{At: at, Status: 200, Timings: Timings{Total: time.Millisecond}})
		want[id]++
		total++
	}
	check := func(when string) {
		t.Helper()
		q := StatsQuery{From: hour, Until: hour.Add(2 * time.Hour)}
		all, err := s.db.Stats(t.Context(), s.p.ID, q)
		s.no(err)
		if all.Total.Attempts != total || all.Total.Succeeded != total {
			t.Errorf("%s: the project has %d attempts, want %d", when, all.Total.Attempts, total)
		}
		var consumers int64
		for _, uid := range []string{"c", "c0", "c1", "c2", "c3", "c4", "c5", "c6"} {
			q.Consumer = uid
			c, err := s.db.Stats(t.Context(), s.p.ID, q)
			s.no(err)
			consumers += c.Total.Attempts
		}
		if consumers != total {
			t.Errorf("%s: the consumers have %d attempts, want %d", when, consumers, total)
		}
		traffic, err := s.db.Traffic(t.Context(), ids)
		s.no(err)
		for i, id := range ids {
			if traffic[i].Attempts != want[id] {
				t.Errorf("%s: endpoint %d has %d attempts, want %d", when, i, traffic[i].Attempts, want[id])
			}
			if i%8 > 0 {
				continue
			}
			q.Endpoint = id
			e, err := s.db.Stats(t.Context(), s.p.ID, q)
			s.no(err)
			if e.Total.Attempts != want[id] {
				t.Errorf("%s: endpoint %d has %d attempts in its hours, want %d", when, i, e.Total.Attempts, want[id])
			}
		}
	}
	for n := range endpoints {
		attempt(n)
	}
	check("in memory")
	s.step() // begins a round, and from here on each step writes a slice
	for n := range 4 {
		attempt(endpoints + 3*n) // counted beside the round
		s.step()
		check(fmt.Sprintf("after %d slices", n+1))
		live, dir := s.db, s.o.Dir
		s.o.Dir = s.snapshot()
		s.open()
		check(fmt.Sprintf("after a crash behind %d slices", n+1))
		before, was := maps.Clone(want), total
		for i := range 40 {
			attempt(i * 5)
		}
		check(fmt.Sprintf("after a crash behind %d slices, and more", n+1))
		for range 8 {
			s.step()
		}
		check(fmt.Sprintf("after a crash behind %d slices, all written", n+1))
		want, total = before, was
		s.no(s.db.Close())
		s.db, s.o.Dir = live, dir
	}
	for range 8 {
		s.step()
	}
	check("at the end")
	var rows, unread int
	s.no(s.db.read(t.Context(), false, func(c *conn) error {
		_, err := c.row(t.Context(), "SELECT (SELECT count(*) FROM hours), (SELECT count(*) FROM sends, counted WHERE k>done AND slot=0)", nil, &rows, &unread)
		return err
	}))
	if rows == 0 || unread != 0 || len(s.db.ledger.cur) != 0 || len(s.db.ledger.old) != 0 {
		t.Errorf("%d rows in hours, %d rows of sends not in them", rows, unread)
	}
}

// TestSendsOfBefore: rows of sends that an older version wrote count as
// attempts, and their endpoints' rates are kept.
func TestSendsOfBefore(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	now := time.Now()
	s.no(s.db.write(t.Context(), func(b *batch) error {
		k, _ := b.db.keys.key(s.e.ID)
		row := make([]byte, 0, 2*oldSendSize)
		for _, status := range []int{200, 500} {
			row = appendOld(row, k, now, status)
		}
		return b.exec("INSERT INTO sends VALUES (?,?)", b.key(), row)
	}))
	s.no(s.db.Close())
	s.open()
	traffic, err := s.db.Traffic(t.Context(), []ID{s.e.ID})
	s.no(err)
	if traffic[0].Attempts != 2 || traffic[0].LastStatus != 500 {
		t.Errorf("%+v", traffic[0])
	}
	sends, err := s.db.RecentSends(t.Context(), s.e.ID, now.Add(-time.Minute), 10)
	s.no(err)
	if len(sends) != 2 {
		t.Errorf("%d recent sends", len(sends))
	}
}
