package ecs

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"errand/pkg/localaws/host"
)

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
	if err := host.OneOf("launchType", launchType, launchType.Values()); err != nil {
		return placement{}, err
	}
	if launchType != "" && len(strategy) > 0 {
		return placement{}, host.Invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
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
		return placement{}, host.Invalid("Task definition does not support launch_type %s.", where.launchType)
	}
	if where.launchType == types.LaunchTypeFargate {
		switch host.Deref(platform) {
		case "", "LATEST", "1.4.0":
			where.platform = new("1.4.0")
		case "1.3.0":
			where.platform = platform
		default:
			return placement{}, host.BadRequest("PlatformUnknownException", "The specified platform does not exist.")
		}
	} else if platform != nil {
		return placement{}, host.Invalid("The platform version must be null when specifying an %s launch type.", where.launchType)
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
		if isFargate(host.Deref(item.CapacityProvider)) != isFargate(host.Deref(strategy[0].CapacityProvider)) {
			return "", host.Invalid("A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups and Fargate. Specify one or the other and try again.")
		}
		if item.Base > 0 {
			bases++
		}
		if item.Base > best.Base || item.Base == best.Base && item.Weight > best.Weight {
			best = item
		}
	}
	switch {
	case host.Deref(best.CapacityProvider) == "":
		return "", host.Invalid("The capacity provider of a capacity provider strategy should not be null or empty.")
	case bases > 1:
		return "", host.Invalid("A capacity provider strategy can have only one capacity provider with a base.")
	case len(strategy) > 1 && best.Base == 0 && best.Weight == 0:
		return "", host.Invalid("A capacity provider strategy must have at least one capacity provider with a weight greater than 0.")
	}
	return *best.CapacityProvider, nil
}

func checkNetwork(def *definition, network *types.NetworkConfiguration) error {
	configured := network != nil && network.AwsvpcConfiguration != nil
	awsvpc := def.NetworkMode == types.NetworkModeAwsvpc
	switch {
	case awsvpc && !configured:
		return host.Invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case !awsvpc && configured:
		return host.Invalid("Network Configuration is not valid for the given networkMode of this task definition.")
	case !awsvpc:
		return nil
	}
	vpc := network.AwsvpcConfiguration
	switch {
	case len(vpc.Subnets) == 0:
		return host.Invalid("subnets can not be empty.")
	case len(vpc.Subnets) > 16:
		return host.Invalid("subnets can have at most 16 items.")
	case len(vpc.SecurityGroups) > 5:
		return host.Invalid("securityGroups can have at most 5 items.")
	}
	return host.OneOf("assignPublicIp", vpc.AssignPublicIp, vpc.AssignPublicIp.Values())
}
