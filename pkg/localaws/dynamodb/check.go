package dynamodb

import "slices"

// function says how a function may be called.
type function struct {
	args      int
	condition bool // it is a condition by itself
	update    bool // for SET, else for conditions
	paths     bool // its first argument must be a path
}

var functions = map[string]function{
	"attribute_exists":     {args: 1, condition: true, paths: true},
	"attribute_not_exists": {args: 1, condition: true, paths: true},
	"attribute_type":       {args: 2, condition: true, paths: true},
	"begins_with":          {args: 2, condition: true},
	"contains":             {args: 2, condition: true},
	"size":                 {args: 1},
	"if_not_exists":        {args: 2, update: true, paths: true},
	"list_append":          {args: 2, update: true},
}

// checkCalls looks at the shape of a condition: which functions stand where.
func checkCalls(what string, n *node, asOperand bool) *Error {
	switch n.op {
	case "path", "value":
		return nil
	case "(":
		if n.args[0].op == "(" {
			return invalid("Invalid %s: The expression has redundant parentheses;", what)
		}
		return checkCalls(what, n.args[0], false)
	case "AND", "OR", "NOT":
		for _, arg := range n.args {
			if err := checkCalls(what, arg, false); err != nil {
				return err
			}
		}
		return nil
	case "=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN":
		if n.op == "IN" && len(n.args) > 101 {
			return invalid("Invalid %s: The IN operator is provided with too many operands; number of operands: %d", what, len(n.args)-1)
		}
	default:
		if err := checkFunction(what, n, asOperand); err != nil {
			return err
		}
	}
	for _, arg := range n.args {
		if err := checkCalls(what, arg, true); err != nil {
			return err
		}
	}
	return nil
}

func checkFunction(what string, n *node, asOperand bool) *Error {
	f, known := functions[n.op]
	switch {
	case !known:
		return invalid("Invalid %s: Invalid function name; function: %s", what, n.op)
	case f.update:
		return invalid("Invalid %s: The function is not allowed in a condition expression; function: %s", what, n.op)
	case f.condition == asOperand:
		return invalid("Invalid %s: The function is not allowed to be used this way in an expression; function: %s", what, n.op)
	}
	return checkArgs(what, n, f)
}

func checkArgs(what string, n *node, f function) *Error {
	if len(n.args) != f.args {
		return invalid("Invalid %s: Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", what, n.op, len(n.args))
	}
	if f.paths && n.args[0].op != "path" {
		return invalid("Invalid %s: Operator or function requires a document path; operator or function: %s", what, n.op)
	}
	return nil
}

// checkOperands looks at the values in a resolved condition: some of them can
// never fit their operator.
func checkOperands(what string, n *node) *Error {
	for _, arg := range n.args {
		if err := checkOperands(what, arg); err != nil {
			return err
		}
	}
	var allowed []kind
	switch n.op {
	case "<", "<=", ">", ">=", "BETWEEN":
		allowed = []kind{kindS, kindN, kindB}
	case "begins_with":
		allowed = []kind{kindS, kindB}
	case "size":
		allowed = []kind{kindS, kindB, kindM, kindL, kindSS, kindNS, kindBS}
	case "attribute_type":
		return checkTypeName(what, n)
	}
	if allowed != nil {
		if err := checkKinds(what, n, allowed); err != nil {
			return err
		}
	}
	switch n.op {
	case "=", "<>", "<", "<=", ">", ">=", "contains", "begins_with":
		if a, b := n.args[0], n.args[1]; a.op == "path" && b.op == "path" && slices.Equal(a.path, b.path) {
			return invalid("Invalid %s: The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %v", what, n.op, a.path)
		}
	case "BETWEEN":
		return checkBounds(what, n.args[1].value, n.args[2].value)
	}
	return nil
}

func checkKinds(what string, n *node, allowed []kind) *Error {
	for _, arg := range n.args {
		if arg.value != nil && !slices.Contains(allowed, arg.value.kind) {
			return invalid("Invalid %s: Incorrect operand type for operator or function; operator or function: %s, operand type: %s", what, n.op, arg.value.kind)
		}
	}
	return nil
}

func checkTypeName(what string, n *node) *Error {
	v := n.args[1].value
	if v == nil {
		return unserved("attribute_type without a value as its type")
	}
	if err := checkKinds(what, n, []kind{kindS}); err != nil {
		return err
	}
	switch kind(v.text) {
	case kindS, kindN, kindB, kindBool, kindNull, kindM, kindL, kindSS, kindNS, kindBS:
		return nil
	}
	return invalid("Invalid %s: Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", what, v.text)
}

func checkBounds(what string, low, high *value) *Error {
	if low == nil || high == nil {
		return nil
	}
	order, ordered := low.compare(high)
	wrong := ""
	switch {
	case !ordered:
		wrong = "same data type for lower and upper bounds"
	case order > 0:
		wrong = "upper bound to be greater than or equal to lower bound"
	default:
		return nil
	}
	return invalid("Invalid %s: The BETWEEN operator requires %s; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", what, wrong, low.shown(), high.shown())
}
