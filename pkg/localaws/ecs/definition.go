package ecs

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
)

type definition struct {
	types.TaskDefinition
	tags []types.Tag
}

func (e *Service) registerTaskDefinition(_ context.Context, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	if err := checkDefinition(in); err != nil {
		return nil, err
	}
	family := *in.Family
	containers := slices.Clone(in.ContainerDefinitions)
	for i := range containers {
		fillContainer(&containers[i])
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	revision := len(e.families[family]) + 1
	def := &definition{
		TaskDefinition: types.TaskDefinition{
			TaskDefinitionArn:       new(e.host.ARN("ecs", "task-definition/"+family+":"+strconv.Itoa(revision))),
			Family:                  in.Family,
			Revision:                int32(revision),
			Status:                  types.TaskDefinitionStatusActive,
			ContainerDefinitions:    containers,
			Compatibilities:         compatibilities(in),
			RequiresCompatibilities: in.RequiresCompatibilities,
			NetworkMode:             in.NetworkMode,
			Cpu:                     in.Cpu,
			Memory:                  in.Memory,
			EphemeralStorage:        in.EphemeralStorage,
			ExecutionRoleArn:        in.ExecutionRoleArn,
			TaskRoleArn:             in.TaskRoleArn,
			RuntimePlatform:         in.RuntimePlatform,
			IpcMode:                 in.IpcMode,
			PidMode:                 in.PidMode,
			ProxyConfiguration:      in.ProxyConfiguration,
			EnableFaultInjection:    in.EnableFaultInjection,
			PlacementConstraints:    append([]types.TaskDefinitionPlacementConstraint{}, in.PlacementConstraints...),
			Volumes:                 append([]types.Volume{}, in.Volumes...),
			RegisteredAt:            new(e.host.Now()),
			RegisteredBy:            new("arn:aws:iam::" + e.host.Account + ":root"),
		},
		tags: in.Tags,
	}
	e.families[family] = append(e.families[family], def)
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: new(def.TaskDefinition), Tags: def.tags}, nil
}

func checkDefinition(in *ecs.RegisterTaskDefinitionInput) error {
	if host.Deref(in.Family) == "" {
		return clientError("Family should not be null or empty.")
	}
	if !validNames.MatchString(*in.Family) {
		return clientError("Family contains invalid characters.")
	}
	if err := host.OneOf("networkMode", in.NetworkMode, in.NetworkMode.Values()); err != nil {
		return err
	}
	for _, c := range in.RequiresCompatibilities {
		if err := host.OneOf("requiresCompatibilities", c, c.Values()); err != nil {
			return err
		}
	}
	fargate := slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate)
	if fargate {
		switch {
		case in.NetworkMode != types.NetworkModeAwsvpc:
			return clientError("Fargate only supports network mode ‘awsvpc’.")
		case host.Deref(in.Cpu) == "":
			return clientError("Fargate requires that 'cpu' be defined at the task level.")
		case host.Deref(in.Memory) == "":
			return clientError("Fargate requires that 'memory' be defined at the task level.")
		}
	}
	if len(in.ContainerDefinitions) == 0 {
		return clientError("Container list cannot be empty.")
	}
	seen := map[string]bool{}
	essential := false
	for i := range in.ContainerDefinitions {
		c := &in.ContainerDefinitions[i]
		if err := checkContainer(c, in, fargate); err != nil {
			return err
		}
		if seen[*c.Name] {
			return clientError("Container names must be unique: %s is given twice.", *c.Name)
		}
		seen[*c.Name] = true
		essential = essential || isEssential(c)
	}
	if !essential {
		return clientError("Task definition must have at least one essential container.")
	}
	return nil
}

func checkContainer(c *types.ContainerDefinition, in *ecs.RegisterTaskDefinitionInput, fargate bool) error {
	switch name := host.Deref(c.Name); {
	case name == "":
		return clientError("Container.name should not be null or empty.")
	case !validNames.MatchString(name):
		return clientError("Container.name contains invalid characters.")
	case host.Deref(c.Image) == "":
		return clientError("Container.image should not be null or empty.")
	case host.Deref(in.Memory) == "" && c.Memory == nil && c.MemoryReservation == nil:
		return clientError("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", name)
	}
	if label, ok := c.DockerLabels[playsLabel]; ok {
		if _, ok := plays[label]; !ok {
			return clientError("The label %s of container '%s' must be one of %s, not '%s'.", playsLabel, *c.Name, playNames(), label)
		}
	}
	logs := c.LogConfiguration
	if logs == nil {
		return nil
	}
	if err := host.OneOf("logDriver", logs.LogDriver, logs.LogDriver.Values()); err != nil {
		return err
	}
	if logs.LogDriver != types.LogDriverAwslogs {
		return nil
	}
	switch {
	case logs.Options["awslogs-group"] == "" || logs.Options["awslogs-region"] == "":
		return clientError("Log driver awslogs requires options: awslogs-region, awslogs-group.")
	case fargate && logs.Options["awslogs-stream-prefix"] == "":
		return clientError("Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.")
	case fargate && host.Deref(in.ExecutionRoleArn) == "":
		return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	}
	return nil
}

// fillContainer sets what ECS shows of a container definition although the
// caller left it out.
func fillContainer(c *types.ContainerDefinition) {
	c.Essential = new(isEssential(c))
	c.Environment = append([]types.KeyValuePair{}, c.Environment...)
	c.MountPoints = append([]types.MountPoint{}, c.MountPoints...)
	c.PortMappings = append([]types.PortMapping{}, c.PortMappings...)
	c.VolumesFrom = append([]types.VolumeFrom{}, c.VolumesFrom...)
	c.SystemControls = append([]types.SystemControl{}, c.SystemControls...)
}

func isEssential(c *types.ContainerDefinition) bool { return c.Essential == nil || *c.Essential }

func compatibilities(in *ecs.RegisterTaskDefinitionInput) []types.Compatibility {
	all := []types.Compatibility{types.CompatibilityEc2}
	switch {
	case in.NetworkMode != types.NetworkModeAwsvpc:
		all = append(all, types.CompatibilityExternal)
	case host.Deref(in.Cpu) != "" && host.Deref(in.Memory) != "":
		all = append(all, types.CompatibilityFargate)
	}
	return all
}

// definition finds a task definition by family, which means the latest active
// revision, by family:revision or by ARN, of whatever partition.
func (e *Service) definition(reference string) *definition {
	name := reference
	if parts := strings.SplitN(reference, ":", 3); len(parts) == 3 && parts[0] == "arn" {
		name = strings.TrimPrefix("arn:aws:"+parts[2], e.host.ARN("ecs", "task-definition/"))
	}
	family, number, exact := strings.Cut(name, ":")
	revisions := e.families[family]
	if exact {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > len(revisions) {
			return nil
		}
		return revisions[n-1]
	}
	for _, def := range slices.Backward(revisions) {
		if def.Status == types.TaskDefinitionStatusActive {
			return def
		}
	}
	return nil
}

// runnable finds an active task definition.
func (e *Service) runnable(reference *string) (*definition, error) {
	if host.Deref(reference) == "" {
		return nil, clientError("Task definition can not be blank.")
	}
	def := e.definition(*reference)
	if def == nil {
		return nil, clientError("TaskDefinition not found.")
	}
	if def.Status != types.TaskDefinitionStatusActive {
		return nil, clientError("TaskDefinition is inactive")
	}
	return def, nil
}

func (e *Service) describeTaskDefinition(_ context.Context, in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	for _, field := range in.Include {
		if err := host.OneOf("include", field, field.Values()); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	def := e.definition(host.Deref(in.TaskDefinition))
	if def == nil {
		return nil, clientError("Unable to describe task definition.")
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: new(def.TaskDefinition)}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = append([]types.Tag{}, def.tags...)
	}
	return out, nil
}

func (e *Service) deregisterTaskDefinition(_ context.Context, in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	reference := host.Deref(in.TaskDefinition)
	if !exactRevision.MatchString(reference) {
		return nil, clientError("Task definition must have a revision: %s has none.", reference)
	}
	def := e.definition(reference)
	if def == nil {
		return nil, clientError("The specified task definition does not exist.")
	}
	def.Status = types.TaskDefinitionStatusInactive
	def.DeregisteredAt = new(e.host.Now())
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: new(def.TaskDefinition)}, nil
}

func (e *Service) listTaskDefinitions(_ context.Context, in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	if err := host.OneOf("status", in.Status, in.Status.Values()); err != nil {
		return nil, err
	}
	if err := host.OneOf("sort", in.Sort, in.Sort.Values()); err != nil {
		return nil, err
	}
	status := in.Status
	if status == "" {
		status = types.TaskDefinitionStatusActive
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []*definition
	for _, family := range slices.Sorted(maps.Keys(e.families)) {
		list = append(list, e.families[family]...)
	}
	if in.Sort == types.SortOrderDesc {
		slices.Reverse(list)
	}
	arns, next, err := host.Names(list, page(in.MaxResults, in.NextToken),
		func(def *definition) string { return *def.TaskDefinitionArn },
		func(def *definition) bool {
			// Despite its name, familyPrefix is the whole family.
			return def.Status == status && (in.FamilyPrefix == nil || *in.FamilyPrefix == *def.Family)
		})
	if err != nil {
		return nil, err
	}
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: arns, NextToken: next}, nil
}
