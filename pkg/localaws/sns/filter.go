package sns

import (
	"encoding/json"
	"errors"
	"strings"

	"errand/pkg/eventpattern"
	"errand/pkg/localaws/host"
)

// compileFilter reads a filter policy. One without conditions lets everything
// through, as does none.
func compileFilter(attributes map[string]string) (*eventpattern.Pattern, error) {
	policy := attributes["FilterPolicy"]
	if policy == "" || strings.Join(strings.Fields(policy), "") == "{}" {
		return nil, nil
	}
	pattern, err := eventpattern.Compile([]byte(policy))
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal([]byte(policy), &tree); err != nil {
		return nil, err
	}
	if attributes["FilterPolicyScope"] != "MessageBody" {
		for _, value := range tree {
			if _, nested := value.(map[string]any); nested {
				return nil, errors.New("filter policy scope MessageAttributes does not support nested filter policy")
			}
		}
	}
	if countKeys(tree) > 5 {
		return nil, errors.New("filter policy can not have more than 5 keys")
	}
	return pattern, nil
}

// countKeys counts the keys that have values, those of nested objects included.
func countKeys(policy map[string]any) int {
	count := 0
	for _, value := range policy {
		if nested, ok := value.(map[string]any); ok {
			count += countKeys(nested)
		} else {
			count++
		}
	}
	return count
}

// wants holds the message against the subscription's filter policy.
func (s *subscription) wants(m Message, body string) bool {
	if s.filter == nil {
		return true
	}
	if s.attributes["FilterPolicyScope"] == "MessageBody" {
		return s.filter.Match([]byte(body))
	}
	event := map[string]any{}
	for name, a := range m.Attributes {
		var list []any
		if number, ok := attributeNumber(a); ok {
			event[name] = number
		} else if a.Type == "String.Array" && json.Unmarshal([]byte(a.Value), &list) == nil {
			event[name] = list
		} else if !strings.HasPrefix(a.Type, "Binary") { // which filter policies ignore
			event[name] = a.Value
		}
	}
	return s.filter.Match(host.EncodeJSON(event))
}
