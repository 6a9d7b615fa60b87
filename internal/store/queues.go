package store

import "context"

// QueueRead asks for an endpoint's queue in order of Place, strictly after a
// place (zero: from the start), up to Limit deliveries or MaxBytes of payload,
// whichever ends first (at least one).
type QueueRead struct {
	Endpoint        ID
	After           Place
	Limit, MaxBytes int
}

// QueuePage is what a read brought.
type QueuePage struct {
	Works []*Work
	End   bool // nothing was behind them
}

func (r *QueueRead) after(db *DB) (due int64, k key) {
	if r.After == (Place{}) {
		return -1, 0
	}
	k, _ = db.keys.key(r.After.ID)
	return micros(r.After.DueAt), k
}

// queuesBytes is about how much payload one statement brings of many queues.
const queuesBytes = 2 << 20

// LoadQueues reads the queues of different endpoints, each as far as it asks
// for. What does not read as it was written is left out and ended as failed,
// "corrupt". Where several are read at once (PostgreSQL), 2 MiB of payload are
// about the most, in place of MaxBytes: queues that are past it come back with
// nothing, and not as ended.
func (db *DB) LoadQueues(ctx context.Context, reads []QueueRead) ([]QueuePage, error) {
	if len(reads) > 1 && db.nodes != nil {
		pages, err := db.loadTogether(ctx, reads)
		if pages != nil || err != nil && faultOf(err) != faultCorrupt {
			return pages, err
		}
	}
	pages := make([]QueuePage, len(reads))
	for i := range reads {
		var err error
		if pages[i], err = db.loadPage(ctx, &reads[i]); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// selectWorks is selectWork of many queues: a round trip costs more than the
// few rows that each of them has.
const selectWorks = `SELECT r.n, q.k, q.event, q.due, q.attempts, q.interrupted, q.last_at,
	e.k, e.project, e.consumer, e.type, e.time, e.dialect, e.flags, e.crc, e.data
	FROM unnest(?1::bigint[], ?2::bigint[], ?3::bigint[], ?4::bigint[], ?5::bigint[]) WITH ORDINALITY AS r(endpoint, due, k, least, most, n)
	JOIN LATERAL (SELECT * FROM queue w WHERE w.endpoint=r.endpoint AND w.endpoint>0 AND (w.due, w.k) > (r.due, r.k) AND w.k >= r.least ORDER BY w.due, w.k LIMIT r.most) q ON true
	LEFT JOIN events e ON e.k = q.event`

// loadTogether is nil where the queues have to be read one by one.
func (db *DB) loadTogether(ctx context.Context, reads []QueueRead) ([]QueuePage, error) {
	pages := make([]QueuePage, len(reads))
	var lists [5]keyList
	var at []int // the read of each row of the lists
	for i := range reads {
		k, ok := db.keys.key(reads[i].Endpoint)
		if !ok || db.isDeleting(k) {
			pages[i].End = true
			continue
		}
		due, after := reads[i].after(db)
		for j, v := range [...]int64{k, due, after, db.skippedBefore(k), int64(reads[i].Limit)} {
			lists[j] = append(lists[j], v)
		}
		at = append(at, i)
	}
	if len(at) == 0 {
		return pages, nil
	}
	last, size, damaged, full := 0, 0, false, false
	rows := make([]int, len(reads))
	err := db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectWorks, []any{lists[0], lists[1], lists[2], lists[3], lists[4]}, func(scan func(...any) error) (bool, error) {
			var n int
			w, _, err := db.scanWork(func(into ...any) error { return scan(append([]any{&n}, into...)...) }, 0)
			if err != nil || w == nil || n-1 < last { // rows come queue by queue: the join is a loop
				damaged = true
				return false, err
			}
			if last = n - 1; size > queuesBytes && rows[at[last]] == 0 {
				full = true
				return false, nil
			}
			i := at[last]
			w.EndpointID = reads[i].Endpoint
			rows[i]++
			size += len(w.Event.Data)
			pages[i].Works = append(pages[i].Works, w)
			return true, nil
		})
	})
	if damaged || err != nil {
		return nil, err
	}
	for n, i := range at {
		pages[i].End = rows[i] < reads[i].Limit && (!full || n < last)
	}
	return pages, nil
}
