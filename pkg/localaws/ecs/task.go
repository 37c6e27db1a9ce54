package ecs

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
)

// task is a task as DescribeTasks shows it, and what runs it. The SDK's struct
// is guarded by Service.mu.
type task struct {
	types.Task

	ecs        *Service
	cluster    *cluster
	id         string
	definition *definition
	// stopping is closed when desiredStatus becomes STOPPED.
	stopping chan struct{}
	// gone has for each container a channel that is closed when it has stopped.
	gone []chan struct{}
	// changes has room for every change of the task, so that nobody waits for
	// it while holding the lock.
	changes chan change
}

// newTask makes a task that is not started yet.
func (e *Service) newTask(in *ecs.RunTaskInput, c *cluster, def *definition, where placement) *task {
	id := host.NewID(16)
	arn := e.host.ARN("ecs", "task/"+*c.ClusterName+"/"+id)
	t := &task{
		ecs:        e,
		cluster:    c,
		id:         id,
		definition: def,
		stopping:   make(chan struct{}),
		changes:    make(chan change, 8+2*len(def.ContainerDefinitions)),
		Task: types.Task{
			TaskArn:              &arn,
			ClusterArn:           c.ClusterArn,
			TaskDefinitionArn:    def.TaskDefinitionArn,
			Group:                in.Group,
			StartedBy:            in.StartedBy,
			LastStatus:           new("PROVISIONING"),
			DesiredStatus:        new("RUNNING"),
			LaunchType:           where.launchType,
			CapacityProviderName: where.provider,
			PlatformVersion:      where.platform,
			AvailabilityZone:     new(e.host.Region + "a"),
			EnableExecuteCommand: in.EnableExecuteCommand,
			CreatedAt:            new(e.host.Now()),
			Attachments:          []types.Attachment{},
			Attributes:           []types.Attribute{},
			Tags:                 append([]types.Tag{}, in.Tags...),
		},
	}
	if host.Deref(t.Group) == "" {
		t.Group = new("family:" + *def.Family)
	}
	if in.PropagateTags == types.PropagateTagsTaskDefinition {
		t.Tags = append(t.Tags, def.tags...)
	}
	if where.launchType == types.LaunchTypeFargate {
		t.PlatformFamily = new("Linux")
		t.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 20}
	}
	t.addContainers(in.Overrides)
	return t
}

// addContainers makes the task's containers, and its size with them.
func (t *task) addContainers(given *types.TaskOverride) {
	def := t.definition
	overrides := types.TaskOverride{}
	if given != nil {
		overrides = *given
	}
	byName := overrides.ContainerOverrides
	overrides.ContainerOverrides = []types.ContainerOverride{}
	var cpu, memory int32
	for i, d := range def.ContainerDefinitions {
		t.gone = append(t.gone, make(chan struct{}))
		t.Containers = append(t.Containers, types.Container{
			ContainerArn:      new(t.ecs.host.ARN("ecs", "container/"+*t.cluster.ClusterName+"/"+t.id+"/"+host.NewUUID())),
			TaskArn:           t.TaskArn,
			Name:              d.Name,
			Image:             d.Image,
			LastStatus:        new("PENDING"),
			NetworkInterfaces: []types.NetworkInterface{},
			Cpu:               new(strconv.Itoa(int(d.Cpu))),
			Memory:            units(d.Memory),
			MemoryReservation: units(d.MemoryReservation),
		})
		t.setExecAgent(i, "PENDING")
		cpu += d.Cpu
		if limit := cmp.Or(d.Memory, d.MemoryReservation); limit != nil {
			memory += *limit
		}
		// ECS has an entry for every container, overridden or not.
		override := types.ContainerOverride{Name: d.Name}
		for _, o := range byName {
			if *o.Name == *d.Name {
				override = o
			}
		}
		overrides.ContainerOverrides = append(overrides.ContainerOverrides, override)
	}
	t.Overrides = &overrides
	t.Cpu = cmp.Or(overrides.Cpu, def.Cpu, units(&cpu))
	t.Memory = cmp.Or(overrides.Memory, def.Memory, units(&memory))
}

func units(n *int32) *string {
	if n == nil {
		return nil
	}
	return new(strconv.Itoa(int(*n)))
}

// describe copies the task for an answer. The lock must be held.
func (t *task) describe() types.Task {
	described := t.Task
	described.HealthStatus = types.HealthStatusUnknown
	described.Containers = slices.Clone(t.Containers)
	for i := range described.Containers {
		described.Containers[i].HealthStatus = types.HealthStatusUnknown
	}
	return described
}

// taskID returns the id in a reference to a task of the cluster, which is an id
// or an ARN.
func (e *Service) taskID(c *cluster, reference string) (string, error) {
	rest, isARN := strings.CutPrefix(reference, e.host.ARN("ecs", "task/"))
	if !isARN {
		return reference, nil
	}
	name, id, _ := strings.Cut(rest, "/")
	if name != *c.ClusterName {
		return "", host.Invalid("Invalid identifier: Identifier is for cluster %s. Your cluster is %s", name, *c.ClusterName)
	}
	return id, nil
}

func (c *cluster) task(id string) *task {
	for _, t := range c.tasks {
		if t.id == id {
			return t
		}
	}
	return nil
}

func (e *Service) describeTasks(_ context.Context, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	switch n := len(in.Tasks); {
	case n == 0:
		return nil, host.Invalid("Tasks cannot be empty.")
	case n > 100:
		return nil, host.Invalid("Tasks cannot have more than 100 elements.")
	}
	for _, field := range in.Include {
		if err := host.OneOf("include", field, field.Values()); err != nil {
			return nil, err
		}
	}
	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.DescribeTasksOutput, error) {
		out := &ecs.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
		for _, reference := range in.Tasks {
			id, err := e.taskID(c, reference)
			if err != nil {
				return nil, err
			}
			t := c.task(id)
			if t == nil {
				arn := e.host.ARN("ecs", "task/"+*c.ClusterName+"/"+id)
				out.Failures = append(out.Failures, types.Failure{Arn: &arn, Reason: new("MISSING")})
				continue
			}
			described := t.describe()
			if !slices.Contains(in.Include, types.TaskFieldTags) {
				described.Tags = []types.Tag{}
			}
			out.Tasks = append(out.Tasks, described)
		}
		return out, nil
	})
}

func (e *Service) listTasks(_ context.Context, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	if err := host.OneOf("desiredStatus", in.DesiredStatus, in.DesiredStatus.Values()); err != nil {
		return nil, err
	}
	if err := host.OneOf("launchType", in.LaunchType, in.LaunchType.Values()); err != nil {
		return nil, err
	}
	desired := in.DesiredStatus
	if desired == "" {
		desired = types.DesiredStatusRunning
	}
	// ECS lets desiredStatus go along with startedBy, whatever its
	// documentation says.
	others := in.Family != nil || in.ContainerInstance != nil || in.LaunchType != ""
	switch {
	case in.StartedBy != nil && (others || in.ServiceName != nil):
		return nil, host.Invalid("cannot specify startedBy with other arguments")
	case in.ServiceName != nil && (in.Family != nil || in.ContainerInstance != nil):
		return nil, host.Invalid("cannot specify serviceName with other arguments")
	}
	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.ListTasksOutput, error) {
		group := ""
		if in.ServiceName != nil {
			name := e.serviceName(c, in.ServiceName)
			if _, ok := c.services[name]; !ok {
				return nil, host.BadRequest("ServiceNotFoundException", "Service not found.")
			}
			group = serviceGroup + name
		}
		arns, next, err := host.Names(c.tasks, page(in.MaxResults, in.NextToken),
			func(t *task) string { return *t.TaskArn },
			func(t *task) bool {
				return *t.DesiredStatus == string(desired) &&
					in.ContainerInstance == nil && // no task has one
					(group == "" || host.Deref(t.Group) == group) &&
					(in.StartedBy == nil || host.Deref(t.StartedBy) == *in.StartedBy) &&
					(in.Family == nil || *t.definition.Family == *in.Family) &&
					(in.LaunchType == "" || t.LaunchType == in.LaunchType)
			})
		if err != nil {
			return nil, err
		}
		return &ecs.ListTasksOutput{TaskArns: arns, NextToken: next}, nil
	})
}

func (e *Service) stopTask(_ context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	if len(host.Deref(in.Reason)) > 1024 {
		return nil, host.Invalid("reason longer than 1024.")
	}
	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.StopTaskOutput, error) {
		id, err := e.taskID(c, host.Deref(in.Task))
		if err != nil {
			return nil, err
		}
		t := c.task(id)
		if t == nil {
			return nil, host.Invalid("The referenced task was not found.")
		}
		reason := host.Deref(in.Reason)
		if reason == "" {
			reason = "Task stopped by user"
		}
		if t.end(types.TaskStopCodeUserInitiated, reason) {
			t.Tags = nil // StopTask deletes them
			t.changed()
		}
		return &ecs.StopTaskOutput{Task: new(t.describe())}, nil
	})
}
