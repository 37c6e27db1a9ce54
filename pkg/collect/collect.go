// Package collect turns the end of a task into a result: the verdict and the end
// of the log, for pkg/report to tell. It also ends the runs that have no task: those
// that Lambda gave up, and those that the watchdog finds.
package collect

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
	"errand/pkg/taskevent"
	"errand/pkg/tasks"
)

// ECS describes task definitions, and shows tasks; *ecs.Client is one.
type ECS interface {
	tasks.ECS
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
}

// Config is what a stack sets for all its runs.
type Config struct {
	StartedByPrefix string
	LogLines        int // where the run does not say; 0 to 1000
	// LogWait is how long after the container's end a log is complete; 0 means 10
	// seconds.
	LogWait time.Duration
	// Now is the time; nil means run.Now.
	Now func() time.Time
}

// Collector handles the events of ended tasks. It keeps no state between
// events, since Lambda reuses it, but for a cache of task definition revisions,
// which never change.
type Collector struct {
	ecs         ECS
	definitions definitions
	logs        Logs
	ledger      *ledger.Ledger
	reporter    *report.Reporter
	cfg         Config
	log         *slog.Logger
}

// New makes a Collector.
func New(e ECS, l Logs, book *ledger.Ledger, r *report.Reporter, cfg Config, log *slog.Logger) *Collector {
	if cfg.LogWait == 0 {
		cfg.LogWait = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = run.Now
	}
	return &Collector{ecs: e, definitions: definitions{ecs: e}, logs: l, ledger: book, reporter: r, cfg: cfg, log: log}
}

// publishTime is kept back from the function's deadline to publish, and askTime is
// what there is for the rest where there is no deadline.
const (
	publishTime = 20 * time.Second
	askTime     = 40 * time.Second
)

// Handle reports the end of a run. What is not the end of one of the stack's
// tasks is ignored. An error means that the result was not published, so that
// Lambda tries again.
func (c *Collector) Handle(ctx context.Context, raw json.RawMessage) error {
	if wake, ok := ledger.DecodeWake(raw); ok {
		return c.woken(ctx, wake)
	}
	if record, ok := failedLaunch(raw); ok {
		return c.givenUp(ctx, record)
	}
	event, err := taskevent.Decode(raw)
	if err != nil {
		return err
	}
	if !event.Ended(c.cfg.StartedByPrefix) {
		c.log.InfoContext(ctx, "ignored: not the end of a task of this stack", "task_arn", event.Task.TaskARN, "last_status", event.Task.LastStatus)
		return nil
	}
	return c.reporter.Ended(ctx, c.result(ctx, event), event.Task.Work(c.cfg.StartedByPrefix).Digest)
}

// result gathers everything that subscribers are told. Whatever cannot be found
// out leaves the verdict standing.
func (c *Collector) result(ctx context.Context, event taskevent.Event) result.Result {
	ctx, cancel := c.beforePublishing(ctx)
	defer cancel()
	task := event.Task
	work := task.Work(c.cfg.StartedByPrefix)
	definition, err := c.definitions.get(ctx, task.TaskDefinition)
	if err != nil {
		c.log.WarnContext(ctx, "task definition not described", "task_definition", task.TaskDefinition, "error", err)
	}
	if work.Container == "" {
		work.Container = onlyContainer(task, definition)
	}
	verdict := task.Verdict(work.Container, definition.forVerdict())
	r := result.Result{
		Run: work.Run, Status: verdict.Status, Reason: verdict.Reason, Summary: verdict.Summary, ExitCode: verdict.ExitCode,
		Place:   result.Place{Command: work.Command, Cluster: task.ClusterARN, TaskDefinition: task.TaskDefinition, Container: work.Container},
		TaskARN: task.TaskARN, StopCode: task.StopCode, StoppedReason: task.StoppedReason,
		CreatedAt: task.CreatedAt.Time, StartedAt: task.StartedAt.Time,
		ExecutionStoppedAt: task.ExecutionStoppedAt.Time, StoppedAt: task.StoppedAt.Time,
	}
	if cpu, memory := task.Limits(work.Container); cpu > 0 || memory > 0 {
		r.Limits = &result.Limits{CPU: cpu, Memory: memory}
	}
	for _, container := range task.Containers {
		entry := result.Container{Name: container.Name, ExitCode: container.ExitCode, Reason: container.Reason}
		if err == nil {
			defined, ok := definition[container.Name]
			if !ok {
				continue // injected by AWS
			}
			entry.Essential = &defined.essential
		}
		r.Containers = append(r.Containers, entry)
	}
	if err != nil {
		r.Log = &result.Log{Status: logStatus(err), Note: "DescribeTaskDefinition, which tells where the log is: " + awserr.Plain(err).Error()}
		return r
	}
	defined, ok := definition[work.Container]
	if !ok {
		r.Log = &result.Log{Status: result.LogError, Note: "it is not known which container's log to read"}
		return r
	}
	if r.Command == nil {
		r.Command = defined.command
	}
	lines := c.cfg.LogLines
	if work.LogLines != nil {
		lines = *work.LogLines
	}
	r.Log = c.excerpt(ctx, event, task.Container(work.Container), defined, lines, verdict.Ran)
	return r
}

// onlyContainer is the container of a task that does not say which one it is
// about, if there is no choice.
func onlyContainer(task taskevent.Task, d definition) string {
	if len(d) == 1 {
		for name := range d {
			return name
		}
	}
	if d == nil && len(task.Containers) == 1 {
		return task.Containers[0].Name
	}
	return ""
}

// beforePublishing is a context for what comes before the publication.
func (c *Collector) beforePublishing(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); !ok {
		return run.Timeout(ctx, askTime)
	}
	return run.Reserve(ctx, publishTime)
}
