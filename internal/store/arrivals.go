package store

import (
	"context"
	"sync"
	"time"
)

// arrivals wakes who waits for requests that arrive at an inspector. The zero
// value is ready.
type arrivals struct {
	mu    sync.Mutex
	waits map[key]*awaited
}

type awaited struct {
	n    int // who wait
	some chan struct{}
}

// wait is closed when the next request is kept by this process; leave is
// called when nobody waits any more.
func (a *arrivals) wait(of key) (some <-chan struct{}, leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.waits[of]
	if w == nil {
		if a.waits == nil {
			a.waits = map[key]*awaited{}
		}
		w = &awaited{some: make(chan struct{})}
		a.waits[of] = w
	}
	w.n++
	return w.some, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if w.n--; w.n == 0 && a.waits[of] == w {
			delete(a.waits, of)
		}
	}
}

func (a *arrivals) tell(of key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.waits[of]; w != nil {
		close(w.some)
		delete(a.waits, of)
	}
}

// arrivalEvery is how often it is looked whether another process kept a request.
const arrivalEvery = time.Second

// NextInspected is the oldest request of an inspector after the one given
// (zero: the oldest of all), whichever process kept it; where there is none, it
// is waited for until ctx ends, and then nil. The one given need not be kept
// any more. Errors: [ErrNotFound] (no such inspector, or it ended meanwhile).
func (db *DB) NextInspected(ctx context.Context, project, inspector, after ID) (*InspectedRequest, error) {
	k, ok := db.keys.key(inspector)
	if !ok {
		return nil, ErrNotFound
	}
	from, _ := db.keys.key(after)
	look := time.NewTicker(arrivalEvery)
	defer look.Stop()
	for {
		some, leave := db.arrivals.wait(k)
		r, err := db.nextInspected(project, inspector, from)
		if r != nil || err != nil {
			leave()
			return r, err
		}
		select {
		case <-ctx.Done():
			leave()
			return nil, nil //nolint:nilnil // none came
		case <-some:
		case <-look.C:
		}
		leave()
	}
}

func (db *DB) nextInspected(project, inspector ID, after key) (r *InspectedRequest, err error) {
	ctx := context.Background() // short, and the end of a wait is no error
	err = db.read(ctx, false, func(c *conn) error {
		of, err := db.ownInspector(ctx, c, project, inspector)
		if err != nil {
			return err
		}
		r, err = db.oneInspected(ctx, c, "inspector=? AND k>? ORDER BY k LIMIT 1", of, after)
		return err
	})
	return r, err
}

// Made reports whether this store made an id, of whatever it is.
func (db *DB) Made(id ID) bool {
	_, ok := db.keys.key(id)
	return ok
}
