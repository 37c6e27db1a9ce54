package herd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
	"errand/pkg/run"
	"errand/pkg/tasks"
)

// cluster is an ECS whose tasks are entries: the embedded one runs each as a
// process.
type cluster struct {
	host  *host.Host
	long  time.Duration    // that a task runs unless it is stopped
	ended func(arn string) // is called when a stop event arrives
	work  sync.WaitGroup   // of the tasks

	mu     sync.Mutex
	tasks  map[string]*task  // by ARN
	tokens map[string]string // client token → ARN
	byRun  map[string][]string
	last   time.Time // when the last task was taken
}

type task struct {
	types.Task
	stop chan struct{}
}

const (
	clusterARN = "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs"
	definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/billing:1"
	// eventDelay is between a Fargate task's end and its stop event.
	eventDelay = 22 * time.Second
)

// newCluster has the quotas that ECS documents, Fargate's among them
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/request-throttling.html,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html).
func newCluster(long time.Duration, scale int) *cluster {
	c := &cluster{
		host: host.New("eu-west-1", "123456789012", "", nil, nil), long: long,
		tasks: map[string]*task{}, tokens: map[string]string{}, byRun: map[string][]string{},
	}
	limit := func(burst int, perSecond float64, operations ...string) {
		c.host.Limit(max(1, burst/scale), perSecond/float64(scale), operations...)
	}
	limit(burst, perSecond, "RunTask")
	limit(burst, 2*perSecond, "RunTask", "StopTask")
	limit(50, 20, "DescribeTaskDefinition")
	c.host.Limit(100, 20, "DescribeTasks", "ListTasks") // whatever the scale, a tick has as many requests
	return c
}

func (c *cluster) operations() host.Operations {
	return host.Targets("AmazonEC2ContainerServiceV20141113", host.Operations{
		"RunTask": host.Serve(c.runTask), "StopTask": host.Serve(c.stopTask), "ListTasks": host.Serve(c.listTasks),
		"DescribeTasks": host.Serve(c.describeTasks), "DescribeTaskDefinition": host.Serve(c.describeDefinition),
	})
}

func (c *cluster) describeDefinition(context.Context, *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	return &ecs.DescribeTaskDefinitionOutput{TaskDefinition: &types.TaskDefinition{
		TaskDefinitionArn: aws.String(definition), NetworkMode: types.NetworkModeAwsvpc, Family: aws.String("billing"), Revision: 1,
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("app")}},
	}}, nil
}

func (c *cluster) runTask(_ context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	token := aws.ToString(in.ClientToken)
	arn := c.tokens[token]
	if arn == "" {
		c.last = time.Now()
		arn = c.add(types.Task{Overrides: in.Overrides, StartedBy: in.StartedBy, CreatedAt: aws.Time(time.Now())})
		c.tokens[token] = arn
		c.work.Go(func() {
			time.Sleep(20*time.Second + rand.N(20*time.Second))
			c.begin(arn, time.Now())
		})
	}
	return &ecs.RunTaskOutput{Tasks: []types.Task{c.tasks[arn].Task}}, nil
}

// add notes a task. The lock must be held.
func (c *cluster) add(t types.Task) string {
	arn := fmt.Sprintf("arn:aws:ecs:eu-west-1:123456789012:task/jobs/%032d", len(c.tasks))
	t.TaskArn, t.ClusterArn, t.TaskDefinitionArn = &arn, aws.String(clusterARN), aws.String(definition)
	t.LastStatus, t.DesiredStatus = aws.String("PROVISIONING"), aws.String("RUNNING")
	c.tasks[arn] = &task{Task: t, stop: make(chan struct{})}
	if r, _, ok := tasks.Carried(t); ok {
		of := fmt.Sprintf("%s/%s/%d", r.Job, r.ID, r.Attempt)
		c.byRun[of] = append(c.byRun[of], arn)
	}
	return arn
}

// setLong sets how long the tasks run that begin from now on.
func (c *cluster) setLong(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.long = d
}

// begin lets a task run to its end, and returns after that.
func (c *cluster) begin(arn string, at time.Time) {
	c.mu.Lock()
	t := c.tasks[arn]
	t.LastStatus, t.StartedAt = aws.String("RUNNING"), &at
	long := c.long
	c.mu.Unlock()
	code, reason := types.TaskStopCodeEssentialContainerExited, "Essential container in task exited"
	end := time.NewTimer(long)
	defer end.Stop()
	select {
	case <-end.C:
	case <-t.stop:
		time.Sleep(rand.N(30 * time.Second)) // it gets SIGTERM first
		code, reason = types.TaskStopCodeUserInitiated, aws.ToString(t.StoppedReason)
	}
	c.mu.Lock()
	t.LastStatus, t.DesiredStatus, t.StoppedAt = aws.String("STOPPED"), aws.String("STOPPED"), aws.Time(time.Now())
	t.StopCode, t.StoppedReason = code, &reason
	c.mu.Unlock()
	time.Sleep(eventDelay)
	c.ended(arn)
}

func (c *cluster) stopTask(_ context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tasks[aws.ToString(in.Task)]
	if t == nil {
		return nil, host.BadRequest("InvalidParameterException", "The referenced task was not found.")
	}
	if *t.DesiredStatus != "STOPPED" {
		t.DesiredStatus, t.StoppedReason = aws.String("STOPPED"), in.Reason
		close(t.stop)
	}
	shown := t.Task // the answer is written when the lock is free
	return &ecs.StopTaskOutput{Task: &shown}, nil
}

func (c *cluster) listTasks(_ context.Context, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &ecs.ListTasksOutput{}
	for arn, t := range c.tasks {
		if aws.ToString(t.StartedBy) == aws.ToString(in.StartedBy) && *t.DesiredStatus == string(in.DesiredStatus) {
			out.TaskArns = append(out.TaskArns, arn)
		}
	}
	slices.Sort(out.TaskArns)
	return out, nil
}

func (c *cluster) describeTasks(_ context.Context, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &ecs.DescribeTasksOutput{}
	for _, arn := range in.Tasks {
		if t := c.tasks[arn]; t != nil {
			out.Tasks = append(out.Tasks, t.Task)
		} else {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(arn), Reason: aws.String("MISSING")})
		}
	}
	return out, nil
}

// stopped is a task by what a stop event says of it.
func (c *cluster) stopped(event json.RawMessage) (types.Task, error) {
	var e struct {
		Detail struct {
			TaskARN string `json:"taskArn"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return types.Task{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tasks[e.Detail.TaskARN]
	if t == nil {
		return types.Task{}, fmt.Errorf("%s is no stop event", event)
	}
	return t.Task, nil
}

// runs says of how many runs there are tasks, and which have several.
func (c *cluster) runs(prefix string) (launched int, doubles []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for of, arns := range c.byRun {
		if !strings.HasPrefix(of, prefix) {
			continue
		}
		launched++
		if len(arns) > 1 {
			doubles = append(doubles, of)
		}
	}
	return launched, doubles
}

// status of a run whose task has stopped.
func status(t types.Task) run.Status {
	if t.StopCode == types.TaskStopCodeUserInitiated {
		return run.Stopped
	}
	return run.Succeeded
}
