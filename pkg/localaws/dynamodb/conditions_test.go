package dynamodb

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// run is an attempt as a ledger has it, with an attribute of each type.
var (
	runKey = M{"pk": "run#a", "sk": "a#01"}
	run1   = M{
		"pk": "run#a", "sk": "a#01", "state": "CLAIMED", "try": N("3"), "raw": []byte("abc"), "yes": true, "none": nil,
		"task": M{"arn": "arn:1", "stops": L{M{"code": N("137")}, "person"}}, "told": SS{"mail", "sms"}, "marks": NS{"1", "2.5"}, "bits": BS{"a", "b"},
		"list": L{"x", N("2")}, "umlaut": "äö",
	}
)

// when is a condition on run1, told by a write that changes nothing.
func when(condition string, values M) func(*try) any {
	return func(c *try) any {
		in := &sdk.PutItemInput{
			TableName: &c.table, Item: attributes(run1), ConditionExpression: &condition,
			ExpressionAttributeNames: names(&condition), ExpressionAttributeValues: attributes(values),
		}
		_, err := c.client.PutItem(c.t.Context(), in)
		if err == nil {
			return true
		}
		if r := refused(err); r.Code != "ConditionalCheckFailedException" {
			return r
		}
		return false
	}
}

// texts tell values in the name of a case.
func texts(values M) string {
	if values == nil {
		return ""
	}
	return strings.TrimPrefix(fmt.Sprint(values), "map")
}

func conditionCases() []testCase {
	type truth struct {
		condition string
		values    M
		want      bool
	}
	var cases []testCase
	for _, row := range []truth{
		{"#state = :v", M{":v": "CLAIMED"}, true},
		{"#state = :v", M{":v": "claimed"}, false},
		{":v = #state", M{":v": "CLAIMED"}, true},
		{"#try = :v", M{":v": N("3.00")}, true},
		{"#try = :v", M{":v": "3"}, false},
		{"#raw = :v", M{":v": []byte("abc")}, true},
		{"#told = :v", M{":v": SS{"sms", "mail"}}, true},
		{"#marks = :v", M{":v": NS{"2.50", "1"}}, true},
		{"#list = :v", M{":v": L{"x", N("2")}}, true},
		{"#list = :v", M{":v": L{N("2"), "x"}}, false},
		{"#task.#stops[0] = :v", M{":v": M{"code": N("137")}}, true},
		{"#none = :v", M{":v": nil}, true},
		{"#absent = :v", M{":v": "x"}, false},
		{"#absent <> :v", M{":v": "x"}, true},
		{"#state <> :v", M{":v": "CLAIMED"}, false},
		{"#state <> :v", M{":v": N("1")}, true},
		{"#try < :v", M{":v": N("10")}, true},
		{"#try <= :v", M{":v": N("3")}, true},
		{"#try > :v", M{":v": N("2.9999999999999999999999999999999999999")}, true},
		{"#try >= :v", M{":v": N("3.1")}, false},
		{"#state < :v", M{":v": "CLAIMEE"}, true},
		{"#state < :v", M{":v": "Z"}, true},
		{"#state < :v", M{":v": "a"}, true},
		{"#umlaut > :v", M{":v": "z"}, true},
		{"#raw < :v", M{":v": []byte{0xff}}, true},
		{"#state < :v", M{":v": N("9")}, false},
		{"#absent < :v", M{":v": N("9")}, false},
		{"#absent > :v", M{":v": N("9")}, false},
		{"#try BETWEEN :a AND :b", M{":a": N("3"), ":b": N("4")}, true},
		{"#try BETWEEN :a AND :b", M{":a": N("4"), ":b": N("5")}, false},
		{"NOT #try BETWEEN :a AND :b", M{":a": N("4"), ":b": N("5")}, true},
		{"#state IN (:a, :b)", M{":a": "DUE", ":b": "CLAIMED"}, true},
		{"#state IN (:a)", M{":a": "DUE"}, false},
		{"#absent IN (:a)", M{":a": "DUE"}, false},
		{"attribute_exists(#state)", nil, true},
		{"attribute_exists(#none)", nil, true},
		{"attribute_exists(#task.#arn)", nil, true},
		{"attribute_exists(#task.#arn.#more)", nil, false},
		{"attribute_exists(#list[1])", nil, true},
		{"attribute_exists(#list[2])", nil, false},
		{"attribute_not_exists(#task.#x)", nil, true},
		{"attribute_not_exists(#state)", nil, false},
		{"attribute_type(#told, :v)", M{":v": "SS"}, true},
		{"attribute_type(#told, :v)", M{":v": "S"}, false},
		{"begins_with(#state, :v)", M{":v": "CLAI"}, true},
		{"begins_with(#raw, :v)", M{":v": []byte("ab")}, true},
		{"begins_with(#try, :v)", M{":v": "3"}, false},
		{"contains(#state, :v)", M{":v": "AIM"}, true},
		{"contains(#told, :v)", M{":v": "sms"}, true},
		{"contains(#told, :v)", M{":v": "sm"}, false},
		{"contains(#list, :v)", M{":v": N("2")}, true},
		{"contains(#marks, :v)", M{":v": N("2.5")}, true},
		{"contains(#state, :v)", M{":v": N("1")}, false},
		{"size(#told) = :v", M{":v": N("2")}, true},
		{"size(#state) > :v", M{":v": N("6")}, true},
		{"size(#umlaut) = :v", M{":v": N("2")}, true},
		{"size(#raw) BETWEEN :v AND :v", M{":v": N("3")}, true},
		{"size(#task.#stops) IN (:v)", M{":v": N("2")}, true},
		{"size(#absent) = :v", M{":v": N("0")}, false},
		{"#yes = :t OR #yes = :f AND #state = :f", M{":t": true, ":f": false}, true},
		{"(#yes = :t OR #yes = :f) AND #state = :f", M{":t": true, ":f": false}, false},
		{"NOT #yes = :f AND NOT (#state = :t)", M{":t": true, ":f": false}, true},
		{"not not #yes = :t", M{":t": true}, true},
		{"attribute_not_exists(pk) or attribute_not_exists(told) And #try = :v", M{":v": N("3")}, false},
	} {
		cases = append(cases, testCase{name: strings.TrimSpace(row.condition + " " + texts(row.values)), items: []M{run1}, do: when(row.condition, row.values), want: row.want})
	}
	return cases
}

// with is a condition on an item without attributes of its own, for its errors.
func with(condition string, values M, aliases map[string]string) func(*try) any {
	return func(c *try) any {
		return c.put(M{"pk": "x", "sk": "y"}, func(in *sdk.PutItemInput) {
			in.ConditionExpression, in.ExpressionAttributeValues, in.ExpressionAttributeNames = &condition, attributes(values), aliases
		})
	}
}

func expressionCases() []testCase {
	const what = "Invalid ConditionExpression: "
	one := M{":v": N("1")}
	cases := []testCase{
		{name: "empty", do: with("", nil, nil), want: not(what + "The expression can not be empty;")},
		{name: "unused name", do: with("a = :v", one, map[string]string{"#x": "b"}), want: not("Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}")},
		{name: "unused values", do: with("a = :v", M{":v": "", ":w": "", ":x": ""}, nil), want: not("Value provided in ExpressionAttributeValues unused in expressions: keys: {:w, :x}")},
		{name: "undefined name", do: with("#a = :v", one, map[string]string{"#b": "b"}), want: not(what + "An expression attribute name used in the document path is not defined; attribute name: #a")},
		{name: "undefined value", do: with("a = :w", one, nil), want: not(what + "An expression attribute value used in expression is not defined; attribute value: :w")},
		{name: "names without an expression", do: func(c *try) any {
			return c.put(M{"pk": "x", "sk": "y"}, func(in *sdk.PutItemInput) { in.ExpressionAttributeNames = map[string]string{"#a": "a"} })
		}, want: not("ExpressionAttributeNames can only be specified when using expressions")},
		{name: "values without an expression", do: func(c *try) any {
			return c.put(M{"pk": "x", "sk": "y"}, func(in *sdk.PutItemInput) { in.ExpressionAttributeValues = attributes(one) })
		}, want: not("ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null")},
		{name: "alias of the wrong form", do: with("a = :v", one, map[string]string{"a": "b"}), want: not(`ExpressionAttributeNames contains invalid key: Syntax error; key: "a"`)},
		{name: "value that cannot be", do: with("a = :v", M{":v": SS{}}, nil), want: not("ExpressionAttributeValues contains invalid value: One or more parameter values were invalid: An string set  may not be empty for key :v")},
		{name: "item of a failed condition", items: []M{run1}, do: func(c *try) any {
			return c.update(runKey, "SET #state = :v", M{":v": "x", ":w": "y"}, func(in *sdk.UpdateItemInput) {
				in.ConditionExpression = aws.String("#state = :w")
				in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
			})
		}, want: refusal{conditionFailed.Code, conditionFailed.Message, run1}},
		{name: "no item of a failed condition unless it is asked for", items: []M{run1}, do: func(c *try) any {
			return c.update(runKey, "SET #state = :v", M{":v": "x", ":w": "y"}, func(in *sdk.UpdateItemInput) { in.ConditionExpression = aws.String("#state = :w") })
		}, want: conditionFailed},
		{name: "no item of a failed condition where there is none", do: func(c *try) any {
			return c.update(runKey, "SET #state = :v", M{":v": "x"}, func(in *sdk.UpdateItemInput) {
				in.ConditionExpression = aws.String("attribute_exists(pk)")
				in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
			})
		}, want: conditionFailed},
	}
	for _, row := range []struct {
		condition, want string
		values          M
	}{
		{"a == :v", `Syntax error; token: "=", near: "== :v"`, one},
		{"a = :v AND", `Syntax error; token: "<EOF>", near: "AND"`, one},
		{"a = :v )", `Syntax error; token: ")", near: ":v )"`, one},
		{"(a = :v", `Syntax error; token: "<EOF>", near: ":v"`, one},
		{"a ! :v", `Syntax error; token: "!", near: "a ! :v"`, one},
		{"a", `Syntax error; token: "<EOF>", near: "a"`, nil},
		{"a[x] = :v", `Syntax error; token: "x", near: "[x]"`, one},
		{"((a = :v))", "The expression has redundant parentheses;", one},
		{"state = :v", "Attribute name is a reserved keyword; reserved keyword: state", one},
		{"a.Name = :v", "Attribute name is a reserved keyword; reserved keyword: Name", one},
		{"exists(a)", "Invalid function name; function: exists", nil},
		{"Size(a) = :v", "Invalid function name; function: Size", one},
		{"attribute_exists(a, b)", "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2", nil},
		{"attribute_exists(:v)", "Operator or function requires a document path; operator or function: attribute_exists", one},
		{"size(a)", "The function is not allowed to be used this way in an expression; function: size", nil},
		{"begins_with(a, :v)", "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N", one},
		{"a < :v", "Incorrect operand type for operator or function; operator or function: <, operand type: SS", M{":v": SS{"a"}}},
		{"a = a", "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]", nil},
		{"attribute_type(a, :v)", "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", M{":v": "X"}},
		{"a BETWEEN :b AND :a", "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}", M{":a": "a", ":b": "b"}},
		{"a BETWEEN :b AND :a", "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}", M{":a": "a", ":b": N("1")}},
		{"a = " + strings.Repeat("b", 4093), "Expression size has exceeded the maximum allowed size; expression size: 4097", nil},
	} {
		cases = append(cases, testCase{name: strings.TrimSpace(row.condition[:min(30, len(row.condition))] + " " + texts(row.values)), do: with(row.condition, row.values, nil), want: not("%s%s", what, row.want)})
	}
	return cases
}
