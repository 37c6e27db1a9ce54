package dynamodb

import "slices"

// keyCondition is a checked KeyConditionExpression: a value of the hash key,
// and perhaps a condition on the range key.
type keyCondition struct {
	hash *value
	rng  *node // nil if there is none
}

const keyExpression = "KeyConditionExpression"

// keyCondition takes the resolved condition apart for the table's or index's
// key:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html
func (t *table) keyCondition(k schema, n *node) (*keyCondition, *Error) {
	conditions, err := conjuncts(n)
	if err != nil {
		return nil, err
	}
	if len(conditions) > 2 {
		return nil, invalid("Conditions can be of length 1 or 2 only")
	}
	named := map[string]*node{}
	for _, c := range conditions {
		name := c.args[0].path[0].name
		if named[name] != nil {
			return nil, invalid("KeyConditionExpressions must only contain one condition per key")
		}
		named[name] = c
	}
	hash := named[k.hash]
	if hash == nil {
		return nil, invalid("Query condition missed key schema element: %s", k.hash)
	}
	if hash.op != "=" {
		return nil, invalid("Query key condition not supported")
	}
	key := &keyCondition{hash: hash.args[1].value}
	if len(conditions) == 2 {
		if key.rng = named[k.rng]; key.rng == nil && k.rng != "" {
			return nil, invalid("Query condition missed key schema element: %s", k.rng)
		} else if key.rng == nil {
			return nil, invalid("Query key condition not supported")
		}
	}
	for name, c := range named {
		for _, arg := range c.args[1:] {
			if arg.value.kind != t.kinds[name] {
				return nil, badParameter("Condition parameter type does not match schema type")
			}
			if text, empty := emptyKey(arg.value); empty {
				return nil, invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", text, name)
			}
		}
	}
	return key, nil
}

// conjuncts are the conditions between the ANDs. Each is of one attribute, and
// has it first.
func conjuncts(n *node) ([]*node, *Error) {
	switch n.op {
	case "(":
		return conjuncts(n.args[0])
	case "AND":
		left, err := conjuncts(n.args[0])
		if err != nil {
			return nil, err
		}
		right, err := conjuncts(n.args[1])
		return append(left, right...), err
	case "=", "<", "<=", ">", ">=", "BETWEEN", "begins_with":
	default:
		return nil, invalid("Invalid %s: Invalid operator used in %s: %s", keyExpression, keyExpression, n.op)
	}
	if n.args[0].op == "value" && n.args[1].op == "path" && n.op != "BETWEEN" && n.op != "begins_with" {
		n = &node{op: mirrored[n.op], args: []*node{n.args[1], n.args[0]}}
	}
	for i, arg := range n.args {
		switch {
		case arg.op == "size":
			return nil, invalid("Invalid %s: Invalid operator used in %s: size", keyExpression, keyExpression)
		case i > 0 && arg.op == "path" && n.args[0].op == "path":
			return nil, invalid("Invalid condition in %s: Multiple attribute names used in one condition", keyExpression)
		case (arg.op == "path") != (i == 0):
			return nil, invalid("Invalid condition in %s: No key attribute specified", keyExpression)
		case len(arg.path) > 1:
			return nil, invalid("Invalid %s: %ss cannot have conditions on nested attributes", keyExpression, keyExpression)
		}
	}
	return []*node{n}, nil
}

// mirrored is the operator for operands that change places.
var mirrored = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// checkFilter refuses a filter on a key, which belongs into the key condition.
func checkFilter(k schema, n *node) *Error {
	if n == nil {
		return nil
	}
	if n.op == "path" && slices.Contains(k.names(), n.path[0].name) {
		return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", n.path[0].name)
	}
	for _, arg := range n.args {
		if err := checkFilter(k, arg); err != nil {
			return err
		}
	}
	return nil
}
