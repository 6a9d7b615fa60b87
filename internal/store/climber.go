package store

import (
	"context"
	"slices"
)

// climber gives the keys of some terms together, oldest first, each once. It
// is a [walker] the other way round: blocks come in the order of their newest
// key, and none reaches further back from it than blockSpan.
type climber struct {
	c     *conn
	terms [][]byte
	lists []climb
	after key // the last that was given
	bound key // strictly older than this
}

type climb struct {
	at, n int64 // the last block that was read
	ready []key // newest first: taken from the end
	ended bool
}

// newClimber starts strictly after a key and ends before another.
func newClimber(c *conn, terms []string, after, bound key) *climber {
	cl := &climber{c: c, lists: make([]climb, len(terms)), after: after, bound: bound}
	for i, t := range terms {
		cl.terms = append(cl.terms, []byte(t))
		cl.lists[i] = climb{at: after, n: never}
	}
	return cl
}

// next is the next key; 0 at the end.
func (c *climber) next(ctx context.Context) (key, error) {
	for {
		best, least := -1, key(never)
		for i := range c.lists {
			k, err := c.head(ctx, i)
			if err != nil {
				return 0, err
			}
			if k != 0 && k < least {
				best, least = i, k
			}
		}
		if best < 0 || least >= c.bound {
			return 0, nil
		}
		l := &c.lists[best]
		l.ready = l.ready[:len(l.ready)-1]
		if least > c.after {
			c.after = least
			return least, nil
		}
	}
}

// head is the oldest key of a list that is left; 0: none.
func (c *climber) head(ctx context.Context, i int) (key, error) {
	l := &c.lists[i]
	for {
		// A block that was not read yet ends at l.at or later.
		if n := len(l.ready); n > 0 && (l.ended || l.ready[n-1] <= l.at-blockSpan) {
			return l.ready[n-1], nil
		}
		if l.ended {
			return 0, nil
		}
		if err := c.load(ctx, i); err != nil {
			return 0, err
		}
	}
}

const climbBlocks = 16

func (c *climber) load(ctx context.Context, i int) error {
	l := &c.lists[i]
	blocks := 0
	err := c.c.rows(ctx, "SELECT last, n, data FROM postings WHERE term=? AND (last, n) > (?, ?) ORDER BY last, n LIMIT ?",
		[]any{c.terms[i], l.at, l.n, climbBlocks}, func(scan func(...any) error) (bool, error) {
			var data []byte
			if err := scan(&l.at, &l.n, &data); err != nil {
				return false, err
			}
			blocks++
			from := len(l.ready)
			keys, err := readBlock(l.ready, l.at, data)
			if err != nil {
				keys = keys[:from] // a bad block hides its own keys only
			}
			l.ready = keys[:from]
			for _, k := range keys[from:] {
				if k > c.after && k < c.bound {
					l.ready = append(l.ready, k)
				}
			}
			return true, nil
		})
	if err != nil {
		return err
	}
	slices.SortFunc(l.ready, func(x, y key) int { return int(min(1, max(-1, y-x))) })
	l.ended = blocks < climbBlocks || l.at-blockSpan >= c.bound
	return nil
}
