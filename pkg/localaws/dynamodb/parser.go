package dynamodb

import (
	"fmt"
	"strconv"
	"strings"
)

// step is one step of a document path: a name or, with name empty, an index.
type step struct {
	name  string
	index int
}

type path []step

// String is the path as messages have it: [a, b, [1]].
func (p path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.name
		if s.name == "" {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// node is a node of a parsed expression. Op is an operator in capitals, a
// function's name, "path", "value", or "(" for what stands in parentheses.
type node struct {
	op    string
	args  []*node
	alias string // ":value"
	path  path   // with aliases until they are resolved
	value *value // once resolved
}

// parser is a recursive descent over one expression:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
// It looks at nothing but the syntax, which DynamoDB checks first as well.
type parser struct {
	kind   string // ConditionExpression, …
	text   string
	tokens []token
	at     int
}

// maxExpression is the limit of each expression's text:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const maxExpression = 4096

func newParser(kind, text string) (*parser, *Error) {
	if strings.TrimSpace(text) == "" {
		return nil, invalid("Invalid %s: The expression can not be empty;", kind)
	}
	if len(text) > maxExpression {
		return nil, invalid("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", kind, len(text))
	}
	return &parser{kind: kind, text: text, tokens: lex(text)}, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

// syntax is the error at the token that comes next. What is near reaches from
// the token before it to the one after.
func (p *parser) syntax() *Error {
	t := p.peek()
	first, last := max(p.at-1, 0), min(p.at+1, len(p.tokens)-1)
	near := p.text[p.tokens[first].start:p.tokens[last].end]
	return invalid("Invalid %s: Syntax error; token: %q, near: %q", p.kind, t.text, near)
}

// sign takes the operator or punctuation if it comes next.
func (p *parser) sign(text string) bool {
	if t := p.peek(); t.kind == signToken && t.text == text {
		p.at++
		return true
	}
	return false
}

// keyword takes the word in any case if it comes next.
func (p *parser) keyword(word string) bool {
	if p.isKeyword(word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) isKeyword(word string) bool {
	t := p.peek()
	return t.kind == wordToken && strings.EqualFold(t.text, word)
}

func (p *parser) want(sign string) *Error {
	if !p.sign(sign) {
		return p.syntax()
	}
	return nil
}

func (p *parser) end() *Error {
	if p.peek().kind != endOfExpression {
		return p.syntax()
	}
	return nil
}

// parseCondition reads a condition, filter or key condition.
func parseCondition(kind, text string) (*node, *Error) {
	p, err := newParser(kind, text)
	if err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	return n, p.end()
}

func (p *parser) or() (*node, *Error) { return p.chain("OR", p.and) }

func (p *parser) and() (*node, *Error) { return p.chain("AND", p.not) }

func (p *parser) chain(op string, part func() (*node, *Error)) (*node, *Error) {
	left, err := part()
	for err == nil && p.keyword(op) {
		var right *node
		right, err = part()
		left = &node{op: op, args: []*node{left, right}}
	}
	return left, err
}

func (p *parser) not() (*node, *Error) {
	if p.keyword("NOT") {
		n, err := p.not()
		return &node{op: "NOT", args: []*node{n}}, err
	}
	if p.sign("(") {
		n, err := p.or()
		if err == nil {
			err = p.want(")")
		}
		return &node{op: "(", args: []*node{n}}, err
	}
	return p.comparison()
}

func (p *parser) comparison() (*node, *Error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	if p.keyword("BETWEEN") {
		low, err := p.operand()
		if err != nil {
			return nil, err
		}
		if !p.keyword("AND") {
			return nil, p.syntax()
		}
		high, err := p.operand()
		return &node{op: "BETWEEN", args: []*node{left, low, high}}, err
	}
	if p.keyword("IN") {
		if err := p.want("("); err != nil {
			return nil, err
		}
		list, err := p.operands()
		return &node{op: "IN", args: append([]*node{left}, list...)}, err
	}
	switch t := p.peek(); t.text {
	case "=", "<>", "<", "<=", ">", ">=":
		p.at++
		right, err := p.operand()
		return &node{op: t.text, args: []*node{left, right}}, err
	}
	if left.op == "path" || left.op == "value" {
		return nil, p.syntax()
	}
	return left, nil // a function that is a condition by itself
}

// operands reads on to the closing parenthesis.
func (p *parser) operands() ([]*node, *Error) {
	var list []*node
	for {
		n, err := p.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.sign(",") {
			return list, p.want(")")
		}
	}
}

// operand reads a path, a value or a call.
func (p *parser) operand() (*node, *Error) {
	t := p.peek()
	if t.kind == valueToken {
		p.at++
		return &node{op: "value", alias: t.text}, nil
	}
	if t.kind == wordToken && p.tokens[p.at+1].text == "(" && p.tokens[p.at+1].kind == signToken && !isOperator(t.text) {
		p.at += 2
		list, err := p.operands()
		return &node{op: t.text, args: list}, err
	}
	route, err := p.path()
	return &node{op: "path", path: route}, err
}

// isOperator names the words that are never an attribute's or a function's.
func isOperator(word string) bool {
	switch strings.ToUpper(word) {
	case "AND", "OR", "NOT", "BETWEEN", "IN":
		return true
	}
	return false
}

func (p *parser) path() (path, *Error) {
	var route path
	for {
		t := p.peek()
		if t.kind != nameToken && (t.kind != wordToken || isOperator(t.text)) {
			return nil, p.syntax()
		}
		p.at++
		route = append(route, step{name: t.text})
		for p.sign("[") {
			t := p.peek()
			index, err := strconv.Atoi(t.text)
			if t.kind != indexToken || err != nil {
				return nil, p.syntax()
			}
			p.at++
			route = append(route, step{index: index})
			if err := p.want("]"); err != nil {
				return nil, err
			}
		}
		if !p.sign(".") {
			return route, nil
		}
	}
}

// parseProjection reads paths with commas between them.
func parseProjection(text string) ([]*node, *Error) {
	p, err := newParser("ProjectionExpression", text)
	if err != nil {
		return nil, err
	}
	var list []*node
	for {
		route, err := p.path()
		if err != nil {
			return nil, err
		}
		list = append(list, &node{op: "path", path: route})
		if !p.sign(",") {
			return list, p.end()
		}
	}
}

// action is one action of an update: SET path = operand, REMOVE path, ADD path
// value or DELETE path value.
type action struct {
	verb    string
	path    *node
	operand *node
}

func parseUpdate(text string) ([]*action, *Error) {
	p, err := newParser("UpdateExpression", text)
	if err != nil {
		return nil, err
	}
	var actions []*action
	seen := map[string]bool{}
	for p.peek().kind != endOfExpression {
		verb := strings.ToUpper(p.peek().text)
		switch verb {
		case "SET", "REMOVE", "ADD", "DELETE":
		default:
			return nil, p.syntax()
		}
		p.at++
		if seen[verb] {
			return nil, invalid("Invalid UpdateExpression: The %q section can only be used once in an update expression;", verb)
		}
		seen[verb] = true
		for {
			a, err := p.action(verb)
			if err != nil {
				return nil, err
			}
			actions = append(actions, a)
			if !p.sign(",") {
				break
			}
		}
	}
	return actions, nil
}

func (p *parser) action(verb string) (*action, *Error) {
	route, err := p.path()
	if err != nil {
		return nil, err
	}
	a := &action{verb: verb, path: &node{op: "path", path: route}}
	switch verb {
	case "SET":
		if err = p.want("="); err == nil {
			a.operand, err = p.sum()
		}
	case "ADD", "DELETE":
		t := p.peek()
		if t.kind != valueToken {
			return nil, p.syntax()
		}
		p.at++
		a.operand = &node{op: "value", alias: t.text}
	}
	return a, err
}

// sum reads what SET assigns: an operand, or two with one sign between them.
func (p *parser) sum() (*node, *Error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"+", "-"} {
		if p.sign(op) {
			right, err := p.operand()
			return &node{op: op, args: []*node{left, right}}, err
		}
	}
	return left, nil
}

func (n *node) String() string {
	switch n.op {
	case "path":
		return n.path.String()
	case "value":
		return n.alias
	}
	return fmt.Sprint(n.op, n.args)
}
