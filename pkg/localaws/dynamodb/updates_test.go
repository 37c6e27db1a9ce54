package dynamodb

import (
	"maps"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// changed is the item with the key after the update of one that has it and what
// else is in before, or the error.
func changed(expression string, values M) func(*try) any {
	return func(c *try) any {
		if r, ok := c.update(runKey, expression, values).(refusal); ok {
			return r
		}
		return c.get(runKey)
	}
}

// attempt is an item with runKey.
func attempt(attributes M) M {
	i := maps.Clone(runKey)
	maps.Copy(i, attributes)
	return i
}

func returning(what types.ReturnValue) func(*sdk.UpdateItemInput) {
	return func(in *sdk.UpdateItemInput) { in.ReturnValues = what }
}

func updateCases() []testCase {
	const what = "Invalid UpdateExpression: "
	var cases []testCase
	for _, row := range []struct {
		name       string
		before     M
		expression string
		values     M
		want       any
	}{
		{"set", M{"a": "1"}, "SET #a = :v, #b = :w", M{":v": "2", ":w": nil}, attempt(M{"a": "2", "b": nil})},
		{"set of the old values", M{"a": "1", "b": "2"}, "SET #a = #b, #b = #a", nil, attempt(M{"a": "2", "b": "1"})},
		{"plus and minus", M{"a": N("1"), "b": N("10")}, "SET #a = #a + :v, #b = :v - #b", M{":v": N("0.1")}, attempt(M{"a": N("1.1"), "b": N("-9.9")})},
		{"38 digits", M{"a": N("99999999999999999999999999999999999998")}, "SET #a = #a + :v", M{":v": N("1")}, attempt(M{"a": N("99999999999999999999999999999999999999")})},
		{"if_not_exists", M{"a": "1"}, "SET #a = if_not_exists(#a, :v), #b = if_not_exists(#b, :v), #c = if_not_exists(#c, :n) + :n", M{":v": "2", ":n": N("1")}, attempt(M{"a": "1", "b": "2", "c": N("2")})},
		{"list_append", M{"l": L{"a"}}, "SET #l = list_append(#l, :v), #m = list_append(if_not_exists(#m, :v), :v)", M{":v": L{"b"}}, attempt(M{"l": L{"a", "b"}, "m": L{"b", "b"}})},
		{"nested", M{"m": M{"l": L{M{"a": "1", "b": "2"}}}}, "SET #m.#l[0].#a = :v, #m.#x = :v", M{":v": "3"}, attempt(M{"m": M{"l": L{M{"a": "3", "b": "2"}}, "x": "3"}})},
		{"indexes beyond the end", M{"l": L{"a"}}, "SET #l[7] = :c, #l[5] = :b", M{":b": "b", ":c": "c"}, attempt(M{"l": L{"a", "b", "c"}})},
		{"remove", M{"a": "1", "b": "2", "m": M{"x": "1", "y": "2"}}, "REMOVE #a, #absent, #m.#x", nil, attempt(M{"b": "2", "m": M{"y": "2"}})},
		{"remove elements", M{"l": L{"a", "b", "c", "d"}}, "REMOVE #l[0], #l[2], #l[9]", nil, attempt(M{"l": L{"b", "d"}})},
		{"set and remove elements", M{"l": L{"a", "b", "c"}}, "REMOVE #l[0] SET #l[2] = :v", M{":v": "x"}, attempt(M{"l": L{"b", "x"}})},
		{"add to a number", M{"a": N("1")}, "ADD #a :v, #b :v", M{":v": N("-2")}, attempt(M{"a": N("-1"), "b": N("-2")})},
		{"add to a set", M{"s": SS{"a"}}, "ADD #s :v, #t :v", M{":v": SS{"a", "b"}}, attempt(M{"s": SS{"a", "b"}, "t": SS{"a", "b"}})},
		{"delete from a set", M{"s": SS{"a", "b"}, "t": SS{"b"}}, "DELETE #s :v, #t :v, #u :v", M{":v": SS{"b", "c"}}, attempt(M{"s": SS{"a"}})},
		{"numbers in a set", M{"s": NS{"1", "2"}}, "ADD #s :v", M{":v": NS{"2.0", "3"}}, attempt(M{"s": NS{"1", "2", "3"}})},
		{"all clauses in any case", M{"a": "1", "s": SS{"x"}}, "remove #a set #b = :b add #n :n delete #s :s", M{":b": "2", ":n": N("1"), ":s": SS{"x"}}, attempt(M{"b": "2", "n": N("1")})},
		{"text without aliases", nil, "SET a_1 = :v", M{":v": "1"}, attempt(M{"a_1": "1"})},

		{"key", nil, "SET #sk = :v", M{":v": "1"}, bad("Cannot update attribute sk. This attribute is part of the key")},
		{"remove of a key", nil, "REMOVE #pk", nil, bad("Cannot update attribute pk. This attribute is part of the key")},
		{"absent operand", nil, "SET #a = #b", nil, not("The provided expression refers to an attribute that does not exist in the item")},
		{"absent map", nil, "SET #a.#b = :v", M{":v": "1"}, not("The document path provided in the update expression is invalid for update")},
		{"index of a map", M{"m": M{}}, "SET #m[0] = :v", M{":v": "1"}, not("The document path provided in the update expression is invalid for update")},
		{"remove in an absent map", nil, "REMOVE #a.#b", nil, not("The document path provided in the update expression is invalid for update")},
		{"plus with a string", M{"a": "1"}, "SET #a = #a + :v", M{":v": N("1")}, not("An operand in the update expression has an incorrect data type")},
		{"plus with a string value", M{"a": N("1")}, "SET #a = #a + :v", M{":v": "1"}, not(what + "Incorrect operand type for operator or function; operator or function: +, operand type: S")},
		{"list_append to a string", M{"a": "1"}, "SET #a = list_append(#a, :v)", M{":v": L{"1"}}, not("An operand in the update expression has an incorrect data type")},
		{"add to a string", M{"a": "1"}, "ADD #a :v", M{":v": N("1")}, not("An operand in the update expression has an incorrect data type")},
		{"add a string", nil, "ADD #a :v", M{":v": "1"}, not(what + "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND")},
		{"delete a number", nil, "DELETE #a :v", M{":v": N("1")}, not(what + "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND")},
		{"add to another set", M{"s": NS{"1"}}, "ADD #s :v", M{":v": SS{"1"}}, not("An operand in the update expression has an incorrect data type")},
		{"overlap", nil, "SET #a = :v REMOVE #a.#b", M{":v": "1"}, not(what + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]")},
		{"the same path twice", nil, "SET #a = :v, #a = :v", M{":v": "1"}, not(what + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]")},
		{"conflict", nil, "SET #a.#b = :v, #a[1] = :v", M{":v": "1"}, not(what + "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [1]]")},
		{"clause twice", nil, "SET #a = :v SET #b = :v", M{":v": "1"}, not(what + `The "SET" section can only be used once in an update expression;`)},
		{"function of a condition", nil, "SET #a = size(#b)", nil, not(what + "The function is not allowed in an update expression; function: size")},
		{"unknown function", nil, "SET #a = max(#b, :v)", M{":v": "1"}, not(what + "Invalid function name; function: max")},
		{"syntax", nil, "SET #a :v", M{":v": "1"}, not(what + `Syntax error; token: ":v", near: "#a :v"`)},
		{"no clause", nil, "PUT #a = :v", M{":v": "1"}, not(what + `Syntax error; token: "PUT", near: "PUT #a"`)},
		{"empty", nil, "", nil, not(what + "The expression can not be empty;")},
		{"reserved word", nil, "SET state = :v", M{":v": "1"}, not(what + "Attribute name is a reserved keyword; reserved keyword: state")},
		{"unused value", nil, "SET #a = :v", M{":v": "1", ":w": "2"}, not("Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}")},
		{"undefined value", nil, "SET #a = :w", nil, not(what + "An expression attribute value used in expression is not defined; attribute value: :w")},
		{"key of an index of another type", nil, "SET #due = :v", M{":v": "soon"}, not("The update expression attempted to update the secondary index key to unsupported type")},
		{"key of an index that is too long", attempt(M{"due": N("1")}), "SET #open = :v", M{":v": strings.Repeat("x", 2049)}, not("The update expression attempted to update the secondary index key beyond allowed size limits")},
		{"more than 400 KB", M{"a": strings.Repeat("x", 200<<10)}, "SET #b = #a, #c = :v", M{":v": "x"}, not("Item size to update has exceeded the maximum allowed size")},
		{"overflow", M{"a": N("9.9E+125")}, "SET #a = #a + #a", nil, not("Number overflow. Attempting to store a number with magnitude larger than supported range")},
	} {
		tc := testCase{name: row.name, do: changed(row.expression, row.values), want: row.want}
		if row.before != nil {
			tc.items = []M{attempt(row.before)}
		}
		cases = append(cases, tc)
	}
	return append(cases, returnCases()...)
}

func returnCases() []testCase {
	before := []M{attempt(M{"a": "1", "b": "2", "m": M{"x": "1", "y": "2"}})}
	ask := func(what types.ReturnValue) func(*try) any {
		return func(c *try) any {
			return c.update(runKey, "SET #a = :v, #m.#x = :v, #n = :v REMOVE #b", M{":v": "3"}, returning(what))
		}
	}
	return []testCase{
		{name: "returns nothing", items: before, do: ask(types.ReturnValueNone), want: M(nil)},
		{name: "returns all old", items: before, do: ask(types.ReturnValueAllOld), want: before[0]},
		{name: "returns all new", items: before, do: ask(types.ReturnValueAllNew), want: attempt(M{"a": "3", "m": M{"x": "3", "y": "2"}, "n": "3"})},
		{name: "returns updated old", items: before, do: ask(types.ReturnValueUpdatedOld), want: M{"a": "1", "b": "2", "m": M{"x": "1"}}},
		{name: "returns updated new", items: before, do: ask(types.ReturnValueUpdatedNew), want: M{"a": "3", "m": M{"x": "3"}, "n": "3"}},
		{name: "returns no old of a new item", do: func(c *try) any {
			return c.update(runKey, "SET #a = :v", M{":v": "1"}, returning(types.ReturnValueAllOld))
		}, want: M(nil)},
		{name: "no expression makes an item of the key", do: func(c *try) any {
			return c.update(runKey, "", nil, returning(types.ReturnValueAllNew), func(in *sdk.UpdateItemInput) { in.UpdateExpression = nil })
		}, want: runKey},
		{name: "remove makes an item of the key", do: changed("REMOVE #a", nil), want: runKey},
	}
}
