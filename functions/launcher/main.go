// The launcher starts one ECS task for each job payload.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/functions/internal/function"
	"errand/pkg/launch"
	"errand/pkg/settings"
)

func main() {
	function.Run(func(f function.Parts[settings.Launcher]) any {
		return launch.New(ecs.NewFromConfig(f.AWS), f.Ledger, f.Reporter(), f.Metrics, launch.Config{
			Cluster:         f.Settings.Cluster,
			TaskDefinition:  f.Settings.TaskDefinition,
			Subnets:         f.Settings.Subnets,
			SecurityGroups:  f.Settings.SecurityGroups,
			AssignPublicIP:  f.Settings.AssignPublicIP,
			LaunchType:      f.Settings.LaunchType,
			StartedByPrefix: f.Settings.StartedByPrefix,
			TaskRoleARNs:    f.Settings.OverrideTaskRoleARNs,
		}, f.Log).Handle
	})
}
