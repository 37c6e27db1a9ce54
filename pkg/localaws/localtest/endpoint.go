// Package localtest is what the tests of the rooms of localaws have in common: a
// server with clients, and a program that is the function of all of them.
package localtest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"errand/pkg/localaws"
)

// Endpoint is a server with clients and what its Watch was told.
type Endpoint struct {
	*localaws.Server
	ECS  *ecs.Client
	Logs *cloudwatchlogs.Client
	Seen chan localaws.Occurrence
}

// Start starts the server of a test.
func Start(t *testing.T) *Endpoint {
	t.Helper()
	return StartBy(t, nil)
}

// StartBy starts the server of a test that goes by a clock.
func StartBy(t *testing.T, clock localaws.Clock) *Endpoint {
	t.Helper()
	seen := make(chan localaws.Occurrence, 10_000)
	srv, err := localaws.Start(localaws.Options{Watch: func(o localaws.Occurrence) { seen <- o }, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	config := aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(srv.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider("x", "x", ""),
	}
	return &Endpoint{srv, ecs.NewFromConfig(config), cloudwatchlogs.NewFromConfig(config), seen}
}

// Limit bounds waiting in a test that fails.
const Limit = time.Minute

// Await waits for an occurrence.
func (e *Endpoint) Await(t *testing.T, kind localaws.Kind, text string) localaws.Occurrence {
	t.Helper()
	deadline := time.After(Limit)
	for {
		select {
		case o := <-e.Seen:
			if o.Kind == kind && o.Text == text {
				return o
			}
		case <-deadline:
			t.Fatalf("there was no %s %q", kind, text)
		}
	}
}

// Ready waits until a task is RUNNING and its command has printed ready.
func (e *Endpoint) Ready(t *testing.T) {
	t.Helper()
	running, ready := false, false
	deadline := time.After(Limit)
	for !running || !ready {
		select {
		case o := <-e.Seen:
			running = running || o.Kind == localaws.TaskState && o.Text == "RUNNING"
			ready = ready || o.Kind == localaws.LogLine && o.Text == "ready"
		case <-deadline:
			t.Fatalf("the task is RUNNING: %t, ready: %t", running, ready)
		}
	}
}

// Register registers a Fargate task definition of the family job whose
// containers log to the group /jobs.
func (e *Endpoint) Register(t *testing.T, containers ...types.ContainerDefinition) *types.TaskDefinition {
	t.Helper()
	out, err := e.ECS.RegisterTaskDefinition(t.Context(), Fargate(containers...))
	if err != nil {
		t.Fatal(err)
	}
	return out.TaskDefinition
}

// Fargate is a definition of the family job for Fargate.
func Fargate(containers ...types.ContainerDefinition) *ecs.RegisterTaskDefinitionInput {
	return &ecs.RegisterTaskDefinitionInput{
		Family:                  aws.String("job"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		NetworkMode:             types.NetworkModeAwsvpc,
		Cpu:                     aws.String("256"),
		Memory:                  aws.String("512"),
		ExecutionRoleArn:        aws.String("arn:aws:iam::123456789012:role/execution"),
		ContainerDefinitions:    containers,
	}
}

// Container is a container that logs to the group /jobs.
func Container(name string, command ...string) types.ContainerDefinition {
	return types.ContainerDefinition{
		Name:    &name,
		Image:   aws.String("example/" + name),
		Command: command,
		LogConfiguration: &types.LogConfiguration{
			LogDriver: types.LogDriverAwslogs,
			Options: map[string]string{
				"awslogs-group": "/jobs", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs", "awslogs-create-group": "true",
			},
		},
	}
}

// Shell is a Container that runs a script.
func Shell(name, script string) types.ContainerDefinition { return Container(name, "sh", "-c", script) }

// With is the container with a change.
func With(c types.ContainerDefinition, change func(*types.ContainerDefinition)) types.ContainerDefinition {
	change(&c)
	return c
}

// Playing is the container with something that it plays.
func Playing(c types.ContainerDefinition, what string) types.ContainerDefinition {
	c.DockerLabels = map[string]string{"errand.local/plays": what}
	return c
}

// Request is a RunTask request for the family job.
func Request() *ecs.RunTaskInput {
	return &ecs.RunTaskInput{
		TaskDefinition: aws.String("job"),
		LaunchType:     types.LaunchTypeFargate,
		NetworkConfiguration: &types.NetworkConfiguration{
			AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}},
		},
	}
}

// Run starts one task.
func (e *Endpoint) Run(t *testing.T, in *ecs.RunTaskInput) types.Task {
	t.Helper()
	out, err := e.ECS.RunTask(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tasks) != 1 || len(out.Failures) != 0 {
		t.Fatalf("got %d tasks and the failures %v, want one task", len(out.Tasks), out.Failures)
	}
	return out.Tasks[0]
}

// Describe describes a task.
func (e *Endpoint) Describe(t *testing.T, arn string) types.Task {
	t.Helper()
	out, err := e.ECS.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tasks) != 1 {
		t.Fatalf("DescribeTasks found %d tasks of %s", len(out.Tasks), arn)
	}
	return out.Tasks[0]
}

// Finish waits for the next task that stops and describes it.
func (e *Endpoint) Finish(t *testing.T) types.Task {
	t.Helper()
	return e.Describe(t, e.Await(t, localaws.TaskState, "STOPPED").Subject)
}

// Lines returns the log of a container of the task.
func (e *Endpoint) Lines(t *testing.T, task types.Task, name string) []string {
	t.Helper()
	out, err := e.Logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: aws.String("/jobs"), LogStreamName: aws.String("ecs/" + name + "/" + TaskID(task)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, event := range out.Events {
		lines = append(lines, *event.Message)
	}
	return lines
}

// TaskID is the id in the ARN of a task.
func TaskID(task types.Task) string { return (*task.TaskArn)[strings.LastIndex(*task.TaskArn, "/")+1:] }

// Refused checks an error's code and message.
func Refused(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("got the error %v, want %s", err, code)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("got %s: %s, want %s: …%s…", api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

// Same compares two lists.
func Same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
