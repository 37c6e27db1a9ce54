package dynamodb

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// update is a checked UpdateExpression.
type update struct {
	actions []*action
	paths   []path
}

// update parses, resolves and checks an UpdateExpression.
func (a *aliases) update(text *string) (*update, *Error) {
	u := &update{}
	if text == nil {
		return u, nil
	}
	var err *Error
	if u.actions, err = parseUpdate(*text); err != nil {
		return nil, err
	}
	const what = "UpdateExpression"
	for _, act := range u.actions {
		if act.verb == "SET" {
			if err := checkSet(act.operand); err != nil {
				return nil, err
			}
		}
	}
	for _, act := range u.actions {
		if err := a.resolve(what, act.path); err != nil {
			return nil, err
		}
		if act.operand != nil {
			if err := a.resolve(what, act.operand); err != nil {
				return nil, err
			}
		}
		if err := act.check(); err != nil {
			return nil, err
		}
		u.paths = append(u.paths, act.path.path)
	}
	return u, checkOverlap(what, u.paths)
}

// checkSet looks at the functions in what SET assigns.
func checkSet(n *node) *Error {
	const what = "UpdateExpression"
	switch n.op {
	case "path", "value":
		return nil
	case "+", "-":
	default:
		f, known := functions[n.op]
		if !known {
			return invalid("Invalid %s: Invalid function name; function: %s", what, n.op)
		}
		if !f.update {
			return invalid("Invalid %s: The function is not allowed in an update expression; function: %s", what, n.op)
		}
		if err := checkArgs(what, n, f); err != nil {
			return err
		}
	}
	for _, arg := range n.args {
		if err := checkSet(arg); err != nil {
			return err
		}
	}
	return nil
}

// typeNames are the data types as the checks of ADD and DELETE have them.
var typeNames = map[kind]string{
	kindS: "STRING", kindN: "NUMBER", kindB: "BINARY", kindBool: "BOOLEAN", kindNull: "NULL", kindM: "MAP", kindL: "LIST",
	kindSS: "STRING_SET", kindNS: "NUMBER_SET", kindBS: "BINARY_SET",
}

// check looks at the values in a resolved action.
func (a *action) check() *Error {
	switch a.verb {
	case "SET":
		return checkTerms(a.operand)
	case "ADD", "DELETE":
		// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
		if len(a.path.path) > 1 {
			return unserved("%s for the path %v: it is for top-level attributes", a.verb, a.path.path)
		}
		kind := a.operand.value.kind
		if elements[kind] == "" && (a.verb == "DELETE" || kind != kindN) {
			return invalid("Invalid UpdateExpression: Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", a.verb, typeNames[kind], a.verb)
		}
	}
	return nil
}

func checkTerms(n *node) *Error {
	for _, arg := range n.args {
		if err := checkTerms(arg); err != nil {
			return err
		}
	}
	switch n.op {
	case "+", "-":
		return checkKinds("UpdateExpression", n, []kind{kindN})
	case "list_append":
		return checkKinds("UpdateExpression", n, []kind{kindL})
	}
	return nil
}

var (
	errOperand = invalid("An operand in the update expression has an incorrect data type")
	errPath    = invalid("The document path provided in the update expression is invalid for update")
	errAbsent  = invalid("The provided expression refers to an attribute that does not exist in the item")
)

// apply makes the new item. All operands are of the old one, and so are the
// indexes: an element beyond a list's end is appended, and those that are
// removed go last, from the end on.
func (u *update) apply(old item) (item, *Error) {
	values := map[*action]*value{}
	for _, a := range u.actions {
		if a.verb == "SET" {
			v, err := a.operand.term(old)
			if err != nil {
				return nil, err
			}
			values[a] = v
		}
	}
	changed := maps.Clone(old)
	for _, verb := range []string{"SET", "ADD", "DELETE", "REMOVE"} {
		for _, a := range u.ordered(verb) {
			v := values[a]
			if verb == "ADD" || verb == "DELETE" {
				var err *Error
				if v, err = a.combine(old[a.path.path[0].name]); err != nil {
					return nil, err
				}
			}
			if err := changed.put(a.path.path, v); err != nil {
				return nil, err
			}
		}
	}
	return changed, nil
}

// ordered are the actions of the verb by index, REMOVE from the highest down.
func (u *update) ordered(verb string) []*action {
	var list []*action
	for _, a := range u.actions {
		if a.verb == verb {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b *action) int {
		order := slices.CompareFunc(a.path.path, b.path.path, func(s, t step) int { return cmp.Compare(s.index, t.index) })
		if verb == "REMOVE" {
			return -order
		}
		return order
	})
	return list
}

// term is the value of what SET assigns.
func (n *node) term(i item) (*value, *Error) {
	switch n.op {
	case "value":
		return n.value, nil
	case "path":
		if v := i.find(n.path); v != nil {
			return v, nil
		}
		return nil, errAbsent
	case "if_not_exists":
		if v := i.find(n.args[0].path); v != nil {
			return v, nil
		}
		return n.args[1].term(i)
	}
	a, err := n.args[0].term(i)
	if err != nil {
		return nil, err
	}
	b, err := n.args[1].term(i)
	if err != nil {
		return nil, err
	}
	if n.op == "list_append" {
		if a.kind != kindL || b.kind != kindL {
			return nil, errOperand
		}
		return &value{kind: kindL, list: slices.Concat(a.list, b.list)}, nil
	}
	if a.kind != kindN || b.kind != kindN {
		return nil, errOperand
	}
	if n.op == "-" {
		b = &value{kind: kindN, number: b.number.negated()}
	}
	return sum(a, b)
}

func sum(a, b *value) (*value, *Error) {
	n, err := a.number.add(b.number)
	if err != nil {
		return nil, err
	}
	return &value{kind: kindN, number: n}, nil
}

func intValue(n int) *value {
	return &value{kind: kindN, number: number{negative: n < 0}.normal(strconv.Itoa(max(n, -n)), len(strconv.Itoa(max(n, -n))))}
}

// combine is what ADD and DELETE make of the attribute's old value. It is nil
// if nothing is left: a set is never empty.
func (a *action) combine(old *value) (*value, *Error) {
	operand := a.operand.value
	switch {
	case old == nil && a.verb == "ADD":
		return operand, nil
	case old == nil:
		return nil, nil
	case old.kind != operand.kind:
		return nil, errOperand
	case old.kind == kindN:
		return sum(old, operand)
	}
	result := &value{kind: old.kind}
	for _, element := range old.list {
		if a.verb == "ADD" || !operand.contains(element) {
			result.list = append(result.list, element)
		}
	}
	if a.verb == "ADD" {
		for _, element := range operand.list {
			if !old.contains(element) {
				result.list = append(result.list, element)
			}
		}
	}
	if len(result.list) == 0 {
		return nil, nil
	}
	return result, nil
}

// put sets, or with nil removes, what the path leads to. What is on the way
// must exist. Maps and lists on the way are copied, as others share them.
func (i item) put(p path, v *value) *Error {
	name := p[0].name
	if len(p) > 1 {
		inner, err := i[name].with(p[1:], v)
		if err != nil {
			return err
		}
		v = inner
	}
	if v == nil {
		delete(i, name)
	} else {
		i[name] = v
	}
	return nil
}

// with is a copy of the value with v put at the path, or with nil removed.
func (v *value) with(p path, put *value) (*value, *Error) {
	if v == nil {
		return nil, errPath
	}
	if p[0].name != "" {
		if v.kind != kindM {
			return nil, errPath
		}
		members := maps.Clone(v.members)
		if err := members.put(p, put); err != nil {
			return nil, err
		}
		return &value{kind: kindM, members: members}, nil
	}
	if v.kind != kindL {
		return nil, errPath
	}
	list, index := slices.Clone(v.list), p[0].index
	if len(p) > 1 {
		if index >= len(list) {
			return nil, errPath
		}
		inner, err := list[index].with(p[1:], put)
		if err != nil {
			return nil, err
		}
		put = inner
	}
	switch {
	case put != nil && index < len(list):
		list[index] = put
	case put != nil:
		list = append(list, put)
	case index < len(list):
		list = slices.Delete(list, index, index+1)
	}
	return &value{kind: kindL, list: list}, nil
}
