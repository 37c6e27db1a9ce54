// The executor's clients, one call of each.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"errand/test/start/clients"
)

func main() {
	cfg := clients.Config()
	d, e, k, m, s := dynamodb.NewFromConfig(cfg), ecs.NewFromConfig(cfg), kms.NewFromConfig(cfg), ssm.NewFromConfig(cfg), sns.NewFromConfig(cfg)
	lambda.Start(func(ctx context.Context) error {
		_, err := e.ExecuteCommand(ctx, &ecs.ExecuteCommandInput{})
		_, err2 := k.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{})
		_, err3 := m.TerminateSession(ctx, &ssm.TerminateSessionInput{})
		_, err4 := s.Publish(ctx, &sns.PublishInput{})
		_, err5 := d.UpdateItem(ctx, &dynamodb.UpdateItemInput{})
		return errors.Join(err, err2, err3, err4, err5)
	})
}
