// The collector's clients, one call of each.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/test/start/clients"
)

func main() {
	cfg := clients.Config()
	d, e, l, s := dynamodb.NewFromConfig(cfg), ecs.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg), sns.NewFromConfig(cfg)
	lambda.Start(func(ctx context.Context) error {
		_, err := e.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{})
		_, err2 := l.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{})
		_, err3 := s.Publish(ctx, &sns.PublishInput{})
		_, err4 := d.UpdateItem(ctx, &dynamodb.UpdateItemInput{})
		return errors.Join(err, err2, err3, err4)
	})
}
