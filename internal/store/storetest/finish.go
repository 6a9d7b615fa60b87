package storetest

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/store"
)

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

var finishCases = map[string]func(*shelf){
	"DeliveredAtFirst": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		o := outcome(w, store.Delivered, 204)
		s.finish(o)
		d := s.delivery(w.ID)
		if d.State != store.Delivered || d.Attempts != 1 || d.LastStatus != 204 || d.FinishedAt.IsZero() || !d.DueAt.IsZero() || d.Reason != "" {
			s.Errorf("%+v", d)
		}
		if len(s.due(e)) != 0 || s.pending() != 0 {
			s.Error("still pending")
		}
	},
	"AttemptReadsBackWhole": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		o := outcome(w, store.Pending, 0)
		o.Attempt = store.Attempt{
			Number: 1, At: time.Now().UTC().Truncate(time.Microsecond), RequestHead: []byte("POST /\r\nX: [redacted]"),
			Status: 503, ResponseHead: []byte("HTTP/1.1 503\r\n"), ResponseBody: []byte{0, 1, 0xff}, Truncated: true,
			Class: store.ClassStatus, Detail: "503 Service Unavailable",
			Timings: store.Timings{DNS: 1, Connect: 2, TLS: 3, FirstByte: 4, Total: 5, Reused: true},
		}
		last := outcome(&store.Work{ID: w.ID, EndpointID: w.EndpointID, Event: w.Event, Attempts: 1}, store.Failed, 500)
		s.finish(o)
		s.finish(last)
		if diff := cmp.Diff([]*store.Attempt{&o.Attempt, &last.Attempt}, s.attempts(w.ID)); diff != "" {
			s.Error("(-made +kept)", diff)
		}
		page, err := s.db.Attempts(s.ctx, s.project.ID, w.ID, 1, 10)
		s.no(err)
		if len(page) != 1 || page[0].Number != 2 {
			s.Errorf("after the first: %v", page)
		}
	},
	"TryAgain": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		o := outcome(w, store.Pending, 500)
		o.DueAt = time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		s.finish(o)
		d := s.delivery(w.ID)
		if d.State != store.Pending || d.Attempts != 1 || !d.DueAt.Equal(o.DueAt) || d.LastStatus != 500 || !d.FinishedAt.IsZero() {
			s.Errorf("%+v", d)
		}
		again := s.due(e)
		if len(again) != 1 || again[0].Attempts != 1 || !again[0].LastAt.Equal(o.Attempt.At) || !again[0].DueAt.Equal(o.DueAt) {
			s.Fatalf("%+v", again)
		}
		s.finish(outcome(again[0], store.Delivered, 200))
		if d := s.delivery(w.ID); d.State != store.Delivered || d.Attempts != 2 {
			s.Errorf("%+v", d)
		}
		if as := s.attempts(w.ID); len(as) != 2 || as[0].Number != 1 || as[1].Number != 2 || as[1].Status != 200 {
			s.Errorf("%+v", as)
		}
	},
	"Interrupted": func(s *shelf) {
		e := s.endpoint("c")
		lost := func(number int) *store.Attempt {
			return &store.Attempt{Number: number, At: time.Now().UTC().Truncate(time.Microsecond), Class: store.ClassUnknown, Detail: "a crash", Interrupted: true}
		}
		first := s.send("c", "x")
		again := outcome(first, store.Pending, 500)
		again.Interrupted, again.Attempt.Number = lost(1), 2
		s.finish(again)
		if got := s.due(e); len(got) != 1 || got[0].Attempts != 2 || got[0].Interrupted != 1 {
			s.Fatalf("%+v", got)
		}
		second := s.send("c", "x")
		end := outcome(second, store.Failed, 500)
		end.Interrupted, end.Attempt.Number = lost(1), 2
		s.finish(end)
		late := s.send("c", "x")
		_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, late.ID)
		s.no(err)
		o := outcome(late, store.Delivered, 200)
		o.Interrupted, o.Attempt.Number = lost(1), 2
		s.finish(o)
		for i, o := range []*store.Outcome{again, end, o} {
			if diff := cmp.Diff([]*store.Attempt{o.Interrupted, &o.Attempt}, s.attempts(o.Work.ID)); diff != "" {
				s.Error(i, "(-made +kept)", diff)
			}
			if d := s.delivery(o.Work.ID); d.Attempts != 2 {
				s.Errorf("%d: %+v", i, d)
			}
		}
		s.owner.take()
		_, err = s.db.RetryDelivery(s.ctx, s.project.ID, second.ID)
		s.no(err)
		w := s.works()[0]
		if w.Attempts != 2 || w.Interrupted != 1 {
			s.Errorf("retried by hand: %+v", w)
		}
	},
	"FailedSaysWhy": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		o := outcome(w, store.Failed, 410)
		o.Reason = "gone"
		s.finish(o)
		if d := s.delivery(w.ID); d.State != store.Failed || d.Reason != "gone" || d.LastStatus != 410 {
			s.Errorf("%+v", d)
		}
	},
	"TwiceTheSameOutcome": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		s.finish(outcome(w, store.Delivered, 200))
		s.finish(outcome(w, store.Failed, 500))
		if d := s.delivery(w.ID); d.State != store.Delivered {
			s.Errorf("%+v", d)
		}
		if as := s.attempts(w.ID); len(as) != 2 || as[0].Status != 200 || as[1].Number != 2 || as[1].Status != 500 {
			s.Errorf("an attempt was lost: %+v", as)
		}
		if s.pending() != 0 {
			s.Error("counted twice")
		}
	},
	"AfterACancel2xxIsDelivered": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
		s.no(err)
		s.finish(outcome(w, store.Delivered, 200))
		if d := s.delivery(w.ID); d.State != store.Delivered || d.Attempts != 1 || d.LastStatus != 200 || d.Reason != "" {
			s.Errorf("%+v", d)
		}
		if as := s.attempts(w.ID); len(as) != 1 {
			s.Errorf("%+v", as)
		}
	},
	"AfterACancelElseStaysCancelled": func(s *shelf) {
		s.endpoint("c")
		for _, state := range []store.State{store.Failed, store.Pending} {
			w := s.send("c", "x")
			_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
			s.no(err)
			s.finish(outcome(w, state, 500))
			if d := s.delivery(w.ID); d.State != store.Cancelled || d.Attempts != 1 || d.LastStatus != 500 {
				s.Errorf("%s: %+v", state, d)
			}
			if as := s.attempts(w.ID); len(as) != 1 {
				s.Errorf("%s: %+v", state, as)
			}
		}
		if s.pending() != 0 {
			s.Error("pending again")
		}
	},
	"AfterADeleteOfTheEndpoint": func(s *shelf) {
		e := s.endpoint("c")
		ok, bad := s.send("c", "x"), s.send("c", "x")
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		s.finish(outcome(ok, store.Delivered, 200))
		s.finish(outcome(bad, store.Pending, 500))
		if a, b := s.delivery(ok.ID), s.delivery(bad.ID); a.State != store.Delivered || b.State != store.Cancelled {
			s.Errorf("%+v\n%+v", a, b)
		}
	},
	"UnknownWorkIsIgnored": func(s *shelf) {
		s.endpoint("c")
		w := *s.send("c", "x")
		w.ID = store.ID{1, 2, 3}
		s.finish(outcome(&w, store.Delivered, 200))
		if s.pending() != 1 {
			s.Error("the wrong delivery went")
		}
	},
	"ClosedStoreSaysSo": func(s *shelf) {
		s.endpoint("c")
		w := s.send("c", "x")
		s.no(s.db.Close())
		var got error
		s.db.Finish(outcome(w, store.Delivered, 200), func(err error) { got = err })
		if !errors.Is(got, store.ErrClosed) {
			s.Error(got)
		}
	},
	"CloseKeepsWhatWasGiven": func(s *shelf) {
		s.endpoint("c")
		var works []*store.Work
		for range 50 {
			works = append(works, s.send("c", "x"))
		}
		done := make(chan error, len(works))
		for _, w := range works {
			s.db.Finish(outcome(w, store.Delivered, 200), func(err error) { done <- err })
		}
		s.reopen()
		for range works {
			s.no(<-done)
		}
		if s.pending() != 0 {
			s.Errorf("%d pending", s.pending())
		}
	},
}

var effectCases = map[string]func(*shelf){
	"SuccessTouchesNoEndpoint": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		before, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		s.owner.changed()
		o := outcome(w, store.Delivered, 200)
		o.Effect.Clear = true
		s.finish(o)
		after, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if diff := cmp.Diff(before, after); diff != "" {
			s.Error(diff)
		}
		if es, _ := s.owner.changed(); len(es) != 0 {
			s.Error("the owner was told")
		}
	},
	"ExhaustedCountsAndMarks": func(s *shelf) {
		e := s.endpoint("c")
		for i := range 3 {
			o := outcome(s.send("c", "x"), store.Failed, 500)
			o.Effect = store.Effect{Exhausted: true, Mark: true}
			s.finish(o)
			got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
			s.no(err)
			if got.FailureCount != i+1 || got.FailedAt.IsZero() || got.State != store.Active {
				s.Errorf("%+v", got)
			}
			if i == 0 {
				e = got
			} else if !got.FailedAt.Equal(e.FailedAt) {
				s.Error("the mark moved")
			}
		}
		o := outcome(s.send("c", "x"), store.Delivered, 200)
		o.Effect.Clear = true
		s.finish(o)
		got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if got.FailureCount != 0 || !got.FailedAt.IsZero() {
			s.Errorf("%+v", got)
		}
	},
	"LaneShowsTheCount": func(s *shelf) {
		e := s.endpoint("c")
		_, err := s.db.Lane(s.ctx, e.ID)
		s.no(err)
		o := outcome(s.send("c", "x"), store.Failed, 500)
		o.Effect.Exhausted = true
		s.finish(o)
		l, err := s.db.Lane(s.ctx, e.ID)
		s.no(err)
		if l.Endpoint.FailureCount != 1 {
			s.Errorf("%+v", l.Endpoint)
		}
	},
	"PauseAfterDisables": func(s *shelf) {
		e := s.endpoint("c")
		for i := range 3 {
			o := outcome(s.send("c", "x"), store.Failed, 500)
			o.Effect = store.Effect{Exhausted: true, DisableAfter: 3}
			s.owner.changed()
			s.finish(o)
			got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
			s.no(err)
			if want := []store.EndpointState{store.Active, store.Active, store.Disabled}[i]; got.State != want {
				s.Errorf("after %d: %s", i+1, got.State)
			}
			if i == 2 && (got.StateReason == "" || got.StateSince.IsZero()) {
				s.Errorf("%+v", got)
			}
			if es, _ := s.owner.changed(); len(es) != 1 || es[0] != e.ID {
				s.Errorf("told of %v", es)
			}
		}
	},
	"DisableSaysWhy": func(s *shelf) {
		e := s.endpoint("c")
		o := outcome(s.send("c", "x"), store.Failed, 410)
		o.Effect.Disable = "410 Gone"
		s.finish(o)
		got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if got.State != store.Disabled || got.StateReason != "410 Gone" {
			s.Errorf("%+v", got)
		}
	},
	"DisabledEndpointComesBackWithACountOfZero": func(s *shelf) {
		e := s.endpoint("c")
		o := outcome(s.send("c", "x"), store.Failed, 500)
		o.Effect = store.Effect{Exhausted: true, DisableAfter: 1}
		s.finish(o)
		s.setState(e, store.Active)
		got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if got.FailureCount != 0 || got.StateReason != "" || got.State != store.Active {
			s.Errorf("%+v", got)
		}
	},
	"NoCountAfterACancel": func(s *shelf) {
		e := s.endpoint("c")
		w := s.send("c", "x")
		_, _, err := s.db.CancelDelivery(s.ctx, s.project.ID, w.ID)
		s.no(err)
		o := outcome(w, store.Failed, 500)
		o.Effect = store.Effect{Exhausted: true, Mark: true}
		s.finish(o)
		got, err := s.db.Endpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if got.FailureCount != 0 || !got.FailedAt.IsZero() {
			s.Errorf("%+v", got)
		}
	},
	"OperationalEvents": func(s *shelf) {
		e := s.endpoint("c")
		s.endpoint(store.SystemConsumer)
		o := outcome(s.send("c", "x"), store.Failed, 500)
		o.Effect = store.Effect{Exhausted: true, Mark: true, DisableAfter: 1}
		s.finish(o)
		s.setState(e, store.Active)
		o = outcome(s.send("c", "x"), store.Delivered, 200)
		o.Effect.Clear = true
		s.finish(o)
		var types []string
		for _, listed := range s.allEvents(store.Filter{Consumer: store.SystemConsumer}) {
			ev, err := s.db.Event(s.ctx, s.project.ID, listed.ID)
			s.no(err)
			types = append([]string{ev.Type}, types...)
			var data map[string]any
			s.no(json.Unmarshal(ev.Data, &data))
			if data["endpoint_id"] != store.EndpointName.Format(e.ID) || data["consumer"] != "c" || data["host"] != "example.com" {
				s.Errorf("%s", ev.Data)
			}
			if ev.Dialect != "standard/1" || ev.Deliveries != 1 {
				s.Errorf("%+v", ev)
			}
		}
		want := []string{store.EventDeliveryFailed, store.EventEndpointFailing, store.EventEndpointDisabled, store.EventEndpointResumed, store.EventEndpointRecovered}
		if diff := cmp.Diff(want, types); diff != "" {
			s.Error(diff)
		}
	},
	"OperationalEventsAreHandedOver": func(s *shelf) {
		s.endpoint("c")
		sys := s.endpoint(store.SystemConsumer, "delivery.failed")
		w := s.send("c", "x")
		s.finish(outcome(w, store.Failed, 500))
		works := s.works()
		if len(works) != 1 || works[0].EndpointID != sys.ID {
			s.Errorf("%v", works)
		}
	},
	"NoEventsWithoutSubscriber": func(s *shelf) {
		s.endpoint("c")
		s.endpoint(store.SystemConsumer, "endpoint.disabled")
		o := outcome(s.send("c", "x"), store.Failed, 500)
		o.Effect = store.Effect{Exhausted: true, Mark: true}
		s.finish(o)
		if evs := s.allEvents(store.Filter{Consumer: store.SystemConsumer}); len(evs) != 0 {
			s.Errorf("%v", evs)
		}
	},
	"NoLoops": func(s *shelf) {
		s.endpoint(store.SystemConsumer)
		w := s.send(store.SystemConsumer, "endpoint.failing")
		o := outcome(w, store.Failed, 500)
		o.Effect = store.Effect{Exhausted: true, Mark: true, Disable: "dead"}
		s.finish(o)
		if evs := s.allEvents(store.Filter{}); len(evs) != 1 {
			s.Errorf("%d events", len(evs))
		}
	},
}
