package localaws_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"errand/pkg/localaws"
)

// paged are the calls that come in pages, with a token that the caller gives, on an
// endpoint that has one of everything.
func paged(f testing.TB) map[string]func(context.Context, *string) error {
	f.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	// A call that breaks down inside must not be made again until it looks like another.
	cfg := server.Config()
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	logs, topics, queues, tasks, db := cloudwatchlogs.NewFromConfig(cfg), sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg), ecs.NewFromConfig(cfg), dynamodb.NewFromConfig(cfg)
	group, stream, table := aws.String("g"), aws.String("s"), aws.String("ledger")
	ctx := context.Background()
	must := func(_ any, err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	must(logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))
	must(logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}))
	must(logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: []logstypes.InputLogEvent{{Timestamp: aws.Int64(1), Message: aws.String("one")}}}))
	made, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")})
	must(nil, err)
	topic := made.TopicArn
	must(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("email"), Endpoint: aws.String("ops@example.com")}))
	must(queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")}))
	must(tasks.CreateCluster(ctx, &ecs.CreateClusterInput{}))
	must(db.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("n"), AttributeType: types.ScalarAttributeTypeN}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("n"), KeyType: types.KeyTypeRange}},
	}))
	return map[string]func(context.Context, *string) error{
		"GetLogEvents": func(ctx context.Context, token *string) error {
			_, err := logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, NextToken: token})
			return err
		},
		"GetLogEvents from the head": func(ctx context.Context, token *string) error {
			_, err := logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, NextToken: token, StartFromHead: aws.Bool(true)})
			return err
		},
		"FilterLogEvents": func(ctx context.Context, token *string) error {
			_, err := logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, NextToken: token})
			return err
		},
		"DescribeLogGroups": func(ctx context.Context, token *string) error {
			_, err := logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{NextToken: token})
			return err
		},
		"DescribeLogStreams": func(ctx context.Context, token *string) error {
			_, err := logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, NextToken: token})
			return err
		},
		"ListTopics": func(ctx context.Context, token *string) error {
			_, err := topics.ListTopics(ctx, &sns.ListTopicsInput{NextToken: token})
			return err
		},
		"ListSubscriptionsByTopic": func(ctx context.Context, token *string) error {
			_, err := topics.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: topic, NextToken: token})
			return err
		},
		"ListQueues": func(ctx context.Context, token *string) error {
			_, err := queues.ListQueues(ctx, &sqs.ListQueuesInput{NextToken: token, MaxResults: aws.Int32(1)})
			return err
		},
		"ListTasks": func(ctx context.Context, token *string) error {
			_, err := tasks.ListTasks(ctx, &ecs.ListTasksInput{NextToken: token})
			return err
		},
		"ListTaskDefinitions": func(ctx context.Context, token *string) error {
			_, err := tasks.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{NextToken: token})
			return err
		},
		"Query": func(ctx context.Context, token *string) error {
			_, err := db.Query(ctx, &dynamodb.QueryInput{
				TableName: table, KeyConditionExpression: aws.String("pk = :pk"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: *token}},
				ExclusiveStartKey:         map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: *token}, "n": &types.AttributeValueMemberN{Value: *token}},
			})
			return err
		},
	}
}

// FuzzTokens gives every call that comes in pages a token that it never gave: it is
// taken for a place, or refused, and never breaks the endpoint.
func FuzzTokens(f *testing.F) {
	for _, token := range []string{
		"x", "-1", "-5", "5", "b/-5", "f/-5", "b/5", "f/5", "b/", "f/", "/", "b/x", "b/+1", "b/1/1", "x/1", "9223372036854775807", "-9223372036854775808",
		"b/9223372036854775807", "f/9223372036854775807", "b/-9223372036854775808", "9223372036854775808", "1e3", "0x1", "null", "-", strings.Repeat("9", 2000),
		"arn:aws:ecs:eu-west-1:123456789012:task/default/0", "g", "s", "q", "\x00", "夜",
	} {
		f.Add(token)
	}
	calls := paged(f)
	f.Fuzz(func(t *testing.T, token string) {
		for name, call := range calls {
			err := call(t.Context(), &token)
			var api smithy.APIError
			if err == nil || errors.As(err, &api) && api.ErrorFault() != smithy.FaultServer && !strings.HasPrefix(api.ErrorCode(), "Internal") {
				continue
			}
			t.Errorf("%s with the token %q: %v", name, token, err)
		}
	})
}

// A token that is refused says so in AWS's words.
func TestTokensBeforeTheFirst(t *testing.T) {
	t.Parallel()
	const logs = "InvalidParameterException: The specified nextToken is invalid."
	want := map[string]string{
		"GetLogEvents b/-5": logs, "GetLogEvents from the head b/-5": logs, "GetLogEvents from the head f/-5": logs, "FilterLogEvents -5": logs,
		"DescribeLogGroups -5": logs, "DescribeLogStreams -5": logs,
		"ListSubscriptionsByTopic -5": "InvalidParameter: Invalid parameter: NextToken Reason: this is not a token of ListSubscriptionsByTopic",
		"ListTasks -5":                "InvalidParameterException: Invalid token.",
		"ListTaskDefinitions -5":      "InvalidParameterException: Invalid token.",
	}
	calls := paged(t)
	for call, message := range want {
		at := strings.LastIndex(call, " ")
		err := calls[call[:at]](t.Context(), aws.String(call[at+1:]))
		var api smithy.APIError
		if !errors.As(err, &api) {
			t.Errorf("%s: %v", call, err)
			continue
		}
		if got := fmt.Sprintf("%s: %s", api.ErrorCode(), api.ErrorMessage()); got != message {
			t.Errorf("%s: got %s, want %s", call, got, message)
		}
	}
}
