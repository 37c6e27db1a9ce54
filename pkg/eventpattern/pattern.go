// Package eventpattern reads EventBridge event patterns and holds events against
// them.
package eventpattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// Pattern is an EventBridge event pattern: what a rule says about the events
// that it selects. SNS filter policies are written in the same language.
//
// It reads names as they stand: EventBridge also takes "a.b" for "b" within
// "a", which no pattern should rely on.
type Pattern struct {
	matches condition
}

// Compile reads a pattern and refuses what EventBridge refuses, with
// the place in the error.
func Compile(pattern []byte) (*Pattern, error) {
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
