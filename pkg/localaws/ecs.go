package localaws

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/awsjson"
)

// ecsService is ECS: task definitions, and clusters with their services and
// tasks. It has one cluster, named default, from the start.
type ecsService struct {
	server     *Server
	operations map[string]operation

	// mu guards everything below and the tasks. What an SDK struct points to
	// is never changed but replaced, so that a shallow copy can be encoded
	// without the lock.
	mu       sync.Mutex
	families map[string][]*definition // revision n at index n-1
	clusters map[string]*cluster
	refusals []string // reasons of the coming placement failures
}

type definition struct {
	types.TaskDefinition
	tags []types.Tag
}

type cluster struct {
	types.Cluster
	tasks    []*task // in the order of their creation
	services map[string]types.Service
	launches map[string]*launch // by client token
}

// launch is what a client token stands for. ECS forgets it after a day at the
// latest; here it lasts as long as the server.
type launch struct {
	request  string
	tasks    []*task
	failures []types.Failure
}

func newECS(s *Server) *ecsService {
	e := &ecsService{server: s, families: map[string][]*definition{}, clusters: map[string]*cluster{}}
	e.operations = map[string]operation{
		"CreateCluster":            serve(e.createCluster),
		"CreateService":            serve(e.createService),
		"DeregisterTaskDefinition": serve(e.deregisterTaskDefinition),
		"DescribeClusters":         serve(e.describeClusters),
		"DescribeServices":         serve(e.describeServices),
		"DescribeTaskDefinition":   serve(e.describeTaskDefinition),
		"DescribeTasks":            serve(e.describeTasks),
		"ExecuteCommand": serve(func(ctx context.Context, in *ecs.ExecuteCommandInput) (*ecs.ExecuteCommandOutput, error) {
			return s.exec.executeCommand(ctx, in)
		}),
		"ListTaskDefinitions":    serve(e.listTaskDefinitions),
		"ListTasks":              serve(e.listTasks),
		"RegisterTaskDefinition": serve(e.registerTaskDefinition),
		"RunTask":                serve(e.runTask),
		"StopTask":               serve(e.stopTask),
		"UpdateCluster":          serve(e.updateCluster),
		"UpdateService":          serve(e.updateService),
	}
	_, _ = e.createCluster(s.ctx, &ecs.CreateClusterInput{}) // default
	return e
}

// FailPlacement makes the next times RunTask requests answer 200 without tasks
// and with one failure of the given reason, such as RESOURCE:MEMORY. With an
// empty reason there is no failure either. A token that is replayed gets its
// old answer and uses none of them up.
func (s *Server) FailPlacement(reason string, times int) {
	s.ecs.mu.Lock()
	defer s.ecs.mu.Unlock()
	s.ecs.refusals = append(s.ecs.refusals, slices.Repeat([]string{reason}, times)...)
}

// Task definitions

var (
	ecsNames      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	exactRevision = regexp.MustCompile(`:[0-9]+$`)
)

func clientError(format string, args ...any) *apiError {
	return badRequest("ClientException", format, args...)
}

func (e *ecsService) registerTaskDefinition(_ context.Context, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
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
			TaskDefinitionArn:       new(e.server.arn("ecs", "task-definition/"+family+":"+strconv.Itoa(revision))),
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
			RegisteredAt:            new(time.Now()),
			RegisteredBy:            new("arn:aws:iam::" + e.server.opts.Account + ":root"),
		},
		tags: in.Tags,
	}
	e.families[family] = append(e.families[family], def)
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: new(def.TaskDefinition), Tags: def.tags}, nil
}

func checkDefinition(in *ecs.RegisterTaskDefinitionInput) error {
	if deref(in.Family) == "" {
		return clientError("Family should not be null or empty.")
	}
	if !ecsNames.MatchString(*in.Family) {
		return clientError("Family contains invalid characters.")
	}
	if err := oneOf("networkMode", in.NetworkMode, in.NetworkMode.Values()); err != nil {
		return err
	}
	for _, c := range in.RequiresCompatibilities {
		if err := oneOf("requiresCompatibilities", c, c.Values()); err != nil {
			return err
		}
	}
	fargate := slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate)
	if fargate {
		switch {
		case in.NetworkMode != types.NetworkModeAwsvpc:
			return clientError("Fargate only supports network mode ‘awsvpc’.")
		case deref(in.Cpu) == "":
			return clientError("Fargate requires that 'cpu' be defined at the task level.")
		case deref(in.Memory) == "":
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
	switch name := deref(c.Name); {
	case name == "":
		return clientError("Container.name should not be null or empty.")
	case !ecsNames.MatchString(name):
		return clientError("Container.name contains invalid characters.")
	case deref(c.Image) == "":
		return clientError("Container.image should not be null or empty.")
	case deref(in.Memory) == "" && c.Memory == nil && c.MemoryReservation == nil:
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
	if err := oneOf("logDriver", logs.LogDriver, logs.LogDriver.Values()); err != nil {
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
	case fargate && deref(in.ExecutionRoleArn) == "":
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
	case deref(in.Cpu) != "" && deref(in.Memory) != "":
		all = append(all, types.CompatibilityFargate)
	}
	return all
}

// definition finds a task definition by family, which means the latest active
// revision, by family:revision or by ARN.
func (e *ecsService) definition(reference string) *definition {
	name := strings.TrimPrefix(reference, e.server.arn("ecs", "task-definition/"))
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

func (e *ecsService) describeTaskDefinition(_ context.Context, in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	for _, field := range in.Include {
		if err := oneOf("include", field, field.Values()); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	def := e.definition(deref(in.TaskDefinition))
	if def == nil {
		return nil, clientError("Unable to describe task definition.")
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: new(def.TaskDefinition)}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = append([]types.Tag{}, def.tags...)
	}
	return out, nil
}

func (e *ecsService) deregisterTaskDefinition(_ context.Context, in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	reference := deref(in.TaskDefinition)
	if !exactRevision.MatchString(reference) {
		return nil, clientError("Task definition must have a revision: %s has none.", reference)
	}
	def := e.definition(reference)
	if def == nil {
		return nil, clientError("The specified task definition does not exist.")
	}
	def.Status = types.TaskDefinitionStatusInactive
	def.DeregisteredAt = new(time.Now())
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: new(def.TaskDefinition)}, nil
}

func (e *ecsService) listTaskDefinitions(_ context.Context, in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	if err := oneOf("status", in.Status, in.Status.Values()); err != nil {
		return nil, err
	}
	if err := oneOf("sort", in.Sort, in.Sort.Values()); err != nil {
		return nil, err
	}
	status := in.Status
	if status == "" {
		status = types.TaskDefinitionStatusActive
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var families []string
	for family := range e.families {
		// Despite its name, familyPrefix is the whole family.
		if in.FamilyPrefix == nil || *in.FamilyPrefix == family {
			families = append(families, family)
		}
	}
	slices.Sort(families)
	arns := []string{}
	for _, family := range families {
		for _, def := range e.families[family] {
			if def.Status == status {
				arns = append(arns, *def.TaskDefinitionArn)
			}
		}
	}
	if in.Sort == types.SortOrderDesc {
		slices.Reverse(arns)
	}
	arns, next, err := nextPage(arns, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: arns, NextToken: next}, nil
}

// nextPage cuts the page after the token, which is the last ARN of the page
// before, out of a list.
func nextPage(arns []string, maxResults *int32, token *string) ([]string, *string, error) {
	size, err := within("maxResults", maxResults, 100, 100)
	if err != nil {
		return nil, nil, err
	}
	if token != nil {
		at := slices.Index(arns, *token)
		if at < 0 {
			return nil, nil, invalid("Invalid token.")
		}
		arns = arns[at+1:]
	}
	if len(arns) > size {
		return arns[:size], new(arns[size-1]), nil
	}
	return arns, nil, nil
}

// Clusters

// cluster finds a cluster by name or ARN; without either it is default.
func (e *ecsService) cluster(reference *string) (*cluster, error) {
	name := strings.TrimPrefix(deref(reference), e.server.arn("ecs", "cluster/"))
	if name == "" {
		name = "default"
	}
	c := e.clusters[name]
	if c == nil {
		return nil, badRequest("ClusterNotFoundException", "Cluster not found.")
	}
	return c, nil
}

// createCluster also answers for a cluster that is there already, as ECS does.
func (e *ecsService) createCluster(_ context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	name := deref(in.ClusterName)
	if name == "" {
		name = "default"
	}
	if !ecsNames.MatchString(name) {
		return nil, invalid("Cluster name contains invalid characters.")
	}
	if err := clusterConfiguration(in.Configuration); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clusters[name] == nil {
		e.clusters[name] = &cluster{
			Cluster: types.Cluster{
				ClusterArn:                      new(e.server.arn("ecs", "cluster/"+name)),
				ClusterName:                     new(name),
				Status:                          new("ACTIVE"),
				CapacityProviders:               append([]string{}, in.CapacityProviders...),
				Configuration:                   in.Configuration,
				DefaultCapacityProviderStrategy: append([]types.CapacityProviderStrategyItem{}, in.DefaultCapacityProviderStrategy...),
				Settings:                        append([]types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: new("disabled")}}, in.Settings...),
				Statistics:                      []types.KeyValuePair{},
				Tags:                            append([]types.Tag{}, in.Tags...),
			},
			services: map[string]types.Service{},
			launches: map[string]*launch{},
		}
	}
	return &ecs.CreateClusterOutput{Cluster: e.clusters[name].describe()}, nil
}

func (c *cluster) describe() *types.Cluster {
	described := c.Cluster
	described.ActiveServicesCount = int32(len(c.services))
	for _, t := range c.tasks {
		switch *t.LastStatus {
		case "RUNNING":
			described.RunningTasksCount++
		case "PROVISIONING", "PENDING":
			described.PendingTasksCount++
		}
	}
	return &described
}

func (e *ecsService) describeClusters(_ context.Context, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	for _, field := range in.Include {
		if err := oneOf("include", field, field.Values()); err != nil {
			return nil, err
		}
	}
	references := in.Clusters
	if len(references) == 0 {
		references = []string{"default"}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	out := &ecs.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
	for _, reference := range references {
		c, err := e.cluster(&reference)
		if err != nil {
			arn := e.server.arn("ecs", "cluster/"+reference[strings.LastIndex(reference, "/")+1:])
			out.Failures = append(out.Failures, types.Failure{Arn: &arn, Reason: new("MISSING")})
			continue
		}
		described := c.describe()
		if !slices.Contains(in.Include, types.ClusterFieldConfigurations) {
			described.Configuration = nil
		}
		out.Clusters = append(out.Clusters, *described)
	}
	return out, nil
}

// Services: they hold what a deployment changes, and start their tasks once, when
// they are created; nothing replaces a task that stops.

func (e *ecsService) createService(_ context.Context, in *ecs.CreateServiceInput) (*ecs.CreateServiceOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	name := deref(in.ServiceName)
	if !ecsNames.MatchString(name) {
		return nil, invalid("Service name should not be empty and have no invalid characters.")
	}
	if _, ok := c.services[name]; ok {
		return nil, invalid("Creation of service was not idempotent.")
	}
	def, err := e.runnable(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	where, err := c.place(def, in.LaunchType, in.CapacityProviderStrategy, in.PlatformVersion, in.NetworkConfiguration)
	if err != nil {
		return nil, err
	}
	service := types.Service{
		ServiceArn:               new(e.server.arn("ecs", "service/"+*c.ClusterName+"/"+name)),
		ServiceName:              new(name),
		ClusterArn:               c.ClusterArn,
		Status:                   new("ACTIVE"),
		TaskDefinition:           def.TaskDefinitionArn,
		NetworkConfiguration:     in.NetworkConfiguration,
		CapacityProviderStrategy: where.strategy,
		PlatformVersion:          in.PlatformVersion,
		SchedulingStrategy:       types.SchedulingStrategyReplica,
		EnableExecuteCommand:     in.EnableExecuteCommand,
		CreatedAt:                new(time.Now()),
		Events:                   []types.ServiceEvent{},
		LoadBalancers:            append([]types.LoadBalancer{}, in.LoadBalancers...),
		ServiceRegistries:        append([]types.ServiceRegistry{}, in.ServiceRegistries...),
		PlacementConstraints:     append([]types.PlacementConstraint{}, in.PlacementConstraints...),
		PlacementStrategy:        append([]types.PlacementStrategy{}, in.PlacementStrategy...),
		Tags:                     in.Tags,
	}
	if len(where.strategy) == 0 {
		service.LaunchType = where.launchType
	}
	if service.PlatformVersion == nil && where.launchType == types.LaunchTypeFargate {
		service.PlatformVersion = new("LATEST")
	}
	if in.DesiredCount != nil {
		service.DesiredCount = *in.DesiredCount
	}
	deploy(&service)
	c.services[name] = service
	for range service.DesiredCount {
		t := e.newTask(&ecs.RunTaskInput{
			StartedBy: service.Deployments[0].Id, Group: new(serviceGroup + name), EnableExecuteCommand: in.EnableExecuteCommand,
		}, c, def, where)
		c.tasks = append(c.tasks, t)
		t.start()
	}
	return &ecs.CreateServiceOutput{Service: &service}, nil
}

// serviceGroup and the service's name are the group of its tasks.
const serviceGroup = "service:"

// deploy replaces the service's deployment by one of what the service is now.
func deploy(s *types.Service) {
	s.Deployments = []types.Deployment{{
		Id:                       new("ecs-svc/" + newID(8)),
		Status:                   new("PRIMARY"),
		TaskDefinition:           s.TaskDefinition,
		DesiredCount:             s.DesiredCount,
		NetworkConfiguration:     s.NetworkConfiguration,
		LaunchType:               s.LaunchType,
		CapacityProviderStrategy: s.CapacityProviderStrategy,
		PlatformVersion:          s.PlatformVersion,
		RolloutState:             types.DeploymentRolloutStateCompleted,
		CreatedAt:                new(time.Now()),
		UpdatedAt:                new(time.Now()),
	}}
}

// serviceName is the name in a reference to a service of the cluster, which is
// a name or an ARN.
func (e *ecsService) serviceName(c *cluster, reference *string) string {
	return strings.TrimPrefix(deref(reference), e.server.arn("ecs", "service/"+*c.ClusterName+"/"))
}

func (e *ecsService) updateService(_ context.Context, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	service, ok := c.services[e.serviceName(c, in.Service)]
	if !ok {
		return nil, badRequest("ServiceNotFoundException", "Service not found.")
	}
	if in.TaskDefinition != nil {
		service.TaskDefinition = in.TaskDefinition
	}
	if in.NetworkConfiguration != nil {
		service.NetworkConfiguration = in.NetworkConfiguration
	}
	if in.CapacityProviderStrategy != nil {
		service.CapacityProviderStrategy, service.LaunchType = in.CapacityProviderStrategy, ""
	}
	if in.PlatformVersion != nil {
		service.PlatformVersion = in.PlatformVersion
	}
	if in.DesiredCount != nil {
		service.DesiredCount = *in.DesiredCount
	}
	if in.EnableExecuteCommand != nil {
		service.EnableExecuteCommand = *in.EnableExecuteCommand
	}
	def, err := e.runnable(service.TaskDefinition)
	if err != nil {
		return nil, err
	}
	service.TaskDefinition = def.TaskDefinitionArn
	if _, err := c.place(def, service.LaunchType, service.CapacityProviderStrategy, service.PlatformVersion, service.NetworkConfiguration); err != nil {
		return nil, err
	}
	deploy(&service)
	c.services[*service.ServiceName] = service
	return &ecs.UpdateServiceOutput{Service: &service}, nil
}

func (e *ecsService) describeServices(_ context.Context, in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	switch n := len(in.Services); {
	case n == 0:
		return nil, invalid("Services cannot be empty.")
	case n > 10:
		return nil, invalid("Services cannot have more than 10 elements.")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &ecs.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
	for _, reference := range in.Services {
		name := e.serviceName(c, &reference)
		service, ok := c.services[name]
		if !ok {
			arn := e.server.arn("ecs", "service/"+*c.ClusterName+"/"+name[strings.LastIndex(name, "/")+1:])
			out.Failures = append(out.Failures, types.Failure{Arn: &arn, Reason: new("MISSING")})
			continue
		}
		if !slices.Contains(in.Include, types.ServiceFieldTags) {
			service.Tags = nil
		}
		out.Services = append(out.Services, service)
	}
	return out, nil
}

// RunTask

// maxOverrides is ECS's limit for the JSON of all overrides, in characters.
const maxOverrides = 8192

func (e *ecsService) runTask(_ context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	count, err := checkRunTask(in)
	if err != nil {
		return nil, err
	}
	token := deref(in.ClientToken)
	request := *in
	request.ClientToken = nil
	asked, err := awsjson.Encode(request)
	if err != nil {
		return nil, err
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if old := c.launches[token]; old != nil && token != "" {
		return old.replay(string(asked))
	}
	def, err := e.runnable(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	where, err := c.place(def, in.LaunchType, in.CapacityProviderStrategy, in.PlatformVersion, in.NetworkConfiguration)
	if err != nil {
		return nil, err
	}
	if err := checkOverrides(in, def); err != nil {
		return nil, err
	}

	l := &launch{request: string(asked), failures: []types.Failure{}}
	if token != "" {
		c.launches[token] = l
	}
	if len(e.refusals) > 0 {
		if reason := e.refusals[0]; reason != "" {
			l.failures = append(l.failures, types.Failure{Reason: &reason})
		}
		e.refusals = e.refusals[1:]
		return &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: l.failures}, nil
	}
	out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: l.failures}
	for range count {
		t := e.newTask(in, c, def, where)
		c.tasks = append(c.tasks, t)
		l.tasks = append(l.tasks, t)
		t.start()
		out.Tasks = append(out.Tasks, t.describe())
	}
	return out, nil
}

// replay answers a token that was used before.
func (l *launch) replay(request string) (*ecs.RunTaskOutput, error) {
	if request != l.request {
		arns := []string{}
		for _, t := range l.tasks {
			arns = append(arns, *t.TaskArn)
		}
		conflict := badRequest("ConflictException", "The client token was used before with other parameters.")
		conflict.members = map[string]any{"resourceIds": arns}
		return nil, conflict
	}
	out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: l.failures}
	for _, t := range l.tasks {
		described := t.describe()
		if *described.LastStatus == "STOPPED" {
			described = types.Task{TaskArn: described.TaskArn, LastStatus: described.LastStatus, DesiredStatus: described.DesiredStatus}
		}
		out.Tasks = append(out.Tasks, described)
	}
	return out, nil
}

var (
	tokenCharacters     = regexp.MustCompile(`^[!-~]*$`)
	startedByCharacters = regexp.MustCompile(`^[A-Za-z0-9/_-]*$`)
)

// checkRunTask checks what can be without looking anything up, and returns the
// number of tasks.
func checkRunTask(in *ecs.RunTaskInput) (int, error) {
	count := int32(1)
	if in.Count != nil {
		count = *in.Count
	}
	switch {
	case count < 1:
		return 0, invalid("Count cannot be less than 1.")
	case count > 10:
		return 0, invalid("Count cannot be greater than 10.")
	case len(deref(in.ClientToken)) > 64:
		return 0, invalid("clientToken longer than 64.")
	case !tokenCharacters.MatchString(deref(in.ClientToken)):
		return 0, invalid("clientToken contains invalid characters.")
	case len(deref(in.StartedBy)) > 128:
		return 0, invalid("startedBy longer than 128.")
	case !startedByCharacters.MatchString(deref(in.StartedBy)):
		return 0, invalid("startedBy contains invalid characters.")
	case len(in.Tags) > 50:
		return 0, invalid("Tags can have at most 50 items.")
	}
	if err := oneOf("propagateTags", in.PropagateTags, in.PropagateTags.Values()); err != nil {
		return 0, err
	}
	if in.PropagateTags == types.PropagateTagsService {
		return 0, invalid("Invalid value for propagateTags: SERVICE is for services only.")
	}
	if in.Overrides != nil {
		overrides, err := awsjson.Encode(in.Overrides)
		if err != nil {
			return 0, err
		}
		if utf8.RuneCount(overrides) > maxOverrides {
			return 0, invalid("Container Overrides length must be at most %d", maxOverrides)
		}
	}
	return int(count), nil
}

func checkOverrides(in *ecs.RunTaskInput, def *definition) error {
	role := deref(def.TaskRoleArn)
	if in.Overrides != nil {
		for _, o := range in.Overrides.ContainerOverrides {
			if deref(o.Name) == "" {
				return invalid("Container override name should not be null or empty.")
			}
			if !slices.ContainsFunc(def.ContainerDefinitions, func(c types.ContainerDefinition) bool { return *c.Name == *o.Name }) {
				return invalid("Override for container named %s is not a container in the TaskDefinition.", *o.Name)
			}
		}
		role += deref(in.Overrides.TaskRoleArn)
	}
	if in.EnableExecuteCommand && role == "" {
		return invalid("The task couldn't be started because a valid taskRoleArn is not being used. Specify a valid task role in your task definition and try again.")
	}
	return nil
}

// runnable finds an active task definition.
func (e *ecsService) runnable(reference *string) (*definition, error) {
	if deref(reference) == "" {
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

// placement is where a task runs.
type placement struct {
	launchType types.LaunchType
	strategy   []types.CapacityProviderStrategyItem
	provider   *string
	platform   *string
}

// place decides where a task of the definition runs, and checks all that
// depends on it. The cluster has room for everything.
func (c *cluster) place(def *definition, launchType types.LaunchType, strategy []types.CapacityProviderStrategyItem, platform *string, network *types.NetworkConfiguration) (placement, error) {
	if err := oneOf("launchType", launchType, launchType.Values()); err != nil {
		return placement{}, err
	}
	if launchType != "" && len(strategy) > 0 {
		return placement{}, invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	if launchType == "" && len(strategy) == 0 {
		strategy = c.DefaultCapacityProviderStrategy
	}
	where := placement{launchType: launchType, strategy: strategy}
	if len(strategy) > 0 {
		provider, err := pickProvider(strategy)
		if err != nil {
			return placement{}, err
		}
		where.provider = &provider
		where.launchType = types.LaunchTypeEc2
		if isFargate(provider) {
			where.launchType = types.LaunchTypeFargate
		}
	} else if launchType == "" {
		where.launchType = types.LaunchTypeEc2
	}
	if !slices.Contains(def.Compatibilities, types.Compatibility(where.launchType)) {
		return placement{}, invalid("Task definition does not support launch_type %s.", where.launchType)
	}
	if where.launchType == types.LaunchTypeFargate {
		switch deref(platform) {
		case "", "LATEST", "1.4.0":
			where.platform = new("1.4.0")
		case "1.3.0":
			where.platform = platform
		default:
			return placement{}, badRequest("PlatformUnknownException", "The specified platform does not exist.")
		}
	} else if platform != nil {
		return placement{}, invalid("The platform version must be null when specifying an %s launch type.", where.launchType)
	}
	return where, checkNetwork(def, network)
}

func isFargate(provider string) bool { return provider == "FARGATE" || provider == "FARGATE_SPOT" }

// pickProvider takes the provider with a base, or else the one with the highest
// weight.
func pickProvider(strategy []types.CapacityProviderStrategyItem) (string, error) {
	best := strategy[0]
	bases := 0
	for _, item := range strategy {
		if isFargate(deref(item.CapacityProvider)) != isFargate(deref(strategy[0].CapacityProvider)) {
			return "", invalid("A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups and Fargate. Specify one or the other and try again.")
		}
		if item.Base > 0 {
			bases++
		}
		if item.Base > best.Base || item.Base == best.Base && item.Weight > best.Weight {
			best = item
		}
	}
	switch {
	case deref(best.CapacityProvider) == "":
		return "", invalid("The capacity provider of a capacity provider strategy should not be null or empty.")
	case bases > 1:
		return "", invalid("A capacity provider strategy can have only one capacity provider with a base.")
	case len(strategy) > 1 && best.Base == 0 && best.Weight == 0:
		return "", invalid("A capacity provider strategy must have at least one capacity provider with a weight greater than 0.")
	}
	return *best.CapacityProvider, nil
}

func checkNetwork(def *definition, network *types.NetworkConfiguration) error {
	configured := network != nil && network.AwsvpcConfiguration != nil
	awsvpc := def.NetworkMode == types.NetworkModeAwsvpc
	switch {
	case awsvpc && !configured:
		return invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case !awsvpc && configured:
		return invalid("Network Configuration is not valid for the given networkMode of this task definition.")
	case !awsvpc:
		return nil
	}
	vpc := network.AwsvpcConfiguration
	switch {
	case len(vpc.Subnets) == 0:
		return invalid("subnets can not be empty.")
	case len(vpc.Subnets) > 16:
		return invalid("subnets can have at most 16 items.")
	case len(vpc.SecurityGroups) > 5:
		return invalid("securityGroups can have at most 5 items.")
	}
	return oneOf("assignPublicIp", vpc.AssignPublicIp, vpc.AssignPublicIp.Values())
}

// Tasks

// taskID returns the id in a reference to a task of the cluster, which is an id
// or an ARN.
func (e *ecsService) taskID(c *cluster, reference string) (string, error) {
	rest, isARN := strings.CutPrefix(reference, e.server.arn("ecs", "task/"))
	if !isARN {
		return reference, nil
	}
	name, id, _ := strings.Cut(rest, "/")
	if name != *c.ClusterName {
		return "", invalid("Invalid identifier: Identifier is for cluster %s. Your cluster is %s", name, *c.ClusterName)
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

func (e *ecsService) describeTasks(_ context.Context, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	switch n := len(in.Tasks); {
	case n == 0:
		return nil, invalid("Tasks cannot be empty.")
	case n > 100:
		return nil, invalid("Tasks cannot have more than 100 elements.")
	}
	for _, field := range in.Include {
		if err := oneOf("include", field, field.Values()); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &ecs.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, reference := range in.Tasks {
		id, err := e.taskID(c, reference)
		if err != nil {
			return nil, err
		}
		t := c.task(id)
		if t == nil {
			arn := e.server.arn("ecs", "task/"+*c.ClusterName+"/"+id)
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
}

func (e *ecsService) listTasks(_ context.Context, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	if err := oneOf("desiredStatus", in.DesiredStatus, in.DesiredStatus.Values()); err != nil {
		return nil, err
	}
	if err := oneOf("launchType", in.LaunchType, in.LaunchType.Values()); err != nil {
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
		return nil, invalid("cannot specify startedBy with other arguments")
	case in.ServiceName != nil && (in.Family != nil || in.ContainerInstance != nil):
		return nil, invalid("cannot specify serviceName with other arguments")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	group := ""
	if in.ServiceName != nil {
		name := e.serviceName(c, in.ServiceName)
		if _, ok := c.services[name]; !ok {
			return nil, badRequest("ServiceNotFoundException", "Service not found.")
		}
		group = serviceGroup + name
	}
	tasks := c.tasks
	if in.NextToken != nil {
		at := slices.IndexFunc(tasks, func(t *task) bool { return *t.TaskArn == *in.NextToken })
		if at < 0 {
			return nil, invalid("Invalid token.")
		}
		tasks = tasks[at+1:]
	}
	arns := []string{}
	for _, t := range tasks {
		if *t.DesiredStatus == string(desired) &&
			in.ContainerInstance == nil && // no task has one
			(group == "" || deref(t.Group) == group) &&
			(in.StartedBy == nil || deref(t.StartedBy) == *in.StartedBy) &&
			(in.Family == nil || *t.definition.Family == *in.Family) &&
			(in.LaunchType == "" || t.LaunchType == in.LaunchType) {
			arns = append(arns, *t.TaskArn)
		}
	}
	arns, next, err := nextPage(arns, in.MaxResults, nil)
	if err != nil {
		return nil, err
	}
	return &ecs.ListTasksOutput{TaskArns: arns, NextToken: next}, nil
}

func (e *ecsService) stopTask(_ context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	if len(deref(in.Reason)) > 1024 {
		return nil, invalid("reason longer than 1024.")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	id, err := e.taskID(c, deref(in.Task))
	if err != nil {
		return nil, err
	}
	t := c.task(id)
	if t == nil {
		return nil, invalid("The referenced task was not found.")
	}
	reason := deref(in.Reason)
	if reason == "" {
		reason = "Task stopped by user"
	}
	if t.end(types.TaskStopCodeUserInitiated, reason) {
		t.Tags = nil // StopTask deletes them
		t.changed()
	}
	return &ecs.StopTaskOutput{Task: new(t.describe())}, nil
}
