package dynamodb

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// find follows the path into the item. It is nil if nothing stands there.
func (i item) find(p path) *value {
	v := i[p[0].name]
	for _, s := range p[1:] {
		switch {
		case v == nil:
			return nil
		case s.name != "":
			v = v.members[s.name] // nil for what is not a map
		case v.kind == kindL && s.index < len(v.list):
			v = v.list[s.index]
		default:
			return nil
		}
	}
	return v
}

// operand is the value of an operand of a condition, or nil.
func (n *node) operand(i item) *value {
	switch n.op {
	case "path":
		return i.find(n.path)
	case "size":
		return sizeOf(n.args[0].operand(i))
	}
	return n.value
}

// sizeOf is the function size: characters of a string, bytes of binary, and
// elements of the rest. Other types have none.
func sizeOf(v *value) *value {
	if v == nil {
		return nil
	}
	size := 0
	switch v.kind {
	case kindS:
		size = utf8.RuneCountInString(v.text)
	case kindB:
		size = len(v.text)
	case kindM:
		size = len(v.members)
	case kindL, kindSS, kindNS, kindBS:
		size = len(v.list)
	default:
		return nil
	}
	return intValue(size)
}

// holds says whether the checked condition is true of the item. A nil condition
// is true. An attribute that is absent is unequal to everything, and has no
// order: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
func (n *node) holds(i item) bool {
	if n == nil {
		return true
	}
	switch n.op {
	case "(":
		return n.args[0].holds(i)
	case "AND":
		return n.args[0].holds(i) && n.args[1].holds(i)
	case "OR":
		return n.args[0].holds(i) || n.args[1].holds(i)
	case "NOT":
		return !n.args[0].holds(i)
	}
	args := make([]*value, len(n.args))
	for k, arg := range n.args {
		args[k] = arg.operand(i)
	}
	first := args[0]
	switch n.op {
	case "attribute_exists":
		return first != nil
	case "attribute_not_exists":
		return first == nil
	case "<>":
		return first == nil || args[1] == nil || !first.equal(args[1])
	case "IN":
		return first != nil && slices.ContainsFunc(args[1:], func(v *value) bool { return v != nil && v.equal(first) })
	}
	if slices.Contains(args, nil) {
		return false
	}
	switch n.op {
	case "=":
		return first.equal(args[1])
	case "attribute_type":
		return string(first.kind) == args[1].text
	case "begins_with":
		return first.beginsWith(args[1])
	case "contains":
		return first.includes(args[1])
	case "BETWEEN":
		return ordered(args[1], "<=", first) && ordered(first, "<=", args[2])
	}
	return ordered(first, n.op, args[1])
}

func ordered(a *value, op string, b *value) bool {
	order, ok := a.compare(b)
	if !ok {
		return false
	}
	switch op {
	case "=":
		return order == 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (v *value) beginsWith(w *value) bool {
	return v.kind == w.kind && (v.kind == kindS || v.kind == kindB) && strings.HasPrefix(v.text, w.text)
}

// includes is the function contains.
func (v *value) includes(w *value) bool {
	switch v.kind {
	case kindS, kindB:
		return v.kind == w.kind && strings.Contains(v.text, w.text)
	}
	return v.contains(w)
}

// projected is the part of the item that the paths lead to. Lists keep the
// order of their elements, without gaps.
func (i item) projected(paths []path) item {
	part := &projection{}
	for _, p := range paths {
		if i.find(p) != nil {
			part.add(p)
		}
	}
	return part.members(i)
}

// projection is a tree of paths. A leaf takes all that is there.
type projection struct {
	next map[step]*projection
}

func (p *projection) add(route path) {
	for _, s := range route {
		if p.next == nil {
			p.next = map[step]*projection{}
		}
		if p.next[s] == nil {
			p.next[s] = &projection{}
		}
		p = p.next[s]
	}
}

func (p *projection) members(i item) item {
	part := item{}
	for s, next := range p.next {
		part[s.name] = next.of(i[s.name])
	}
	return part
}

func (p *projection) of(v *value) *value {
	switch {
	case p.next == nil:
		return v
	case v.kind == kindM:
		return &value{kind: kindM, members: p.members(v.members)}
	}
	part := &value{kind: kindL, list: []*value{}}
	for index, element := range v.list {
		if next := p.next[step{index: index}]; next != nil {
			part.list = append(part.list, next.of(element))
		}
	}
	return part
}
