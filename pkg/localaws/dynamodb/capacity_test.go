package dynamodb

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type cost = map[string]float64

// capacityCases are what reads and writes cost by the documentation:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func capacityCases() []testCase {
	kb := func(n int) string { return strings.Repeat("x", n<<10) }
	put := func(i M) func(*try) any {
		return func(c *try) any {
			return c.put(i, func(in *sdk.PutItemInput) { in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes })
		}
	}
	update := func(expression string, values M) func(*try) any {
		return func(c *try) any {
			return c.update(runKey, expression, values, func(in *sdk.UpdateItemInput) { in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes })
		}
	}
	query := func(condition string, values M, options ...func(*sdk.QueryInput)) func(*try) any {
		return ask(condition, values, append(options, func(in *sdk.QueryInput) { in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes })...)
	}
	get := func(consistent bool) func(*try) any {
		return func(c *try) any {
			out, err := c.client.GetItem(c.t.Context(), &sdk.GetItemInput{
				TableName: &c.table, Key: attributes(runKey), ConsistentRead: &consistent, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			})
			if err != nil {
				return refused(err)
			}
			return capacityOf(out.ConsumedCapacity)
		}
	}
	open := attempt(M{"open": "0", "due": N("1"), "job": "j", "at": N("1"), "verdict": "v"})
	keys := attempt(M{"open": "0", "due": N("1")})
	fat := []M{attempt(M{"c": kb(4)})}
	consistent := func(in *sdk.QueryInput) { in.ConsistentRead = aws.Bool(true) }
	return []testCase{
		{name: "put", do: put(runKey), want: cost{"total": 1, "": 1}},
		{name: "put of a KB and more", do: put(attempt(M{"c": kb(1)})), want: cost{"total": 2, "": 2}},
		{name: "put of less than stood there", items: fat, do: put(runKey), want: cost{"total": 5, "": 5}},
		{name: "put into indexes", do: put(open), want: cost{"total": 3, "": 1, "open": 1, "history": 1}},
		{name: "put of the same", items: []M{open}, do: put(open), want: cost{"total": 1, "": 1}},
		{name: "update that no index has", items: []M{open}, do: update("SET #state = :v", M{":v": "x"}), want: cost{"total": 1, "": 1}},
		{name: "update of what an index includes", items: []M{open}, do: update("SET #verdict = :v", M{":v": "x"}), want: cost{"total": 2, "": 1, "history": 1}},
		{name: "update of an index's key", items: []M{open}, do: update("SET #due = :v", M{":v": N("2")}), want: cost{"total": 3, "": 1, "open": 2}},
		{name: "update out of an index", items: []M{open}, do: update("REMOVE #open, #due", nil), want: cost{"total": 2, "": 1, "open": 1}},
		{name: "update of a large item", items: []M{attempt(M{"open": "0", "due": N("1"), "c": kb(3)})}, do: update("SET #due = :v", M{":v": N("2")}), want: cost{"total": 6, "": 4, "open": 2}},
		{name: "delete", items: []M{keys}, do: func(c *try) any {
			return c.delete(runKey, func(in *sdk.DeleteItemInput) { in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal })
		}, want: cost{"total": 2}},
		{name: "get", items: fat, do: get(true), want: cost{"total": 2}},
		{name: "get without consistency", items: fat, do: get(false), want: cost{"total": 1}},
		{name: "get of nothing", do: get(false), want: cost{"total": 0.5}},
		{name: "batch rounds each item", items: fat, do: func(c *try) any {
			out, err := c.client.BatchGetItem(c.t.Context(), &sdk.BatchGetItemInput{
				RequestItems:           map[string]types.KeysAndAttributes{c.table: {Keys: []map[string]types.AttributeValue{attributes(runKey), attributes(M{"pk": "no", "sk": "item"})}}},
				ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			})
			if err != nil {
				return refused(err)
			}
			return capacityOf(&out.ConsumedCapacity[0])
		}, want: cost{"total": 1.5}},
		{name: "query rounds the sum", items: []M{{"pk": "run#a", "sk": "a", "c": kb(2)}, {"pk": "run#a", "sk": "b", "c": kb(1)}}, do: query("#pk = :p", M{":p": "run#a"}, consistent), want: cost{"total": 1, "": 1}},
		{name: "query without consistency", items: fat, do: query("#pk = :p", M{":p": "run#a"}), want: cost{"total": 1, "": 1}},
		{name: "query of nothing", do: query("#pk = :p", M{":p": "run#a"}), want: cost{"total": 0.5, "": 0.5}},
		{name: "query of an index", items: []M{attempt(M{"open": "0", "due": N("1"), "c": kb(9)})}, do: query("#open = :o", M{":o": "0"}, onIndex("open")), want: cost{"total": 0.5, "": 0, "open": 0.5}},
	}
}
