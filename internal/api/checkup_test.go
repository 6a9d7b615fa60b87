package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
)

// knocks is a receiver that answers each request of a check-up with a status,
// after a time; 0: not at all; -1: it is not sent.
type knocks struct {
	signed, wrong, again int
	took                 time.Duration
	class                store.Class
	events               *[]string // "id number" of what was signed rightly
}

func (k knocks) answer(status int) (*egress.Response, time.Duration, error) {
	switch status {
	case 0:
		return &egress.Response{}, 0, &egress.Error{Class: k.class, Detail: "nothing came"}
	case -1:
		return nil, 1500 * time.Millisecond, nil
	}
	return &egress.Response{Status: status, Timings: store.Timings{Total: k.took}}, 0, nil
}

func (k knocks) Probe(context.Context, store.ID) (*egress.Response, time.Duration, error) {
	return k.answer(k.wrong)
}

func (k knocks) Rehearse(_ context.Context, _, event store.ID, made time.Time, number int) (*egress.Response, time.Duration, error) {
	if k.events != nil {
		*k.events = append(*k.events, fmt.Sprint(event, made.UnixNano(), " ", number))
	}
	if number == 1 {
		return k.answer(k.signed)
	}
	return k.answer(k.again)
}

// TestCheckup: what each kind of receiver is told.
func TestCheckup(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Production)
	endpoint := st.endpoint(key, "acme")
	cases := []struct {
		k      knocks
		result string
		checks string // accepts, in_time, verifies, duplicate, direct, encrypted
		words  string
	}{
		{knocks{signed: 200, wrong: 401, again: 204}, "passed", "passed passed passed passed passed passed", "refused what is signed wrongly with 401 Unauthorized"},
		{knocks{signed: 200, wrong: 403, again: 200}, "passed", "passed passed passed passed passed passed", "403 Forbidden"},
		{knocks{signed: 202, wrong: 200, again: 200}, "failed", "passed passed failed passed passed passed", "does not verify"},
		{knocks{signed: 401, wrong: 401}, "failed", "failed passed unknown unknown passed passed", "has the receiver this endpoint's secret"},
		{knocks{signed: 404, wrong: 404}, "failed", "failed passed unknown unknown passed passed", "does the path of the URL exist"},
		{knocks{signed: 500, wrong: 500}, "failed", "failed passed unknown unknown passed passed", "only an answer from 200 to 299"},
		{knocks{signed: 301, wrong: 301}, "failed", "failed passed unknown unknown failed passed", "redirects are never followed"},
		{knocks{signed: 200, wrong: 401, again: 409}, "failed", "passed passed passed failed passed passed", "once more. An event comes again"},
		{knocks{signed: 200, wrong: 401, again: 0, class: store.ClassReset}, "failed", "passed passed passed failed passed passed", "nothing came"},
		{knocks{signed: 200, wrong: -1, again: -1}, "passed", "passed passed unknown unknown passed passed", "its rate is used up"},
		{knocks{signed: 200, wrong: 401, again: 200, took: 7 * time.Second}, "warning", "passed warning passed passed passed passed", "longer than 5 s"},
		{knocks{signed: 200, wrong: 401, again: 200, took: time.Minute}, "failed", "passed failed passed passed passed passed", "longer than a delivery waits"},
		{knocks{class: store.ClassTLS}, "failed", "failed unknown unknown unknown unknown failed", "nothing came"},
		{knocks{class: store.ClassConnect}, "failed", "failed unknown unknown unknown unknown unknown", "nothing came"},
	}
	for _, c := range cases {
		if c.k.took == 0 {
			c.k.took = 12500 * time.Microsecond
		}
		st.server.prober, st.server.checkups = c.k, checkupSlots{}
		a := st.do(key, "POST", "/v1/endpoints/"+endpoint+"/checkup", nil).want(200)
		var got []string
		for i, one := range a.object()["checks"].([]any) {
			check := one.(map[string]any)
			if check["check"] != checkNames()[i] || check["message"] == "" {
				t.Errorf("%v", check)
			}
			got = append(got, check["result"].(string))
		}
		if a.text("result") != c.result || strings.Join(got, " ") != c.checks || !strings.Contains(string(a.body), c.words) {
			t.Errorf("%+v: %s", c.k, a.body)
		}
	}
	st.server.prober, st.server.checkups = knocks{signed: -1}, checkupSlots{}
	if a := st.do(key, "POST", "/v1/endpoints/"+endpoint+"/checkup", nil).problem(kindTooMany); a.header.Get("Retry-After") != "2" {
		t.Errorf("%v", a.header)
	}
	var events []string
	st.server.prober = knocks{signed: 200, wrong: 401, again: 200, events: &events}
	st.do(key, "POST", "/v1/endpoints/"+endpoint+"/pause", nil).want(200)
	if a := st.do(key, "POST", "/v1/endpoints/"+endpoint+"/checkup", nil, "Accept-Language", "pt-BR").want(200); !strings.Contains(string(a.body), "evento de teste") {
		t.Errorf("%s", a.body)
	}
	if len(events) != 2 || strings.TrimSuffix(events[0], " 1") != strings.TrimSuffix(events[1], " 2") {
		t.Errorf("not the same event: %q", events)
	}
}

// TestCheckupOfPlainHTTP: what is not encrypted is warned of.
func TestCheckupOfPlainHTTP(t *testing.T) {
	t.Parallel()
	up := &checkup{endpoint: &store.Endpoint{URL: "http://example.com"}, limit: 10 * time.Second}
	for _, k := range []*knocked{&up.signed, &up.wrong} {
		k.sent, k.resp = true, &egress.Response{Status: http.StatusOK}
	}
	if c := up.encrypted(); c.Result != checkWarning {
		t.Errorf("%+v", c)
	}
	up.signed = knocked{sent: true, failed: &egress.Error{Class: store.ClassTimeout}}
	if c := up.inTime(); c.Result != checkFailed {
		t.Errorf("%+v", c)
	}
	if up.limit = 30 * time.Second; up.inTime().Result != checkWarning {
		t.Errorf("%+v", up.inTime())
	}
}

// TestCheckupsAreFew: of an endpoint one at a time, of a caller two and so many
// a minute, of all a few.
func TestCheckupsAreFew(t *testing.T) {
	t.Parallel()
	var p checkupSlots
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	caller := func(n int) sender { return sender{consumer: fmt.Sprint(n)} }
	id := func(n int) store.ID { return store.ID{byte(n)} }
	must := func(of sender, at store.ID) func() {
		t.Helper()
		done, err := p.take(of, at, now)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	refused := func(of sender, at store.ID) {
		t.Helper()
		if _, err := p.take(of, at, now); err == nil {
			t.Error("taken")
		}
	}
	first, second := must(caller(1), id(1)), must(caller(1), id(2))
	refused(caller(2), id(1))
	refused(caller(1), id(3))
	first()
	second()
	for range checkupBurst - 2 {
		must(caller(1), id(1))()
	}
	refused(caller(1), id(1))
	now = now.Add(6 * time.Second)
	must(caller(1), id(1))()
	refused(caller(1), id(1))
	var all []func()
	for n := range checkupsAtOnce {
		all = append(all, must(caller(10+n), id(10+n)))
	}
	refused(caller(99), id(99))
	for _, done := range all {
		done()
	}
	if p.all != 0 || len(p.of) != 0 || len(p.at) != 0 {
		t.Errorf("%+v", &p)
	}
}
