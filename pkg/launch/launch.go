// Package launch turns a job payload into one ECS RunTask call and ECS's answer
// into an answer of errand's.
package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/job"
	"errand/pkg/result"
)

// ECS starts tasks; *ecs.Client is one.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	RunTask(context.Context, *ecs.RunTaskInput, ...func(*ecs.Options)) (*ecs.RunTaskOutput, error)
}

// Publisher tells people of runs that could not be started; *notify.Notifier
// is one.
type Publisher interface {
	Publish(context.Context, result.Result) error
}

// Config is what a stack sets for all its jobs.
type Config struct {
	Cluster         string
	TaskDefinition  string // default; may be empty
	Subnets         []string
	SecurityGroups  []string
	AssignPublicIP  string // ENABLED or DISABLED
	LaunchType      string // an ECS launch type, or CLUSTER for the cluster's own strategy
	StartedByPrefix string
	// Backoff is the wait before the second try inside an invocation, which
	// then doubles up to maxBackoff; 0 means one second.
	Backoff time.Duration
}

// Launcher handles job payloads. It keeps no state between events, since
// Lambda reuses it.
type Launcher struct {
	ecs     ECS
	results Publisher
	cfg     Config
	log     *slog.Logger
}

// New makes a Launcher.
func New(e ECS, p Publisher, cfg Config, log *slog.Logger) *Launcher {
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Second
	}
	return &Launcher{e, p, cfg, log}
}

// Answer is what an invocation of the launcher returns.
type Answer struct {
	Job     string `json:"job,omitempty"`
	RunID   string `json:"runId"`
	Attempt int    `json:"attempt"`
	Status  string `json:"status"` // Started or a result.Status
	TaskARN string `json:"taskArn,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Started is the status of an Answer whose task runs now.
const Started = "STARTED"

// Handle starts the run that raw asks for. What trying again cannot mend is
// published and returned as an answer; what may pass is returned as an error,
// so that Lambda tries again.
func (l *Launcher) Handle(ctx context.Context, raw json.RawMessage) (Answer, error) {
	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
	}
	p, eventID, err := job.Decode(raw)
	run := job.NewRun(p, eventID, requestID)
	log := l.log.With("job", run.Job, "run_id", run.ID)

	var in *ecs.RunTaskInput
	var arn string
	if err == nil {
		calls, cancel := reserve(ctx)
		defer cancel()
		in, arn, err = l.start(calls, run)
	}
	answer := Answer{Job: run.Job, RunID: run.ID, Attempt: run.Attempt, Status: Started, TaskARN: arn}
	if err == nil {
		log.InfoContext(ctx, "task started", "task_arn", arn)
		return answer, nil
	}
	status, final := refusal(err)
	if !final {
		log.ErrorContext(ctx, "task not started, may pass", "error", err)
		return Answer{}, fmt.Errorf("start run %s of job %s: %w", run.ID, run.Job, err)
	}
	answer.Status, answer.Reason = string(status), err.Error()
	log.ErrorContext(ctx, "task not started", "status", status, "error", err)
	if err := l.results.Publish(ctx, l.refused(run, in, status, answer.Reason)); err != nil {
		return Answer{}, err
	}
	return answer, nil
}

// refused is the result of a run that was not started.
func (l *Launcher) refused(run job.Run, in *ecs.RunTaskInput, status result.Status, reason string) result.Result {
	r := run.NotStarted(status, reason)
	if r.Cluster == "" {
		r.Cluster = l.cfg.Cluster
	}
	if in != nil {
		r.TaskDefinition = aws.ToString(in.TaskDefinition)
	}
	return r
}

// start plans the run and asks ECS for it until ECS answers for good or the
// time is over.
func (l *Launcher) start(ctx context.Context, run job.Run) (*ecs.RunTaskInput, string, error) {
	var in *ecs.RunTaskInput
	err := l.persist(ctx, func() (err error) {
		in, err = l.plan(ctx, run)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	placementTry := 0
	var arn string
	err = l.persist(ctx, func() (err error) {
		in.ClientToken = aws.String(run.Token(l.cfg.StartedByPrefix, placementTry))
		arn, err = l.runTask(ctx, in)
		if _, placed := errors.AsType[placementError](err); placed {
			// ECS replays this answer under the same token, so the next try
			// needs another one.
			placementTry++
		}
		return err
	})
	return in, arn, err
}

const (
	maxBackoff = 20 * time.Second
	// publishTime is kept back from the deadline to tell people.
	publishTime = 10 * time.Second
)

// persist repeats do while its error may pass and the deadline allows.
func (l *Launcher) persist(ctx context.Context, do func() error) error {
	for backoff := l.cfg.Backoff; ; backoff = min(2*backoff, maxBackoff) {
		err := do()
		if err == nil {
			return nil
		}
		if _, final := refusal(err); final {
			return err
		}
		wait := backoff/2 + rand.N(backoff/2+1) //nolint:gosec // jitter is no secret
		deadline, ok := ctx.Deadline()
		if !ok || time.Until(deadline) < wait {
			return err
		}
		l.log.WarnContext(ctx, "trying again", "error", err, "wait", wait.String())
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// reserve ends before the invocation does, so that its error is ours and there
// is time to publish. Short deadlines are shared evenly.
func reserve(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(publishTime, time.Until(deadline)/2)))
}

// runTask makes the call and reads the task's ARN from the answer.
func (l *Launcher) runTask(ctx context.Context, in *ecs.RunTaskInput) (string, error) {
	out, err := l.ecs.RunTask(ctx, in)
	if err != nil {
		if arn, ok := alreadyStarted(err); ok {
			l.log.InfoContext(ctx, "the run was started before", "task_arn", arn)
			return arn, nil
		}
		return "", fmt.Errorf("run task definition %s: %w", aws.ToString(in.TaskDefinition), answered(err))
	}
	if len(out.Tasks) > 0 {
		return aws.ToString(out.Tasks[0].TaskArn), nil
	}
	// ECS answers 200 when it could not place the task.
	var failure placementError
	if len(out.Failures) > 0 {
		failure.reason = aws.ToString(out.Failures[0].Reason)
		failure.detail = aws.ToString(out.Failures[0].Detail)
	}
	return "", failure
}
