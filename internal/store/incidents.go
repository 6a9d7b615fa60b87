package store

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// Notices of an endpoint.
const (
	fifth            = 5              // failed attempts in a row that are told
	noticesAnHour    = 6              // of one endpoint; what is more, a reminder stands for
	remindFirst      = time.Hour      // after the first that was not told
	remindAgain      = 24 * time.Hour // after the reminder before
	incidentCooling  = time.Hour      // after the last notice, in which single failures are no news
	incidentKeptFor  = 2 * time.Hour  // after a success
	noticesWithin    = time.Hour      // that are counted
	microsOfCooling  = int64(incidentCooling / time.Microsecond)
	microsOfCounting = int64(noticesWithin / time.Microsecond)
)

// Bits of what was told.
const (
	toldFirst = 1 << iota
	toldFifth
	toldFailed
	toldDisabled
	toldBefore = 1 << 7 // something, before somebody resumed it
)

// incident is an endpoint's failing, from its first failed attempt until a
// success. It stays for a while after that, closed: an endpoint that fails now
// and then is no news each time.
type incident struct {
	opened, closed   int64
	failures         int
	told             int
	failed, reported int
	withheld         int
	remind, reminded int64
	notices          []int64 // times

	changed bool // by the batch under way, and not written yet
}

const selectIncident = "SELECT endpoint, opened, closed, failures, told, failed, reported, withheld, remind, reminded, notices FROM incidents"

func scanIncident(scan func(...any) error) (k key, in *incident, err error) {
	in = &incident{}
	var notices []byte
	err = scan(&k, &in.opened, &in.closed, &in.failures, &in.told, &in.failed, &in.reported, &in.withheld, &in.remind, &in.reminded, &notices)
	in.notices = timesOf(notices)
	return k, in, err
}

// timesOf reads times, 8 bytes each.
func timesOf(b []byte) (times []int64) {
	for ; len(b) >= 8; b = b[8:] {
		times = append(times, int64(binary.BigEndian.Uint64(b)))
	}
	return times
}

func timesText(times []int64) []byte {
	b := make([]byte, 0, 8*len(times))
	for _, t := range times {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	return b
}

// readIncidents has memory know the incidents of some endpoints as the table has
// them.
func (b *batch) readIncidents(of func(endpoint key) bool) error {
	if !b.db.o.Mail {
		return nil
	}
	read := map[key]*incident{}
	err := b.rows(selectIncident, nil, func(scan func(...any) error) (bool, error) {
		k, in, err := scanIncident(scan)
		if of(k) {
			read[k] = in
		}
		return true, err
	})
	var queued int64
	if err == nil {
		_, err = b.row("SELECT count(*) FROM mails", nil, &queued)
	}
	b.after = append(b.after, func() {
		maps.DeleteFunc(b.w.incidents, func(k key, _ *incident) bool { return of(k) })
		maps.Copy(b.w.incidents, read)
		b.db.mails.Store(queued)
	})
	return err
}

// incidentsInto reads incidents into a map. The writer asks for each attempt
// whether its endpoint has one, so all of them are in memory.
func incidentsInto(m *map[key]*incident) func(func(...any) error) (bool, error) {
	*m = map[key]*incident{}
	return func(scan func(...any) error) (bool, error) {
		k, in, err := scanIncident(scan)
		(*m)[k] = in
		return true, err
	}
}

// recoverMails counts those that wait to be sent.
func (db *DB) recoverMails(ctx context.Context, c *conn) error {
	if !db.o.Mail {
		return nil
	}
	var queued int64
	_, err := c.row(ctx, "SELECT count(*) FROM mails", nil, &queued)
	db.mails.Store(queued)
	return err
}

// incident of an endpoint, to change; nil: there is none.
func (b *batch) incident(endpoint key) (*incident, error) {
	if in := b.incidents[endpoint]; in != nil {
		return in, nil
	}
	was := b.w.incidents[endpoint]
	if was == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	own := *was
	own.notices = slices.Clone(was.notices)
	if b.db.engine.shared() { // the chief, or whoever resumes an endpoint, changes the row
		if err := b.refresh(endpoint, &own); err != nil || own.opened == 0 {
			return nil, err
		}
	}
	b.incidents[endpoint] = &own
	return &own, nil
}

// refresh reads an incident as others left it; opened is 0 where it is gone.
func (b *batch) refresh(endpoint key, in *incident) error {
	was := *in
	*in = incident{}
	err := b.rows(selectIncident+" WHERE endpoint=? /*FOR UPDATE*/", []any{endpoint}, func(scan func(...any) error) (bool, error) {
		_, now, err := scanIncident(scan)
		if err == nil {
			*in = *now
		}
		return false, err
	})
	if in.closed != 0 && in.closed == was.closed {
		in.failures = was.failures // memory alone counts them
	}
	return err
}

// attempted takes over what an attempt says of its endpoint, for those who are
// to be told. An endpoint that never failed costs a look into a map.
func (b *batch) attempted(endpoint key, o *Outcome, disabled bool) error {
	if !b.db.o.Mail {
		return nil
	}
	c := o.Attempt.Class
	switch {
	case o.State == Delivered:
		return b.succeeded(endpoint, o)
	case o.Work.Event.Test && !disabled, c == ClassUnknown, c == ClassCancelled: // they say nothing of the endpoint
		return nil
	}
	return b.struggled(endpoint, o, disabled)
}

// struggled counts a failed attempt, and makes a notice of the first, the
// fifth, and the one that ends a delivery or the endpoint.
func (b *batch) struggled(endpoint key, o *Outcome, disabled bool) error {
	in, err := b.incident(endpoint)
	switch {
	case err != nil:
		return err
	case in == nil:
		some, err := b.anybody(o.Work.Event.ProjectID, endpoint)
		if err != nil || !some {
			return err
		}
		in = &incident{opened: b.us}
		b.incidents[endpoint] = in
	case in.closed != 0 && b.us-in.lastNotice() > microsOfCooling:
		in.opened, in.closed, in.failures, in.told = b.us, 0, 0, 0
	}
	if in.failures < fifth {
		in.failures++
		in.changed = in.changed || in.closed == 0
	}
	final := o.State == Failed
	if final {
		in.failed++
		in.changed = true
	}
	kind := in.news(final, disabled)
	if kind == "" {
		if final && in.remind == 0 {
			in.remindAfter(b.us)
		}
		return nil
	}
	if in.closed != 0 { // it begins anew
		in.opened, in.closed = b.us, 0
	}
	return b.notice(endpoint, in, noticeOf(kind, o))
}

// news is what a failed attempt is to be told as; empty: as nothing. Each is
// told once, and nothing after what is worse.
func (in *incident) news(final, disabled bool) (kind NoticeKind) {
	first, bits := in.failures == 1 && in.closed == 0, 0
	switch {
	case disabled:
		kind, bits = NoticeDisabled, toldDisabled|toldFailed|toldFifth|toldFirst
	case final && in.told&toldFailed == 0:
		kind, bits = NoticeFailed, toldFailed|toldFifth|toldFirst
	case in.failures >= fifth && in.told&toldFifth == 0:
		kind, bits = NoticeFifth, toldFifth|toldFirst
	case first && in.told&toldFirst == 0:
		kind, bits = NoticeFirst, toldFirst
	}
	in.told |= bits
	in.changed = in.changed || bits != 0
	return kind
}

// notice makes one of an incident, or has a reminder stand for it.
func (b *batch) notice(endpoint key, in *incident, n *Notice) error {
	in.changed = true
	in.notices = slices.DeleteFunc(in.notices, func(t int64) bool { return b.us-t >= microsOfCounting })
	if len(in.notices) >= noticesAnHour {
		in.withheld++
		b.suppressed++
		in.remindAfter(b.us)
		return nil
	}
	in.notices = append(in.notices, b.us)
	n.Since, n.Failures, n.Failed = fromMicros(in.opened), in.failures, in.failed
	n.More, n.Withheld = in.failed-in.reported, in.withheld
	in.reported, in.remind, in.withheld = in.failed, 0, 0
	if in.closed != 0 { // with what the next one begins
		in.failed, in.reported = 0, 0
	}
	return b.noticed(endpoint, n)
}

func (in *incident) lastNotice() int64 {
	if len(in.notices) == 0 {
		return in.opened
	}
	return in.notices[len(in.notices)-1]
}

// remindAfter sets when what was not told is told.
func (in *incident) remindAfter(now int64) {
	if in.remind != 0 {
		return
	}
	in.changed = true
	if in.remind = now + remindFirst.Microseconds(); in.reminded != 0 {
		in.remind = max(in.remind, in.reminded+remindAgain.Microseconds())
	}
}

// succeeded closes an incident.
func (b *batch) succeeded(endpoint key, o *Outcome) error {
	in, err := b.incident(endpoint)
	if err != nil || in == nil {
		return err
	}
	in.failures = 0
	if in.closed != 0 {
		return nil
	}
	told := in.told
	in.closed, in.told, in.changed = b.us, 0, true
	if told == 0 {
		return nil
	}
	return b.notice(endpoint, in, noticeOf(NoticeRecovered, o))
}

const putIncident = `INSERT INTO incidents VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (endpoint) DO UPDATE SET opened=excluded.opened, closed=excluded.closed,
	failures=excluded.failures, told=excluded.told, failed=excluded.failed, reported=excluded.reported, withheld=excluded.withheld,
	remind=excluded.remind, reminded=excluded.reminded, notices=excluded.notices`

func (b *batch) keepIncident(endpoint key, in *incident) error {
	in.changed = false
	return b.exec(putIncident, endpoint, in.opened, in.closed, in.failures, in.told, in.failed, in.reported, in.withheld,
		in.remind, in.reminded, timesText(in.notices))
}

// keepIncidents writes those that the attempts of this batch changed: once
// each, however many there were.
func (b *batch) keepIncidents() error {
	for k, in := range b.incidents {
		if in.changed {
			if err := b.keepIncident(k, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// settleIncidents takes over what was written; others change rows alone, and
// have them read anew after it.
func (b *batch) settleIncidents() {
	maps.Copy(b.w.incidents, b.incidents)
	clear(b.incidents)
}

// readIncident brings an incident's row into memory after the commit.
func (b *batch) readIncident(endpoint key) {
	b.changed(changedIncident, endpoint, func() {
		delete(b.w.incidents, endpoint)
		err := b.rows(selectIncident+" WHERE endpoint=?", []any{endpoint}, func(scan func(...any) error) (bool, error) {
			k, in, err := scanIncident(scan)
			b.w.incidents[k] = in
			return true, err
		})
		if err != nil {
			b.db.log.Error("an incident cannot be read: its endpoint may be told of twice", "endpoint", EndpointName.Format(b.db.keys.id(endpoint)), "error", err)
		}
	})
}

// resumeIncident lets everything be told again, since a person stepped in.
func (b *batch) resumeIncident(endpoint key) error {
	n, err := b.change("UPDATE incidents SET failures=0, remind=0, told=CASE WHEN told=0 THEN 0 ELSE ? END WHERE endpoint=? AND closed=0", toldBefore, endpoint)
	if n > 0 {
		b.readIncident(endpoint)
	}
	return err
}

// forgetIncident of an endpoint that is deleted.
func (b *batch) forgetIncident(endpoint key) error {
	n, err := b.change("DELETE FROM incidents WHERE endpoint=?", endpoint)
	if n > 0 {
		b.readIncident(endpoint)
	}
	return err
}

// tendIncidents makes the reminders that are due.
func (b *batch) tendIncidents(limit int) (int, error) {
	type row struct {
		k  key
		in *incident
	}
	var rows []row
	err := b.rows(selectIncident+" WHERE remind>0 AND remind<=? ORDER BY remind LIMIT ? /*FOR UPDATE*/", []any{b.us, limit}, func(scan func(...any) error) (bool, error) {
		k, in, err := scanIncident(scan)
		rows = append(rows, row{k, in})
		return true, err
	})
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		in, n := r.in, &Notice{Kind: NoticeStill}
		if in.closed != 0 {
			n.Kind = NoticeRecovered
		}
		in.remind, in.reminded = 0, b.us
		if err := b.notice(r.k, in, n); err != nil {
			return 0, err
		}
		if err := b.keepIncident(r.k, in); err != nil {
			return 0, err
		}
		b.readIncident(r.k)
	}
	return len(rows), nil
}

// pruneIncidents deletes those that are over.
func (b *batch) pruneIncidents(_ *pruneRound, _ key, limit int) (int, error) {
	var over []key
	err := b.rows("SELECT endpoint FROM incidents WHERE closed>0 AND closed<? AND remind=0 ORDER BY closed LIMIT ? /*FOR UPDATE*/",
		[]any{micros(b.now.Add(-incidentKeptFor)), limit}, func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			over = append(over, k)
			return true, err
		})
	if err != nil {
		return 0, err
	}
	for _, k := range over {
		if err := b.forgetIncident(k); err != nil {
			return 0, err
		}
	}
	return len(over), nil
}
