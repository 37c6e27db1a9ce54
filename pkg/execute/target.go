package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awserr"
	"errand/pkg/payload"
	"errand/pkg/run"
)

// target is the container that the command runs in.
type target struct {
	cluster   string // ARN
	task      types.Task
	container types.Container
}

// id is the target's name in the session's encryption context.
func (t target) id() string {
	return "ecs:" + run.LastPart(t.cluster) + "_" + run.LastPart(aws.ToString(t.task.TaskArn)) + "_" + aws.ToString(t.container.RuntimeId)
}

// notReady is a target whose agent may come up in a moment.
type notReady string

func (n notReady) Error() string { return string(n) }

// errAllTried says that the tasks that could be chosen were all tried.
var errAllTried = errors.New("all tasks were tried")

// find chooses the container: of the tasks that are running and can be reached,
// the one that was started last, but for those that were tried in vain.
func (x *Executor) find(ctx context.Context, p payload.Exec, tried map[string]bool) (target, error) {
	tasks, err := x.tasks(ctx, p)
	if err != nil {
		return target{}, err
	}
	slices.SortFunc(tasks, func(a, b types.Task) int {
		if c := aws.ToTime(b.StartedAt).Compare(aws.ToTime(a.StartedAt)); c != 0 {
			return c
		}
		return strings.Compare(aws.ToString(a.TaskArn), aws.ToString(b.TaskArn))
	})
	var reasons []error
	for _, task := range tasks {
		container, err := reachable(task, p.Container)
		switch {
		case err == nil && tried[aws.ToString(task.TaskArn)]:
			continue
		case err == nil:
			return target{aws.ToString(task.ClusterArn), task, container}, nil
		}
		reasons = append(reasons, err)
	}
	if len(reasons) == 0 && len(tried) > 0 {
		return target{}, errAllTried
	}
	if len(reasons) == 0 {
		return target{}, refusal(fmt.Sprintf("%s has no running task in cluster %s", choice(p), p.Cluster))
	}
	if len(tried) > 0 {
		return target{}, errAllTried
	}
	// What may pass comes first, since it is worth waiting for.
	for _, reason := range reasons {
		if _, ok := errors.AsType[notReady](reason); ok {
			return target{}, reason
		}
	}
	return target{}, reasons[0]
}

// choice names what the payload chooses tasks by.
func choice(p payload.Exec) string {
	switch {
	case p.Service != "":
		return "service " + p.Service
	case p.Family != "":
		return "family " + p.Family
	}
	return "task " + p.Task
}

// tasks describes the tasks among which to choose. ListTasks and DescribeTasks
// take 100 at a time.
func (x *Executor) tasks(ctx context.Context, p payload.Exec) ([]types.Task, error) {
	arns := []string{p.Task}
	if p.Task == "" {
		arns = nil
		in := &ecs.ListTasksInput{Cluster: &p.Cluster, DesiredStatus: types.DesiredStatusRunning}
		if p.Service != "" {
			in.ServiceName = &p.Service
		} else {
			in.Family = &p.Family
		}
		for pages := ecs.NewListTasksPaginator(x.ecs, in); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("list the tasks of %s in cluster %s: %w", choice(p), p.Cluster, awserr.Plain(err))
			}
			arns = append(arns, page.TaskArns...)
		}
	}
	var tasks []types.Task
	for some := range slices.Chunk(arns, 100) {
		out, err := x.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &p.Cluster, Tasks: some})
		if err != nil {
			return nil, fmt.Errorf("look up %s in cluster %s: %w", choice(p), p.Cluster, awserr.Plain(err))
		}
		tasks = append(tasks, out.Tasks...)
	}
	if p.Task != "" && len(tasks) == 0 {
		return nil, refusal(fmt.Sprintf("cluster %s has no task %s; ECS forgets a task an hour after its end", p.Cluster, p.Task))
	}
	return tasks, nil
}

// reachable finds the container of a task in which a command can be run now, or
// says what is missing.
func reachable(task types.Task, name string) (types.Container, error) {
	id := run.LastPart(aws.ToString(task.TaskArn))
	container, err := containerOf(task, name)
	if err != nil {
		return container, err
	}
	status := aws.ToString(task.LastStatus)
	switch {
	case aws.ToString(task.DesiredStatus) == "STOPPED":
		return container, refusal(fmt.Sprintf("task %s is %s and stopping", id, status))
	case strings.HasPrefix(strings.ToUpper(aws.ToString(task.PlatformFamily)), "WINDOWS"):
		return container, refusal(fmt.Sprintf("task %s is one of Windows (platform family %s), and errand runs commands with /bin/sh: use a task of its own", id, aws.ToString(task.PlatformFamily)))
	case !task.EnableExecuteCommand:
		return container, refusal(fmt.Sprintf("ECS Exec is not enabled on task %s, and cannot be on a running task: set enableExecuteCommand on the service or in RunTask, and start a new task", id))
	case status != "RUNNING" || aws.ToString(container.LastStatus) != "RUNNING":
		return container, notReady(fmt.Sprintf("container %s of task %s is %s, not RUNNING", aws.ToString(container.Name), id, aws.ToString(container.LastStatus)))
	}
	for _, agent := range container.ManagedAgents {
		if agent.Name != types.ManagedAgentNameExecuteCommandAgent {
			continue
		}
		switch state := aws.ToString(agent.LastStatus); state {
		case "RUNNING":
			return container, nil
		case "STOPPED":
			return container, refusal(fmt.Sprintf("the ECS Exec agent of container %s in task %s has stopped%s: it needs a writable root file system and an init process (initProcessEnabled); start a new task", aws.ToString(container.Name), id, inBrackets(aws.ToString(agent.Reason))))
		default:
			return container, notReady(fmt.Sprintf("the ECS Exec agent of container %s in task %s is %s, not RUNNING: the task role needs the four ssmmessages actions, and the network a way to ssmmessages", aws.ToString(container.Name), id, state))
		}
	}
	return container, notReady(fmt.Sprintf("container %s in task %s has no ECS Exec agent yet", aws.ToString(container.Name), id))
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// containerOf finds the named container, or the only one that is not AWS's own.
func containerOf(task types.Task, name string) (types.Container, error) {
	var own []types.Container
	var names []string
	for _, c := range task.Containers {
		n := aws.ToString(c.Name)
		if n == name {
			return c, nil
		}
		if strings.HasPrefix(n, "aws-guardduty-agent") || strings.HasPrefix(n, "ecs-service-connect") {
			continue
		}
		own, names = append(own, c), append(names, n)
	}
	id := run.LastPart(aws.ToString(task.TaskArn))
	list := strings.Join(names, ", ")
	switch {
	case name != "":
		return types.Container{}, rejection(fmt.Sprintf("container: task %s has no container %q; it has %s", id, name, list))
	case len(own) != 1:
		return types.Container{}, rejection(fmt.Sprintf("container: required, since task %s has several: %s", id, list))
	}
	return own[0], nil
}
