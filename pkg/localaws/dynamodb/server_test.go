package dynamodb_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws"
	"errand/pkg/localaws/localtest"
)

// TestServer asks the table where clients find it: behind the endpoint that
// serves all services.
func TestServer(t *testing.T) {
	t.Parallel()
	s := localtest.Start(t)
	client := dynamodb.NewFromConfig(s.Config(), func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	if _, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("ledger"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	}); err != nil {
		t.Fatal(err)
	}
	s.Inject(localaws.Fault{Operation: "PutItem", Code: "ProvisionedThroughputExceededException", Message: "too fast"})
	item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a<b>&c"}}
	put := &dynamodb.PutItemInput{TableName: aws.String("ledger"), Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	_, err := client.PutItem(t.Context(), put)
	localtest.Refused(t, err, "ProvisionedThroughputExceededException", "too fast")
	if _, err = client.PutItem(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	_, err = client.PutItem(t.Context(), put)
	localtest.Refused(t, err, "ConditionalCheckFailedException", "The conditional request failed")
	if n := s.Calls("PutItem"); n != 3 {
		t.Errorf("PutItem was counted %d times, want 3", n)
	}
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("ledger"), Key: item, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(item, out.Item, cmp.AllowUnexported(types.AttributeValueMemberS{})); diff != "" {
		t.Error(diff)
	}
	_, err = client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("ledger")})
	localtest.Refused(t, err, "UnknownOperationException", "the embedded AWS endpoint does not serve DynamoDB_20120810.Scan")
}
