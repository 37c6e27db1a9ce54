package report

import (
	"context"
	"time"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/result"
)

// Abandonment is an attempt that nobody is to launch any more, unless ECS has a task
// of it after all: step 6.
type Abandonment struct {
	Key      ledger.Key
	Delivery ledger.Delivery // what is known of it, for one that nobody claimed
	Hold     *ledger.Hold    // the launcher's, which is alone; nil for all others
	// Find asks ECS for the attempt's task, "" if it has none. It is nil where there
	// is no task to be found.
	Find func(context.Context, ledger.Attempt) (cluster, task string, err error)
	// Limits are the task's, if there is one.
	Limits func(ledger.Attempt) ledger.Limits
	// End is what people are told when there is no task. With a time it is not told
	// but launched again then. With forgotten, ECS's silence proves nothing.
	End func(a ledger.Attempt, forgotten bool) (end result.Result, again time.Time)
}

// Outcome is what became of an Abandonment.
type Outcome struct {
	// Attempt is as it stands in the ledger.
	Attempt ledger.Attempt
	Refused ledger.Refusal // why it was not abandoned
	Task    string         // that ECS has
	Again   time.Time      // it will be launched again
	End     result.Result  // else: what people were told
}

// Abandon ends an attempt that has no task.
func (r *Reporter) Abandon(ctx context.Context, ab Abandonment) (Outcome, error) {
	me := r.me(ctx)
	a, refused, err := r.ledger.Abandon(ctx, me, ab.Key, ab.Delivery, ab.Hold)
	if err != nil || refused != "" {
		return Outcome{Attempt: a, Refused: refused}, err
	}
	out := Outcome{Attempt: a}
	forgotten := ab.Find != nil && r.ledger.Forgotten(a)
	if a.Verdict == nil && ab.Find != nil {
		cluster, task, err := ab.Find(ctx, a)
		if err != nil && !r.hidden(ctx, a, err) {
			return out, err
		}
		forgotten = forgotten || err != nil
		if task != "" {
			_, err := r.ledger.Found(ctx, me, ab.Key, cluster, task, ab.Limits(a))
			out.Task = task
			return out, err
		}
	}
	end, again := ab.End(a, forgotten)
	if a.Verdict == nil && !again.IsZero() {
		ok, err := r.ledger.DueAgain(ctx, me, ab.Key, again)
		if ok {
			out.Again = again
		} else {
			out.Refused = ledger.HasTask
		}
		return out, err
	}
	begun := a.Verdict != nil && a.Reports > 1
	a, ok, err := r.ledger.Decide(ctx, me, ab.Key, r.verdict(end))
	if err != nil || !ok {
		out.Refused = ledger.HasTask
		return out, err
	}
	out.Attempt, out.End = a, standing(end, a)
	return out, r.tell(ctx, me, a, end, begun)
}

// hidden says whether the attempt is ended though ECS would not say if it has a task
// of it. A refusal to show tasks, for want of a permission, does not pass, and would
// leave the run untold for ever. It is taken for silence where nobody is known to
// have asked for a task, and where it is too late to learn of one.
func (r *Reporter) hidden(ctx context.Context, a ledger.Attempt, err error) bool {
	if !awserr.Refused(err) || awserr.Throttled(err) || !a.LaunchUntil.IsZero() && !r.ledger.Forgotten(a) {
		return false
	}
	r.log.WarnContext(ctx, "ended without a look at ECS", "job", a.Job, "run_id", a.RunID, "error", err)
	return true
}
