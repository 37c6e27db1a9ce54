// The collector's clients, one call of each.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/test/start/clients"
)

func main() {
	cfg := clients.Config()
	e, l, s := ecs.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg), sns.NewFromConfig(cfg)
	lambda.Start(func(ctx context.Context) error {
		_, err := e.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{})
		_, err2 := l.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{})
		_, err3 := s.Publish(ctx, &sns.PublishInput{})
		return errors.Join(err, err2, err3)
	})
}
