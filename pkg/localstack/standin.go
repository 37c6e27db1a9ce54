package localstack

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/payload"
	"errand/pkg/run"
)

// where is the cluster that a payload names, which is made if need be.
func (s *Stack) where(ctx context.Context, name string) (string, error) {
	if name == "" {
		return Cluster, nil
	}
	_, err := s.cluster(ctx, run.LastPart(name))
	return run.LastPart(name), err
}

// service makes a service with so many live tasks.
func (s *Stack) service(ctx context.Context, where, name, family string, tasks int32) error {
	_, err := ecs.NewFromConfig(s.Config).CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: aws.String(where), ServiceName: aws.String(run.LastPart(name)), TaskDefinition: aws.String(family),
		LaunchType: types.LaunchTypeFargate, DesiredCount: &tasks, EnableExecuteCommand: true,
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{Subnet}}},
	})
	return err
}

// register makes a revision of a task definition whose containers run
// processes of this machine. The first container is the job's, with the given
// command of its own; the others end with it.
func (s *Stack) register(ctx context.Context, family string, command, containers []string) (revision int, err error) {
	in := &ecs.RegisterTaskDefinitionInput{
		Family: aws.String(family), NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ExecutionRoleArn:        aws.String("arn:aws:iam::123456789012:role/sample-execution"),
		TaskRoleArn:             aws.String("arn:aws:iam::123456789012:role/sample-task"),
	}
	for i, name := range containers {
		own := forever
		if i == 0 {
			own = command
		}
		in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{
			Name: aws.String(name), Image: aws.String("local"), Command: own, Essential: aws.Bool(i == 0), StopTimeout: aws.Int32(2),
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": LogGroup, "awslogs-region": s.Config.Region, "awslogs-stream-prefix": "ecs",
			}},
		})
	}
	out, err := ecs.NewFromConfig(s.Config).RegisterTaskDefinition(ctx, in)
	if err != nil {
		return 0, err
	}
	return int(out.TaskDefinition.Revision), nil
}

var (
	// forever is the command of containers that only have to be there.
	forever = []string{"sleep", "86400"}
	// noCommand is that of containers that wait for a job's.
	noCommand = []string{"echo", "no command given: here the image's own command would run"}
)

// Live makes the task that an exec payload wants to run in, and waits for it.
func (s *Stack) Live(ctx context.Context, p payload.Exec) error {
	where, err := s.where(ctx, p.Cluster)
	if err != nil {
		return err
	}
	family := cmp.Or(p.Family, Definition)
	if _, err := s.register(ctx, family, forever, []string{cmp.Or(p.Container, "app")}); err != nil {
		return err
	}
	if err := s.service(ctx, where, cmp.Or(p.Service, "web"), family, 1); err != nil {
		return err
	}
	clients := ecs.NewFromConfig(s.Config)
	tasks, err := clients.ListTasks(ctx, &ecs.ListTasksInput{Cluster: aws.String(where), Family: aws.String(family)})
	if err != nil {
		return err
	}
	return ecs.NewTasksRunningWaiter(clients, func(o *ecs.TasksRunningWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second }).
		Wait(ctx, &ecs.DescribeTasksInput{Cluster: aws.String(where), Tasks: tasks.TaskArns}, time.Minute)
}

// Deploy makes a further revision of a task definition, as a deployment does.
func (s *Stack) Deploy(ctx context.Context, family string) (revision int, err error) {
	return s.register(ctx, family, noCommand, []string{"app"})
}

// maxRevision bounds the stand-ins for a payload that names a revision.
const maxRevision = 1000

// StandIn makes what the payload names and only a real account has, so that any
// payload can be tried here.
func (s *Stack) StandIn(ctx context.Context, p payload.Job) error {
	where, err := s.where(ctx, cmp.Or(p.Cluster, run.ClusterOf(p.Service)))
	if err != nil {
		return err
	}
	containers := []string{"app"}
	if p.Container != "" {
		containers = []string{p.Container}
	}
	if p.Overrides != nil {
		for _, o := range p.Overrides.ContainerOverrides {
			if name := aws.ToString(o.Name); p.Container == "" && len(containers) == 1 && containers[0] == "app" {
				containers = []string{name}
			} else if name != containers[0] {
				containers = append(containers, name)
			}
		}
	}
	family, number, _ := strings.Cut(run.LastPart(p.TaskDefinition), ":")
	if p.TaskDefinition == "" {
		family = Definition
	}
	wanted, _ := strconv.Atoi(number)
	for {
		revision, err := s.register(ctx, family, noCommand, containers)
		if err != nil {
			return err
		}
		if revision >= min(wanted, maxRevision) {
			break
		}
	}
	if p.Service == "" {
		return nil
	}
	return s.service(ctx, where, p.Service, family, 0)
}

// Place is the Region and account of the first ARN among names.
func Place(names ...string) (string, string) {
	for _, name := range names {
		if a, ok := run.ParseARN(name); ok {
			return a.Region, a.Account
		}
	}
	return Region, Account
}
