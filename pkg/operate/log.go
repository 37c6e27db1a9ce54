package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awserr"
	"errand/pkg/ledger"
	"errand/pkg/logtail"
	"errand/pkg/payload"
	"errand/pkg/result"
	"errand/pkg/run"
)

// work is what a run's task runs: where its log is follows from it.
type work struct {
	definition, container string
	runtimeID             string // of the container, if ECS still knows the task
	command               []string
}

// noLog is why a run has no log, for people.
type noLog struct{ why string }

func (n noLog) Error() string { return n.why }

// workOf asks ECS for the attempt's task. ECS forgets it an hour after its end, and
// then the payload says what it was, if it names the definition.
func (s *Stack) workOf(ctx context.Context, a ledger.Attempt) (work, error) {
	out, err := s.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &a.Cluster, Tasks: []string{a.Task}})
	if err != nil {
		return work{}, s.explain("ask ECS for task "+run.LastPart(a.Task), err, reader)
	}
	if len(out.Tasks) > 0 {
		return workOfTask(out.Tasks[0]), nil
	}
	first, known, err := s.ledger.Get(ctx, ledger.Key{Job: a.Job, RunID: a.RunID, Attempt: 1})
	if err != nil {
		return work{}, s.explain("", err, operator) // payloads are not for everybody
	}
	const forgotten = "ECS has forgotten the task, as it does an hour after its end, and "
	if !known || len(first.Payload) == 0 {
		return work{}, noLog{forgotten + "the payload, which may say where its log is, is not kept"}
	}
	p, _, _ := payload.Decode(first.Payload)
	if p.TaskDefinition == "" {
		return work{}, noLog{forgotten + "the payload does not say its task definition, which says where its log is"}
	}
	return work{definition: p.TaskDefinition, container: p.Container, command: p.Command}, nil
}

// workOfTask finds the container that carries the run.
func workOfTask(task types.Task) work {
	w := work{definition: aws.ToString(task.TaskDefinitionArn)}
	if task.Overrides != nil {
		for _, o := range task.Overrides.ContainerOverrides {
			if slices.ContainsFunc(o.Environment, func(v types.KeyValuePair) bool { return aws.ToString(v.Name) == "ERRAND_RUN_ID" }) {
				w.container, w.command = aws.ToString(o.Name), o.Command
			}
		}
	}
	for _, c := range task.Containers {
		if name := aws.ToString(c.Name); name == w.container || w.container == "" && len(task.Containers) == 1 {
			w.container, w.runtimeID = name, aws.ToString(c.RuntimeId)
		}
	}
	return w
}

// logOf says where the log of an attempt's container is. The error is noLog if there
// can be none in CloudWatch Logs.
func (s *Stack) logOf(ctx context.Context, a ledger.Attempt) (result.Log, work, error) {
	switch {
	case a.Method == run.MethodExec:
		return result.Log{}, work{}, noLog{"what a command in a live task wrote is in its result, which was published, and nowhere else"}
	case a.Task == "":
		return result.Log{}, work{}, noLog{"the run has no task yet, or never had one"}
	}
	w, err := s.workOf(ctx, a)
	if err != nil {
		return result.Log{}, w, err
	}
	out, err := s.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &w.definition})
	if err != nil {
		return result.Log{}, w, s.explain("ask ECS for task definition "+run.LastPart(w.definition)+", which says where the log is", err, reader)
	}
	containers := out.TaskDefinition.ContainerDefinitions
	i := slices.IndexFunc(containers, func(c types.ContainerDefinition) bool {
		return aws.ToString(c.Name) == w.container || w.container == "" && len(containers) == 1
	})
	if i < 0 {
		return result.Log{}, w, noLog{"it is not known which of the task's containers the run is"}
	}
	log, err := streamOf(containers[i], a.Task, w.runtimeID)
	return log, w, err
}

// streamOf is where a container's log is.
func streamOf(c types.ContainerDefinition, taskARN, runtimeID string) (result.Log, error) {
	name := aws.ToString(c.Name)
	if c.LogConfiguration == nil {
		return result.Log{}, noLog{"container " + name + " has no logConfiguration"}
	}
	driver := string(c.LogConfiguration.LogDriver)
	log := result.Locate(driver, c.LogConfiguration.Options, name, taskARN, runtimeID)
	switch log.Status {
	case "":
		return log, nil
	case result.LogUnsupported:
		return log, noLog{fmt.Sprintf("the log driver of container %s is %s, not awslogs", name, driver)}
	}
	return log, noLog{"the log configuration of container " + name + " does not tell group and stream: it needs awslogs-group and awslogs-stream-prefix"}
}

// logEnd is the end of an attempt's log, as a result has it.
func (s *Stack) logEnd(ctx context.Context, a ledger.Attempt, lines int) (*result.Log, work) {
	log, w, err := s.logOf(ctx, a)
	if err != nil {
		log.Status, log.Note = result.LogError, err.Error()
		if _, none := errors.AsType[noLog](err); none {
			log.Status = result.LogMissing
		}
		return &log, w
	}
	tail, err := logtail.Read(func(in *cloudwatchlogs.GetLogEventsInput, _ bool) (*cloudwatchlogs.GetLogEventsOutput, error) {
		return s.page(ctx, log, in)
	}, log.Group, log.Stream, time.Time{}, lines)
	switch {
	case missing(err):
		log.Status, log.Note = result.LogMissing, err.Error()
	case err != nil:
		log.Status, log.Note = result.LogError, err.Error()
	case tail.Empty:
		log.Status = result.LogEmpty
	default:
		log.Status, log.Lines, log.Truncated, log.Note = result.LogOK, tail.Lines, &tail.Truncated, tail.Note
	}
	return &log, w
}

func (s *Stack) page(ctx context.Context, log result.Log, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	out, err := s.logs.GetLogEvents(ctx, in, func(o *cloudwatchlogs.Options) { o.Region = log.Region })
	return out, s.explain("read the log", err, reader)
}

// missing says whether there is no such stream, perhaps not yet.
func missing(err error) bool { return awserr.Code(err) == "ResourceNotFoundException" }

// linesOf are the lines of events, of which one may have several.
func linesOf(events []logtypes.OutputLogEvent) (lines []string) {
	for _, e := range events {
		lines = append(lines, result.Lines(aws.ToString(e.Message))...)
	}
	return lines
}
