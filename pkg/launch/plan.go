package launch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awserr"
	"errand/pkg/awsjson"
	"errand/pkg/payload"
	"errand/pkg/result"
	"errand/pkg/run"
)

const (
	// maxOverrides is ECS's limit for the JSON of all overrides, in characters
	// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html).
	maxOverrides = 8192
	// maxStartedBy is ECS's limit for startedBy, in characters.
	maxStartedBy = 128
)

// Request is what the launcher is asked for.
type Request struct {
	Run    run.Run
	Job    payload.Job
	Digest string // of the payload as it was given
}

// Plan is one launch: the request to ECS, but for its client token, and what may
// be shown of it. Until it is whole, Place has what is known so far.
type Plan struct {
	Request
	Input *ecs.RunTaskInput
	Place result.Place
}

// plan looks the service and the task definition up and builds the request. The run is
// there since a time, which is zero if nobody knows.
func (l *Launcher) plan(ctx context.Context, plan Plan, since time.Time) (Plan, error) {
	job := plan.Job
	plan.Place.Cluster = cmp.Or(job.Cluster, run.ClusterOf(job.Service), l.cfg.Cluster)
	source := Deployed{TaskDefinition: cmp.Or(job.TaskDefinition, l.cfg.TaskDefinition)}
	if job.Service != "" {
		var err error
		if source, err = l.service(ctx, plan.Place.Cluster, job.Service); err != nil {
			return plan, err
		}
	}
	if source.TaskDefinition == "" {
		return plan, rejection("taskDefinition: required, since the launcher's setting TASK_DEFINITION has no default; give taskDefinition or service")
	}
	definition, err := l.definitions.get(ctx, source.TaskDefinition, since)
	if err != nil {
		return plan, err
	}
	plan.Place.TaskDefinition = *definition.TaskDefinitionArn
	whole, err := NewPlan(l.cfg, plan.Request, plan.Place.Cluster, source, *definition)
	if err != nil {
		return plan, err
	}
	return whole, nil
}

// definitions remembers what was described.
type definitions struct {
	ecs   ECS
	now   func() time.Time
	known sync.Map // name → described
}

// described is a task definition as it was at a time, or later.
type described struct {
	*types.TaskDefinition
	at time.Time
}

// get describes a task definition. One that is named with its revision is asked for
// once per process; a family's newest may be another one each time. A run that waits
// takes what was the newest at any time since it came, as if it had begun then: ECS answers 50
// such questions at once and then 20 a second, to the whole account
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html),
// so that a herd would wait for those answers as long again as for its tasks.
func (d *definitions) get(ctx context.Context, name string, since time.Time) (*types.TaskDefinition, error) {
	asked := d.now()
	fixed := strings.Contains(run.LastPart(name), ":")
	if known, ok := d.known.Load(name); ok {
		known := known.(described)
		if fixed || !since.IsZero() && known.at.After(since) {
			return known.TaskDefinition, nil
		}
	}
	out, err := d.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &name})
	if err != nil {
		return nil, fmt.Errorf("ECS does not show task definition %s, check that it has an active revision in this account and Region: %w", name, awserr.Plain(err))
	}
	if out.TaskDefinition == nil || out.TaskDefinition.TaskDefinitionArn == nil {
		return nil, fmt.Errorf("ECS does not show task definition %s: its answer has none", name)
	}
	d.known.Store(name, described{out.TaskDefinition, asked})
	return out.TaskDefinition, nil
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
		return Deployed{}, fmt.Errorf("ECS does not show service %s in cluster %s: %w", name, run.LastPart(cluster), awserr.Plain(err))
	}
	if len(out.Services) == 0 {
		return Deployed{}, rejection(fmt.Sprintf("service: cluster %s has no service %s", run.LastPart(cluster), name))
	}
	s := out.Services[0]
	if status := aws.ToString(s.Status); status != "" && status != "ACTIVE" {
		return Deployed{}, rejection(fmt.Sprintf("service: %s in cluster %s is %s; it must be ACTIVE", name, run.LastPart(cluster), status))
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
		return Deployed{}, rejection(fmt.Sprintf("service: %s in cluster %s has no task definition deployed", name, run.LastPart(cluster)))
	}
	return d, nil
}

// NewPlan builds the RunTask request. It is pure and deterministic: ECS compares
// the parameters of requests with the same token. The definition that was looked
// at is the one that runs, by its revision.
func NewPlan(cfg Config, req Request, cluster string, source Deployed, definition types.TaskDefinition) (Plan, error) {
	job := req.Job
	if err := checkTaskRole(job, cfg.TaskRoleARNs); err != nil {
		return Plan{}, err
	}
	container, err := pickContainer(job, definition)
	if err != nil {
		return Plan{}, err
	}
	overrides, own, err := mergeOverrides(req, container)
	if err != nil {
		return Plan{}, err
	}
	startedBy := cfg.StartedByPrefix + job.Name
	if len(startedBy) > maxStartedBy {
		return Plan{}, rejection(fmt.Sprintf("job: %s is too long: with the stack's prefix %s, startedBy of the task has %d characters, and ECS allows %d", job.Name, cfg.StartedByPrefix, len(startedBy), maxStartedBy))
	}
	in := &ecs.RunTaskInput{
		TaskDefinition:       definition.TaskDefinitionArn,
		Cluster:              aws.String(cluster),
		StartedBy:            aws.String(startedBy),
		Overrides:            overrides,
		PlacementConstraints: job.PlacementConstraints,
		PlacementStrategy:    job.PlacementStrategy,
		Tags:                 job.Tags,
		PropagateTags:        job.PropagateTags,
		EnableExecuteCommand: job.EnableExecuteCommand,
		EnableECSManagedTags: job.EnableECSManagedTags,
		VolumeConfigurations: job.VolumeConfigurations,
	}
	if job.Group != "" {
		in.Group = aws.String(job.Group)
	}
	if job.ReferenceID != "" {
		in.ReferenceId = aws.String(job.ReferenceID)
	}
	capacity(in, cfg, job, source)
	return Plan{Request: req, Input: in, Place: result.Place{
		Command: own.Command, Cluster: cluster, Container: container, TaskDefinition: *definition.TaskDefinitionArn,
	}}, network(in, cfg, job, source, definition)
}

// checkTaskRole lets a job have another task role only if the stack says so. IAM cannot
// tell a task role that is passed from an execution role
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html,
// iam:PassedToService), and the launcher may pass both.
func checkTaskRole(job payload.Job, allowed []string) error {
	if job.Overrides == nil || job.Overrides.TaskRoleArn == nil || slices.Contains(allowed, *job.Overrides.TaskRoleArn) {
		return nil
	}
	return rejection("overrides.taskRoleArn: the stack does not let jobs choose this role; leave it out, or add the role's ARN to the stack's parameter OverrideTaskRoleArns (setting OVERRIDE_TASK_ROLE_ARNS)")
}

// capacity chooses launch type or strategy: the payload's, else the service's,
// else the stack's.
func capacity(in *ecs.RunTaskInput, cfg Config, job payload.Job, source Deployed) {
	platform := source.PlatformVersion
	switch {
	case job.LaunchType == payload.ClusterDefault:
		platform = nil // neither of the two asks for the cluster's own strategy
	case job.LaunchType != "" || len(job.CapacityProviderStrategy) > 0:
		in.LaunchType, in.CapacityProviderStrategy = types.LaunchType(job.LaunchType), job.CapacityProviderStrategy
		platform = nil // belongs to the service's capacity
	case len(source.CapacityProviderStrategy) > 0:
		// DescribeServices may name the launch type too, RunTask takes one.
		in.CapacityProviderStrategy = source.CapacityProviderStrategy
	case source.LaunchType != "":
		in.LaunchType = source.LaunchType
	case source.Service == "" && cfg.LaunchType != "CLUSTER":
		in.LaunchType = types.LaunchType(cfg.LaunchType)
	}
	if job.PlatformVersion != "" {
		platform = aws.String(job.PlatformVersion)
	}
	if aws.ToString(platform) != "" {
		in.PlatformVersion = platform
	}
}

// network chooses the network configuration. ECS requires one for awsvpc and
// refuses it for any other network mode.
func network(in *ecs.RunTaskInput, cfg Config, job payload.Job, source Deployed, definition types.TaskDefinition) error {
	if job.NetworkConfiguration != nil {
		in.NetworkConfiguration = job.NetworkConfiguration
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
func pickContainer(job payload.Job, definition types.TaskDefinition) (string, error) {
	var names []string
	for _, c := range definition.ContainerDefinitions {
		names = append(names, aws.ToString(c.Name))
	}
	where := "task definition " + aws.ToString(definition.TaskDefinitionArn)
	list := strings.Join(names, ", ")
	for i, o := range overridesOf(job) {
		if name := aws.ToString(o.Name); !slices.Contains(names, name) {
			return "", rejection(fmt.Sprintf("overrides.containerOverrides[%d].name: %s has no container %q; it has %s", i, where, name, list))
		}
	}
	switch {
	case job.Container == "" && len(names) == 1:
		return names[0], nil
	case job.Container == "":
		return "", rejection(fmt.Sprintf("container: required, since %s has several: %s", where, list))
	case !slices.Contains(names, job.Container):
		return "", rejection(fmt.Sprintf("container: %s has no container %q; it has %s", where, job.Container, list))
	}
	return job.Container, nil
}

func overridesOf(job payload.Job) []types.ContainerOverride {
	if job.Overrides == nil {
		return nil
	}
	return job.Overrides.ContainerOverrides
}

// mergeOverrides adds the payload's command and environment and the run's own
// variables to the overrides, and returns the container's own beside them.
func mergeOverrides(req Request, container string) (all *types.TaskOverride, own types.ContainerOverride, err error) {
	job := req.Job
	var merged types.TaskOverride
	if job.Overrides != nil {
		merged = *job.Overrides
	}
	// The payload stays as it is, since plan may be called again.
	merged.ContainerOverrides = slices.Clone(merged.ContainerOverrides)
	at := slices.IndexFunc(merged.ContainerOverrides, func(o types.ContainerOverride) bool { return aws.ToString(o.Name) == container })
	if at < 0 {
		at = len(merged.ContainerOverrides)
		merged.ContainerOverrides = append(merged.ContainerOverrides, types.ContainerOverride{Name: aws.String(container)})
	}
	c := &merged.ContainerOverrides[at]
	if job.Command != nil {
		if c.Command != nil {
			return nil, own, rejection(fmt.Sprintf("command: is also in overrides.containerOverrides[%d].command; give it once", at))
		}
		c.Command = job.Command
	}
	c.Environment = slices.Clip(c.Environment)
	for _, name := range slices.Sorted(maps.Keys(job.Environment)) {
		if slices.ContainsFunc(c.Environment, func(v types.KeyValuePair) bool { return aws.ToString(v.Name) == name }) {
			return nil, own, rejection(fmt.Sprintf("environment.%s: is also in overrides.containerOverrides[%d].environment; give it once", name, at))
		}
		c.Environment = append(c.Environment, types.KeyValuePair{Name: aws.String(name), Value: aws.String(job.Environment[name])})
	}
	for _, v := range req.Run.Variables(run.Carried{LogLines: job.LogLines, Digest: req.Digest}) {
		c.Environment = append(c.Environment, types.KeyValuePair{Name: aws.String(v.Name), Value: aws.String(v.Value)})
	}

	text, err := awsjson.Encode(merged)
	if err != nil {
		return nil, own, err
	}
	if n := utf8.RuneCount(text); n > maxOverrides {
		return nil, own, rejection(fmt.Sprintf("command, environment and overrides: %d characters too long: as the JSON that ECS counts they have %d characters, and ECS allows %d; pass large input through S3 or SSM", n-maxOverrides, n, maxOverrides))
	}
	return &merged, *c, nil
}
