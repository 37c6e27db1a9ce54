package template_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// stack is the template as one deployment sees it: parameters filled in,
// conditions decided, intrinsic functions replaced by what they give. Nodes
// keep their lines. Ref and GetAtt of a resource give its logical id and
// "id.Attribute", which is enough to follow a reference; only topics have ARNs,
// because the functions check them.
type stack struct {
	root       *yaml.Node
	parameters map[string]string
	problems   []string
}

// deploy fills in the template's defaults and pseudo parameters.
func deploy(template *yaml.Node, parameters map[string]string) *stack {
	s := &stack{root: template, parameters: map[string]string{
		"AWS::AccountId": "123456789012",
		"AWS::Partition": "aws",
		"AWS::Region":    "eu-west-1",
		"AWS::StackName": "jobs",
	}}
	for name, parameter := range pairs(get(template, "Parameters")) {
		if value := get(parameter, "Default"); value != nil {
			s.parameters[name] = value.Value
		}
	}
	for id, resource := range pairs(get(template, "Resources")) {
		if text(resource, "Type") == "AWS::SNS::Topic" {
			s.parameters[id] = "arn:aws:sns:eu-west-1:123456789012:" + id
		}
	}
	maps.Copy(s.parameters, parameters)
	return s
}

// resources yields what the deployment creates.
func (s *stack) resources() iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for id, resource := range pairs(get(s.root, "Resources")) {
			if when := get(resource, "Condition"); when != nil && !s.condition(when.Value) {
				continue
			}
			if !yield(id, s.resolve(resource)) {
				return
			}
		}
	}
}

// refusals are what the template's rules say against the parameters.
func (s *stack) refusals() []string {
	var all []string
	for _, rule := range pairs(get(s.root, "Rules")) {
		if s.resolve(get(rule, "RuleCondition")).Value != "true" {
			continue
		}
		for _, assertion := range items(get(rule, "Assertions")) {
			if s.resolve(get(assertion, "Assert")).Value != "true" {
				all = append(all, text(assertion, "AssertDescription"))
			}
		}
	}
	return all
}

func (s *stack) condition(name string) bool {
	node := get(s.root, "Conditions", name)
	if node == nil {
		s.problems = append(s.problems, fmt.Sprintf("there is no condition %s", name))
		return false
	}
	return s.resolve(node).Value == "true"
}

func (s *stack) lookup(name string) string {
	if value, ok := s.parameters[name]; ok {
		return value
	}
	return name
}

// noValue stands for AWS::NoValue until the node that holds it drops it.
var noValue = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}

var substitution = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

func (s *stack) resolve(n *yaml.Node) *yaml.Node {
	scalar := func(value string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: n.Line}
	}
	truth := func(value bool) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(value), Line: n.Line}
	}
	arg := func(i int) *yaml.Node {
		if i >= len(n.Content) {
			s.problems = append(s.problems, fmt.Sprintf("line %d: %s lacks arguments", n.Line, n.Tag))
			return scalar("")
		}
		return s.resolve(n.Content[i])
	}
	switch n.Tag {
	case "!Ref":
		if n.Value == "AWS::NoValue" {
			return noValue
		}
		return scalar(s.lookup(n.Value))
	case "!GetAtt":
		return scalar(n.Value)
	case "!Condition":
		return truth(s.condition(n.Value))
	case "!Sub":
		text, local := n.Value, (*yaml.Node)(nil)
		if n.Kind == yaml.SequenceNode {
			text, local = arg(0).Value, arg(1)
		}
		return scalar(substitution.ReplaceAllStringFunc(text, func(match string) string {
			name := substitution.FindStringSubmatch(match)[1]
			if value := get(local, name); value != nil {
				return value.Value
			}
			return s.lookup(name)
		}))
	case "!Join":
		var parts []string
		for _, part := range items(arg(1)) {
			parts = append(parts, part.Value)
		}
		return scalar(strings.Join(parts, arg(0).Value))
	case "!Split":
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: n.Line}
		for part := range strings.SplitSeq(arg(1).Value, arg(0).Value) {
			list.Content = append(list.Content, scalar(part))
		}
		return list
	case "!If":
		if len(n.Content) == 3 && s.condition(n.Content[0].Value) {
			return arg(1)
		}
		return arg(2)
	case "!Equals":
		return truth(arg(0).Value == arg(1).Value)
	case "!Not":
		return truth(arg(0).Value != "true")
	case "!And":
		return truth(!slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return s.resolve(c).Value != "true" }))
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		s.problems = append(s.problems, fmt.Sprintf("line %d: these checks do not know %s; teach them", n.Line, n.Tag))
		return scalar("")
	}
	out := *n
	out.Content = nil
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			if strings.HasPrefix(n.Content[i].Value, "Fn::") {
				s.problems = append(s.problems, fmt.Sprintf("line %d: write %s in its short form, which these checks read", n.Line, n.Content[i].Value))
			}
			if value := s.resolve(n.Content[i+1]); value != noValue {
				out.Content = append(out.Content, n.Content[i], value)
			}
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if value := s.resolve(item); value != noValue {
				out.Content = append(out.Content, value)
			}
		}
	}
	return &out
}

// get walks down mappings; nil when there is nothing.
func get(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		var next *yaml.Node
		for key, value := range pairs(n) {
			if key == name {
				next = value
			}
		}
		n = next
	}
	return n
}

func text(n *yaml.Node, path ...string) string {
	if n = get(n, path...); n != nil {
		return n.Value
	}
	return ""
}

// pairs yields the entries of a mapping in the order of the file.
func pairs(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// items are those of a list; none when it is not there.
func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// values gives the items of a list, or a scalar as a list of one, as IAM and
// CloudFormation take it.
func values(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var all []string
	for _, item := range items(n) {
		all = append(all, item.Value)
	}
	return all
}

func toJSON(n *yaml.Node) ([]byte, error) {
	if n == nil {
		return nil, errors.New("is missing")
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
