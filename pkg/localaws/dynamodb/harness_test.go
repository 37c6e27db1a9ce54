package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/localaws/host"
)

// Attribute values in the cases are Go's own and these.
type (
	M  = map[string]any
	L  = []any
	N  string
	SS []string
	NS []string
	BS []string // of binary
)

func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case N:
		return &types.AttributeValueMemberN{Value: string(v)}
	case int:
		return &types.AttributeValueMemberN{Value: fmt.Sprint(v)}
	case []byte:
		return &types.AttributeValueMemberB{Value: v}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case nil:
		return &types.AttributeValueMemberNULL{Value: true}
	case SS:
		return &types.AttributeValueMemberSS{Value: v}
	case NS:
		return &types.AttributeValueMemberNS{Value: v}
	case BS:
		set := &types.AttributeValueMemberBS{}
		for _, element := range v {
			set.Value = append(set.Value, []byte(element))
		}
		return set
	case M:
		return &types.AttributeValueMemberM{Value: attributes(v)}
	case L:
		list := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
		for _, element := range v {
			list.Value = append(list.Value, attribute(element))
		}
		return list
	}
	panic(fmt.Sprintf("%T is no attribute value", v))
}

func attributes(m M) map[string]types.AttributeValue {
	if m == nil {
		return nil
	}
	out := map[string]types.AttributeValue{}
	for name, v := range m {
		out[name] = attribute(v)
	}
	return out
}

func plain(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return N(v.Value)
	case *types.AttributeValueMemberB:
		return v.Value
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberNULL:
		return nil
	case *types.AttributeValueMemberSS:
		return SS(slices.Sorted(slices.Values(v.Value)))
	case *types.AttributeValueMemberNS:
		return NS(slices.Sorted(slices.Values(v.Value)))
	case *types.AttributeValueMemberBS:
		set := BS{}
		for _, element := range v.Value {
			set = append(set, string(element))
		}
		slices.Sort(set)
		return set
	case *types.AttributeValueMemberM:
		return plainItem(v.Value)
	case *types.AttributeValueMemberL:
		list := L{}
		for _, element := range v.Value {
			list = append(list, plain(element))
		}
		return list
	}
	panic(fmt.Sprintf("%T is no attribute value", v))
}

// plainItem is nil for an item that is not there.
func plainItem(i map[string]types.AttributeValue) M {
	if i == nil {
		return nil
	}
	out := M{}
	for name, v := range i {
		out[name] = plain(v)
	}
	return out
}

func plainItems(list []map[string]types.AttributeValue) []M {
	out := []M{}
	for _, i := range list {
		out = append(out, plainItem(i))
	}
	return out
}

// refusal is an error as a case expects it.
type refusal struct {
	Code, Message string
	Item          M
}

func refused(err error) refusal {
	if err == nil {
		return refusal{Code: "no error"}
	}
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return refusal{"no API error", err.Error(), nil}
	}
	r := refusal{Code: e.ErrorCode(), Message: e.ErrorMessage()}
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		r.Item = plainItem(failed.Item)
	}
	return r
}

// not is a ValidationException.
func not(format string, args ...any) refusal {
	return refusal{Code: "ValidationException", Message: fmt.Sprintf(format, args...)}
}

// bad is a ValidationException about a parameter.
func bad(message string) refusal {
	return not("One or more parameter values were invalid: %s", message)
}

var conditionFailed = refusal{Code: "ConditionalCheckFailedException", Message: "The conditional request failed"}

// try is a case with its own table and what it asks of it.
type try struct {
	t      *testing.T
	client *sdk.Client
	table  string
}

var aliasSyntax = regexp.MustCompile(`#\w+`)

// names are the aliases in the expressions: #a for a.
func names(expressions ...*string) map[string]string {
	var out map[string]string
	for _, text := range expressions {
		for _, alias := range aliasSyntax.FindAllString(aws.ToString(text), -1) {
			if out == nil {
				out = map[string]string{}
			}
			out[alias] = alias[1:]
		}
	}
	return out
}

func (c *try) put(i M, options ...func(*sdk.PutItemInput)) any {
	in := &sdk.PutItemInput{TableName: &c.table, Item: attributes(i)}
	for _, option := range options {
		option(in)
	}
	if in.ExpressionAttributeNames == nil {
		in.ExpressionAttributeNames = names(in.ConditionExpression)
	}
	out, err := c.client.PutItem(c.t.Context(), in)
	if err != nil {
		return refused(err)
	}
	return written(out.Attributes, in.ReturnConsumedCapacity, out.ConsumedCapacity)
}

func (c *try) delete(key M, options ...func(*sdk.DeleteItemInput)) any {
	in := &sdk.DeleteItemInput{TableName: &c.table, Key: attributes(key)}
	for _, option := range options {
		option(in)
	}
	in.ExpressionAttributeNames = names(in.ConditionExpression)
	out, err := c.client.DeleteItem(c.t.Context(), in)
	if err != nil {
		return refused(err)
	}
	return written(out.Attributes, in.ReturnConsumedCapacity, out.ConsumedCapacity)
}

func (c *try) update(key M, expression string, values M, options ...func(*sdk.UpdateItemInput)) any {
	in := &sdk.UpdateItemInput{TableName: &c.table, Key: attributes(key), UpdateExpression: &expression, ExpressionAttributeValues: attributes(values)}
	for _, option := range options {
		option(in)
	}
	if in.ExpressionAttributeNames == nil {
		in.ExpressionAttributeNames = names(in.UpdateExpression, in.ConditionExpression)
	}
	out, err := c.client.UpdateItem(c.t.Context(), in)
	if err != nil {
		return refused(err)
	}
	return written(out.Attributes, in.ReturnConsumedCapacity, out.ConsumedCapacity)
}

// written is the capacity, if the case asked for it, or else the attributes.
func written(attributes map[string]types.AttributeValue, asked types.ReturnConsumedCapacity, consumed *types.ConsumedCapacity) any {
	if asked != "" {
		return capacityOf(consumed)
	}
	return plainItem(attributes)
}

// capacityOf is by index, "" for the table, and "total".
func capacityOf(c *types.ConsumedCapacity) map[string]float64 {
	if c == nil {
		return nil
	}
	out := map[string]float64{"total": aws.ToFloat64(c.CapacityUnits)}
	if c.Table != nil {
		out[""] = aws.ToFloat64(c.Table.CapacityUnits)
	}
	for name, index := range c.GlobalSecondaryIndexes {
		out[name] = aws.ToFloat64(index.CapacityUnits)
	}
	return out
}

// readAgain is for answers that do not fit in the client's buffer. When such a
// one begins before the client has seen the end of its own request, smithy-go's
// body, closed by then, answers WriteTo with io.EOF, and net/http closes the
// connection. Writes are answered in few bytes, and must not be sent twice.
func readAgain(o *sdk.Options) { o.RetryMaxAttempts = 5 }

func (c *try) get(key M, projection ...string) any {
	in := &sdk.GetItemInput{TableName: &c.table, Key: attributes(key), ConsistentRead: aws.Bool(true)}
	if projection != nil {
		in.ProjectionExpression = &projection[0]
		in.ExpressionAttributeNames = names(in.ProjectionExpression)
	}
	out, err := c.client.GetItem(c.t.Context(), in, readAgain)
	if err != nil {
		return refused(err)
	}
	return plainItem(out.Item)
}

// found is what a query answers.
type found struct {
	Items   []M
	Scanned int32 // if the filter dropped some
	Last    M
}

func (c *try) query(condition string, values M, options ...func(*sdk.QueryInput)) any {
	in := &sdk.QueryInput{TableName: &c.table, KeyConditionExpression: &condition, ExpressionAttributeValues: attributes(values)}
	for _, option := range options {
		option(in)
	}
	if in.ExpressionAttributeNames == nil {
		in.ExpressionAttributeNames = names(in.KeyConditionExpression, in.FilterExpression, in.ProjectionExpression)
	}
	out, err := c.client.Query(c.t.Context(), in, readAgain)
	if err != nil {
		return refused(err)
	}
	if in.ReturnConsumedCapacity != "" {
		return capacityOf(out.ConsumedCapacity)
	}
	if in.Select == types.SelectCount {
		return []int32{out.Count, out.ScannedCount}
	}
	f := found{Items: plainItems(out.Items), Last: plainItem(out.LastEvaluatedKey)}
	if out.ScannedCount != out.Count {
		f.Scanned = out.ScannedCount
	}
	return f
}

// testCase is one of the contract.
type testCase struct {
	name  string
	items []M // that stand in the table
	do    func(*try) any
	want  any
}

// ledgerTable has the indexes of a ledger, of strings and numbers.
func ledgerTable(name string) *sdk.CreateTableInput {
	return &sdk.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: definitions("pk", "S", "sk", "S", "open", "S", "due", "N", "job", "S", "at", "N"),
		KeySchema:            keys("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("open"), KeySchema: keys("open", "due"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
			{IndexName: aws.String("history"), KeySchema: keys("job", "at"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"verdict", "next"}}},
		},
	}
}

func definitions(pairs ...string) []types.AttributeDefinition {
	var out []types.AttributeDefinition
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, types.AttributeDefinition{AttributeName: &pair[0], AttributeType: types.ScalarAttributeType(pair[1])})
	}
	return out
}

func keys(hash string, rng ...string) []types.KeySchemaElement {
	out := []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}}
	for _, name := range rng {
		out = append(out, types.KeySchemaElement{AttributeName: &name, KeyType: types.KeyTypeRange})
	}
	return out
}

var tables atomic.Int64

// newTable creates a table for one case.
func newTable(t *testing.T, client *sdk.Client, in *sdk.CreateTableInput) *try {
	t.Helper()
	c := &try{t, client, fmt.Sprintf("contract-%d-%d", os.Getpid(), tables.Add(1))}
	in.TableName = &c.table
	if _, err := client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = client.DeleteTable(context.WithoutCancel(t.Context()), &sdk.DeleteTableInput{TableName: &c.table}) // a case may have done so
	})
	return c
}

func newClient(t *testing.T, endpoint string) *sdk.Client {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return sdk.New(sdk.Options{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient: &http.Client{Transport: transport}, RetryMaxAttempts: 1,
	})
}

// embedded is a client of a Service of its own.
func embedded(t *testing.T) (*Service, *sdk.Client) {
	t.Helper()
	s, url := serveHTTP(t)
	return s, newClient(t, url)
}

// serveHTTP is for the tests in this package, which the server imports.
func serveHTTP(t *testing.T) (*Service, string) {
	t.Helper()
	h := host.New("eu-west-1", "123456789012", "", nil)
	s := New(h)
	operations := s.Operations()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.Answer(w, r, operations, r.Header.Get("X-Amz-Target"), body)
	}))
	t.Cleanup(server.Close)
	return s, server.URL
}

// TestContract asks the embedded table, and, if DYNAMODB_ENDPOINT says where, a
// table that is not ours: moto, for one.
func TestContract(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		_, client := embedded(t)
		contract(t, client, false)
	})
	t.Run("endpoint", func(t *testing.T) {
		endpoint := os.Getenv("DYNAMODB_ENDPOINT")
		if endpoint == "" {
			t.Skip("DYNAMODB_ENDPOINT is not set")
		}
		contract(t, newClient(t, endpoint), os.Getenv("DYNAMODB_IS_MOTO") != "")
	})
}

// contractCases are by group.
func contractCases() map[string][]testCase {
	return map[string][]testCase{
		"conditions": conditionCases(), "expressions": expressionCases(), "updates": updateCases(), "items": itemCases(),
		"queries": queryCases(), "pages": pageCases(), "tables": tableCases(), "batches": batchCases(), "capacity": capacityCases(),
	}
}

// contract holds for every DynamoDB. What moto is known to do otherwise is in
// motoIsWrong.
func contract(t *testing.T, client *sdk.Client, moto bool) {
	for group, cases := range contractCases() {
		t.Run(group, func(t *testing.T) {
			for _, tc := range cases {
				t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
					c := newTable(t, client, ledgerTable(""))
					for _, i := range tc.items {
						if got, ok := c.put(i).(refusal); ok {
							t.Fatalf("put %v: %+v", i, got)
						}
					}
					got := tc.do(c)
					diff := cmp.Diff(tc.want, got)
					if reason := motoIsWrong[group+"/"+tc.name]; moto && reason != "" {
						judgeMoto(t, reason, tc.want, got)
					} else if diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
				})
			}
		})
	}
}
