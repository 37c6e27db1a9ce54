package launch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awsjson"
	"errand/pkg/job"
)

const (
	// maxOverrides is ECS's limit for the JSON of all overrides, in characters
	// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html).
	maxOverrides = 8192
	// maxStartedBy is ECS's limit for startedBy, in characters.
	maxStartedBy = 128
)

// plan looks the service and the task definition up and builds the request. What
// it learns of the run is filled in, for the result if there is a refusal.
func (l *Launcher) plan(ctx context.Context, run *job.Run) (*ecs.RunTaskInput, error) {
	if run.Cluster == "" {
		run.Cluster = cmp.Or(ClusterOf(run.Service), l.cfg.Cluster)
	}
	source := Deployed{TaskDefinition: run.TaskDefinition}
	if run.Service != "" {
		var err error
		if source, err = l.service(ctx, run.Cluster, run.Service); err != nil {
			return nil, err
		}
	} else if source.TaskDefinition == "" {
		source.TaskDefinition = l.cfg.TaskDefinition
	}
	if source.TaskDefinition == "" {
		return nil, rejection("taskDefinition: required, since the launcher's setting TASK_DEFINITION has no default; give taskDefinition or service")
	}
	out, err := l.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &source.TaskDefinition})
	if err != nil {
		return nil, fmt.Errorf("ECS does not show task definition %s, check that it has an active revision in this account and Region: %w", source.TaskDefinition, plain(err))
	}
	if out.TaskDefinition == nil || out.TaskDefinition.TaskDefinitionArn == nil {
		return nil, fmt.Errorf("ECS does not show task definition %s: its answer has none", source.TaskDefinition)
	}
	in, err := Input(l.cfg, *run, source, *out.TaskDefinition)
	run.TaskDefinition = *out.TaskDefinition.TaskDefinitionArn
	if err == nil {
		// The container that has the run's variables is the one that was picked.
		i := slices.IndexFunc(in.Overrides.ContainerOverrides, carriesRun)
		run.Container, run.Command = aws.ToString(in.Overrides.ContainerOverrides[i].Name), in.Overrides.ContainerOverrides[i].Command
	}
	return in, err
}

func carriesRun(o types.ContainerOverride) bool {
	return slices.ContainsFunc(o.Environment, func(v types.KeyValuePair) bool { return aws.ToString(v.Name) == job.VarRunID })
}

// ClusterOf is the cluster in the ARN of a service, "" for a name.
func ClusterOf(service string) string {
	_, resource, ok := strings.Cut(service, ":service/")
	cluster, _, long := strings.Cut(resource, "/")
	if !ok || !long { // old ARNs have no cluster
		return ""
	}
	return cluster
}

// Deployed is what a service runs with now. Without a service it is empty but
// for the task definition.
type Deployed struct {
	Service                  string
	TaskDefinition           string
	LaunchType               types.LaunchType
	CapacityProviderStrategy []types.CapacityProviderStrategyItem
	PlatformVersion          *string
	Network                  *types.NetworkConfiguration
}

func (l *Launcher) service(ctx context.Context, cluster, name string) (Deployed, error) {
	out, err := l.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{name}})
	if err != nil {
		return Deployed{}, fmt.Errorf("ECS does not show service %s in cluster %s: %w", name, path.Base(cluster), plain(err))
	}
	if len(out.Services) == 0 {
		return Deployed{}, rejection(fmt.Sprintf("service: cluster %s has no service %s", path.Base(cluster), name))
	}
	s := out.Services[0]
	if status := aws.ToString(s.Status); status != "" && status != "ACTIVE" {
		return Deployed{}, rejection(fmt.Sprintf("service: %s in cluster %s is %s; it must be ACTIVE", name, path.Base(cluster), status))
	}
	d := Deployed{
		Service: name, TaskDefinition: aws.ToString(s.TaskDefinition), LaunchType: s.LaunchType,
		CapacityProviderStrategy: s.CapacityProviderStrategy, PlatformVersion: s.PlatformVersion, Network: s.NetworkConfiguration,
	}
	// A service that CodeDeploy or another controller deploys keeps what it
	// runs in its primary task set.
	for _, set := range s.TaskSets {
		if aws.ToString(set.Status) == "PRIMARY" {
			d.TaskDefinition, d.LaunchType = aws.ToString(set.TaskDefinition), set.LaunchType
			d.CapacityProviderStrategy, d.PlatformVersion, d.Network = set.CapacityProviderStrategy, set.PlatformVersion, set.NetworkConfiguration
		}
	}
	if d.TaskDefinition == "" {
		return Deployed{}, rejection(fmt.Sprintf("service: %s in cluster %s has no task definition deployed", name, path.Base(cluster)))
	}
	return d, nil
}

// Input builds the RunTask request, but for its client token. It is pure and
// deterministic: ECS compares the parameters of requests with the same token.
// The definition that was looked at is the one that runs, by its revision.
func Input(cfg Config, run job.Run, source Deployed, definition types.TaskDefinition) (*ecs.RunTaskInput, error) {
	container, err := pickContainer(run, definition)
	if err != nil {
		return nil, err
	}
	overrides, err := mergeOverrides(run, container)
	if err != nil {
		return nil, err
	}
	startedBy := cfg.StartedByPrefix + run.Job
	if len(startedBy) > maxStartedBy {
		return nil, rejection(fmt.Sprintf("job: %s is too long: with the stack's prefix %s, startedBy of the task has %d characters, and ECS allows %d", run.Job, cfg.StartedByPrefix, len(startedBy), maxStartedBy))
	}
	in := &ecs.RunTaskInput{
		TaskDefinition:       definition.TaskDefinitionArn,
		Cluster:              aws.String(run.Cluster),
		StartedBy:            aws.String(startedBy),
		Overrides:            overrides,
		PlacementConstraints: run.PlacementConstraints,
		PlacementStrategy:    run.PlacementStrategy,
		Tags:                 run.Tags,
		PropagateTags:        run.PropagateTags,
		EnableExecuteCommand: run.EnableExecuteCommand,
		VolumeConfigurations: run.VolumeConfigurations,
	}
	if run.Group != "" {
		in.Group = aws.String(run.Group)
	}
	capacity(in, cfg, run, source)
	return in, network(in, cfg, run, source, definition)
}

// capacity chooses launch type or strategy: the payload's, else the service's,
// else the stack's.
func capacity(in *ecs.RunTaskInput, cfg Config, run job.Run, source Deployed) {
	platform := source.PlatformVersion
	switch {
	case run.LaunchType != "" || len(run.CapacityProviderStrategy) > 0:
		in.LaunchType, in.CapacityProviderStrategy = run.LaunchType, run.CapacityProviderStrategy
		platform = nil // belongs to the service's capacity
	case len(source.CapacityProviderStrategy) > 0:
		// DescribeServices may name the launch type too, RunTask takes one.
		in.CapacityProviderStrategy = source.CapacityProviderStrategy
	case source.LaunchType != "":
		in.LaunchType = source.LaunchType
	case source.Service == "" && cfg.LaunchType != "CLUSTER":
		in.LaunchType = types.LaunchType(cfg.LaunchType)
	}
	if run.PlatformVersion != "" {
		platform = aws.String(run.PlatformVersion)
	}
	if aws.ToString(platform) != "" {
		in.PlatformVersion = platform
	}
}

// network chooses the network configuration. ECS requires one for awsvpc and
// refuses it for any other network mode.
func network(in *ecs.RunTaskInput, cfg Config, run job.Run, source Deployed, definition types.TaskDefinition) error {
	if run.NetworkConfiguration != nil {
		in.NetworkConfiguration = run.NetworkConfiguration
		return nil
	}
	if definition.NetworkMode != types.NetworkModeAwsvpc {
		return nil
	}
	if source.Network != nil {
		in.NetworkConfiguration = source.Network
		return nil
	}
	if len(cfg.Subnets) == 0 {
		return rejection(fmt.Sprintf("networkConfiguration: required, since task definition %s has network mode awsvpc and the launcher's setting SUBNETS is empty", aws.ToString(definition.TaskDefinitionArn)))
	}
	in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
		Subnets: cfg.Subnets, SecurityGroups: cfg.SecurityGroups, AssignPublicIp: types.AssignPublicIp(cfg.AssignPublicIP),
	}}
	return nil
}

// pickContainer finds the container that the run is about.
func pickContainer(run job.Run, definition types.TaskDefinition) (string, error) {
	var names []string
	for _, c := range definition.ContainerDefinitions {
		names = append(names, aws.ToString(c.Name))
	}
	where := "task definition " + aws.ToString(definition.TaskDefinitionArn)
	list := strings.Join(names, ", ")
	for i, o := range overridesOf(run) {
		if name := aws.ToString(o.Name); !slices.Contains(names, name) {
			return "", rejection(fmt.Sprintf("overrides.containerOverrides[%d].name: %s has no container %q; it has %s", i, where, name, list))
		}
	}
	switch {
	case run.Container == "" && len(names) == 1:
		return names[0], nil
	case run.Container == "":
		return "", rejection(fmt.Sprintf("container: required, since %s has several: %s", where, list))
	case !slices.Contains(names, run.Container):
		return "", rejection(fmt.Sprintf("container: %s has no container %q; it has %s", where, run.Container, list))
	}
	return run.Container, nil
}

func overridesOf(run job.Run) []types.ContainerOverride {
	if run.Overrides == nil {
		return nil
	}
	return run.Overrides.ContainerOverrides
}

// mergeOverrides adds the payload's command and environment and the run's own
// variables to the overrides.
func mergeOverrides(run job.Run, container string) (*types.TaskOverride, error) {
	var merged types.TaskOverride
	if run.Overrides != nil {
		merged = *run.Overrides
	}
	// The payload stays as it is, since plan may be called again.
	merged.ContainerOverrides = slices.Clone(merged.ContainerOverrides)
	at := slices.IndexFunc(merged.ContainerOverrides, func(o types.ContainerOverride) bool { return aws.ToString(o.Name) == container })
	if at < 0 {
		at = len(merged.ContainerOverrides)
		merged.ContainerOverrides = append(merged.ContainerOverrides, types.ContainerOverride{Name: aws.String(container)})
	}
	c := &merged.ContainerOverrides[at]
	if run.Command != nil {
		if c.Command != nil {
			return nil, rejection(fmt.Sprintf("command: is also in overrides.containerOverrides[%d].command; give it once", at))
		}
		c.Command = run.Command
	}
	c.Environment = slices.Clip(c.Environment)
	for _, name := range slices.Sorted(maps.Keys(run.Environment)) {
		if slices.ContainsFunc(c.Environment, func(v types.KeyValuePair) bool { return aws.ToString(v.Name) == name }) {
			return nil, rejection(fmt.Sprintf("environment.%s: is also in overrides.containerOverrides[%d].environment; give it once", name, at))
		}
		c.Environment = append(c.Environment, types.KeyValuePair{Name: aws.String(name), Value: aws.String(run.Environment[name])})
	}
	c.Environment = append(c.Environment, run.Variables()...)

	text, err := awsjson.Encode(merged)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCount(text); n > maxOverrides {
		return nil, rejection(fmt.Sprintf("command, environment and overrides: %d characters too long: as the JSON that ECS counts they have %d characters, and ECS allows %d; pass large input through S3 or SSM", n-maxOverrides, n, maxOverrides))
	}
	return &merged, nil
}
