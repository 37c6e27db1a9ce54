// The collector reports how each run ended.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/collect"
	"errand/pkg/notify"
	"errand/pkg/settings"
)

func main() {
	log := lambdacontext.NewLogger()
	c, err := setup(log)
	if err != nil {
		log.Error("start failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(c.Handle)
}

func setup(log *slog.Logger) (*collect.Collector, error) {
	s, err := settings.Load[settings.Collector](os.Environ())
	if err != nil {
		return nil, err
	}
	cfg, err := settings.AWS()
	if err != nil {
		return nil, err
	}
	results := notify.New(sns.NewFromConfig(cfg, notify.Retryer), s.TopicARN, s.TextTopicARN)
	return collect.New(ecs.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg), results, collect.Config{
		StartedByPrefix: s.StartedByPrefix,
		LogLines:        s.LogLines,
	}, log), nil
}
