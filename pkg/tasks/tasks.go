// Package tasks finds the task of a run among those of its job: ECS is asked before
// anybody says that a run has none.
package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awserr"
	"errand/pkg/run"
)

// ECS shows tasks; *ecs.Client is one.
type ECS interface {
	DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
	ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
}

// Found is a task that carries a run.
type Found struct {
	ARN, Cluster string
	Carried      run.Carried
}

// Find looks for the attempt's task among the running and the stopped ones of a
// startedBy, and returns nil if there is none. ECS shows a task some seconds after
// RunTask, and a stopped one for an hour. A cluster that does not exist has none.
func Find(ctx context.Context, e ECS, cluster, startedBy string, r run.Run) (*Found, error) {
	var arns []string
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		pages := ecs.NewListTasksPaginator(e, &ecs.ListTasksInput{Cluster: &cluster, StartedBy: &startedBy, DesiredStatus: status})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if _, none := errors.AsType[*types.ClusterNotFoundException](err); none {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("look for a task of run %s among those of startedBy %s in cluster %s: %w", r.ID, startedBy, run.LastPart(cluster), awserr.Plain(err))
			}
			arns = append(arns, page.TaskArns...)
		}
	}
	for some := range slices.Chunk(arns, 100) { // DescribeTasks takes no more
		list, err := Describe(ctx, e, cluster, some)
		if err != nil {
			return nil, err
		}
		for _, task := range list {
			if own, c, ok := Carried(task); ok && own.Job == r.Job && own.ID == r.ID && own.Attempt == r.Attempt {
				return &Found{ARN: aws.ToString(task.TaskArn), Cluster: aws.ToString(task.ClusterArn), Carried: c}, nil
			}
		}
	}
	return nil, nil
}

// Describe shows up to 100 tasks. Those that ECS does not know are left out.
func Describe(ctx context.Context, e ECS, cluster string, arns []string) ([]types.Task, error) {
	out, err := e.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: arns})
	if err != nil {
		return nil, fmt.Errorf("look at the tasks that may be the run's, in cluster %s: %w", run.LastPart(cluster), awserr.Plain(err))
	}
	return out.Tasks, nil
}

// Carried is the run that a task carries, if it does.
func Carried(task types.Task) (run.Run, run.Carried, bool) {
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
