package store

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
)

// Lists walk postings: for each term the keys of the rows that match it, in
// blocks. An event is in three lists and each of its deliveries in four; as
// rows of ordinary indexes they would be scattered over as many pages as there
// are endpoints and consumers, and every commit would write them all. So the
// writer holds what is new in memory (its debt, which readers see) and writes it
// as blocks once a second. state.indexed says up to which event that was done: a
// start reads the events after it again.
//
// Only lists need postings; what is pending, kept or sent does not.

// The lists. What follows in a term is a key (project or endpoint), and for
// some a text.
const (
	listEvents             = 'a' // project
	listEventsConsumer     = 'b' // project, uid
	listEventsType         = 'c' // project, type
	listDeliveries         = 'd' // project
	listDeliveriesEndpoint = 'e' // endpoint
	listDeliveriesConsumer = 'f' // project, uid
	listDeliveriesType     = 'g' // project, type
	listState              = 'h' // project, state
	listStateEndpoint      = 'i' // endpoint, state
	listStateConsumer      = 'j' // project, state + uid
)

const (
	blockKeys = 256     // keys in a block, at most
	blockSpan = 1 << 32 // from its oldest to its newest key: 4 seconds
)

var errBlock = errors.New("a block of a list does not decode")

func term(list byte, k key, text string) string {
	t := make([]byte, 0, 9+len(text))
	t = append(t, list)
	t = binary.BigEndian.AppendUint64(t, uint64(k))
	return string(append(t, text...))
}

// indexEntry is an event that is not in the lists yet.
type indexEntry struct {
	k         key
	project   key
	consumer  string
	eventType string
	targets   []target
}

// finalEntry is a delivery that failed or was cancelled in a batch: the lists
// by state are written with it.
type finalEntry struct {
	k        key
	project  key
	endpoint key
	consumer string
	state    State
}

// postings collects keys by term.
type postings map[string][]key

func (p postings) add(k key, list byte, of key, text string) {
	t := term(list, of, text)
	p[t] = append(p[t], k)
}

func (p postings) addEvent(e *indexEntry) {
	p.add(e.k, listEvents, e.project, "")
	p.add(e.k, listEventsConsumer, e.project, e.consumer)
	p.add(e.k, listEventsType, e.project, e.eventType)
	p.addDeliveries(e.project, e.k+1, e.eventType, e.targets)
}

func (p postings) addDeliveries(project, first key, eventType string, targets []target) {
	for i, t := range targets {
		k := first + key(i)
		p.add(k, listDeliveries, project, "")
		p.add(k, listDeliveriesEndpoint, t.endpoint, "")
		p.add(k, listDeliveriesConsumer, project, t.consumer)
		p.add(k, listDeliveriesType, project, eventType)
	}
}

func deliveryEntries(project, first key, eventType string, targets []target) postings {
	p := postings{}
	p.addDeliveries(project, first, eventType, targets)
	return p
}

const insertPosting = "INSERT INTO postings VALUES (?,?,?,?)"

// indexNow writes postings in this batch.
func (b *batch) indexNow(p postings) error {
	terms := make([]string, 0, len(p))
	for t := range p {
		terms = append(terms, t)
	}
	slices.Sort(terms)            // neighbours in the tree: one page is written once
	block := make([]byte, 0, 512) // never nil: that would be NULL
	for _, t := range terms {
		keys := p[t]
		slices.SortFunc(keys, func(x, y key) int { return int(min(1, max(-1, y-x))) })
		for len(keys) > 0 {
			n := 1
			for n < len(keys) && n < blockKeys && keys[0]-keys[n] < blockSpan {
				n++
			}
			block = appendBlock(block[:0], keys[:n])
			if err := b.exec(insertPosting, []byte(t), keys[0], b.key(), block); err != nil {
				return err
			}
			keys = keys[n:]
		}
	}
	return nil
}

// flush writes all events that are not in the lists yet, and what else was
// put off.
func (b *batch) flush() error {
	p := postings{}
	for _, entries := range [][]indexEntry{b.w.debt.now(), b.index} {
		for i := range entries {
			p.addEvent(&entries[i])
			b.effects.indexed = max(b.effects.indexed, entries[i].k)
		}
	}
	if err := b.indexNow(p); err != nil {
		return err
	}
	b.flushed = b.w.owed
	b.index = b.index[:0]
	if err := b.trimSends(); err != nil {
		return err
	}
	return b.touchKeys()
}

// writeFinals puts what failed or was cancelled in this batch into its lists.
func (b *batch) writeFinals() error {
	if len(b.finals) == 0 {
		return nil
	}
	p := postings{}
	for _, f := range b.finals {
		p.add(f.k, listState, f.project, string(f.state))
		p.add(f.k, listStateEndpoint, f.endpoint, string(f.state))
		p.add(f.k, listStateConsumer, f.project, string(f.state)+" "+f.consumer)
	}
	return b.indexNow(p)
}

// appendBlock encodes keys, newest first: the first is the block's own, the
// others follow as differences.
func appendBlock(dst []byte, keys []key) []byte {
	for i := 1; i < len(keys); i++ {
		dst = binary.AppendUvarint(dst, uint64(keys[i-1]-keys[i]))
	}
	return dst
}

// readBlock appends a block's keys to dst.
func readBlock(dst []key, last key, data []byte) ([]key, error) {
	dst = append(dst, last)
	for len(data) > 0 {
		d, n := binary.Uvarint(data)
		if n <= 0 || d > uint64(last) {
			return dst, errBlock
		}
		last -= key(d)
		dst = append(dst, last)
		data = data[n:]
	}
	return dst, nil
}

// walker gives a term's keys, newest first, each once.
type walker struct {
	c      *conn
	term   []byte
	before key // strictly older than this
	floor  key // not older than this

	ready  []key // oldest first: taken from the end
	at, n  int64 // the last block that was read
	chunk  int
	ended  bool
	latest key // the last that was given
}

func newWalker(c *conn, t string, floor, before key) *walker {
	start := before
	if start < never-blockSpan {
		start += blockSpan
	}
	return &walker{c: c, term: []byte(t), before: before, floor: floor, at: start, n: never, chunk: 2, latest: before}
}

// next is the next key; 0 at the end.
func (w *walker) next(ctx context.Context) (key, error) {
	for {
		// A block that was not read yet holds no key above its newest, and
		// blocks come in the order of their newest.
		if n := len(w.ready); n > 0 && (w.ended || w.ready[n-1] >= w.at) {
			k := w.ready[n-1]
			w.ready = w.ready[:n-1]
			if k >= w.latest {
				continue
			}
			if k < w.floor {
				return 0, nil
			}
			w.latest = k
			return k, nil
		}
		if w.ended {
			return 0, nil
		}
		if err := w.load(ctx); err != nil {
			return 0, err
		}
	}
}

func (w *walker) load(ctx context.Context) error {
	blocks := 0
	err := w.c.rows(ctx, `SELECT last, n, data FROM postings WHERE term=? AND (last, n) < (?, ?) AND last >= ?
		ORDER BY last DESC, n DESC LIMIT ?`, []any{w.term, w.at, w.n, w.floor, w.chunk},
		func(scan func(...any) error) (bool, error) {
			var data []byte
			if err := scan(&w.at, &w.n, &data); err != nil {
				return false, err
			}
			blocks++
			from := len(w.ready)
			keys, err := readBlock(w.ready, w.at, data)
			if err != nil {
				keys = keys[:from] // a bad block hides its own keys only
			}
			w.ready = keys
			return true, nil
		})
	if err != nil {
		return err
	}
	slices.Sort(w.ready)
	w.ended = blocks < w.chunk
	w.chunk = min(w.chunk*2, 16)
	return nil
}
