// The executor runs a command inside a live task.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/execute"
	"errand/pkg/notify"
	"errand/pkg/settings"
)

func main() {
	log := lambdacontext.NewLogger()
	x, err := setup(log)
	if err != nil {
		log.Error("start failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(x.Handle)
}

func setup(log *slog.Logger) (*execute.Executor, error) {
	s, err := settings.Load[settings.Executor](os.Environ())
	if err != nil {
		return nil, err
	}
	cfg, err := settings.AWS()
	if err != nil {
		return nil, err
	}
	results := notify.New(sns.NewFromConfig(cfg, notify.Retryer), s.TopicARN, s.TextTopicARN)
	return execute.New(cfg, results, execute.Config{
		Cluster: s.Cluster, LogLines: s.LogLines, Unsigned: !s.SignSessions,
	}, log), nil
}
