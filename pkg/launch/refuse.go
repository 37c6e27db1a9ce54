package launch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/tasks"
)

// maxBackoff is the longest wait between two tries. It is far below the hour in
// which ECS remembers a token.
const maxBackoff = 10 * time.Minute

// turnWait is for a run that ECS throttled: it lacks no room, only its turn. It goes
// to the end of the line, and the watchdog, which wakes launchers at ECS's own pace, is
// what keeps it from asking too often. To wait longer from one try to the next would
// leave the last of a herd behind while ECS has nothing to do.
const turnWait = 3 * time.Second

// notStarted sees to a run that ECS has not started: it waits, or it is refused.
func (l *Launcher) notStarted(ctx context.Context, d delivery, err error) (Answer, error) {
	log := l.log.With("job", d.Run.Job, "run_id", d.Run.ID, "error", err)
	if taken, ok := errors.AsType[takenByTask](err); ok {
		return l.yield(ctx, d, taken)
	}
	status, final := refusal(err)
	if final {
		return l.refuse(ctx, d, err)
	}
	answer := d.reply(run.Waiting)
	answer.Reason = err.Error()
	if !d.hold.Alone || d.open {
		// Somebody else may have started the task, or this call has. Whoever looks
		// when all launchers are gone will know.
		log.WarnContext(ctx, "task not started for sure, left to the watchdog", "status", status)
		answer.NextTryAt = d.hold.Due
		return answer, l.ledger.Note(ctx, d.hold, "", err.Error())
	}
	wait := min(l.cfg.Backoff<<min(d.hold.Claims-1, 10), maxBackoff)
	if awserr.Throttled(err) {
		wait = turnWait
	}
	wait = wait/2 + rand.N(wait/2+1) //nolint:gosec // jitter is no secret
	answer.NextTryAt = l.cfg.Now().Add(wait)
	_, burned := errors.AsType[placementError](err)
	ok, away := l.ledger.NoRoom(ctx, d.hold, burned, err.Error(), answer.NextTryAt)
	if away != nil {
		return Answer{}, fmt.Errorf("%w; %w", away, err)
	}
	if !ok {
		a, _, err := l.ledger.Get(ctx, ledger.KeyOf(d.Run))
		return report.Known(a), err
	}
	log.WarnContext(ctx, "task not started, waits", "next_try_at", answer.NextTryAt)
	return answer, nil
}

// refuse ends a run that this launcher was refused, or that came too late, unless
// ECS has a task of it after all.
func (l *Launcher) refuse(ctx context.Context, d delivery, why error) (Answer, error) {
	end := l.refused(d, why, false)
	log := l.log.With("job", d.Run.Job, "run_id", d.Run.ID, "status", end.Status, "error", why)
	if !d.hold.Alone || d.open {
		log.WarnContext(ctx, "task not started, left to the watchdog")
		answer := d.reply(run.Waiting)
		answer.Reason, answer.NextTryAt = end.Reason, d.hold.Due
		return answer, l.ledger.Note(ctx, d.hold, end.Status, end.Reason)
	}
	var hidden error
	throttled := false
	ab := report.Abandonment{
		Key: ledger.KeyOf(d.Run), Delivery: d.Delivery, Hold: &d.hold,
		Limits: func(ledger.Attempt) ledger.Limits { return d.limits() },
		End: func(_ ledger.Attempt, forgotten bool) (result.Result, time.Time) {
			if _, failed := errors.AsType[placementError](why); hidden != nil && (failed || d.hold.Try > 0) {
				// After failures there may be a task. Where ECS has only ever refused
				// the call, there is none.
				return l.refused(d, report.Uncertain{Err: fmt.Errorf("it is not known whether the run was started: %w; before that, %w", hidden, why)}, forgotten), time.Time{}
			}
			return l.refused(d, why, forgotten), time.Time{}
		},
	}
	if d.asked || d.hold.Claims > 1 {
		ab.Find = func(ctx context.Context, a ledger.Attempt) (string, string, error) {
			cluster, task, err := l.find(ctx, a)
			throttled = awserr.Throttled(err)
			if awserr.Denied(err) {
				// Nor will ECS show it to this launcher later: the run must not stay
				// untold for that.
				hidden, err = err, nil
			}
			return cluster, task, err
		}
	}
	out, err := l.reporter.Abandon(ctx, ab)
	if throttled && err != nil {
		// That is not for Lambda to try again, nor for anybody to be alarmed by: when
		// this launcher's time is over, the watchdog has ECS asked again.
		log.WarnContext(ctx, "task not started, left to the watchdog", "look", err)
		answer := d.reply(run.Waiting)
		answer.Reason, answer.NextTryAt = end.Reason, out.Attempt.Due
		return answer, nil
	}
	return l.outcome(ctx, d, out, report.Untold(end, err))
}

// outcome is the answer to what became of a run that was to be refused.
func (l *Launcher) outcome(ctx context.Context, d delivery, out report.Outcome, err error) (Answer, error) {
	switch {
	case err != nil:
		return Answer{}, err
	case out.Refused != "":
		l.log.InfoContext(ctx, "not refused", "job", d.Run.Job, "run_id", d.Run.ID, "because", string(out.Refused))
		return report.Known(out.Attempt), nil
	case out.Task != "":
		answer := d.reply(run.Started)
		answer.TaskARN, answer.Again = out.Task, true
		return answer, nil
	}
	answer := d.reply(string(out.End.Status))
	answer.Reason = out.End.Reason
	l.log.ErrorContext(ctx, "task not started", "job", d.Run.Job, "run_id", d.Run.ID, "status", out.End.Status, "error", out.End.Reason)
	return answer, nil
}

// refused is the result of a run that was not started.
func (l *Launcher) refused(d delivery, why error, forgotten bool) result.Result {
	status, _ := refusal(why)
	end := result.Result{Run: d.Run, Status: status, Reason: why.Error(), Summary: summary(why), Place: d.Plan.Place}
	if forgotten && status == run.LaunchFailed {
		end.Status, end.Summary = run.Lost, ""
		end.Reason = "it is not known whether the run was started, since ECS shows no task for longer than an hour: " + why.Error()
	}
	end.Cluster = l.clusterARN(end.Place)
	report.Sent(&end, d.Payload)
	return end
}

// find asks ECS for the task of an attempt.
func (l *Launcher) find(ctx context.Context, a ledger.Attempt) (cluster, task string, err error) {
	calls, cancel := run.Reserve(ctx, publishTime)
	defer cancel()
	found, err := tasks.Find(calls, l.ecs, a.Cluster, l.cfg.StartedByPrefix+a.Job, a.Run())
	if found == nil || err != nil {
		return "", "", err
	}
	return found.Cluster, found.ARN, nil
}

// reject tells of a payload beside the run whose identity it claims.
func (l *Launcher) reject(ctx context.Context, d delivery, why rejection) (Answer, error) {
	end := l.refused(d, why, false)
	out, err := l.reporter.Beside(ctx, d.Delivery, end)
	if err == nil && out.Refused == ledger.Reported {
		answer := d.reply(string(end.Status))
		answer.Reason, answer.Again = end.Reason, true
		return answer, nil
	}
	return l.outcome(ctx, d, out, report.Untold(end, err))
}

// yield leaves the identity to the task that ECS has for another payload, which was
// started when there was no ledger.
func (l *Launcher) yield(ctx context.Context, d delivery, taken takenByTask) (Answer, error) {
	answer, err := l.reject(ctx, d, taken.why)
	if err != nil {
		return Answer{}, err
	}
	// Not before people were told: the next delivery does not come here again.
	return answer, l.ledger.Yield(ctx, d.hold, l.clusterARN(d.Plan.Place), taken.task, taken.digest, ledger.Limits{Start: payload.DefaultStartTimeout})
}

// stop ends a second task of the run. Nobody comes back to it: the next delivery only
// learns of the first one.
func (l *Launcher) stop(ctx context.Context, d delivery, task string) error {
	in := &ecs.StopTaskInput{Cluster: d.Plan.Input.Cluster, Task: &task, Reason: aws.String("second task of run " + d.Run.ID)}
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		_, err := l.ecs.StopTask(ctx, in)
		if err == nil {
			return nil
		}
		_, limited := ctx.Deadline()
		final := awserr.Refused(err) && !awserr.Throttled(err)
		if final || !limited || !run.Pause(ctx, wait) {
			return fmt.Errorf("stop %s, the second task of run %s of job %s: %w", run.LastPart(task), d.Run.ID, d.Run.Job, awserr.Plain(err))
		}
	}
}
