package eventpattern

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
