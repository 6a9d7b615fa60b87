//go:build unix

package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// aged is a store in PostgreSQL whose history can be made older.
type aged struct {
	*testing.T
	o  store.Options
	db *store.DB
	c  *pgx.Conn
	p  *store.Project
	e  *store.Endpoint
}

func newAged(t *testing.T) *aged {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	a := &aged{T: t, o: store.Options{Database: newDatabase(t), Keyring: ring}}
	a.must(err)
	a.c, err = pgx.Connect(t.Context(), a.o.Database.Reveal())
	a.must(err)
	t.Cleanup(func() { _ = a.c.Close(context.Background()) })
	a.open()
	a.p = &store.Project{Name: "p", Environment: store.Production, Dialect: "standard"}
	a.must(a.db.CreateProject(t.Context(), a.p))
	a.e = &store.Endpoint{ProjectID: a.p.ID, Consumer: "acme", URL: "https://example.com/hook", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_abc"}}}
	a.must(a.db.CreateEndpoint(t.Context(), a.e, 0))
	return a
}

func (a *aged) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *aged) open() {
	a.Helper()
	var err error
	a.db, err = store.Open(a.Context(), a.o)
	a.must(err)
}

func (a *aged) exec(q string) {
	a.Helper()
	_, err := a.c.Exec(a.Context(), q)
	a.must(err)
}

func (a *aged) number(q string) (n int) {
	a.Helper()
	a.must(a.c.QueryRow(a.Context(), q).Scan(&n))
	return n
}

// accept takes events in, and tries each twice; the last ones stay pending.
func (a *aged) accept(n, pending int) {
	a.Helper()
	subs, err := a.db.Subscriptions(a.Context(), a.p.ID, "acme")
	a.must(err)
	var all []*store.Acceptance
	for i := range n {
		data := fmt.Appendf(nil, `{"n":%d}`, i)
		all = append(all, &store.Acceptance{
			Event:     &store.Event{ProjectID: a.p.ID, Consumer: "acme", Type: "a.b", Data: data, Dialect: "standard/1", Time: time.Now()},
			Endpoints: []store.ID{a.e.ID}, Version: subs.Version, RequestHash: sha256.Sum256(data),
		})
	}
	out, err := a.db.Accept(a.Context(), all)
	a.must(err)
	for _, o := range out {
		a.must(o.Err)
	}
	for try := 1; try <= 2; try++ {
		work, err := a.db.LoadDue(a.Context(), a.e.ID, store.Place{}, 10_000, 1<<30)
		a.must(err)
		work = slices.DeleteFunc(work, func(w *store.Work) bool { return w.Attempts != try-1 })
		done := make(chan error, len(work))
		for i, w := range work {
			o := &store.Outcome{Work: w, State: store.Delivered, Attempt: store.Attempt{Number: try, At: time.Now(), Status: 200}}
			if try == 1 || i >= n-pending {
				o.State, o.DueAt, o.Attempt.Status, o.Attempt.Class = store.Pending, time.Now(), 503, store.ClassStatus
			}
			a.db.Finish(o, func(err error) { done <- err })
		}
		for range work {
			a.must(<-done)
		}
	}
}

// age makes all that is there older by some days; a store that is closed finds
// it in the parts of those days.
func (a *aged) age(days int) {
	a.Helper()
	a.must(a.db.Flush(a.Context()))
	a.must(a.db.Close())
	then := time.Now().AddDate(0, 0, -days)
	a.must(store.MakeParts(a.Context(), a.o.Database, then, then))
	by := int64(days) * 86_400_000 << 20
	for _, q := range []string{
		"UPDATE events SET k=k-%d", "UPDATE queue SET k=k-%d", "UPDATE queue SET event=event-%d", "UPDATE attempts SET delivery=delivery-%d", "UPDATE deliveries SET k=k-%d, event=event-%[1]d",
	} {
		a.exec(fmt.Sprintf(q, by))
	}
	a.exec(fmt.Sprintf("UPDATE deliveries SET finished=finished-%d", int64(days)*86_400_000_000))
	a.open()
}

func (a *aged) prune() {
	a.Helper()
	for {
		n, err := a.db.Prune(a.Context(), time.Now().AddDate(0, 0, -30), 1000)
		a.must(err)
		if n == 0 {
			return
		}
	}
}

// parts of a table that there are before a month ago.
func (a *aged) oldParts(table string) int {
	name := table + "_p" + time.Now().UTC().AddDate(0, 0, -31).Format("20060102")
	return a.number("SELECT count(*) FROM pg_class WHERE relkind='r' AND relname LIKE '" + table + "_p%' AND relname<'" + name + "'")
}

// TestOldDaysAreDropped: history that is old goes with its parts, and with it
// what an endpoint counts; what is pending stays, with all that it needs, and
// its day then goes row by row until it is final.
func TestOldDaysAreDropped(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	a.accept(50, 0)
	const counted = 1_000_000
	a.exec(fmt.Sprintf("INSERT INTO tallies (endpoint, attempts, last_at, status) SELECT k, %d, 0, 0 FROM endpoints ON CONFLICT (endpoint) DO UPDATE SET attempts=%[1]d", counted))
	a.age(40)
	if a.oldParts("events") == 0 || a.number("SELECT count(*) FROM events_default") != 0 {
		t.Fatal("there are no old parts")
	}
	a.accept(7, 0)
	a.prune()
	for _, table := range []string{"events", "deliveries", "attempts"} {
		if n := a.oldParts(table); n != 0 {
			t.Errorf("%d old parts of %s are left", n, table)
		}
		want := 7
		if table == "attempts" {
			want = 14
		}
		if n := a.number("SELECT count(*) FROM " + table); n != want {
			t.Errorf("%d %s are left, want %d", n, table, want)
		}
	}
	// The newest counts may have been written meanwhile, or not.
	if n := a.number("SELECT sum(attempts) FROM tallies"); n < counted-100 || n > counted-100+114 {
		t.Errorf("%d attempts are counted, 100 are gone", counted-n)
	}
	a.must(a.db.Close())
}

func TestPendingKeepsItsDay(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	a.accept(50, 1)
	a.age(40)
	a.prune()
	if a.oldParts("events") != 1 || a.number("SELECT count(*) FROM events") != 1 || a.number("SELECT count(*) FROM deliveries") != 0 {
		t.Errorf("%d parts, %d events, %d deliveries", a.oldParts("events"), a.number("SELECT count(*) FROM events"), a.number("SELECT count(*) FROM deliveries"))
	}
	work, err := a.db.LoadDue(t.Context(), a.e.ID, store.Place{}, 10, 1<<20)
	a.must(err)
	if len(work) != 1 || len(work[0].Event.Data) == 0 {
		t.Fatalf("what is pending: %+v", work)
	}
	if n := a.number("SELECT count(*) FROM attempts"); n != 2 {
		t.Errorf("%d attempts of it", n)
	}
	done := make(chan error, 1)
	a.db.Finish(&store.Outcome{Work: work[0], State: store.Delivered, Attempt: store.Attempt{Number: 3, At: time.Now(), Status: 200}}, func(err error) { done <- err })
	a.must(<-done)
	a.prune() // final a moment ago: that is news
	if n := a.number("SELECT count(*) FROM events e JOIN deliveries d ON d.event=e.k"); n != 1 {
		t.Errorf("%d of what had just become final", n)
	}
	a.must(a.db.Close())
}

// TestDroppingGoesOn: what a crash left half dropped is finished, and what had
// become final in between is put back.
func TestDroppingGoesOn(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	a.accept(20, 0)
	a.age(40)
	day := time.Now().UTC().AddDate(0, 0, -40).Format("20060102")
	for _, table := range []string{"deliveries", "attempts"} {
		a.exec("ALTER TABLE " + table + " DETACH PARTITION " + table + "_p" + day)
	}
	a.exec(fmt.Sprintf("UPDATE deliveries_p%s SET finished=%d WHERE k=(SELECT min(k) FROM deliveries_p%[1]s)", day, time.Now().UnixMicro()))
	a.prune()
	if e, d, n := a.number("SELECT count(*) FROM events"), a.number("SELECT count(*) FROM deliveries"), a.number("SELECT count(*) FROM attempts"); e != 1 || d != 1 || n != 2 {
		t.Errorf("%d events, %d deliveries, %d attempts are left", e, d, n)
	}
	if n := a.number("SELECT count(*) FROM pg_class WHERE relname LIKE 'deliveries_p" + day + "%'"); n != 0 {
		t.Errorf("%d tables are left", n)
	}
	a.must(a.db.Close())
}

// TestPartsAreMadeAhead: what is accepted goes to its day's part, and what was
// in the default part is moved when a day gets one.
func TestPartsAreMadeAhead(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	a.accept(5, 0)
	if n := a.number("SELECT count(*) FROM events_default") + a.number("SELECT count(*) FROM deliveries_default") + a.number("SELECT count(*) FROM attempts_default"); n != 0 {
		t.Errorf("%d rows are in no part", n)
	}
	a.must(a.db.Close())
	today := time.Now().UTC().Format("20060102")
	for _, table := range []string{"events", "deliveries", "attempts"} {
		a.exec(fmt.Sprintf("BEGIN; ALTER TABLE %[1]s DETACH PARTITION %[1]s_p%[2]s; INSERT INTO %[1]s SELECT * FROM %[1]s_p%[2]s; DROP TABLE %[1]s_p%[2]s; COMMIT", table, today))
	}
	if n := a.number("SELECT count(*) FROM events_default"); n != 5 {
		t.Fatalf("%d rows are in no part", n)
	}
	a.open()
	if n := a.number("SELECT count(*) FROM events_p" + today); n != 5 || a.number("SELECT count(*) FROM events_default") != 0 {
		t.Errorf("%d rows are in today's part", n)
	}
	a.must(a.db.Close())
}

// TestHistoryGetsParts: what a database held before its history came into parts
// is all there afterwards, old rows of it go as before, and what is new goes to
// its day.
func TestHistoryGetsParts(t *testing.T) {
	t.Parallel()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	a := &aged{T: t, o: store.Options{Database: unmigrated(t), Keyring: ring}}
	a.must(err)
	a.must(store.MigrateTo(t.Context(), a.o.Database, 18))
	a.c, err = pgx.Connect(t.Context(), a.o.Database.Reveal())
	a.must(err)
	t.Cleanup(func() { _ = a.c.Close(context.Background()) })
	a.exec(`INSERT INTO events SELECT k, 1, 'acme', 'a.b', 0, 'standard/1', 0, '', '', NULL, 0, '{}' FROM (SELECT ((extract(epoch FROM now())::bigint - d*86400)*1000)<<20 AS k FROM generate_series(0, 59) d) AS made`)
	a.exec("INSERT INTO deliveries SELECT k+1, k, 1, 1, '', 2, ((k>>20)*1000), 200, NULL FROM events")
	a.exec("INSERT INTO attempts SELECT k, n, '' FROM deliveries, generate_series(1, 2) n")
	_, err = store.Migrate(t.Context(), a.o)
	a.must(err)
	if e, d, n := a.number("SELECT count(*) FROM events_before"), a.number("SELECT count(*) FROM deliveries"), a.number("SELECT count(*) FROM attempts"); e != 60 || d != 60 || n != 120 {
		t.Errorf("%d events, %d deliveries, %d attempts are there", e, d, n)
	}
	a.open()
	a.prune()
	if e, d, n := a.number("SELECT count(*) FROM events"), a.number("SELECT count(*) FROM deliveries"), a.number("SELECT count(*) FROM attempts"); e < 30 || e > 32 || d != e || n != 2*e {
		t.Errorf("%d events, %d deliveries, %d attempts are left of a month", e, d, n)
	}
	if n := a.number("SELECT count(*) FROM events_default"); n != 0 || a.number("SELECT count(*) FROM pg_inherits WHERE inhparent='events'::regclass") < 5 {
		t.Errorf("%d rows are in no part, or there are too few", n)
	}
	a.must(a.db.Close())
}

// scanned are the parts that an executed plan has looked into.
var scanned = regexp.MustCompile(`on (events|deliveries|attempts)_(\w+) .*actual`)

// TestStatementsPrune: what is found by its key is looked for in one part.
func TestStatementsPrune(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	a.accept(40, 10)
	a.must(a.db.Flush(t.Context()))
	now := time.Now()
	a.must(store.MakeParts(t.Context(), a.o.Database, now.AddDate(0, 0, -35), now.AddDate(0, 0, -1)))
	a.fillMonth()
	var keys, endpoint string
	a.must(a.c.QueryRow(t.Context(), "SELECT array_agg(k)::text FROM (SELECT k FROM queue UNION ALL (SELECT k FROM deliveries ORDER BY k DESC LIMIT 30)) AS d").Scan(&keys))
	a.must(a.c.QueryRow(t.Context(), "SELECT k::text FROM endpoints").Scan(&endpoint))
	project := a.number("SELECT k FROM projects")
	key := a.number("SELECT min(k) FROM events")
	list := []string{"'" + keys + "'", fmt.Sprint(project), "0", "0", "0", "999", "false"}
	with := map[string][]string{
		"final deliveries of a list": list, "pending deliveries of a list": list, "work": {endpoint, "-1", "0", "0", "100"},
	}
	all := store.StatementsByKey()
	for name, q := range map[string]string{
		"an event": "SELECT data FROM events WHERE k=$1", "a delivery": "SELECT * FROM deliveries WHERE k=$1", "its attempts": "SELECT * FROM attempts WHERE delivery=$1 ORDER BY number",
		"its deliveries": "SELECT EXISTS (SELECT 1 FROM deliveries WHERE k>$1 AND k<=$1+3)",
	} {
		all[name], with[name] = q, []string{fmt.Sprint(key)}
	}
	for name, q := range all {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			parts := a.plan(q, with[name], mode)
			for table, in := range parts {
				if len(in) > 1 {
					t.Errorf("%s (%s): looks for %s in %v", name, mode, table, in)
				}
			}
			if len(parts) == 0 && name != "pending deliveries of a list" {
				t.Errorf("%s (%s): reads no part", name, mode)
			}
		}
	}
	a.must(a.db.Close())
}

// fillMonth puts as much into each of the last days as lets the planner weigh.
func (a *aged) fillMonth() {
	a.Helper()
	a.exec("CREATE TEMP TABLE made AS SELECT (SELECT min(k) FROM events) - (d*86400000::bigint<<20) + (i::bigint<<21) AS k FROM generate_series(1, 34) d, generate_series(1, 2000) i")
	a.exec("INSERT INTO events SELECT m.k, e.project, e.consumer, e.type, e.time, e.dialect, e.flags, '', '', NULL, e.crc, e.data FROM made m, (SELECT * FROM events LIMIT 1) e")
	a.exec("INSERT INTO deliveries SELECT m.k+1, m.k, d.endpoint, d.state, '', 1, d.finished, 200 FROM made m, (SELECT * FROM deliveries LIMIT 1) d")
	a.exec("INSERT INTO attempts SELECT m.k+1, 1, a.data FROM made m, (SELECT * FROM attempts LIMIT 1) a")
	a.exec("ANALYZE")
}

// plan runs a statement as one that is prepared, and returns the parts that it
// looked into, by table.
func (a *aged) plan(q string, args []string, mode string) map[string][]string {
	a.Helper()
	a.exec("DEALLOCATE ALL; SET plan_cache_mode=" + mode + "; PREPARE planned AS " + q)
	rows, err := a.c.Query(a.Context(), "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE planned("+strings.Join(args, ",")+")", pgx.QueryExecModeSimpleProtocol)
	a.must(err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	a.must(err)
	out := map[string][]string{}
	for _, m := range scanned.FindAllStringSubmatch(strings.Join(lines, "\n"), -1) {
		if !slices.Contains(out[m[1]], m[2]) {
			out[m[1]] = append(out[m[1]], m[2])
		}
	}
	return out
}
