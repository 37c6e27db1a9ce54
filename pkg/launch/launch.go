// Package launch turns a job payload into one ECS RunTask call and ECS's answer
// into an answer of errand's. The ledger is asked before ECS: only who holds the
// run's claim launches it.
package launch

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/ledger"
	"errand/pkg/metric"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/run"
	"errand/pkg/tasks"
)

// ECS starts tasks, shows them and stops them; *ecs.Client is one.
type ECS interface {
	tasks.ECS
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	RunTask(context.Context, *ecs.RunTaskInput, ...func(*ecs.Options)) (*ecs.RunTaskOutput, error)
	StopTask(context.Context, *ecs.StopTaskInput, ...func(*ecs.Options)) (*ecs.StopTaskOutput, error)
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
	// TaskRoleARNs are the roles that a payload's overrides may give to a task.
	TaskRoleARNs []string
	// Backoff is the first wait for room, which then doubles up to maxBackoff; 0
	// means 30 seconds. While the ledger is away it is a second.
	Backoff time.Duration
	// Now is the time; nil means run.Now.
	Now func() time.Time
}

// Launcher handles job payloads. It keeps no state between events but for the
// revisions of task definitions, which never change.
type Launcher struct {
	ecs         ECS
	ledger      *ledger.Ledger
	reporter    *report.Reporter
	metrics     *metric.Writer
	cfg         Config
	log         *slog.Logger
	definitions definitions
}

// New makes a Launcher.
func New(e ECS, l *ledger.Ledger, r *report.Reporter, m *metric.Writer, cfg Config, log *slog.Logger) *Launcher {
	if cfg.Backoff == 0 {
		cfg.Backoff = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = run.Now
	}
	e = gentle{e}
	return &Launcher{ecs: e, ledger: l, reporter: r, metrics: m, cfg: cfg, log: log, definitions: definitions{ecs: e, now: cfg.Now}}
}

// Answer is what an invocation of the launcher returns. Its status is run.Started,
// run.Waiting or a run.Status.
type Answer = run.Answer

// publishTime is kept back from the deadline to tell people.
const publishTime = 10 * time.Second

// Handle starts the run that raw asks for, or goes on with one that waited. What
// ECS may allow later waits in the ledger, what it will not is published: both are
// answers. An error is what errand itself could not do, so that Lambda tries again.
func (l *Launcher) Handle(ctx context.Context, raw json.RawMessage) (Answer, error) {
	d, err := l.read(ctx, raw)
	if err != nil {
		return Answer{}, err
	}
	if d.answer != nil {
		return *d.answer, nil
	}
	if kept, ok := errors.AsType[payload.Kept](d.invalid); ok {
		return Answer{}, l.keep(ctx, d, kept)
	}
	if !run.ValidJob(d.Run.Job) {
		// Nobody can say which run that would be.
		return l.refuseUnnamed(ctx, d)
	}
	hold, claimed, err := l.claim(ctx, d)
	switch {
	case err != nil:
		return l.withoutLedger(ctx, d, err)
	case !claimed && hold.State != "" && !hold.Same(d.Delivery):
		return l.reject(ctx, d, rejection(report.Taken(d.Delivery, hold.Attempt)))
	case !claimed:
		return report.Known(hold.Attempt), nil
	}
	l.held(&d, hold)
	if d.invalid != nil {
		return l.refuse(ctx, d, d.invalid)
	}
	if why := l.tooLate(d); why != nil {
		return l.refuse(ctx, d, why)
	}
	calls, cancel := run.Reserve(ctx, publishTime)
	defer cancel()
	plan, task, err := l.start(calls, &d)
	d.Plan = plan
	if err != nil {
		return l.notStarted(ctx, d, err)
	}
	return l.started(ctx, d, task)
}

// reply is an answer about the run of a delivery.
func (d delivery) reply(status string) Answer {
	return Answer{Job: d.Run.Job, RunID: d.Run.ID, Attempt: d.Run.Attempt, Status: status}
}

// claim asks the ledger for the run, for at most half of the time.
func (l *Launcher) claim(ctx context.Context, d delivery) (ledger.Hold, bool, error) {
	calls, cancel := run.Share(ctx, publishTime)
	defer cancel()
	return l.ledger.Claim(calls, d.Delivery)
}

// started notes the task. If the attempt has another one, this one is stopped.
func (l *Launcher) started(ctx context.Context, d delivery, task string) (Answer, error) {
	log := l.log.With("job", d.Run.Job, "run_id", d.Run.ID, "task_arn", task)
	a, ok, err := l.ledger.Launched(ctx, ledger.KeyOf(d.Run), l.clusterARN(d.Plan.Place), task, d.limits())
	if err != nil {
		// The task runs; the next claim gets the same one of ECS by its token.
		return Answer{}, report.Uncertain{Err: err}
	}
	answer := d.reply(run.Started)
	answer.TaskARN = task
	if ok {
		log.InfoContext(ctx, "task started")
		return answer, nil
	}
	if a.Task == task {
		answer.Again = true
		return answer, nil
	}
	l.metrics.Count(report.SecondTasks, 1)
	log.ErrorContext(ctx, "second task of the run, stopping it", "first_task_arn", a.Task)
	return report.Known(a), l.stop(ctx, d, task)
}
