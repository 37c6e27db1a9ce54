package dynamodb

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// stored is what an item comes back as, or the error.
func stored(i M) func(*try) any {
	return func(c *try) any {
		if r, ok := c.put(i).(refusal); ok {
			return r
		}
		return c.get(M{"pk": i["pk"], "sk": i["sk"]})
	}
}

func itemCases() []testCase {
	cases := []testCase{
		{name: "all types", do: stored(run1), want: run1},
		{name: "no item", do: func(c *try) any { return c.get(runKey) }, want: M(nil)},
		{
			name: "projection", items: []M{run1}, do: func(c *try) any { return c.get(runKey, "#state, #task.#stops[0].#code, #list[1], #absent, sk") },
			want: M{"state": "CLAIMED", "task": M{"stops": L{M{"code": N("137")}}}, "list": L{N("2")}, "sk": "a#01"},
		},
		{
			name: "projection of names", items: []M{run1}, do: func(c *try) any { return c.get(runKey, "#state, #task.#arn, sk") },
			want: M{"state": "CLAIMED", "task": M{"arn": "arn:1"}, "sk": "a#01"},
		},
		{name: "projection of nothing", items: []M{run1}, do: func(c *try) any { return c.get(runKey, "#absent") }, want: M{}},
		{
			name: "projection with an overlap", do: func(c *try) any { return c.get(runKey, "#a, #a.#b") },
			want: not("Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]"),
		},
		{name: "put returns the old item", items: []M{run1}, do: func(c *try) any {
			return c.put(runKey, func(in *sdk.PutItemInput) { in.ReturnValues = types.ReturnValueAllOld })
		}, want: run1},
		{name: "put cannot return the new item", do: func(c *try) any {
			return c.put(runKey, func(in *sdk.PutItemInput) { in.ReturnValues = types.ReturnValueAllNew })
		}, want: not("ReturnValues can only be ALL_OLD or NONE")},
		{name: "put replaces", items: []M{run1}, do: stored(attempt(M{"a": "b"})), want: attempt(M{"a": "b"})},
		{name: "delete", items: []M{run1}, do: func(c *try) any {
			old := c.delete(runKey, func(in *sdk.DeleteItemInput) { in.ReturnValues = types.ReturnValueAllOld })
			return L{old, c.get(runKey), c.delete(runKey)}
		}, want: L{run1, M(nil), M(nil)}},
		{name: "delete on a condition", items: []M{run1}, do: func(c *try) any {
			return c.delete(runKey, func(in *sdk.DeleteItemInput) { in.ConditionExpression = aws.String("attribute_not_exists(#state)") })
		}, want: conditionFailed},
		{name: "key without its range", do: func(c *try) any { return c.get(M{"pk": "a"}) }, want: not("The provided key element does not match the schema")},
		{name: "key with more", do: func(c *try) any { return c.get(M{"pk": "a", "sk": "b", "x": "c"}) }, want: not("The provided key element does not match the schema")},
		{name: "key of another type", do: func(c *try) any { return c.delete(M{"pk": "a", "sk": N("1")}) }, want: not("The provided key element does not match the schema")},
		{
			name: "empty key", do: func(c *try) any { return c.get(M{"pk": "a", "sk": ""}) },
			want: not("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: sk"),
		},
		{name: "no such table", do: func(c *try) any { c.table = "absent"; return c.get(runKey) }, want: refusal{Code: "ResourceNotFoundException", Message: "Requested resource not found"}},
	}
	for _, row := range []struct {
		name string
		item M
		want any
	}{
		{"empty values", attempt(M{"s": "", "b": []byte{}, "m": M{}, "l": L{}}), attempt(M{"s": "", "b": []byte{}, "m": M{}, "l": L{}})},
		{
			"numbers are made plain", attempt(M{"n": L{N("1.50"), N("007"), N("-0"), N("1.5E3"), N("1E-3")}, "s": NS{"1.0", "-2E1"}}),
			attempt(M{"n": L{N("1.5"), N("7"), N("0"), N("1500"), N("0.001")}, "s": NS{"-20", "1"}}),
		},
		{"missing key", M{"pk": "a"}, bad("Missing the key sk in the item")},
		{"key of another type", M{"pk": "a", "sk": N("1")}, bad("Type mismatch for key sk expected: S actual: N")},
		{"empty key", M{"pk": "", "sk": "a"}, not("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk")},
		{"key of an index of another type", attempt(M{"due": "a"}), bad("Type mismatch for Index Key due Expected: N Actual: S IndexName: open")},
		{"empty key of an index", attempt(M{"open": ""}), not("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: open, IndexKey: open")},
		{"empty set", attempt(M{"s": SS{}}), bad("An string set  may not be empty")},
		{"empty set deep down", attempt(M{"m": M{"l": L{NS{}}}}), bad("An number set  may not be empty")},
		{"empty set of binary", attempt(M{"s": BS{}}), bad("Binary sets should not be empty")},
		{"set with duplicates", attempt(M{"s": SS{"a", "b", "a"}}), bad("Input collection [a, b, a] contains duplicates.")},
		{"set of equal numbers", attempt(M{"s": NS{"1", "1.0"}}), not("Input collection contains duplicates")},
		{"no number", attempt(M{"n": N("1x")}), not("The parameter cannot be converted to a numeric value: 1x")},
		{"empty number", attempt(M{"n": N("")}), not("The parameter cannot be converted to a numeric value")},
		{"39 digits", attempt(M{"n": N(strings.Repeat("1", 39))}), not("Attempting to store more than 38 significant digits in a Number")},
		{"overflow", attempt(M{"n": N("1E126")}), not("Number overflow. Attempting to store a number with magnitude larger than supported range")},
		{"underflow", attempt(M{"n": N("1E-131")}), not("Number underflow. Attempting to store a number with magnitude smaller than supported range")},
		{"400 KB", M{"pk": "a", "sk": "b", "c": strings.Repeat("x", 400<<10-7)}, M{"pk": "a", "sk": "b", "c": strings.Repeat("x", 400<<10-7)}},
		{"more than 400 KB", M{"pk": "a", "sk": "b", "c": strings.Repeat("x", 400<<10-6)}, not("Item size has exceeded the maximum allowed size")},
		{"key of 1 KB", M{"pk": "a", "sk": strings.Repeat("x", 1025)}, bad("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")},
		{"key of 2 KB", M{"pk": strings.Repeat("x", 2049), "sk": "b"}, bad("Size of hashkey has exceeded the maximum size limit of2048 bytes")},
		{"nested too deep", attempt(M{"m": nested(33)}), not("Nesting Levels have exceeded supported limits")},
	} {
		cases = append(cases, testCase{name: "item: " + row.name, do: stored(row.item), want: row.want})
	}
	return cases
}

func nested(depth int) any {
	if depth == 0 {
		return "x"
	}
	return L{nested(depth - 1)}
}
