// Package report is where a run ends, whoever saw its end: launcher, collector and
// executor hand their results to it, and it sees to it that people are told.
package report

import (
	"context"
	"log/slog"

	"errand/pkg/result"
)

// Publisher sends results out; *notify.Notifier is one.
type Publisher interface {
	Publish(context.Context, result.Result) error
}

// Reporter reports results.
type Reporter struct {
	publisher Publisher
	log       *slog.Logger
}

// New makes a Reporter.
func New(p Publisher, log *slog.Logger) *Reporter { return &Reporter{p, log} }

// Report tells people how a run ended. An error means that not everybody was told:
// the invocation has to fail, so that Lambda's retry, the alarm and the dead-letter
// queue see it.
func (r *Reporter) Report(ctx context.Context, end result.Result) error {
	if err := r.publisher.Publish(ctx, end); err != nil {
		return err
	}
	r.log.InfoContext(ctx, "run reported", "job", end.Job, "run_id", end.ID, "status", end.Status, "reason", end.Reason, "task_arn", end.TaskARN)
	return nil
}

// Uncertain is the error of a function that leaves open whether the run was
// started. Lambda's record of an invocation that it gave up carries the name of
// the error's type, UncertainType, so that the collector reports the run as lost
// and not as one that never was.
type Uncertain struct{ Err error }

// UncertainType is the errorType of an Uncertain in Lambda's records.
const UncertainType = "Uncertain"

func (u Uncertain) Error() string { return u.Err.Error() }
func (u Uncertain) Unwrap() error { return u.Err }
