package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/tasks"
)

// woken does what the watchdog has found to be due.
func (c *Collector) woken(ctx context.Context, wake ledger.Wake) error {
	if wake.Wake != ledger.WakeAbandon && wake.Wake != ledger.WakeMissing {
		return fmt.Errorf("the collector was woken for %q, which is the launcher's; see LAUNCHER_NAME and COLLECTOR_NAME of the watchdog", wake.Wake)
	}
	a, ok, err := c.ledger.Get(ctx, wake.Key)
	if err != nil {
		return err
	}
	if !ok || !a.Reported.IsZero() {
		c.log.InfoContext(ctx, "nothing to do for the watchdog", "job", wake.Job, "run_id", wake.RunID)
		return nil
	}
	switch {
	case wake.Wake == ledger.WakeMissing && a.Task != "":
		end := endOf(a)
		end.Status, end.TaskARN = run.Lost, a.Task
		end.Reason = "it is not known how the run ended: its stop event did not arrive, and ECS shows its task no more"
		return c.reporter.Ended(ctx, end, a.Digest)
	case a.State == ledger.Launched && a.Verdict == nil:
		// It was launched after the watchdog had looked.
		c.log.InfoContext(ctx, "nothing to do for the watchdog, the run was launched", "job", wake.Job, "run_id", wake.RunID)
		return nil
	case a.State == ledger.Launched:
		// Somebody has concluded it and did not come to its end. What stands there is
		// told; of the task no more is known here.
		end, v := endOf(a), *a.Verdict
		end.TaskARN = a.Task
		end.Status, end.Reason, end.ExitCode = v.Status, v.Reason, v.ExitCode
		if !v.Started.IsZero() {
			end.StartedAt, end.StoppedAt = v.Started, v.Ended
		}
		return c.reporter.Ended(ctx, end, a.Digest)
	}
	return c.abandon(ctx, report.Abandonment{Key: wake.Key, End: c.unlaunched})
}

// endOf is what the ledger knows for a result.
func endOf(a ledger.Attempt) result.Result {
	end := result.Result{Run: a.Run()}
	if a.Method == run.MethodExec {
		p, _, _ := payload.DecodeExec(a.Payload)
		end.Place = result.Place{Command: p.Command, Cluster: cmp.Or(a.Cluster, p.Cluster), Container: p.Container}
		return end
	}
	p, _, _ := payload.Decode(a.Payload)
	end.Place = result.Place{Command: p.Command, Cluster: cmp.Or(a.Cluster, p.Cluster), TaskDefinition: p.TaskDefinition, Container: p.Container}
	return end
}

// launchAgain is the time from the finding that a run has no task to its next
// launch.
const launchAgain = 10 * time.Second

// unlaunched is the end of an attempt that has no task and no launcher, or the time
// of its next launch.
func (c *Collector) unlaunched(a ledger.Attempt, forgotten bool) (result.Result, time.Time) {
	end := endOf(a)
	switch {
	case a.Refused != "":
		end.Status, end.Reason = a.Refused, a.Answer
		if forgotten && (a.Refused == run.LaunchFailed || a.Refused == run.Missed) {
			end.Status, end.Reason = run.Lost, "it is not known whether the run was started, since nobody has looked for longer than an hour: "+a.Answer
		}
	case a.Other != "":
		end.Status, end.Reason = run.Rejected, "runId: another payload was delivered before under this run's identity; this one was not run: give each its own runId, scheduledTime or job"
	case a.Method == run.MethodExec:
		end.Status, end.Reason = run.Lost, "it is not known whether the command ran: the executor ended without a word"
	case forgotten:
		end.Status, end.Reason = run.Lost, "it is not known whether the run was started: the launcher ended without a word, and nobody has looked for longer than an hour, after which ECS forgets"
	case len(a.Payload) > 0 && c.cfg.Now().Sub(a.FirstClaim) < launchTime(a):
		return end, c.cfg.Now().Add(launchAgain)
	default:
		end.Status, end.Reason = run.LaunchFailed, fmt.Sprintf("the run was not started, though a launcher began to %d times", a.Claims)
		if a.Answer != "" {
			end.Reason += "; ECS's last answer: " + a.Answer
		}
	}
	return end, time.Time{}
}

// launchTime is how long it is tried to launch an attempt: it is the launcher that
// says that its time is over, if there is one.
func launchTime(a ledger.Attempt) time.Duration {
	p, _, _ := payload.Decode(a.Payload)
	return max(payload.RoomTime, p.Lateness())
}

// givenUp ends a run whose invocation Lambda gave up.
func (c *Collector) givenUp(ctx context.Context, record record) error {
	if wake, ok := ledger.DecodeWake(record.RequestPayload); ok && wake.Wake != ledger.WakeStart {
		// The watchdog will come back to it.
		return nil
	}
	end := record.result()
	if !run.ValidJob(end.Job) {
		return c.reporter.Report(ctx, end)
	}
	err := c.giveUp(ctx, record, end)
	if away, ok := errors.AsType[ledger.Away](err); ok {
		return c.reporter.Without(ctx, away, end)
	}
	return err
}

func (c *Collector) giveUp(ctx context.Context, record record, end result.Result) error {
	d := record.delivery(end)
	ab := report.Abandonment{Key: ledger.KeyOf(end.Run), Delivery: d}
	calls, cancel := run.Share(ctx, publishTime)
	a, known, err := c.ledger.Get(calls, ab.Key)
	cancel()
	switch {
	case err != nil:
		return err
	case known && !a.Same(d):
		// What the function could not tell of is that payload; the run goes on.
		end.Status, end.Reason, end.Summary = run.Rejected, report.Taken(d, a), ""
		_, err := c.reporter.Beside(ctx, d, end)
		return err
	case known && end.Method == run.MethodExec && a.Holder == d.Holder:
		// The executor that has claimed it is no more; nobody else may.
		ab.Hold = &ledger.Hold{Attempt: a}
	}
	ab.End = func(a ledger.Attempt, forgotten bool) (result.Result, time.Time) {
		others := a.Method == run.MethodExec && a.Claims > 0 && a.Holder != d.Holder
		if a.Refused != "" || others {
			// What the launcher was refused with counts; and what another executor
			// has begun, this one knows nothing of.
			return c.unlaunched(a, forgotten)
		}
		switch {
		case end.Method == run.MethodExec:
		case forgotten && end.Status == run.LaunchFailed:
			end.Status = run.Lost
		case !forgotten && end.Status == run.Lost && a.Cluster != "":
			end.Status = run.LaunchFailed // ECS was asked, and has no task
		}
		end.Cluster = cmp.Or(a.Cluster, end.Cluster)
		return end, time.Time{}
	}
	return c.abandon(ctx, ab)
}

// abandon is step 6, by the collector.
func (c *Collector) abandon(ctx context.Context, ab report.Abandonment) error {
	ab.Find, ab.Limits = c.find, limits
	out, err := c.reporter.Abandon(ctx, ab)
	log := c.log.With("job", ab.Key.Job, "run_id", ab.Key.RunID)
	switch {
	case err != nil:
		return err
	case out.Refused != "":
		log.InfoContext(ctx, "not given up", "because", string(out.Refused))
	case out.Task != "":
		log.InfoContext(ctx, "ECS has a task of the run", "task_arn", out.Task)
	case !out.Again.IsZero():
		log.InfoContext(ctx, "the run will be launched again", "at", out.Again)
	}
	return nil
}

// find asks ECS for the task of an attempt. A command in a live task has none, and
// where no cluster is known nobody ever asked for one.
func (c *Collector) find(ctx context.Context, a ledger.Attempt) (cluster, task string, err error) {
	if a.Method == run.MethodExec || a.Cluster == "" || a.Other != "" {
		return "", "", nil
	}
	calls, cancel := run.Reserve(ctx, publishTime)
	defer cancel()
	found, err := tasks.Find(calls, c.ecs, a.Cluster, c.cfg.StartedByPrefix+a.Job, a.Run())
	if found == nil || err != nil {
		return "", "", err
	}
	return found.Cluster, found.ARN, nil
}

// limits are those of the attempt's payload.
func limits(a ledger.Attempt) ledger.Limits {
	p, _, _ := payload.Decode(a.Payload)
	return ledger.Limits{Start: p.StartLimit(), Timeout: p.TimeLimit()}
}
