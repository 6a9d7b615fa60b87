package store

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
	"time"
)

// rollup is what happened to an endpoint, a consumer or a project in a minute,
// an hour or a day. Rollups add up.
type rollup struct {
	attempts  uint64
	succeeded uint64
	answered  uint64    // attempts that got an answer: their times are in took and times
	took      uint64    // microseconds, the sum
	finals    [3]uint64 // deliveries that became delivered, failed, cancelled
	lastOK    int64     // of the last attempt that succeeded, in microseconds
	events    uint64    // that were accepted; of a project
	classes   tallied   // failed attempts by class
	times     tallied   // answered attempts by timeBin
}

// tallied are counts by a number, in the order of the numbers. Most have few.
type tallied []tallyOf

type tallyOf struct {
	n     uint8
	count uint64
}

func (t *tallied) add(n uint8, count uint64) {
	list := *t
	i := 0
	for i < len(list) && list[i].n < n {
		i++
	}
	if i == len(list) || list[i].n != n {
		list = slices.Insert(list, i, tallyOf{n: n})
		*t = list
	}
	list[i].count += count
}

// Times of answers are counted in bins, eight for each doubling: what is read
// back is the middle of a bin, off by at most a sixteenth (6.25 %), below 128
// microseconds by at most 8 of them.
const (
	binUnit  = 4 // bits: 16 microseconds
	binSteps = 3 // bits: 8
)

func timeBin(us uint32) uint8 {
	v := us >> binUnit
	if v < 1<<binSteps {
		return uint8(v)
	}
	exp := bits.Len32(v) - 1 - binSteps
	return uint8((exp+1)<<binSteps + int(v>>exp)&(1<<binSteps-1))
}

// binTime is the middle of a bin.
func binTime(bin uint8) time.Duration {
	low, width := uint64(bin), uint64(1)
	if bin >= 1<<binSteps {
		exp := bin>>binSteps - 1
		low, width = uint64(1<<binSteps+bin&(1<<binSteps-1))<<exp, 1<<exp
	}
	return time.Duration(low<<binUnit+width<<binUnit/2) * time.Microsecond
}

// count adds an entry of sends.
func (r *rollup) count(s *send) {
	if s.final > 0 {
		r.finals[s.final-1]++
	}
	if !s.attempt {
		return
	}
	r.attempts++
	if s.class == 0 {
		r.succeeded++
		r.lastOK = max(r.lastOK, s.at)
	} else {
		r.classes.add(s.class, 1)
	}
	if s.status > 0 {
		r.answered++
		r.took += uint64(s.took)
		r.times.add(timeBin(s.took), 1)
	}
}

func (r *rollup) merge(o *rollup) {
	r.attempts += o.attempts
	r.succeeded += o.succeeded
	r.answered += o.answered
	r.took += o.took
	for i, n := range o.finals {
		r.finals[i] += n
	}
	r.lastOK = max(r.lastOK, o.lastOK)
	r.events += o.events
	for _, t := range o.classes {
		r.classes.add(t.n, t.count)
	}
	for _, t := range o.times {
		r.times.add(t.n, t.count)
	}
}

// percentile is the time that share of the answers took at most.
func (r *rollup) percentile(share float64) time.Duration {
	rank := uint64(max(1, math.Ceil(share*float64(r.answered)))) - 1
	for _, t := range r.times {
		if t.count > rank {
			return binTime(t.n)
		}
		rank -= t.count
	}
	if n := len(r.times); n > 0 {
		return binTime(r.times[n-1].n)
	}
	return 0
}

// The forms of rollups that are kept. The first one has no events.
const (
	rollupFormFirst = 1
	rollupForm      = 2
)

var errRollup = errors.New("kept statistics do not decode")

// encode appends a rollup as it is kept.
func (r *rollup) encode(dst []byte) []byte {
	dst = append(dst, rollupForm)
	for _, n := range [...]uint64{r.attempts, r.succeeded, r.answered, r.took, r.finals[0], r.finals[1], r.finals[2], uint64(r.lastOK), r.events} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, list := range [...]tallied{r.classes, r.times} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, t := range list {
			dst = append(dst, t.n)
			dst = binary.AppendUvarint(dst, t.count)
		}
	}
	return dst
}

// decode reads what encode wrote, into a rollup whose memory is used again.
func (r *rollup) decode(data []byte) error {
	*r = rollup{classes: r.classes[:0], times: r.times[:0]}
	if len(data) == 0 || data[0] != rollupForm && data[0] != rollupFormFirst {
		return errRollup
	}
	form := data[0]
	data = data[1:]
	bad := false
	next := func() uint64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			bad = true
			return 0
		}
		data = data[n:]
		return v
	}
	for _, to := range [...]*uint64{&r.attempts, &r.succeeded, &r.answered, &r.took, &r.finals[0], &r.finals[1], &r.finals[2]} {
		*to = next()
	}
	r.lastOK = int64(next())
	if form >= rollupForm {
		r.events = next()
	}
	for _, list := range [...]*tallied{&r.classes, &r.times} {
		for n := next(); n > 0 && !bad; n-- {
			if len(data) == 0 {
				return errRollup
			}
			bin := data[0]
			data = data[1:]
			list.add(bin, next())
		}
	}
	if bad || len(data) > 0 {
		return errRollup
	}
	return nil
}
