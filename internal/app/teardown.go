package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// teardown holds what has to be taken down, and takes it down last in, first
// out: what was started on top of something stops before it.
type teardown struct {
	log   *slog.Logger
	steps []step
}

type step struct {
	name string
	stop func(context.Context) error
}

// add names one more step. A step must return soon after its context ends.
func (t *teardown) add(name string, stop func(context.Context) error) {
	t.steps = append(t.steps, step{name, stop})
}

// run does all steps, also after one failed, and joins their errors.
func (t *teardown) run(ctx context.Context) error {
	var errs []error
	for len(t.steps) > 0 {
		s := t.steps[len(t.steps)-1]
		t.steps = t.steps[:len(t.steps)-1]
		start := time.Now()
		if err := s.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
			t.log.Error("stopped with an error", "step", s.name, "error", err, "took", time.Since(start))
			continue
		}
		t.log.Debug("stopped", "step", s.name, "took", time.Since(start))
	}
	return errors.Join(errs...)
}
