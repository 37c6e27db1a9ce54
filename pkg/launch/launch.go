// Package launch turns a job payload into one ECS RunTask call and ECS's answer
// into an answer of errand's.
package launch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/job"
	"errand/pkg/notify"
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

// Launcher handles job payloads. It keeps no state between events, since Lambda
// reuses it, but for what never changes: the tokens that ECS answered with
// failures.
type Launcher struct {
	ecs     ECS
	results Publisher
	cfg     Config
	log     *slog.Logger
	failed  sync.Map // client token → struct{}
}

// New makes a Launcher.
func New(e ECS, p Publisher, cfg Config, log *slog.Logger) *Launcher {
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Second
	}
	return &Launcher{ecs: e, results: p, cfg: cfg, log: log}
}

// Answer is what an invocation of the launcher returns. Its status is Started or
// a result.Status.
type Answer = job.Answer

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

	var arn string
	if err == nil {
		calls, cancel := notify.Reserve(ctx, publishTime)
		defer cancel()
		arn, err = l.start(calls, &run)
	}
	answer := Answer{Job: run.Job, RunID: run.ID, Attempt: run.Attempt, Status: Started, TaskARN: arn}
	if err == nil {
		log.InfoContext(ctx, "task started", "task_arn", arn)
		return answer, nil
	}
	status, final := refusal(err)
	if !final {
		log.ErrorContext(ctx, "task not started, may pass", "error", err)
		return Answer{}, err
	}
	answer.Status, answer.Reason = string(status), err.Error()
	log.ErrorContext(ctx, "task not started", "status", status, "error", err)
	run.Cluster = l.clusterARN(run)
	if err := l.results.Publish(ctx, run.NotStarted(status, answer.Reason)); err != nil {
		return Answer{}, err
	}
	return answer, nil
}

// clusterARN is the run's cluster in the form that the results of tasks have, so
// that the same filters match: by the ARN of the stack's cluster or of the task
// definition, if one is known.
func (l *Launcher) clusterARN(run job.Run) string {
	name := cmp.Or(run.Cluster, l.cfg.Cluster)
	for _, known := range []string{name, l.cfg.Cluster, run.TaskDefinition} {
		if a, err := arn.Parse(known); err == nil {
			a.Resource = "cluster/" + path.Base(name)
			return a.String()
		}
	}
	return name
}

// start plans the run and asks ECS for it until ECS answers for good or the
// time is over. It fills in what it finds out about the run.
func (l *Launcher) start(ctx context.Context, run *job.Run) (arn string, err error) {
	var in *ecs.RunTaskInput
	err = l.persist(ctx, func() (err error) {
		in, err = l.plan(ctx, run)
		return err
	})
	if err != nil {
		return "", err
	}
	placementTry := 0
	err = l.persist(ctx, func() (err error) {
		token := run.Token(l.cfg.StartedByPrefix, placementTry)
		// ECS replays a failure under the same token, so the next try needs
		// another one, and Lambda's next attempt need not ask for it again.
		for l.known(token) {
			placementTry++
			token = run.Token(l.cfg.StartedByPrefix, placementTry)
		}
		in.ClientToken = &token
		arn, err = l.runTask(ctx, in)
		if _, placed := errors.AsType[placementError](err); placed {
			l.failed.Store(token, struct{}{})
		}
		return err
	})
	return arn, err
}

func (l *Launcher) known(token string) bool {
	_, ok := l.failed.Load(token)
	return ok
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

// runTask makes the call and reads the task's ARN from the answer.
func (l *Launcher) runTask(ctx context.Context, in *ecs.RunTaskInput) (string, error) {
	out, err := l.ecs.RunTask(ctx, in)
	// The same run has come before with other parameters, for instance before a
	// deployment: ECS names the task that the token started. If it names none,
	// the token stands for a failure, and the next one is free.
	if conflict, ok := errors.AsType[*types.ConflictException](err); ok {
		if len(conflict.ResourceIds) == 0 {
			return "", placementError{}
		}
		l.log.InfoContext(ctx, "the run was started before", "task_arn", conflict.ResourceIds[0])
		return conflict.ResourceIds[0], nil
	}
	if err != nil {
		return "", fmt.Errorf("ECS would not run %s in cluster %s: %w", path.Base(aws.ToString(in.TaskDefinition)), path.Base(aws.ToString(in.Cluster)), plain(err))
	}
	if len(out.Tasks) > 0 {
		return aws.ToString(out.Tasks[0].TaskArn), nil
	}
	// ECS answers 200 when it could not place the task.
	return "", placementError(out.Failures)
}
