// The collector reports how each run ended.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"errand/functions/internal/function"
	"errand/pkg/collect"
	"errand/pkg/settings"
)

func main() {
	function.Run(func(f function.Parts[settings.Collector]) any {
		return collect.New(ecs.NewFromConfig(f.AWS), cloudwatchlogs.NewFromConfig(f.AWS), f.Ledger, f.Reporter(), collect.Config{
			StartedByPrefix: f.Settings.StartedByPrefix,
			LogLines:        f.Settings.LogLines,
		}, f.Log).Handle
	})
}
