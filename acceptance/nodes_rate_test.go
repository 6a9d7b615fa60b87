//go:build unix

package acceptance

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// arrivals are the times at which requests came to a path, in order.
func (x *inbox) arrivals(path string) (at []time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for of, times := range x.came {
		if strings.HasPrefix(of, path+" ") {
			at = append(at, times...)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// TestRateOverMinutes: with four servers and more work than may be sent, an
// endpoint gets its hundred requests a minute, as the receiver counts them: in
// no minute, wherever it begins, more, and over three of them hardly less. The
// rate's own minute is a second longer, so that nothing depends on how long a
// request is on its way.
func TestRateOverMinutes(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI") == "" {
		t.Skip("NOT TESTED: it takes four minutes; CI=true runs it")
	}
	f := newFleet(t, 4)
	f.settle()
	const limit, minutes = 100, 3
	f.endpoints("m", 4, map[string]any{"rate_limit": limit})
	var work sync.WaitGroup
	for s := range f.servers {
		work.Go(func() {
			for n := range 4 * limit * (minutes + 1) / len(f.servers) {
				f.send(s, fmt.Sprint("m", n%4))
			}
		})
	}
	work.Wait()
	const window = 61 * time.Second
	for i := range 4 {
		f.await(fmt.Sprint("/m", i, " "), limit*minutes, (minutes-1)*window+patience)
		at := f.inbox.arrivals(fmt.Sprint("/m", i))
		for n := limit; n < len(at); n++ {
			if gap := at[n].Sub(at[n-limit]); gap < time.Minute {
				t.Errorf("endpoint %d: %d requests within %s", i, limit+1, gap)
			}
		}
		took := at[limit*minutes-1].Sub(at[0])
		t.Logf("endpoint %d: %d requests within %s", i, limit*minutes, took.Round(time.Millisecond))
		// The first of them come at once; each later hundred has a minute of its own.
		if most := (minutes - 1) * time.Minute * 100 / 95; took > most {
			t.Errorf("endpoint %d: %d requests took %s, at 95 of 100 it is %s", i, limit*minutes, took, most)
		}
	}
}
