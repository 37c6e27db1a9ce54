package dynamodb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// described is a table without what is another one's each time.
func described(d *types.TableDescription) M {
	m := M{
		"name": aws.ToString(d.TableName), "status": d.TableStatus, "items": aws.ToInt64(d.ItemCount), "billing": d.BillingModeSummary.BillingMode,
		"arn": aws.ToString(d.TableArn), "key": shown(d.KeySchema),
	}
	attributes := map[string]types.ScalarAttributeType{}
	for _, a := range d.AttributeDefinitions {
		attributes[*a.AttributeName] = a.AttributeType
	}
	m["attributes"] = attributes
	for _, g := range d.GlobalSecondaryIndexes {
		m["index "+*g.IndexName] = fmt.Sprint(shown(g.KeySchema), g.Projection.ProjectionType, g.Projection.NonKeyAttributes)
	}
	return m
}

func shown(keys []types.KeySchemaElement) string {
	var parts []string
	for _, k := range keys {
		parts = append(parts, string(k.KeyType)+" "+*k.AttributeName)
	}
	return strings.Join(parts, ", ")
}

// create is the refusal of a table like a ledger's, but for the change.
func create(change func(*sdk.CreateTableInput)) func(*try) any {
	return func(c *try) any {
		in := ledgerTable("never")
		change(in)
		_, err := c.client.CreateTable(c.t.Context(), in)
		if err == nil {
			_, err = c.client.DeleteTable(c.t.Context(), &sdk.DeleteTableInput{TableName: in.TableName})
		}
		return refused(err)
	}
}

func tableCases() []testCase {
	describe := func(c *try) any {
		out, err := c.client.DescribeTable(c.t.Context(), &sdk.DescribeTableInput{TableName: &c.table})
		if err != nil {
			return refused(err)
		}
		d := described(out.Table)
		if d["name"] != c.table || d["arn"] != "arn:aws:dynamodb:eu-west-1:123456789012:table/"+c.table {
			return d
		}
		delete(d, "name")
		delete(d, "arn")
		return d
	}
	ledger := M{
		"status": types.TableStatusActive, "items": int64(1), "billing": types.BillingModePayPerRequest, "key": "HASH pk, RANGE sk",
		"attributes": map[string]types.ScalarAttributeType{"pk": "S", "sk": "S", "open": "S", "due": "N", "job": "S", "at": "N"},
		"index open": "HASH open, RANGE dueKEYS_ONLY[]", "index history": "HASH job, RANGE atINCLUDE[verdict next]",
	}
	return []testCase{
		{name: "describe", items: []M{run1}, do: describe, want: ledger},
		{name: "create again", do: func(c *try) any {
			_, err := c.client.CreateTable(c.t.Context(), ledgerTable(c.table))
			r := refused(err)
			r.Message = strings.ReplaceAll(r.Message, c.table, "TABLE")
			return r
		}, want: refusal{Code: "ResourceInUseException", Message: "Table already exists: TABLE"}},
		{name: "delete", do: func(c *try) any {
			out, err := c.client.DeleteTable(c.t.Context(), &sdk.DeleteTableInput{TableName: &c.table})
			if err != nil {
				return refused(err)
			}
			again := describe(c).(refusal)
			again.Message = strings.ReplaceAll(again.Message, c.table, "TABLE")
			return L{out.TableDescription.TableStatus, again}
		}, want: L{types.TableStatusDeleting, refusal{Code: "ResourceNotFoundException", Message: "Requested resource not found: Table: TABLE not found"}}},
		{
			name: "short name", do: create(func(in *sdk.CreateTableInput) { in.TableName = aws.String("ab") }),
			want: not("1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3"),
		},
		{
			name: "attribute that no key uses", do: create(func(in *sdk.CreateTableInput) { in.GlobalSecondaryIndexes = nil }),
			want: bad("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"),
		},
		{
			name: "key that is not defined", do: create(func(in *sdk.CreateTableInput) { in.AttributeDefinitions = definitions("pk", "S") }),
			want: bad("Some index key attributes are not defined in AttributeDefinitions. Keys: [pk, sk], AttributeDefinitions: [pk]"),
		},
		{
			name: "two indexes of one name", do: create(func(in *sdk.CreateTableInput) { in.GlobalSecondaryIndexes[1].IndexName = aws.String("open") }),
			want: bad("Duplicate index name: open"),
		},
		{name: "time to live", do: timeToLiveOf, want: L{"DISABLED ", "ENABLED expires", not("TimeToLive is already enabled"), "DISABLED ", not("TimeToLive is already disabled")}},
	}
}

func timeToLiveOf(c *try) any {
	set := func(enabled bool) any {
		_, err := c.client.UpdateTimeToLive(c.t.Context(), &sdk.UpdateTimeToLiveInput{
			TableName: &c.table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: &enabled},
		})
		if err != nil {
			return refused(err)
		}
		return nil
	}
	get := func() any {
		out, err := c.client.DescribeTimeToLive(c.t.Context(), &sdk.DescribeTimeToLiveInput{TableName: &c.table})
		if err != nil {
			return refused(err)
		}
		return fmt.Sprint(out.TimeToLiveDescription.TimeToLiveStatus, " ", aws.ToString(out.TimeToLiveDescription.AttributeName))
	}
	out := L{get()}
	for _, enabled := range []bool{true, true, false, false} {
		if r := set(enabled); r != nil {
			out = append(out, r)
		} else {
			out = append(out, get())
		}
	}
	return out
}

// batch is the items of the keys by pk and sk, or the error.
func batch(c *try, projection *string, keys ...M) any {
	request := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), ProjectionExpression: projection, ExpressionAttributeNames: names(projection)}
	for _, key := range keys {
		request.Keys = append(request.Keys, attributes(key))
	}
	out, err := c.client.BatchGetItem(c.t.Context(), &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{c.table: request}}, readAgain)
	if err != nil {
		r := refused(err)
		r.Message = strings.ReplaceAll(r.Message, c.table, "TABLE")
		return r
	}
	items := plainItems(out.Responses[c.table])
	slices.SortFunc(items, func(a, b M) int { return strings.Compare(fmt.Sprint(a["pk"], a["sk"]), fmt.Sprint(b["pk"], b["sk"])) })
	if len(out.UnprocessedKeys) > 0 {
		return L{items, out.UnprocessedKeys}
	}
	return items
}

func batchCases() []testCase {
	hundred := slices.Repeat([]M{nil}, 101)
	for i := range hundred {
		hundred[i] = M{"pk": "a", "sk": fmt.Sprint(i)}
	}
	get := func(projection *string, keys ...M) func(*try) any {
		return func(c *try) any { return batch(c, projection, keys...) }
	}
	return []testCase{
		{name: "what is there", items: rowsOf("a", "b"), do: get(nil, rowsOf("b", "c", "a")...), want: rowsOf("a", "b")},
		{name: "projection", items: []M{run1}, do: get(aws.String("#state"), runKey), want: []M{{"state": "CLAIMED"}}},
		{name: "a hundred keys", items: rowsOf("a"), do: get(nil, append(rowsOf("a"), hundred[:99]...)...), want: rowsOf("a")},
		{name: "more keys", do: get(nil, hundred...), want: not("1 validation error detected: Value at 'RequestItems.TABLE.member.Keys' failed to satisfy constraint: Member must have length less than or equal to 100")},
		{name: "a key twice", do: get(nil, runKey, maps.Clone(runKey)), want: not("Provided list of item keys contains duplicates")},
		{name: "key of another shape", do: get(nil, M{"pk": "a"}), want: not("The provided key element does not match the schema")},
		{name: "no such table", do: func(c *try) any { c.table = "absent"; return batch(c, nil, runKey) }, want: refusal{Code: "ResourceNotFoundException", Message: "Requested resource not found"}},
		{name: "nothing", do: func(c *try) any {
			_, err := c.client.BatchGetItem(c.t.Context(), &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{}})
			return refused(err)
		}, want: not("The requestItems parameter is required for BatchGetItem")},
	}
}
