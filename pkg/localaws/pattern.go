package localaws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Pattern is an EventBridge event pattern: what a rule says about the events
// that it selects. SNS filter policies are written in the same language.
//
// It reads names as they stand: EventBridge also takes "a.b" for "b" within
// "a", which no pattern should rely on.
type Pattern struct {
	matches condition
}

// CompilePattern reads a pattern and refuses what EventBridge refuses, with
// the place in the error.
func CompilePattern(pattern []byte) (*Pattern, error) {
	tree, err := parseJSON(pattern)
	if err != nil {
		return nil, fmt.Errorf("the event pattern is not valid JSON: %w", err)
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the event pattern must be an object, not %s", describeJSON(tree))
	}
	matches, err := compileObject("", top)
	if err != nil {
		return nil, fmt.Errorf("the event pattern is wrong: %w", err)
	}
	return &Pattern{matches}, nil
}

// Match reports whether the pattern selects the event. What is not a JSON
// object is never selected.
func (p *Pattern) Match(event []byte) bool {
	tree, err := parseJSON(event)
	if err != nil {
		return false
	}
	top, ok := tree.(map[string]any)
	return ok && p.matches(top, []any{top})
}

func parseJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var tree any
	err := dec.Decode(&tree)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("it ends too early")
	}
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more text after its end")
	}
	return tree, nil
}

// condition judges one place of an event. Of an array, value is one element,
// so that the conditions on several fields hold for the same element; all is
// everything that the event has at this place, since a field is absent only if
// it is so in every element.
type condition func(value any, all []any) bool

// absent stands for a value that the event does not have, which is not null.
type absent struct{}

func compileObject(path string, fields map[string]any) (condition, error) {
	if len(fields) == 0 {
		if path == "" {
			path = "the whole pattern"
		}
		return nil, fmt.Errorf("%s is an empty object, which is not allowed", path)
	}
	conditions := make(map[string]condition, len(fields))
	var either []condition
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := joinPath(path, name)
		var err error
		switch field := fields[name].(type) {
		case map[string]any:
			conditions[name], err = compileObject(at, field)
			if name == "$or" {
				err = fmt.Errorf("%s must be an array of objects, not an object", at)
			}
		case []any:
			if name == "$or" {
				either, err = compileOr(at, field)
				break
			}
			conditions[name], err = compileLeaf(at, field)
		default:
			err = fmt.Errorf("%s must be an array of values or an object, not %s", at, describeJSON(field))
		}
		if err != nil {
			return nil, err
		}
	}
	return func(value any, all []any) bool {
		return slices.ContainsFunc(elements(value), func(element any) bool {
			return allOf(conditions, element, all) && (either == nil || anyOf(either, element, all))
		})
	}, nil
}

// elements returns what an object pattern is held against: the elements of an
// array, or the value itself.
func elements(value any) []any {
	if list, ok := value.([]any); ok && len(list) > 0 {
		var flat []any
		for _, item := range list {
			flat = append(flat, elements(item)...)
		}
		return flat
	}
	return []any{value}
}

func allOf(conditions map[string]condition, element any, all []any) bool {
	for name, matches := range conditions {
		var members []any
		for _, item := range all {
			for _, e := range elements(item) {
				if member := memberOf(e, name); member != any(absent{}) {
					members = append(members, member)
				}
			}
		}
		if !matches(memberOf(element, name), members) {
			return false
		}
	}
	return true
}

func memberOf(value any, name string) any {
	if object, ok := value.(map[string]any); ok {
		if member, ok := object[name]; ok {
			return member
		}
	}
	return absent{}
}

func anyOf(conditions []condition, element any, all []any) bool {
	return slices.ContainsFunc(conditions, func(matches condition) bool { return matches(element, all) })
}

func compileOr(path string, alternatives []any) ([]condition, error) {
	if len(alternatives) < 2 {
		return nil, fmt.Errorf("%s needs at least two alternatives", path)
	}
	var either []condition
	for i, alternative := range alternatives {
		at := fmt.Sprintf("%s[%d]", path, i)
		fields, ok := alternative.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s must be an object, not %s", at, describeJSON(alternative))
		}
		matches, err := compileObject(at, fields)
		if err != nil {
			return nil, err
		}
		either = append(either, matches)
	}
	return either, nil
}

// leafTest judges a single string, number, boolean or null.
type leafTest func(value any) bool

func compileLeaf(path string, alternatives []any) (condition, error) {
	if len(alternatives) == 0 {
		return nil, fmt.Errorf("%s is an empty array, which is not allowed", path)
	}
	var tests []leafTest
	mayBeAbsent := false
	for i, alternative := range alternatives {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch a := alternative.(type) {
		case []any:
			return nil, fmt.Errorf("%s must be a string, a number, true, false, null or an operator, not an array", at)
		case map[string]any:
			if exists, ok := a["exists"].(bool); ok && len(a) == 1 && !exists {
				mayBeAbsent = true
				continue
			}
			t, err := compileOperator(at, a)
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
		default:
			t, err := equals(at, a)
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
		}
	}
	return func(value any, all []any) bool {
		if mayBeAbsent && len(leaves(all)) == 0 {
			return true
		}
		return slices.ContainsFunc(leaves(value), func(leaf any) bool {
			return slices.ContainsFunc(tests, func(t leafTest) bool { return t(leaf) })
		})
	}, nil
}

// leaves returns the single values at a place: every element of an array, and
// none of an object, which only deeper fields can select. An empty array is
// the same as no field.
func leaves(value any) []any {
	switch v := value.(type) {
	case absent, map[string]any:
		return nil
	case []any:
		var list []any
		for _, item := range v {
			list = append(list, leaves(item)...)
		}
		return list
	}
	return []any{value}
}

func compileOperator(path string, operator map[string]any) (leafTest, error) {
	name, operand, err := only(path, operator)
	if err != nil {
		return nil, err
	}
	at := joinPath(path, name)
	switch name {
	case "prefix", "suffix":
		if folded, ok := operand.(map[string]any); ok {
			inner, text, err := only(at, folded)
			if err != nil {
				return nil, err
			}
			if inner != "equals-ignore-case" {
				return nil, fmt.Errorf("%s takes a string or equals-ignore-case, not %s", at, inner)
			}
			return compileText(name+" "+inner, at, text)
		}
		return compileText(name, at, operand)
	case "equals-ignore-case", "wildcard", "cidr":
		return compileText(name, at, operand)
	case "anything-but":
		return compileAnythingBut(at, operand)
	case "numeric":
		return compileNumeric(at, operand)
	case "exists":
		if _, ok := operand.(bool); !ok {
			return nil, fmt.Errorf("%s must be true or false, not %s", at, describeJSON(operand))
		}
		return func(any) bool { return true }, nil
	}
	return nil, fmt.Errorf("%s: there is no operator %s", path, strconv.Quote(name))
}

func only(path string, object map[string]any) (string, any, error) {
	if len(object) != 1 {
		return "", nil, fmt.Errorf("%s must have exactly one operator, not %d", path, len(object))
	}
	for name, operand := range object {
		return name, operand, nil
	}
	panic("unreachable")
}

// compileText compiles the operators that take a string and compare strings.
func compileText(operator, path string, operand any) (leafTest, error) {
	want, ok := operand.(string)
	if !ok {
		return nil, fmt.Errorf("%s must be a string, not %s", path, describeJSON(operand))
	}
	var matches func(got string) bool
	switch operator {
	case "prefix":
		matches = func(got string) bool { return strings.HasPrefix(got, want) }
	case "suffix":
		matches = func(got string) bool { return strings.HasSuffix(got, want) }
	case "prefix equals-ignore-case":
		n := utf8.RuneCountInString(want)
		matches = func(got string) bool {
			runes := []rune(got)
			return len(runes) >= n && strings.EqualFold(string(runes[:n]), want)
		}
	case "suffix equals-ignore-case":
		n := utf8.RuneCountInString(want)
		matches = func(got string) bool {
			runes := []rune(got)
			return len(runes) >= n && strings.EqualFold(string(runes[len(runes)-n:]), want)
		}
	case "equals-ignore-case":
		matches = func(got string) bool { return strings.EqualFold(got, want) }
	case "wildcard":
		parts, err := splitWildcard(want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		matches = func(got string) bool { return matchWildcard(parts, got) }
	case "cidr":
		block, err := netip.ParsePrefix(want)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a block of addresses such as 10.0.0.0/24", path, want)
		}
		matches = func(got string) bool {
			address, err := netip.ParseAddr(got)
			return err == nil && block.Masked().Contains(address)
		}
	}
	return func(value any) bool {
		got, ok := value.(string)
		return ok && matches(got)
	}, nil
}

// compileAnythingBut negates a literal, a list of them, or one of the text
// operators with a string or a list. It needs a value: a field that is not
// there is not "anything but".
func compileAnythingBut(path string, operand any) (leafTest, error) {
	var refused []leafTest
	switch o := operand.(type) {
	case map[string]any:
		name, texts, err := only(path, o)
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"prefix", "suffix", "wildcard", "equals-ignore-case"}, name) {
			return nil, fmt.Errorf("%s takes prefix, suffix, wildcard or equals-ignore-case, not %s", path, name)
		}
		at := joinPath(path, name)
		list, ok := texts.([]any)
		if !ok {
			list = []any{texts}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%s is an empty array, which is not allowed", at)
		}
		for _, text := range list {
			if text == "" && (name == "prefix" || name == "suffix") {
				return nil, fmt.Errorf("%s must not be empty, since every string has it", at)
			}
			t, err := compileText(name, at, text)
			if err != nil {
				return nil, err
			}
			refused = append(refused, t)
		}
	case []any:
		if len(o) == 0 {
			return nil, fmt.Errorf("%s is an empty array, which is not allowed", path)
		}
		for i, literal := range o {
			at := fmt.Sprintf("%s[%d]", path, i)
			t, err := equalsTextOrNumber(at, literal)
			if err != nil {
				return nil, err
			}
			refused = append(refused, t)
		}
	default:
		t, err := equalsTextOrNumber(path, o)
		if err != nil {
			return nil, err
		}
		refused = append(refused, t)
	}
	return func(value any) bool {
		return !slices.ContainsFunc(refused, func(t leafTest) bool { return t(value) })
	}, nil
}

func equalsTextOrNumber(path string, literal any) (leafTest, error) {
	switch literal.(type) {
	case string, json.Number:
		return equals(path, literal)
	}
	return nil, fmt.Errorf("%s must be a string or a number, not %s", path, describeJSON(literal))
}

func equals(path string, literal any) (leafTest, error) {
	if number, ok := literal.(json.Number); ok {
		want, ok := parseNumber(number)
		if !ok {
			return nil, fmt.Errorf("%s: %s is not a number in range", path, number)
		}
		return func(value any) bool {
			got, ok := parseNumber(value)
			return ok && got == want
		}, nil
	}
	return func(value any) bool { return value == literal }, nil
}

func parseNumber(value any) (float64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(number.String(), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// compileNumeric compiles ["=", n], a bound such as [">", n], or two bounds,
// the lower one first.
func compileNumeric(path string, operand any) (leafTest, error) {
	terms, ok := operand.([]any)
	if !ok {
		return nil, fmt.Errorf(`%s must be an array such as [">", 0, "<=", 5], not %s`, path, describeJSON(operand))
	}
	if len(terms) != 2 && len(terms) != 4 {
		return nil, fmt.Errorf("%s must have one comparison or two, each an operator and a number", path)
	}
	var holds []func(float64) bool
	var bounds []float64
	for i := 0; i < len(terms); i += 2 {
		bound, ok := parseNumber(terms[i+1])
		if !ok {
			return nil, fmt.Errorf("%s[%d] must be a number, not %s", path, i+1, describeJSON(terms[i+1]))
		}
		allowed := `"=", "<", "<=", ">" or ">="`
		operators := map[string]func(float64) bool{
			"=":  func(got float64) bool { return got == bound },
			"<":  func(got float64) bool { return got < bound },
			"<=": func(got float64) bool { return got <= bound },
			">":  func(got float64) bool { return got > bound },
			">=": func(got float64) bool { return got >= bound },
		}
		if len(terms) == 4 {
			// A range goes upwards.
			allowed = `">" or ">=" in a range's first place`
			unused := []string{"=", "<", "<="}
			if i == 2 {
				allowed = `"<" or "<=" in a range's second place`
				unused = []string{"=", ">", ">="}
			}
			for _, operator := range unused {
				delete(operators, operator)
			}
		}
		operator, ok := terms[i].(string)
		if !ok || operators[operator] == nil {
			return nil, fmt.Errorf("%s[%d] must be %s", path, i, allowed)
		}
		holds = append(holds, operators[operator])
		bounds = append(bounds, bound)
	}
	if len(bounds) == 2 && bounds[0] >= bounds[1] {
		return nil, fmt.Errorf("%s: the lower bound must be less than the upper one", path)
	}
	return func(value any) bool {
		got, ok := parseNumber(value)
		return ok && !slices.ContainsFunc(holds, func(hold func(float64) bool) bool { return !hold(got) })
	}, nil
}

// splitWildcard cuts a wildcard at its stars. A backslash makes a star or a
// backslash an ordinary character.
func splitWildcard(wildcard string) ([]string, error) {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(wildcard); i++ {
		switch wildcard[i] {
		case '\\':
			i++
			if i == len(wildcard) || wildcard[i] != '*' && wildcard[i] != '\\' {
				return nil, fmt.Errorf(`in %q a backslash stands before something else than * or \`, wildcard)
			}
			part.WriteByte(wildcard[i])
		case '*':
			if i > 0 && part.Len() == 0 && len(parts) > 0 {
				return nil, fmt.Errorf("%q has consecutive wildcard characters", wildcard)
			}
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(wildcard[i])
		}
	}
	return append(parts, part.String()), nil
}

func matchWildcard(parts []string, got string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return got == first
	}
	if len(got) < len(first)+len(last) || !strings.HasPrefix(got, first) || !strings.HasSuffix(got, last) {
		return false
	}
	got = got[len(first) : len(got)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(got, part)
		if !found {
			return false
		}
		got = after
	}
	return true
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func describeJSON(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return "the string " + strconv.Quote(v)
	case json.Number:
		return "the number " + v.String()
	case []any:
		return "an array"
	}
	return "an object"
}
