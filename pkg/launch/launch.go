// Package launch turns a job payload into one ECS RunTask call and ECS's answer
// into an answer of errand's.
package launch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// ECS starts tasks and shows them; *ecs.Client is one.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
	ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
	RunTask(context.Context, *ecs.RunTaskInput, ...func(*ecs.Options)) (*ecs.RunTaskOutput, error)
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
// failures, and those of calls that had no clear answer.
type Launcher struct {
	ecs      ECS
	reporter *report.Reporter
	cfg      Config
	log      *slog.Logger
	failed   sync.Map // client token → struct{}
	open     sync.Map // the same
}

// New makes a Launcher.
func New(e ECS, r *report.Reporter, cfg Config, log *slog.Logger) *Launcher {
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Second
	}
	return &Launcher{ecs: e, reporter: r, cfg: cfg, log: log}
}

// Answer is what an invocation of the launcher returns. Its status is Started or
// a run.Status.
type Answer = run.Answer

// Started is the status of an Answer whose task runs now.
const Started = "STARTED"

// publishTime is kept back from the deadline to tell people.
const publishTime = 10 * time.Second

// Handle starts the run that raw asks for. What trying again cannot mend is
// published and returned as an answer; what may pass is returned as an error,
// so that Lambda tries again.
func (l *Launcher) Handle(ctx context.Context, raw json.RawMessage) (Answer, error) {
	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
	}
	job, eventID, err := payload.Decode(raw)
	plan := Plan{Request: Request{Run: job.Run(eventID, requestID), Job: job, Digest: payload.Digest(raw)}}
	plan.Place = result.Place{Command: job.Command, Cluster: job.Cluster, TaskDefinition: job.TaskDefinition, Container: job.Container}
	log := l.log.With("job", plan.Run.Job, "run_id", plan.Run.ID)
	answer := Answer{Job: plan.Run.Job, RunID: plan.Run.ID, Attempt: plan.Run.Attempt, Status: Started}
	if err == nil {
		calls, cancel := run.Reserve(ctx, publishTime)
		defer cancel()
		plan, answer.TaskARN, err = l.start(calls, plan)
	}
	if err == nil {
		log.InfoContext(ctx, "task started", "task_arn", answer.TaskARN)
		return answer, nil
	}
	status, final := refusal(err)
	if !final {
		log.ErrorContext(ctx, "task not started, may pass", "error", err)
		return Answer{}, err
	}
	answer.Status, answer.Reason = string(status), err.Error()
	log.ErrorContext(ctx, "task not started", "status", status, "error", err)
	plan.Place.Cluster = l.clusterARN(plan.Place)
	if err := l.reporter.Report(ctx, result.Result{
		Run: plan.Run, Status: status, Reason: answer.Reason, Summary: summary(err), Place: plan.Place,
	}); err != nil {
		if status == run.Lost {
			err = report.Uncertain{Err: fmt.Errorf("%s; %w", answer.Reason, err)}
		}
		return Answer{}, err
	}
	return answer, nil
}

// clusterARN is the run's cluster in the form that the results of tasks have, so
// that the same filters match: by the ARN of the stack's cluster or of the task
// definition, if one is known.
func (l *Launcher) clusterARN(place result.Place) string {
	name := cmp.Or(place.Cluster, l.cfg.Cluster)
	for _, known := range []string{name, l.cfg.Cluster, place.TaskDefinition} {
		if a, ok := run.ParseARN(known); ok {
			a.Service, a.Resource = "ecs", "cluster/"+run.LastPart(name)
			return a.String()
		}
	}
	return name
}

// start plans the run and asks ECS for it until ECS answers for good or the time
// is over.
func (l *Launcher) start(ctx context.Context, asked Plan) (plan Plan, task string, err error) {
	err = l.persist(ctx, func() (err error) {
		plan, err = l.plan(ctx, asked)
		return err
	})
	if err != nil {
		return plan, "", err
	}
	a := asking{launcher: l, plan: plan}
	err = l.persist(ctx, func() (err error) {
		task, err = a.ask(ctx)
		return err
	})
	return plan, task, err
}
