package dynamodb

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// aliases are the names and values that stand for #x and :x in the expressions
// of one request. Each must be used by one of them at least.
type aliases struct {
	names  map[string]string
	values map[string]*value
	used   map[string]bool
}

// newAliases reads ExpressionAttributeNames and ExpressionAttributeValues.
// Expressions are the request's, and nil those that it does not have.
func newAliases(names map[string]string, values map[string]json.RawMessage, expressions map[string]*string) (*aliases, *Error) {
	a := &aliases{names, map[string]*value{}, map[string]bool{}}
	var absent []string
	for _, kind := range slices.Sorted(maps.Keys(expressions)) {
		if expressions[kind] == nil && kind != "ProjectionExpression" && kind != "KeyConditionExpression" {
			absent = append(absent, kind)
		}
	}
	given := func(kind string) bool { return expressions[kind] != nil }
	any := slices.ContainsFunc(slices.Collect(maps.Keys(expressions)), given)
	if names != nil && !any {
		return nil, invalid("ExpressionAttributeNames can only be specified when using expressions")
	}
	conditions := slices.ContainsFunc([]string{"ConditionExpression", "UpdateExpression", "FilterExpression", "KeyConditionExpression"}, given)
	if values != nil && !conditions {
		slices.Reverse(absent) // Update… before Condition…
		verb := " is null"
		if len(absent) > 1 {
			verb = " are null"
		}
		return nil, invalid("ExpressionAttributeValues can only be specified when using expressions: %s%s", strings.Join(absent, " and "), verb)
	}
	if err := checkAliases("ExpressionAttributeNames", "#", names); err != nil {
		return nil, err
	}
	if err := checkAliases("ExpressionAttributeValues", ":", values); err != nil {
		return nil, err
	}
	for _, alias := range slices.Sorted(maps.Keys(values)) {
		v := new(value)
		if err := json.Unmarshal(values[alias], v); err != nil {
			e := asError(err)
			if e.Code == "ValidationException" {
				e = invalid("ExpressionAttributeValues contains invalid value: %s for key %s", e.Message, alias)
			}
			return nil, e
		}
		a.values[alias] = v
	}
	return a, nil
}

func checkAliases[V any](what, prefix string, entries map[string]V) *Error {
	if entries != nil && len(entries) == 0 {
		return invalid("%s must not be empty", what)
	}
	for _, alias := range slices.Sorted(maps.Keys(entries)) {
		if rest, ok := strings.CutPrefix(alias, prefix); !ok || rest == "" || run(rest) != len(rest) {
			return invalid("%s contains invalid key: Syntax error; key: %q", what, alias)
		}
	}
	return nil
}

// checkUsed is called when all expressions are resolved.
func (a *aliases) checkUsed() *Error {
	if err := checkUnused("ExpressionAttributeNames", a.names, a.used); err != nil {
		return err
	}
	return checkUnused("ExpressionAttributeValues", a.values, a.used)
}

func checkUnused[V any](what string, entries map[string]V, used map[string]bool) *Error {
	var unused []string
	for _, alias := range slices.Sorted(maps.Keys(entries)) {
		if !used[alias] {
			unused = append(unused, alias)
		}
	}
	if unused != nil {
		return invalid("Value provided in %s unused in expressions: keys: {%s}", what, strings.Join(unused, ", "))
	}
	return nil
}

// resolve puts names and values in the place of the aliases in a parsed
// expression of the kind.
func (a *aliases) resolve(kind string, n *node) *Error {
	for i, s := range n.path {
		switch {
		case s.name == "":
		case s.name[0] == '#':
			name, ok := a.names[s.name]
			if !ok {
				return invalid("Invalid %s: An expression attribute name used in the document path is not defined; attribute name: %s", kind, s.name)
			}
			a.used[s.name] = true
			n.path[i].name = name
		case reserved[strings.ToUpper(s.name)]:
			return invalid("Invalid %s: Attribute name is a reserved keyword; reserved keyword: %s", kind, s.name)
		}
	}
	if n.op == "value" {
		v, ok := a.values[n.alias]
		if !ok {
			return invalid("Invalid %s: An expression attribute value used in expression is not defined; attribute value: %s", kind, n.alias)
		}
		a.used[n.alias] = true
		n.value = v
	}
	for _, arg := range n.args {
		if err := a.resolve(kind, arg); err != nil {
			return err
		}
	}
	return nil
}

// condition parses, resolves and checks a condition or filter. It is nil if the
// text is.
func (a *aliases) condition(kind string, text *string) (*node, *Error) {
	if text == nil {
		return nil, nil
	}
	n, err := parseCondition(kind, *text)
	if err == nil {
		err = checkCalls(kind, n, false)
	}
	if err == nil {
		err = a.resolve(kind, n)
	}
	if err == nil {
		err = checkOperands(kind, n)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// projection parses and resolves a projection. It is nil if the text is.
func (a *aliases) projection(text *string) ([]path, *Error) {
	if text == nil {
		return nil, nil
	}
	nodes, err := parseProjection(*text)
	if err != nil {
		return nil, err
	}
	var paths []path
	for _, n := range nodes {
		if err := a.resolve("ProjectionExpression", n); err != nil {
			return nil, err
		}
		paths = append(paths, n.path)
	}
	return paths, checkOverlap("ProjectionExpression", paths)
}

// checkOverlap refuses two paths of which one leads through the other, and two
// that take one value for a map and for a list.
func checkOverlap(kind string, paths []path) *Error {
	for i, later := range paths {
		for _, earlier := range paths[:i] {
			shared := 0
			for shared < min(len(earlier), len(later)) && earlier[shared] == later[shared] {
				shared++
			}
			if shared == min(len(earlier), len(later)) {
				return invalid("Invalid %s: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %v, path two: %v", kind, earlier, later)
			}
			if (earlier[shared].name == "") != (later[shared].name == "") {
				return invalid("Invalid %s: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %v, path two: %v", kind, earlier, later)
			}
		}
	}
	return nil
}
