package launch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awserr"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/run"
)

// maxBackoff is the longest wait between two tries.
const maxBackoff = 20 * time.Second

// persist repeats do while its error may pass and the deadline allows. When the
// deadline cuts a call short, people are told AWS's last real answer.
func (l *Launcher) persist(ctx context.Context, do func() error) error {
	var answer error
	for backoff := l.cfg.Backoff; ; backoff = min(2*backoff, maxBackoff) {
		err := do()
		if err == nil {
			return nil
		}
		if _, final := refusal(err); final {
			return err
		}
		if answer != nil && ctx.Err() != nil {
			err = cutShort(err, answer)
		} else if !errors.Is(err, context.DeadlineExceeded) {
			answer = err
		}
		wait := backoff/2 + rand.N(backoff/2+1) //nolint:gosec // jitter is no secret
		if _, ok := ctx.Deadline(); !ok || !run.Pause(ctx, wait) {
			return err
		}
		l.log.WarnContext(ctx, "trying again", "error", err, "wait", wait.String())
	}
}

// cutShort is err, which the deadline caused, with the answer that came before.
func cutShort(err, answer error) error {
	if _, ok := errors.AsType[report.Uncertain](err); ok {
		return report.Uncertain{Err: fmt.Errorf("%w; before that, %w", err, answer)}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return answer
	}
	return err
}

// asking is what is known of one run while ECS is asked for its task.
type asking struct {
	launcher *Launcher
	plan     Plan
	try      int  // of placement: failures so far
	open     bool // a call had no clear answer, so that there may be a task
}

// ask makes one try, and returns the ARN of the run's task.
func (a *asking) ask(ctx context.Context) (string, error) {
	l := a.launcher
	token := a.plan.Run.Token(l.cfg.StartedByPrefix, a.try)
	// ECS replays a failure under the same token, so the next try needs another
	// one, and Lambda's next attempt need not ask for it again.
	for l.known(token) {
		a.try++
		token = a.plan.Run.Token(l.cfg.StartedByPrefix, a.try)
	}
	if a.try > 0 {
		// A new token could make a second task, and ECS may have started one in
		// spite of the failures that it answered with.
		task, err := l.existing(ctx, a.plan)
		if task != "" || err != nil {
			return task, a.uncertain(err)
		}
	}
	task, err := l.runTask(ctx, a.plan, token)
	if _, failed := errors.AsType[placementError](err); failed {
		l.failed.Store(token, struct{}{})
	}
	if _, ok := errors.AsType[report.Uncertain](err); ok {
		l.open.Store(token, struct{}{})
	}
	if _, ok := l.open.Load(token); ok {
		a.open = true // also by an invocation before this one
	}
	if err == nil {
		return task, nil
	}
	if _, final := refusal(err); final {
		// What ECS refuses now says nothing of a call before, in this invocation or
		// in one before it.
		task, look := l.existing(ctx, a.plan)
		if _, taken := errors.AsType[rejection](look); task != "" || taken {
			return task, look
		}
	}
	return "", a.uncertain(err)
}

// uncertain is err, from which nobody may conclude that there is no task if a
// call before had no clear answer.
func (a *asking) uncertain(err error) error {
	_, already := errors.AsType[report.Uncertain](err)
	_, taken := errors.AsType[rejection](err) // by another payload's task
	if err == nil || already || taken || !a.open {
		return err
	}
	return report.Uncertain{Err: fmt.Errorf("it is not known whether ECS started the task: a call of RunTask had no clear answer, and then %w", err)}
}

func (l *Launcher) known(token string) bool {
	_, ok := l.failed.Load(token)
	return ok
}

// once is for RunTask: an error is an answer to one call, not to several, and
// persist waits longer than the SDK does.
func once(o *ecs.Options) { o.Retryer = aws.NopRetryer{} }

// runTask makes the call and reads the task's ARN from the answer.
func (l *Launcher) runTask(ctx context.Context, plan Plan, token string) (string, error) {
	in := *plan.Input // the SDK may write into what it is given
	in.ClientToken = &token
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
		return "", fmt.Errorf("ECS would not run %s: %w", what, awserr.Plain(err))
	case len(out.Tasks) > 0:
		return aws.ToString(out.Tasks[0].TaskArn), nil
	}
	// ECS answers 200 when it could not place the task.
	return "", placementError(out.Failures)
}

// existing looks for a task of the run among those of its job: "" if there is
// none. ECS shows stopped tasks for an hour.
func (l *Launcher) existing(ctx context.Context, plan Plan) (string, error) {
	var arns []string
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		pages := ecs.NewListTasksPaginator(l.ecs, &ecs.ListTasksInput{Cluster: plan.Input.Cluster, StartedBy: plan.Input.StartedBy, DesiredStatus: status})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return "", fmt.Errorf("look for a task of the run before another try, among those of startedBy %s: %w", *plan.Input.StartedBy, awserr.Plain(err))
			}
			arns = append(arns, page.TaskArns...)
		}
	}
	for some := range slices.Chunk(arns, 100) { // DescribeTasks takes no more
		tasks, err := l.tasks(ctx, plan, some)
		if err != nil {
			return "", err
		}
		for _, task := range tasks {
			if r, _, ok := carried(task); ok && r.ID == plan.Run.ID && r.Attempt == plan.Run.Attempt {
				return l.same(ctx, plan, task)
			}
		}
	}
	return "", nil
}

// adopt takes the task that ECS names for the run's token, if it is the run's:
// ECS keeps tokens apart, not payloads.
func (l *Launcher) adopt(ctx context.Context, plan Plan, arns []string) (string, error) {
	tasks, err := l.tasks(ctx, plan, arns)
	if err != nil {
		return "", report.Uncertain{Err: err}
	}
	if len(tasks) == 0 {
		// Right after RunTask, ECS may not show the task yet.
		return "", report.Uncertain{Err: fmt.Errorf("the run was started before, as task %s, and ECS does not show that task, so that it is not known whether its payload was the same", run.LastPart(arns[0]))}
	}
	return l.same(ctx, plan, tasks[0])
}

func (l *Launcher) tasks(ctx context.Context, plan Plan, arns []string) ([]types.Task, error) {
	out, err := l.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: plan.Input.Cluster, Tasks: arns})
	if err != nil {
		return nil, fmt.Errorf("look at the tasks that may be the run's, in cluster %s: %w", run.LastPart(*plan.Input.Cluster), awserr.Plain(err))
	}
	return out.Tasks, nil
}

// same is the task's ARN if it carries the run's payload, else the refusal of two
// payloads under one identity.
func (l *Launcher) same(ctx context.Context, plan Plan, task types.Task) (string, error) {
	arn := aws.ToString(task.TaskArn)
	r, c, _ := carried(task)
	ours := r.Job == plan.Run.Job && r.ID == plan.Run.ID && r.Attempt == plan.Run.Attempt
	if ours && c.Digest == plan.Digest {
		l.log.InfoContext(ctx, "the run was started before", "job", plan.Run.Job, "run_id", plan.Run.ID, "task_arn", arn)
		return arn, nil
	}
	how := "whose payload differs in " + strings.Join(payload.Differing(plan.Digest, c.Digest), ", ")
	if !ours {
		how = fmt.Sprintf("which carries run %q of job %q", r.ID, r.Job)
	} else if c.Digest == "" {
		how = "which carries no digest of its payload"
	}
	return "", rejection(fmt.Sprintf("runId: run %s of job %s was started before, as task %s, %s; this payload was not run: give each its own runId, scheduledTime or job", plan.Run.ID, plan.Run.Job, run.LastPart(arn), how))
}

// carried is the run that a task carries, if it does.
func carried(task types.Task) (run.Run, run.Carried, bool) {
	if task.Overrides == nil {
		return run.Run{}, run.Carried{}, false
	}
	for _, o := range task.Overrides.ContainerOverrides {
		var variables []run.Variable
		for _, v := range o.Environment {
			variables = append(variables, run.Variable{Name: aws.ToString(v.Name), Value: aws.ToString(v.Value)})
		}
		if r, c, ok := run.FromVariables(variables); ok {
			return r, c, true
		}
	}
	return run.Run{}, run.Carried{}, false
}
