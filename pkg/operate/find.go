package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// found is a run with all its attempts, and what came second under its identity.
type found struct {
	job, runID string
	attempts   []ledger.Attempt // the first one first
	others     []ledger.Attempt
}

// last is the attempt that says how the run is.
func (f found) last() ledger.Attempt { return f.attempts[len(f.attempts)-1] }

// ended says whether everybody was told of the end of every attempt.
func (f found) ended() bool {
	return !slices.ContainsFunc(f.attempts, func(a ledger.Attempt) bool { return a.Reported.IsZero() })
}

// find finds a run by <job>/<runId>, or by a run id that one job alone has.
func (s *Stack) find(ctx context.Context, text string) (found, error) {
	job, runID, named := strings.Cut(text, "/")
	if !named {
		runID = text
	}
	if named && !run.ValidJob(job) || !run.ValidID(runID) {
		return found{}, WrongUse(fmt.Sprintf("%q is not a run: write it as JOB/RUNID, or its run id alone", text))
	}
	if named {
		f, err := s.attempts(ctx, job, runID)
		if err == nil && len(f.attempts) == 0 {
			err = fmt.Errorf("job %s has no run %s in stack %s: errand runs %s lists what it has", job, runID, s.Stack, job)
		}
		return f, err
	}
	jobs, err := s.jobNames(ctx)
	if err != nil {
		return found{}, err
	}
	firsts, err := s.ledger.Find(ctx, jobs, runID)
	if err != nil {
		return found{}, s.reading(err)
	}
	var of []string
	for _, a := range firsts {
		of = append(of, a.Job)
	}
	slices.Sort(of)
	switch len(of) {
	case 0:
		return found{}, fmt.Errorf("no job of stack %s has a run %s: errand jobs lists the jobs, errand runs JOB their runs", s.Stack, runID)
	case 1:
		return s.attempts(ctx, of[0], runID)
	}
	return found{}, fmt.Errorf("%d jobs have a run %s: say which is meant, %s", len(of), runID, strings.Join(each(of, func(job string) string { return place(job, runID) }), " or "))
}

// attempts reads a run, which may have none.
func (s *Stack) attempts(ctx context.Context, job, runID string) (found, error) {
	list, err := s.ledger.Attempts(ctx, job, runID)
	if err != nil {
		return found{}, s.reading(err)
	}
	f := found{job: job, runID: runID}
	for _, a := range list {
		if a.Other == "" {
			f.attempts = append(f.attempts, a)
		} else {
			f.others = append(f.others, a)
		}
	}
	return f, nil
}

// jobNames are the jobs that have ended a run, or have one going.
func (s *Stack) jobNames(ctx context.Context) ([]string, error) {
	list, err := s.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	return each(list.Jobs, func(j Job) string { return j.Job }), nil
}

// WrongUse is the error of a command that was called wrongly.
type WrongUse string

func (w WrongUse) Error() string { return string(w) }

func each[T, U any](list []T, f func(T) U) []U {
	var out []U
	for _, item := range list {
		out = append(out, f(item))
	}
	return out
}
