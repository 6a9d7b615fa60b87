package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Nothing is written before an attempt, so an attempt that a crash
// interrupted leaves no row, and the receiver may have got it all the same.
// After a crash the deliveries that were due are therefore suspects: of each
// endpoint that was active, the first in its queue, as many as it may have
// had in flight. When one of them is taken, the attempt that may have been is
// recorded beside the one that is made. It has a number, and used up no try.

const interruptedDetail lang.Kept = "interrupted by a crash of this server; the request may have arrived"

// suspect notes that a crash may have interrupted an attempt of a delivery
// that is being taken.
func (e *Engine) suspect(it *item) {
	crashed := it.lane.shard.crashed
	if it.lane.suspects == 0 || it.work.DueAt.After(crashed) {
		return
	}
	it.lane.suspects--
	it.interrupted = &store.Attempt{
		Number: it.work.Attempts + 1, At: crashed, Class: store.ClassUnknown, Detail: lang.Keep(interruptedDetail), Interrupted: true,
	}
}

// number of the attempt that is being made, from 1.
func (it *item) number() int {
	if it.interrupted != nil {
		return it.interrupted.Number + 1
	}
	return it.work.Attempts + 1
}

// try of the schedule that the attempt is, from 1.
func (it *item) try() int { return it.work.Attempts - it.work.Interrupted + 1 }

// previous is when the attempt before was made; of one that a crash may have
// interrupted, when that was noticed. Zero: there is none.
func (it *item) previous() time.Time {
	if it.interrupted != nil {
		return it.interrupted.At
	}
	return it.work.LastAt
}
