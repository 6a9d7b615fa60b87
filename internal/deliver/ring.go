package deliver

import (
	"container/heap"
	"time"
)

// link is a lane's membership in one list.
type link struct {
	lane       *lane
	next, prev *link
	in         *list
}

// list is a doubly linked list of lanes, first in first out; a lane leaves it
// from anywhere at no cost.
type list struct {
	first, last *link
	n           int
}

func (s *list) push(k *link) {
	k.in, k.prev, k.next = s, s.last, nil
	if s.last != nil {
		s.last.next = k
	} else {
		s.first = k
	}
	s.last = k
	s.n++
}

func (s *list) pop() *lane {
	if s.first == nil {
		return nil
	}
	l := s.first.lane
	s.first.leave()
	return l
}

// leave takes the link out of its list, if it is in one.
func (k *link) leave() {
	s := k.in
	if s == nil {
		return
	}
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		s.first = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	} else {
		s.last = k.prev
	}
	k.in, k.prev, k.next = nil, nil, nil
	s.n--
}

// timers is a heap of lanes by the time they are to be looked at again.
type timers []*lane

// set puts, moves or (zero time) takes out a lane.
func (t *timers) set(l *lane, at time.Time) {
	switch {
	case at.IsZero() && l.index < 0:
	case at.IsZero():
		heap.Remove(t, l.index)
	case l.index < 0:
		l.wake = at
		heap.Push(t, l)
	case !at.Equal(l.wake):
		l.wake = at
		heap.Fix(t, l.index)
	}
}

// due takes out the first lane whose time has come; nil: none has.
func (t *timers) due(now time.Time) *lane {
	if len(*t) == 0 || (*t)[0].wake.After(now) {
		return nil
	}
	return heap.Pop(t).(*lane)
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].wake.Before(t[j].wake) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *timers) Push(x any) {
	l := x.(*lane)
	l.index = len(*t)
	*t = append(*t, l)
}

func (t *timers) Pop() any {
	n := len(*t) - 1
	l := (*t)[n]
	(*t)[n] = nil
	*t = (*t)[:n]
	l.index, l.wake = -1, time.Time{}
	return l
}
