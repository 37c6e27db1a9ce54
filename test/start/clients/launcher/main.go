// The launcher's clients, one call of each.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/test/start/clients"
)

func main() {
	cfg := clients.Config()
	d, e, s := dynamodb.NewFromConfig(cfg), ecs.NewFromConfig(cfg), sns.NewFromConfig(cfg)
	lambda.Start(func(ctx context.Context) error {
		_, err := e.RunTask(ctx, &ecs.RunTaskInput{})
		_, err2 := s.Publish(ctx, &sns.PublishInput{})
		_, err3 := d.UpdateItem(ctx, &dynamodb.UpdateItemInput{})
		return errors.Join(err, err2, err3)
	})
}
