package main

import (
	"net/http"
	"strings"
	"testing"
)

// judgeOne runs the check of a single delivery over made-up arrivals.
func judgeOne(ends []ending, d delivery, seen ...arrival) (*verdict, []string) {
	c := &crash{ledger: &ledger{}, ends: ends}
	e := &entry{n: 1, id: "evt_1", consumer: 0}
	for _, a := range seen {
		a.endpoint = 0
		e.arrivals = append(e.arrivals, a)
	}
	v := &verdict{}
	c.judgeDelivery(v, e, 0, d, map[int]int{})
	return v, c.ledger.violations
}

func in(life, status int) arrival { return arrival{id: "evt_1", life: life, answered: status} }

func TestJudgeDelivery(t *testing.T) {
	t.Parallel()
	done := func(attempts int) delivery { return delivery{State: "delivered", Attempts: attempts} }
	ends := []ending{killed, stopped, killed, stopped}
	for _, c := range []struct {
		name       string
		d          delivery
		seen       []arrival
		duplicates int
		violation  string // empty: none
	}{
		{"once", done(1), []arrival{in(1, 200)}, 0, ""},
		{"never", done(1), nil, 0, "never arrived"},
		{"again after a kill", done(1), []arrival{in(1, 200), in(2, 200)}, 1, ""},
		{"again after a kill, both recorded", done(2), []arrival{in(1, 200), in(2, 200)}, 1, ""},
		{"again in the same life", done(2), []arrival{in(1, 200), in(1, 200)}, 1, "no kill lies between"},
		{"again after a stop", done(2), []arrival{in(2, 200), in(3, 200)}, 1, "no kill lies between"},
		{"again after a kill that came later", done(2), []arrival{in(2, 200), in(4, 200)}, 1, ""},
		{"retried after a failure", done(2), []arrival{in(2, 500), in(2, 200)}, 0, ""},
		{"a retry that no row tells of", done(1), []arrival{in(2, 500), in(2, 200)}, 0, "2 arrivals, 1 attempts, 0 interrupted"},
		{"delivered without a 200", done(1), []arrival{in(2, 500)}, 0, "last answer was 500"},
		{"another id", done(2), []arrival{in(1, 200), {id: "evt_2", life: 2, answered: 200}}, 1, "two webhook-ids"},
	} {
		v, violations := judgeOne(ends, c.d, c.seen...)
		if v.duplicates != c.duplicates {
			t.Errorf("%s: %d duplicates, want %d", c.name, v.duplicates, c.duplicates)
		}
		got := strings.Join(violations, "; ")
		if c.violation == "" && got != "" || !strings.Contains(got, c.violation) {
			t.Errorf("%s: violations %q, want %q", c.name, got, c.violation)
		}
	}
}

func TestLedgerNoticesASecondEventForAKey(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	e, data := l.open(3, "k", func(int) []byte { return []byte(`{"n":0}`) })
	l.ack(e, "evt_1")
	l.ack(e, "evt_1")
	if len(l.violations) != 0 {
		t.Fatal(l.violations)
	}
	l.ack(e, "evt_2")
	n, sum, err := readBody([]byte(`{"type":"x","data":{"n":1}}`))
	if err != nil || n != 1 || sum == e.sum {
		t.Errorf("%d %v", n, err)
	}
	n, sum, err = readBody([]byte(`{"type":"x","data": ` + string(data) + ` }`))
	if err != nil || n != 0 || sum != e.sum {
		t.Errorf("the same data with white space around: %d %v", n, err)
	}
	l.arrive(0, e.sum, arrival{endpoint: 3 * perConsumer, answered: http.StatusOK})
	l.arrive(0, [32]byte{}, arrival{endpoint: 3 * perConsumer})
	l.arrive(0, e.sum, arrival{endpoint: 0})
	l.arrive(7, e.sum, arrival{endpoint: 0})
	got := strings.Join(l.violations, "; ")
	for _, want := range []string{"made two events", "altered", "of another", "never sent"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not among %q", want, got)
		}
	}
}
