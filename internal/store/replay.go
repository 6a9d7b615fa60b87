package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// ReplayKind says what a replay sends.
type ReplayKind string

// Kinds of replays.
const (
	// ReplayRecover sends deliveries that are over again, with their attempt
	// numbers going on and a schedule that begins anew.
	ReplayRecover ReplayKind = "recover"
	// ReplayMissed makes the deliveries that an endpoint would have got if it
	// had been there, and had wanted them, when the events came in.
	ReplayMissed ReplayKind = "missed"
)

// ReplayState is where a replay stands.
type ReplayState string

// States of a replay; all but ReplayRunning are final.
const (
	ReplayRunning   ReplayState = "running"
	ReplayDone      ReplayState = "done"
	ReplayCancelled ReplayState = "cancelled"
	ReplayFailed    ReplayState = "failed"
)

// Replay is a job that puts deliveries into the queue, oldest first for each
// endpoint, in small slices beside everything else, also over a restart.
type Replay struct {
	ID        ID
	ProjectID ID
	KeyID     ID // the key that asked for it; zero: none
	Kind      ReplayKind
	ReplayFilter

	State   ReplayState
	Reason  string // failed: why, in words
	Matched int    // that it had to replay when it was made
	More    bool   // and more: counting ended there
	Done    int    // put into the queue
	Skipped int    // changed meanwhile: retried, delivered, or ended anew
	Failed  int    // cannot be sent any more
	// Progress from 0 to 1; negative where it is not known.
	Progress   float64
	CreatedAt  time.Time
	FinishedAt time.Time // zero while it runs
}

// ReplayFilter says what a replay is of. Zero fields do not narrow it.
type ReplayFilter struct {
	EndpointID ID     // needed by ReplayMissed
	Consumer   string // uid
	// States of the deliveries; of ReplayRecover only. None: Failed. Pending
	// are those that wait for a retry after an attempt that failed.
	States     []State
	EventTypes []string // patterns, as an endpoint has them; none: all
	// From is inclusive, Until is not. They judge when the delivery, or of
	// ReplayMissed the event, was made.
	From, Until time.Time
}

// keptFilter is what of a filter is kept as JSON.
type keptFilter struct {
	States []State  `json:"states,omitempty"`
	Types  []string `json:"types,omitempty"`
	From   int64    `json:"from,omitempty"`
	Until  int64    `json:"until,omitempty"`
}

// Limits of replays.
const (
	MaxReplays   = 100     // of a project that run at a time
	MaxReplaysOf = 10      // of those, of one consumer, or of all of them
	maxCounted   = 100_000 // what a count says exactly
	countFor     = 2 * time.Second
)

// replayRow is a replay with what only the store knows of it.
type replayRow struct {
	*Replay
	k, project, endpoint key
	next                 key
}

const selectReplay = `SELECT k, project, consumer, endpoint, kind, filter, made_by, state, reason, matched, more, done, skipped, failed, next, finished,
	(SELECT min(cursor) FROM replay_legs l WHERE l.replay=r.k) FROM replays r`

func (db *DB) scanReplay(scan func(...any) error) (*replayRow, error) {
	var (
		r        = &replayRow{Replay: &Replay{}}
		filter   []byte
		madeBy   key
		finished int64
		cursor   *key
		kept     keptFilter
	)
	err := scan(&r.k, &r.project, &r.Consumer, &r.endpoint, &r.Kind, &filter, &madeBy, &r.State, &r.Reason,
		&r.Matched, &r.More, &r.Done, &r.Skipped, &r.Failed, &r.next, &finished, &cursor)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(filter, &kept); err != nil {
		return nil, fmt.Errorf("the filter of replay %s: %w", db.keys.id(r.k), err)
	}
	r.ID, r.ProjectID, r.EndpointID, r.KeyID = db.keys.id(r.k), db.keys.id(r.project), db.keys.id(r.endpoint), db.keys.id(madeBy)
	r.States, r.EventTypes, r.From, r.Until = kept.States, kept.Types, fromMicros(kept.From), fromMicros(kept.Until)
	r.CreatedAt, r.FinishedAt = keyTime(r.k), fromMicros(finished)
	r.Progress = r.progress(cursor)
	return r, nil
}

// progress by what was counted, or, where that was too much, by the way that
// the one leg has come.
func (r *replayRow) progress(cursor *key) float64 {
	const nearly = 0.999 // while it runs
	switch oldest, bound := r.span(); {
	case r.State == ReplayDone:
		return 1
	case !r.More && r.Matched > 0:
		return min(nearly, float64(r.Done+r.Skipped+r.Failed)/float64(r.Matched))
	case !r.More:
		return 0
	case r.endpoint != 0 && cursor != nil && bound > oldest:
		return min(nearly, max(0, float64(*cursor-oldest)/float64(bound-oldest)))
	}
	return -1
}

// span is what a replay looks at: keys after the first and before the second.
func (r *replayRow) span() (after, bound key) {
	bound = r.k
	if bound == 0 {
		bound = never
	}
	if !r.Until.IsZero() {
		bound = min(bound, timeKey(ceilMilli(r.Until)))
	}
	if !r.From.IsZero() {
		after = timeKey(ceilMilli(r.From)) - 1
	}
	return max(0, after), bound
}

func (r *replayRow) filterText() ([]byte, error) {
	return json.Marshal(keptFilter{States: r.States, Types: r.EventTypes, From: micros(r.From), Until: micros(r.Until)})
}

// row checks a replay that is asked for and finds its keys. Errors:
// [ErrNotFound] (no such project, or no such endpoint in it).
func (db *DB) replayRow(ctx context.Context, r *Replay) (*replayRow, error) {
	p, err := db.knownProject(ctx, r.ProjectID)
	if err != nil {
		return nil, err
	}
	own := *r
	row := &replayRow{Replay: &own, project: p.k}
	if r.Kind == ReplayRecover && len(r.States) == 0 {
		own.States = []State{Failed}
	}
	if r.EndpointID.IsZero() {
		if r.Kind == ReplayMissed {
			return nil, fmt.Errorf("a replay of what was missed is of one endpoint: %w", ErrNotFound)
		}
		return row, nil
	}
	e, err := db.findEndpoint(ctx, r.EndpointID)
	if err != nil {
		return nil, err
	}
	if e.project != p.k || own.Consumer != "" && own.Consumer != e.Consumer {
		return nil, ErrNotFound
	}
	row.endpoint, own.Consumer = e.k, e.Consumer
	return row, nil
}

// CountReplay says how many deliveries a replay would be of, had it been made
// now. Counting ends at 100,000, or after two seconds: more is then true.
// Errors: [ErrNotFound] (no such project, or no such endpoint in it),
// [ErrTurn] (too much is counted already).
func (db *DB) CountReplay(ctx context.Context, r *Replay) (n int, more bool, err error) {
	row, err := db.replayRow(ctx, r)
	if err != nil {
		return 0, false, err
	}
	return db.countReplay(ctx, row)
}

// CreateReplay keeps a replay and starts it; ID, State, Matched, More and
// CreatedAt are set. With o, it happens once: where it was done before, that
// time's answer comes back, and r is as it was.
// Errors: [ErrNotFound] (no such project, or no such endpoint in it),
// [ErrLimit] ([MaxReplays] of the project run, or [MaxReplaysOf] of the
// consumer), [ErrReused], [ErrTurn].
func (db *DB) CreateReplay(ctx context.Context, r *Replay, o *Once[Replay]) (before []byte, err error) {
	row, err := db.replayRow(ctx, r)
	if err != nil {
		return nil, err
	}
	if row.Matched, row.More, err = db.countReplay(ctx, row); err != nil {
		return nil, err
	}
	before, err = created(ctx, db, o, r, row.Replay, func(b *batch) error { return b.createReplay(row) })
	if err == nil && before == nil {
		db.replays.wake()
	}
	return before, err
}

func (b *batch) createReplay(r *replayRow) error {
	var running, same int
	if err := b.claim("replays of %d", r.project); err != nil {
		return err
	}
	if _, err := b.row("SELECT count(*), count(CASE WHEN consumer=? THEN 1 END) FROM replays WHERE project=? AND state='running'",
		[]any{r.Consumer, r.project}, &running, &same); err != nil {
		return err
	}
	if running >= MaxReplays || same >= MaxReplaysOf {
		return fmt.Errorf("%d replays of the project run, %d of the same consumer: %w", running, same, ErrLimit)
	}
	r.k = b.key()
	r.ID, r.CreatedAt, r.State = b.db.keys.id(r.k), keyTime(r.k), ReplayRunning
	filter, err := r.filterText()
	if err != nil {
		return err
	}
	if r.endpoint != 0 {
		after, _ := r.span()
		r.next = never
		if err := b.exec("INSERT INTO replay_legs VALUES (?,?,?)", r.k, r.endpoint, after); err != nil {
			return err
		}
	}
	if k := r.endpoint; k != 0 && r.Kind == ReplayRecover {
		b.after = append(b.after, func() { b.db.tellRecovery(k) })
	}
	madeBy, _ := b.db.keys.key(r.KeyID)
	err = b.exec("INSERT INTO replays VALUES (?,?,?,?,?,?,?,?,'',?,?,0,0,0,?,0)",
		r.k, r.project, r.Consumer, r.endpoint, string(r.Kind), filter, madeBy, string(r.State), r.Matched, r.More, r.next)
	if err != nil {
		return err
	}
	return b.note(r.project, ActionReplayCreate, ReplayName.Format(r.ID), r.Consumer, r.changes()...)
}

// changes are what the audit log says of a new replay.
func (r *replayRow) changes() (d diff) {
	d.text("kind", "", string(r.Kind))
	if r.endpoint != 0 {
		d.text("endpoint", "", EndpointName.Format(r.EndpointID))
	}
	states := make([]string, len(r.States))
	for i, s := range r.States {
		states[i] = string(s)
	}
	d.list("states", nil, states)
	d.list("event_types", nil, r.EventTypes)
	d.time("from", time.Time{}, r.From)
	d.time("until", time.Time{}, r.Until)
	d.number("matched", 0, r.Matched)
	return d
}

// Replay reads one. Errors: [ErrNotFound].
func (db *DB) Replay(ctx context.Context, project, id ID) (*Replay, error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	var r *replayRow
	err := db.read(ctx, true, func(c *conn) (err error) {
		r, err = db.loadReplay(ctx, c, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r == nil || r.ProjectID != project {
		return nil, ErrNotFound
	}
	return r.Replay, nil
}

// loadReplay reads one; nil where there is none.
func (db *DB) loadReplay(ctx context.Context, c *conn, k key) (r *replayRow, err error) {
	err = c.rows(ctx, selectReplay+" WHERE k=?", []any{k}, func(scan func(...any) error) (_ bool, err error) {
		r, err = db.scanReplay(scan)
		return false, err
	})
	return r, err
}

// CancelReplay ends a replay: nothing more of it is put into the queue. What
// was put there stays. Errors: [ErrNotFound], [ErrConflict] (it is over).
func (db *DB) CancelReplay(ctx context.Context, project, id ID) (out *Replay, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	var own *Replay
	err = db.write(ctx, func(b *batch) error {
		if err := b.lockReplay(k); err != nil {
			return err
		}
		r, err := db.loadReplay(context.Background(), b.c, k)
		switch {
		case err != nil:
			return err
		case r == nil || r.ProjectID != project:
			return ErrNotFound
		case r.State != ReplayRunning:
			return fmt.Errorf("the replay is already %s: %w", r.State, ErrConflict)
		}
		own = r.Replay
		own.State, own.FinishedAt = ReplayCancelled, b.now
		if err := b.note(r.project, ActionReplayCancel, ReplayName.Format(r.ID), r.Consumer); err != nil {
			return err
		}
		return b.endReplay(k, ReplayCancelled, "")
	})
	if err != nil {
		return nil, err
	}
	return own, nil
}

func (b *batch) lockReplay(k key) error { return b.lock("SELECT 1 FROM replays WHERE k=?", k) }

// endReplay makes a replay final.
func (b *batch) endReplay(k key, s ReplayState, reason string) error {
	if err := b.exec("DELETE FROM replay_legs WHERE replay=?", k); err != nil {
		return err
	}
	if err := b.exec("UPDATE replays SET state=?, reason=?, finished=? WHERE k=?", string(s), reason, b.us, k); err != nil {
		return err
	}
	return b.announceReplay(k)
}

// pruneReplays deletes those that were over before the cut.
func (b *batch) pruneReplays(_ *pruneRound, cut key, limit int) (int, error) {
	return b.change("DELETE FROM replays WHERE k IN (SELECT k FROM replays WHERE k<? AND state<>'running' AND finished<? ORDER BY k LIMIT ?)",
		cut, micros(keyTime(cut)), limit)
}
