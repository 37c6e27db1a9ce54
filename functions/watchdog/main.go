// The watchdog looks after every run that has not ended, once a minute.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/functions/internal/function"
	"errand/pkg/settings"
	"errand/pkg/watch"
)

func main() {
	function.Run(func(f function.Parts[settings.Watchdog]) any {
		return watch.New(ecs.NewFromConfig(f.AWS), lambda.NewFromConfig(f.AWS), sns.NewFromConfig(f.AWS), f.Ledger, f.Metrics, watch.Config{
			Launcher:   f.Settings.LauncherName,
			Collector:  f.Settings.CollectorName,
			StopRate:   f.Settings.StopRate,
			LaunchRate: f.Settings.LaunchRate,
			Topics:     watch.Topics{Results: f.Settings.TopicARN, Text: f.Settings.TextTopicARN, Alarms: f.Settings.AlarmTopicARN},
			Email:      f.Settings.Email,
		}, f.Log).Handle
	})
}
