package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
)

type cluster struct {
	types.Cluster
	tasks    []*task // in the order of their creation
	services map[string]types.Service
	launches map[string]*launch // by client token
}

// cluster finds a cluster by name or ARN; without either it is default.
func (e *Service) cluster(reference *string) (*cluster, error) {
	name := strings.TrimPrefix(host.Deref(reference), e.host.ARN("ecs", "cluster/"))
	if name == "" {
		name = "default"
	}
	c := e.clusters[name]
	if c == nil {
		return nil, host.BadRequest("ClusterNotFoundException", "Cluster not found.")
	}
	return c, nil
}

// inCluster answers with what f makes of a cluster, which has forgotten by then
// what it is to forget. The lock is held meanwhile.
func inCluster[Out any](e *Service, reference *string, f func(c *cluster) (*Out, error)) (*Out, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.cluster(reference)
	if err != nil {
		return nil, err
	}
	c.forget(e.host.Now())
	return f(c)
}

// createCluster also answers for a cluster that is there already, as ECS does.
func (e *Service) createCluster(_ context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	name := host.Deref(in.ClusterName)
	if name == "" {
		name = "default"
	}
	if !validNames.MatchString(name) {
		return nil, host.Invalid("Cluster name contains invalid characters.")
	}
	if err := clusterConfiguration(in.Configuration); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clusters[name] == nil {
		e.clusters[name] = &cluster{
			Cluster: types.Cluster{
				ClusterArn:                      new(e.host.ARN("ecs", "cluster/"+name)),
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

// clusterConfiguration checks the configuration of a cluster.
func clusterConfiguration(config *types.ClusterConfiguration) error {
	if config == nil || config.ExecuteCommandConfiguration == nil {
		return nil
	}
	exec := config.ExecuteCommandConfiguration
	if err := host.OneOf("logging", exec.Logging, exec.Logging.Values()); err != nil {
		return err
	}
	if (exec.Logging == types.ExecuteCommandLoggingOverride) != (exec.LogConfiguration != nil) {
		return host.Invalid("The logging of the executeCommandConfiguration must be OVERRIDE if, and only if, there is a logConfiguration.")
	}
	return nil
}

func (e *Service) updateCluster(_ context.Context, in *ecs.UpdateClusterInput) (*ecs.UpdateClusterOutput, error) {
	if err := clusterConfiguration(in.Configuration); err != nil {
		return nil, err
	}
	return inCluster(e, in.Cluster, func(c *cluster) (*ecs.UpdateClusterOutput, error) {
		if in.Configuration != nil {
			c.Configuration = in.Configuration
		}
		if in.Settings != nil {
			c.Settings = in.Settings
		}
		return &ecs.UpdateClusterOutput{Cluster: c.describe()}, nil
	})
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

func (e *Service) describeClusters(_ context.Context, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	for _, field := range in.Include {
		if err := host.OneOf("include", field, field.Values()); err != nil {
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
			arn := e.host.ARN("ecs", "cluster/"+reference[strings.LastIndex(reference, "/")+1:])
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
