package dynamodb

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// rowsOf are items of one run with the range keys.
func rowsOf(ranges ...string) []M {
	var out []M
	for _, sk := range ranges {
		out = append(out, M{"pk": "run#a", "sk": sk})
	}
	return out
}

// openRows are items in the index open, of one key, by due.
var openRows = []M{
	{"pk": "run#a", "sk": "a#01", "open": "0", "due": N("100"), "state": "DUE"},
	{"pk": "run#b", "sk": "a#01", "open": "0", "due": N("9"), "state": "CLAIMED"},
	{"pk": "run#c", "sk": "a#01", "open": "0", "due": N("20.5"), "state": "LAUNCHED"},
	{"pk": "run#d", "sk": "a#01", "open": "1", "due": N("10"), "state": "DUE"},
	{"pk": "run#e", "sk": "a#01", "open": "0", "state": "DUE"},
	{"pk": "run#f", "sk": "a#01", "due": N("1"), "state": "DUE"},
}

// keysOf are openRows as the index has them.
func keysOf(rows ...int) []M {
	out := []M{}
	for _, i := range rows {
		out = append(out, M{"pk": openRows[i]["pk"], "sk": "a#01", "open": openRows[i]["open"], "due": openRows[i]["due"]})
	}
	return out
}

// dues are items in the index open, each with its number as its key.
func dues(numbers ...string) []M {
	var out []M
	for _, n := range numbers {
		out = append(out, M{"pk": n, "sk": "a#01", "open": "0", "due": N(n)})
	}
	return out
}

func onIndex(name string) func(*sdk.QueryInput) {
	return func(in *sdk.QueryInput) { in.IndexName = &name }
}

func backward(in *sdk.QueryInput) { in.ScanIndexForward = aws.Bool(false) }

func filter(text string) func(*sdk.QueryInput) {
	return func(in *sdk.QueryInput) { in.FilterExpression = &text }
}

func project(text string) func(*sdk.QueryInput) {
	return func(in *sdk.QueryInput) { in.ProjectionExpression = &text }
}

func choose(what types.Select) func(*sdk.QueryInput) {
	return func(in *sdk.QueryInput) { in.Select = what }
}

func ask(condition string, values M, options ...func(*sdk.QueryInput)) func(*try) any {
	return func(c *try) any { return c.query(condition, values, options...) }
}

func queryCases() []testCase {
	letters := append(rowsOf("a", "B", "b", "ab", "é", "z", "\U0001F600", "\uFF5E"), M{"pk": "run#b", "sk": "a"})
	inOrder := []string{"B", "a", "ab", "b", "z", "é", "\uFF5E", "\U0001F600"}
	history := M{"pk": "run#a", "sk": "a#01", "job": "nightly", "at": N("5"), "verdict": M{"status": "SUCCEEDED"}, "next": "run#b", "task": "arn:1"}
	cases := []testCase{
		{name: "strings are ordered by their bytes", items: letters, do: ask("#pk = :p", M{":p": "run#a"}), want: found{Items: rowsOf(inOrder...)}},
		{name: "backward", items: rowsOf("a", "b"), do: ask("#pk = :p", M{":p": "run#a"}, backward), want: found{Items: rowsOf("b", "a")}},
		{name: "nothing", do: ask("#pk = :p", M{":p": "run#a"}), want: found{Items: []M{}}},
		{name: "filter", items: openRows[:1], do: ask("#pk = :p", M{":p": "run#a", ":s": "CLAIMED"}, filter("#state = :s")), want: found{Items: []M{}, Scanned: 1}},
		{name: "filter keeps", items: openRows[:1], do: ask("#pk = :p", M{":p": "run#a", ":s": "DUE"}, filter("#state = :s OR attribute_exists(#x)")), want: found{Items: openRows[:1]}},
		{name: "projection", items: openRows[:1], do: ask("#pk = :p", M{":p": "run#a"}, project("sk, #state")), want: found{Items: []M{{"sk": "a#01", "state": "DUE"}}}},
		{name: "count", items: openRows[:1], do: ask("#pk = :p", M{":p": "run#a", ":s": "x"}, filter("#state = :s"), choose(types.SelectCount)), want: []int32{0, 1}},
		{name: "index of keys only by number", items: openRows, do: ask("#open = :o", M{":o": "0"}, onIndex("open")), want: found{Items: keysOf(1, 2, 0)}},
		{name: "numbers of all sizes are in order", items: dues("1E-130", "-1E125", "10000000000000000000000000000000000001E2", "0", "-2", "-10", "1E38", "99999999999999999999999999999999999999"), do: func(c *try) any {
			var order []string
			for _, i := range c.query("#open = :o", M{":o": "0"}, onIndex("open")).(found).Items {
				order = append(order, i["pk"].(string))
			}
			return order
		}, want: []string{"-1E125", "-10", "-2", "0", "1E-130", "99999999999999999999999999999999999999", "1E38", "10000000000000000000000000000000000001E2"}},
		{name: "index up to a number", items: openRows, do: ask("#open = :o AND #due < :d", M{":o": "0", ":d": N("100")}, onIndex("open")), want: found{Items: keysOf(1, 2)}},
		{name: "index backward", items: openRows, do: ask("#open = :o AND #due <= :d", M{":o": "0", ":d": N("1E2")}, onIndex("open"), backward), want: found{Items: keysOf(0, 2, 1)}},
		{
			name: "index that includes", items: []M{history}, do: ask("#job = :j", M{":j": "nightly"}, onIndex("history")),
			want: found{Items: []M{{"pk": "run#a", "sk": "a#01", "job": "nightly", "at": N("5"), "verdict": M{"status": "SUCCEEDED"}, "next": "run#b"}}},
		},
		{name: "filter on what the index lacks", items: openRows, do: ask("#open = :o", M{":o": "1", ":s": "DUE"}, onIndex("open"), filter("#state = :s")), want: found{Items: []M{}, Scanned: 1}},
		{name: "index follows an update", items: openRows[:1], do: func(c *try) any {
			c.update(runKey, "SET #due = :d", M{":d": N("7")})
			first := c.query("#open = :o", M{":o": "0"}, onIndex("open"))
			c.update(runKey, "REMOVE #open, #due", nil)
			return L{first, c.query("#open = :o", M{":o": "0"}, onIndex("open"))}
		}, want: L{found{Items: []M{{"pk": "run#a", "sk": "a#01", "open": "0", "due": N("7")}}}, found{Items: []M{}}}},
		{name: "index is never consistent", do: ask("#open = :o", M{":o": "0"}, onIndex("open"), func(in *sdk.QueryInput) { in.ConsistentRead = aws.Bool(true) }), want: not("Consistent reads are not supported on global secondary indexes")},
		{name: "no such index", do: ask("#open = :o", M{":o": "0"}, onIndex("closed")), want: not("The table does not have the specified index: closed")},
		{
			name: "all attributes of an index", do: ask("#open = :o", M{":o": "0"}, onIndex("open"), choose(types.SelectAllAttributes)),
			want: bad("Select type ALL_ATTRIBUTES is not supported for global secondary index open because its projection type is not ALL"),
		},
		{name: "attribute that the index lacks", do: ask("#open = :o", M{":o": "0"}, onIndex("open"), project("#state")), want: bad("Global secondary index open does not project [state]")},
		{
			name: "limit of nothing", do: ask("#pk = :p", M{":p": "a"}, func(in *sdk.QueryInput) { in.Limit = aws.Int32(0) }),
			want: not("1 validation error detected: Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
		},
		{name: "filter on a key", do: ask("#pk = :p", M{":p": "a"}, filter("#sk = :p")), want: not("Filter Expression can only contain non-primary key attributes: Primary key attribute: sk")},
		{name: "no condition", do: func(c *try) any {
			_, err := c.client.Query(c.t.Context(), &sdk.QueryInput{TableName: &c.table})
			return refused(err)
		}, want: not("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")},
	}
	cases = append(cases, rangeCases()...)
	return append(cases, keyConditionCases()...)
}

func rangeCases() []testCase {
	ranges := []string{"a#01", "a#02", "a#03", "p", "x#1"}
	var cases []testCase
	for _, row := range []struct {
		condition string
		values    M
		want      []string
	}{
		{"#sk = :v", M{":v": "p"}, []string{"p"}},
		{"#sk < :v", M{":v": "a#02"}, []string{"a#01"}},
		{"#sk <= :v", M{":v": "a#02"}, []string{"a#01", "a#02"}},
		{"#sk > :v", M{":v": "a#03"}, []string{"p", "x#1"}},
		{"#sk >= :v", M{":v": "a#03"}, []string{"a#03", "p", "x#1"}},
		{"#sk BETWEEN :v AND :w", M{":v": "a#02", ":w": "p"}, []string{"a#02", "a#03", "p"}},
		{"begins_with(#sk, :v)", M{":v": "a#"}, []string{"a#01", "a#02", "a#03"}},
		{"(#sk > :v)", M{":v": "a#03"}, []string{"p", "x#1"}},
	} {
		values := M{":p": "run#a"}
		for alias, v := range row.values {
			values[alias] = v
		}
		tc := testCase{name: "range: " + row.condition, items: rowsOf(ranges...), do: ask("#pk = :p AND "+row.condition, values), want: found{Items: rowsOf(row.want...)}}
		cases = append(cases, tc)
	}
	cases = append(cases,
		testCase{name: "range first", items: rowsOf(ranges...), do: ask("#sk = :s and #pk = :p", M{":p": "run#a", ":s": "p"}), want: found{Items: rowsOf("p")}},
		testCase{name: "value first", items: rowsOf(ranges...), do: ask(":p = #pk AND :s < #sk", M{":p": "run#a", ":s": "p"}), want: found{Items: rowsOf("x#1")}},
	)
	return cases
}

func keyConditionCases() []testCase {
	const what = "Invalid KeyConditionExpression: "
	var cases []testCase
	for _, row := range []struct {
		condition string
		values    M
		want      string
	}{
		{"", nil, what + "The expression can not be empty;"},
		{"#sk = :p", M{":p": "a"}, "Query condition missed key schema element: pk"},
		{"#pk = :p AND #x = :p", M{":p": "a"}, "Query condition missed key schema element: sk"},
		{"#pk > :p", M{":p": "a"}, "Query key condition not supported"},
		{"#pk = :p OR #sk = :p", M{":p": "a"}, what + "Invalid operator used in KeyConditionExpression: OR"},
		{"#pk = :p AND #sk <> :p", M{":p": "a"}, what + "Invalid operator used in KeyConditionExpression: <>"},
		{"#pk = :p AND contains(#sk, :p)", M{":p": "a"}, what + "Invalid operator used in KeyConditionExpression: contains"},
		{"#pk = :p AND #sk = :p AND #x = :p", M{":p": "a"}, "Conditions can be of length 1 or 2 only"},
		{"#pk = :p AND #pk = :p", M{":p": "a"}, "KeyConditionExpressions must only contain one condition per key"},
		{"#pk = :p", M{":p": N("1")}, "One or more parameter values were invalid: Condition parameter type does not match schema type"},
		{"#pk = :p", M{":p": ""}, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{"#pk.#x = :p", M{":p": "a"}, what + "KeyConditionExpressions cannot have conditions on nested attributes"},
	} {
		cases = append(cases, testCase{name: strings.TrimSpace("key: " + row.condition + " " + texts(row.values)), do: ask(row.condition, row.values), want: not("%s", row.want)})
	}
	return cases
}

// pages are all pages of a query with the limit, in order.
func pages(c *try, limit int32, condition string, values M, options ...func(*sdk.QueryInput)) L {
	var out L
	var start map[string]types.AttributeValue
	for {
		got := c.query(condition, values, append(options, func(in *sdk.QueryInput) { in.Limit, in.ExclusiveStartKey = &limit, start })...)
		out = append(out, got)
		f, ok := got.(found)
		if !ok || f.Last == nil || len(out) > 9 {
			return out
		}
		start = attributes(f.Last)
	}
}

func pageCases() []testCase {
	same := []M{}
	for _, pk := range []string{"c", "a", "b"} {
		same = append(same, M{"pk": pk, "sk": "x", "open": "0", "due": N("1")})
	}
	large := func(i int) M { return M{"pk": "run#a", "sk": fmt.Sprint(i), "c": strings.Repeat("x", 300<<10)} }
	from := func(start M) func(*sdk.QueryInput) {
		return func(in *sdk.QueryInput) { in.ExclusiveStartKey = attributes(start) }
	}
	return []testCase{
		{
			name: "limit", items: rowsOf("a", "b", "c"), do: func(c *try) any { return pages(c, 2, "#pk = :p", M{":p": "run#a"}) },
			want: L{found{Items: rowsOf("a", "b"), Last: M{"pk": "run#a", "sk": "b"}}, found{Items: rowsOf("c")}},
		},
		{
			name: "limit at the end leaves a key", items: rowsOf("a", "b"), do: func(c *try) any { return pages(c, 2, "#pk = :p", M{":p": "run#a"}) },
			want: L{found{Items: rowsOf("a", "b"), Last: M{"pk": "run#a", "sk": "b"}}, found{Items: []M{}}},
		},
		{
			name: "limit backward", items: rowsOf("a", "b", "c"), do: func(c *try) any { return pages(c, 2, "#pk = :p", M{":p": "run#a"}, backward) },
			want: L{found{Items: rowsOf("c", "b"), Last: M{"pk": "run#a", "sk": "b"}}, found{Items: rowsOf("a")}},
		},
		{
			name: "limit counts what the filter drops", items: rowsOf("a", "b", "c"), do: func(c *try) any { return pages(c, 2, "#pk = :p", M{":p": "run#a"}, filter("attribute_exists(#x)")) },
			want: L{found{Items: []M{}, Scanned: 2, Last: M{"pk": "run#a", "sk": "b"}}, found{Items: []M{}, Scanned: 1}},
		},
		{
			name: "key of an index has the table's", items: openRows, do: func(c *try) any { return pages(c, 2, "#open = :o", M{":o": "0"}, onIndex("open")) },
			want: L{found{Items: keysOf(1, 2), Last: keysOf(2)[0]}, found{Items: keysOf(0)}},
		},
		{name: "items of an index with one key are each seen once", items: same, do: func(c *try) any {
			seen := map[any]int{}
			for _, page := range pages(c, 1, "#open = :o", M{":o": "0"}, onIndex("open")) {
				for _, i := range page.(found).Items {
					seen[i["pk"]]++
				}
			}
			return seen
		}, want: map[any]int{"a": 1, "b": 1, "c": 1}},
		{name: "start at a deleted item", items: rowsOf("a", "c"), do: ask("#pk = :p", M{":p": "run#a"}, from(M{"pk": "run#a", "sk": "b"})), want: found{Items: rowsOf("c")}},
		{name: "a megabyte", items: []M{large(1), large(2), large(3), large(4)}, do: func(c *try) any {
			first, ok := c.query("#pk = :p", M{":p": "run#a"}).(found)
			if !ok {
				return c.query("#pk = :p", M{":p": "run#a"})
			}
			second := c.query("#pk = :p", M{":p": "run#a"}, from(first.Last))
			if _, ok := second.(found); !ok {
				return second
			}
			return L{len(first.Items), first.Last, len(second.(found).Items), second.(found).Last}
		}, want: L{3, M{"pk": "run#a", "sk": "3"}, 1, M(nil)}},
		{name: "start of another shape", do: ask("#pk = :p", M{":p": "a"}, from(M{"pk": "a"})), want: not("The provided starting key is invalid")},
		{name: "start of an index without the table's key", do: ask("#open = :o", M{":o": "0"}, onIndex("open"), from(M{"open": "0", "due": N("1")})), want: not("The provided starting key is invalid")},
		{name: "start of another type", do: ask("#pk = :p", M{":p": "a"}, from(M{"pk": "a", "sk": N("1")})), want: not("The provided starting key is invalid: The provided key element does not match the schema")},
		{name: "start of another hash key", do: ask("#pk = :p", M{":p": "a"}, from(M{"pk": "b", "sk": "1"})), want: not("The provided starting key is outside query boundaries based on provided conditions")},
	}
}
