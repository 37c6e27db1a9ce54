package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
)

// createService starts the tasks of the service once: nothing replaces one that
// stops. What else a service does is to hold what a deployment changes.
func (e *Service) createService(_ context.Context, in *ecs.CreateServiceInput) (*ecs.CreateServiceOutput, error) {
	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.CreateServiceOutput, error) {
		name := host.Deref(in.ServiceName)
		if !validNames.MatchString(name) {
			return nil, host.Invalid("Service name should not be empty and have no invalid characters.")
		}
		if _, ok := c.services[name]; ok {
			return nil, host.Invalid("Creation of service was not idempotent.")
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
			ServiceArn:               new(e.host.ARN("ecs", "service/"+*c.ClusterName+"/"+name)),
			ServiceName:              new(name),
			ClusterArn:               c.ClusterArn,
			Status:                   new("ACTIVE"),
			TaskDefinition:           def.TaskDefinitionArn,
			NetworkConfiguration:     in.NetworkConfiguration,
			CapacityProviderStrategy: where.strategy,
			PlatformVersion:          in.PlatformVersion,
			SchedulingStrategy:       types.SchedulingStrategyReplica,
			EnableExecuteCommand:     in.EnableExecuteCommand,
			CreatedAt:                new(e.host.Now()),
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
		e.deploy(&service)
		c.services[name] = service
		for range service.DesiredCount {
			t := e.newTask(&ecs.RunTaskInput{
				StartedBy: service.Deployments[0].Id, Group: new(serviceGroup + name), EnableExecuteCommand: in.EnableExecuteCommand,
			}, c, def, where)
			c.tasks = append(c.tasks, t)
			t.start()
		}
		return &ecs.CreateServiceOutput{Service: &service}, nil
	})
}

// serviceGroup and the service's name are the group of its tasks.
const serviceGroup = "service:"

// deploy replaces the service's deployment by one of what the service is now.
func (e *Service) deploy(s *types.Service) {
	s.Deployments = []types.Deployment{{
		Id:                       new("ecs-svc/" + host.NewID(8)),
		Status:                   new("PRIMARY"),
		TaskDefinition:           s.TaskDefinition,
		DesiredCount:             s.DesiredCount,
		NetworkConfiguration:     s.NetworkConfiguration,
		LaunchType:               s.LaunchType,
		CapacityProviderStrategy: s.CapacityProviderStrategy,
		PlatformVersion:          s.PlatformVersion,
		RolloutState:             types.DeploymentRolloutStateCompleted,
		CreatedAt:                new(e.host.Now()),
		UpdatedAt:                new(e.host.Now()),
	}}
}

// serviceName is the name in a reference to a service of the cluster, which is
// a name or an ARN.
func (e *Service) serviceName(c *cluster, reference *string) string {
	return strings.TrimPrefix(host.Deref(reference), e.host.ARN("ecs", "service/"+*c.ClusterName+"/"))
}

func (e *Service) updateService(_ context.Context, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.UpdateServiceOutput, error) {
		service, ok := c.services[e.serviceName(c, in.Service)]
		if !ok {
			return nil, host.BadRequest("ServiceNotFoundException", "Service not found.")
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
		e.deploy(&service)
		c.services[*service.ServiceName] = service
		return &ecs.UpdateServiceOutput{Service: &service}, nil
	})
}

func (e *Service) describeServices(_ context.Context, in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	switch n := len(in.Services); {
	case n == 0:
		return nil, host.Invalid("Services cannot be empty.")
	case n > 10:
		return nil, host.Invalid("Services cannot have more than 10 elements.")
	}
	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.DescribeServicesOutput, error) {
		out := &ecs.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
		for _, reference := range in.Services {
			name := e.serviceName(c, &reference)
			service, ok := c.services[name]
			if !ok {
				arn := e.host.ARN("ecs", "service/"+*c.ClusterName+"/"+name[strings.LastIndex(name, "/")+1:])
				out.Failures = append(out.Failures, types.Failure{Arn: &arn, Reason: new("MISSING")})
				continue
			}
			if !slices.Contains(in.Include, types.ServiceFieldTags) {
				service.Tags = nil
			}
			out.Services = append(out.Services, service)
		}
		return out, nil
	})
}
