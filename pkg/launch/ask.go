package launch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/run"
	"errand/pkg/tasks"
)

// start plans the run and asks ECS for its task, once: what may pass waits in the
// ledger.
func (l *Launcher) start(ctx context.Context, d *delivery) (Plan, string, error) {
	d.open = d.hold.Open
	plan, err := l.plan(ctx, d.Plan, d.hold.FirstClaim)
	if err != nil {
		return plan, "", err
	}
	if d.hold.Try > 0 {
		// ECS may have started a task in spite of the failures that it answered with.
		task, err := l.existing(ctx, plan)
		if task != "" || err != nil {
			return plan, task, err
		}
	}
	d.asked = true
	task, err := l.runTask(ctx, plan, d.hold.Try)
	if _, unclear := errors.AsType[report.Uncertain](err); unclear {
		d.open = true
	}
	if _, failed := errors.AsType[placementError](err); failed {
		d.open = false // the token stands for failures, and so for no task
	}
	return plan, task, err
}

// withoutLedger starts a job while the ledger cannot be reached. One with time
// limits has to be remembered, or they would not be kept.
func (l *Launcher) withoutLedger(ctx context.Context, d delivery, away error) (Answer, error) {
	if _, ok := errors.AsType[ledger.Away](away); !ok {
		return Answer{}, away
	}
	l.metrics.Count(report.WithoutLedger, 1)
	if d.invalid != nil {
		return l.refuseUnnamed(ctx, d)
	}
	if d.job.Timeout != "" || d.job.StartTimeout != "" || d.job.StartWithin != "" {
		return l.startedBefore(ctx, d, away)
	}
	l.log.ErrorContext(ctx, "starting without the ledger", "job", d.Run.Job, "run_id", d.Run.ID, "error", away)
	calls, cancel := run.Reserve(ctx, publishTime)
	defer cancel()
	task, err := l.persist(calls, &d)
	if err == nil {
		answer := d.reply(run.Started)
		answer.TaskARN = task
		return answer, nil
	}
	if taken, ok := errors.AsType[takenByTask](err); ok {
		err = taken.why
	}
	if _, final := refusal(err); !final {
		return Answer{}, err
	}
	end := l.refused(d, err, false)
	answer := d.reply(string(end.Status))
	answer.Reason = end.Reason
	return answer, report.Untold(end, l.reporter.Report(ctx, end))
}

// startedBefore is the answer for a run that is not started without the ledger. Its
// task may be there all the same, if the ledger went away only after its start: then
// nobody must be told that the run was not started.
func (l *Launcher) startedBefore(ctx context.Context, d delivery, away error) (Answer, error) {
	not := fmt.Errorf("a job with time limits is not started without the ledger: %w", away)
	calls, cancel := run.Reserve(ctx, publishTime)
	defer cancel()
	found, err := tasks.Find(calls, l.ecs, d.Cluster, l.cfg.StartedByPrefix+d.Run.Job, d.Run)
	switch {
	case found != nil && found.Carried.Digest == d.Digest:
		answer := d.reply(run.Started)
		answer.TaskARN, answer.Again = found.ARN, true
		return answer, nil
	case err != nil && !awserr.Denied(err):
		return Answer{}, report.Uncertain{Err: fmt.Errorf("%w; and it is not known whether it was started before: %w", not, err)}
	}
	return Answer{}, not
}

// The waits where there is no ledger that would remember.
const (
	firstWait   = time.Second
	longestWait = 20 * time.Second
)

// persist asks ECS until it answers for good or the time is over, by itself: there
// is no ledger that would remember.
func (l *Launcher) persist(ctx context.Context, d *delivery) (task string, err error) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		d.hold.Open = d.open
		d.Plan, task, err = l.start(ctx, d)
		if err == nil {
			return task, nil
		}
		if _, final := refusal(err); final {
			return l.lastLook(ctx, d, err)
		}
		if _, failed := errors.AsType[placementError](err); failed {
			d.hold.Try++ // the same token would get the same failures
		}
		if _, limited := ctx.Deadline(); !limited || !run.Pause(ctx, wait/2+rand.N(wait/2+1)) { //nolint:gosec // jitter is no secret
			if d.open {
				err = unclear(err)
			}
			return "", err
		}
		l.log.WarnContext(ctx, "trying again", "job", d.Run.Job, "run_id", d.Run.ID, "error", err)
	}
}

// lastLook is what comes of a final refusal: it says nothing of a call before that
// had no clear answer.
func (l *Launcher) lastLook(ctx context.Context, d *delivery, refused error) (string, error) {
	if !d.open {
		return "", refused
	}
	if task, err := l.existing(ctx, d.Plan); task != "" && err == nil {
		return task, nil
	}
	return "", unclear(refused)
}

// unclear is err, from which nobody may conclude that there is no task.
func unclear(err error) error {
	if _, already := errors.AsType[report.Uncertain](err); already {
		return err
	}
	return report.Uncertain{Err: fmt.Errorf("it is not known whether ECS started the task: a call of RunTask had no clear answer, and then %w", err)}
}

// once is for RunTask: an error is an answer to one call, not to several.
func once(o *ecs.Options) { o.Retryer = aws.NopRetryer{} }

// runTask makes the call and reads the task's ARN from the answer.
func (l *Launcher) runTask(ctx context.Context, plan Plan, try int) (string, error) {
	in := *plan.Input // the SDK may write into what it is given
	in.ClientToken = aws.String(plan.Run.Token(l.cfg.StartedByPrefix, try))
	out, err := l.ecs.RunTask(ctx, &in, once)
	// The same run has come before with other parameters: ECS names the task that
	// the token started. If it names none, the token stands for a failure, and the
	// next one is free.
	if conflict, ok := errors.AsType[*types.ConflictException](err); ok {
		if len(conflict.ResourceIds) == 0 {
			return "", placementError{}
		}
		return l.adopt(ctx, plan, conflict.ResourceIds)
	}
	what := run.LastPart(aws.ToString(in.TaskDefinition)) + " in cluster " + run.LastPart(aws.ToString(in.Cluster))
	switch {
	case awserr.Uncertain(err):
		return "", report.Uncertain{Err: fmt.Errorf("it is not known whether ECS started %s, RunTask had no clear answer: %w", what, awserr.Plain(err))}
	case err != nil:
		if lack := l.lack(awserr.Message(err), aws.ToString(in.Cluster)); lack != "" {
			return "", lacking{fmt.Errorf("ECS would not run %s: %w; %s", what, awserr.Plain(err), lack), lack}
		}
		return "", fmt.Errorf("ECS would not run %s: %w%s", what, awserr.Plain(err), hint(awserr.Message(err)))
	case len(out.Tasks) > 0:
		return aws.ToString(out.Tasks[0].TaskArn), nil
	}
	// ECS answers 200 when it could not place the task.
	return "", placementError(out.Failures)
}

// existing looks for a task of the run among those of its job: "" if there is
// none.
func (l *Launcher) existing(ctx context.Context, plan Plan) (string, error) {
	found, err := tasks.Find(ctx, l.ecs, *plan.Input.Cluster, *plan.Input.StartedBy, plan.Run)
	if found == nil || err != nil {
		return "", err
	}
	return l.same(ctx, plan, found.ARN, plan.Run, found.Carried)
}

// adopt takes the task that ECS names for the run's token, if it is the run's:
// ECS keeps tokens apart, not payloads.
func (l *Launcher) adopt(ctx context.Context, plan Plan, arns []string) (string, error) {
	list, err := tasks.Describe(ctx, l.ecs, *plan.Input.Cluster, arns)
	if err != nil {
		return "", report.Uncertain{Err: err}
	}
	if len(list) == 0 {
		// Right after RunTask, ECS may not show the task yet.
		return "", report.Uncertain{Err: fmt.Errorf("the run was started before, as task %s, and ECS does not show that task, so that it is not known whether its payload was the same", run.LastPart(arns[0]))}
	}
	r, c, _ := tasks.Carried(list[0])
	return l.same(ctx, plan, aws.ToString(list[0].TaskArn), r, c)
}

// takenByTask is a run whose identity a task has that carries another payload.
type takenByTask struct {
	task, digest string // digest is of the task's payload, "" if it carries none
	why          rejection
}

func (t takenByTask) Error() string { return string(t.why) }

// same is the task's ARN if it carries the run's payload, else the refusal of two
// payloads under one identity.
func (l *Launcher) same(ctx context.Context, plan Plan, arn string, r run.Run, c run.Carried) (string, error) {
	ours := r.Job == plan.Run.Job && r.ID == plan.Run.ID && r.Attempt == plan.Run.Attempt
	if ours && c.Digest == plan.Digest {
		l.log.InfoContext(ctx, "the run was started before", "job", plan.Run.Job, "run_id", plan.Run.ID, "task_arn", arn)
		return arn, nil
	}
	digest := c.Digest
	how := "whose payload differs in " + strings.Join(payload.Differing(plan.Digest, c.Digest), ", ")
	if !ours {
		how, digest = fmt.Sprintf("which carries run %q of job %q", r.ID, r.Job), ""
	} else if c.Digest == "" {
		how = "which carries no digest of its payload"
	}
	return "", takenByTask{arn, digest, rejection(fmt.Sprintf("runId: run %s of job %s was started before, as task %s, %s; this payload was not run: give each its own runId, scheduledTime or job", plan.Run.ID, plan.Run.Job, run.LastPart(arn), how))}
}
