package operate

import (
	"context"
	"fmt"
	"time"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/run"
)

// Start starts a run by a payload. words, if not nil, take the place of its command.
func (s *Stack) Start(ctx context.Context, raw []byte, words []string) (Answer, error) {
	r, err := newRequest(raw, methodOf(raw), words, s.Now())
	if err != nil {
		return Answer{}, err
	}
	return s.send(ctx, r)
}

// Progress is told how a run is that is waited for, whenever it was looked at.
type Progress func(job, runID, status string, since time.Time)

// Wait follows a run to its end.
func (s *Stack) Wait(ctx context.Context, job, runID string, progress Progress) (Run, error) {
	failures := 0
	for began := s.Now(); ; {
		f, err := s.attempts(ctx, job, runID)
		switch {
		case err != nil && (awserr.Denied(err) || failures == maxFailures):
			return Run{}, fmt.Errorf("%w; the run goes on all the same: errand show %s", err, place(job, runID))
		case err != nil:
			failures++
		case len(f.attempts) == 0:
			return Run{}, fmt.Errorf("run %s is not in the ledger, so that it cannot be waited for; it may run all the same", place(job, runID))
		case f.ended():
			return s.show(ctx, f), nil
		default:
			failures = 0
			a := s.attempt(f.last(), s.tasks(ctx, f.attempts))
			if !a.StartedAt.IsZero() {
				began = a.StartedAt
			}
			progress(job, runID, a.Status, began)
		}
		if !run.Pause(ctx, s.Pace) {
			return Run{}, fmt.Errorf("no longer waiting for run %s, which goes on: errand show %s, errand stop %[1]s", place(job, runID), place(job, runID))
		}
	}
}

// maxFailures is how many looks in a row may fail before the wait is given up: a
// deployment should not fail for a moment without a network.
const maxFailures = 20

// Again starts the payload of a run's first attempt as a new run.
func (s *Stack) Again(ctx context.Context, runText string) (Answer, error) {
	f, err := s.find(ctx, runText)
	if err != nil {
		return Answer{}, err
	}
	first, ok, err := s.ledger.Get(ctx, ledger.Key{Job: f.job, RunID: f.runID, Attempt: 1})
	if err != nil {
		return Answer{}, s.explain("", err, operator)
	}
	if !ok || len(first.Payload) == 0 {
		return Answer{}, fmt.Errorf("the payload of run %s is not kept: it was longer than 64 KiB, or nobody ever had it. Start the run by its file: errand start FILE", place(f.job, f.runID))
	}
	r, err := s.repeat(ctx, f.job, f.runID, first.Payload)
	if err != nil {
		return Answer{}, err
	}
	r.method = first.Method
	return s.send(ctx, r)
}

// repeat is a payload as the next run after one that there was, under an id that is
// free.
func (s *Stack) repeat(ctx context.Context, job, runID string, raw []byte) (request, error) {
	for range maxRepeats {
		runID = following(runID)
		if !run.ValidID(runID) {
			return request{}, fmt.Errorf("run id %s would be longer than the 128 characters that one may have: start the run by its file", runID)
		}
		f, err := s.attempts(ctx, job, runID)
		if err != nil {
			return request{}, err
		}
		if len(f.attempts)+len(f.others) == 0 {
			return renamed(raw, runID)
		}
	}
	return request{}, fmt.Errorf("the next %d run ids up to %s are all taken: start the run by its file", maxRepeats, runID)
}

const maxRepeats = 100
