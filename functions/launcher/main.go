// The launcher starts one ECS task for each job payload.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/launch"
	"errand/pkg/notify"
	"errand/pkg/settings"
)

func main() {
	log := lambdacontext.NewLogger()
	l, err := setup(log)
	if err != nil {
		log.Error("start failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(l.Handle)
}

func setup(log *slog.Logger) (*launch.Launcher, error) {
	s, err := settings.Load[settings.Launcher](os.Environ())
	if err != nil {
		return nil, err
	}
	cfg, err := settings.AWS()
	if err != nil {
		return nil, err
	}
	results := notify.New(sns.NewFromConfig(cfg, notify.Retryer), s.TopicARN, s.TextTopicARN)
	return launch.New(ecs.NewFromConfig(cfg), results, launch.Config{
		Cluster:         s.Cluster,
		TaskDefinition:  s.TaskDefinition,
		Subnets:         s.Subnets,
		SecurityGroups:  s.SecurityGroups,
		AssignPublicIP:  s.AssignPublicIP,
		LaunchType:      s.LaunchType,
		StartedByPrefix: s.StartedByPrefix,
	}, log), nil
}
