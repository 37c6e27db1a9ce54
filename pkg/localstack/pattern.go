package localstack

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// account is the embedded endpoint's own, unless it is told another.
const account = "123456789012"

// collectorPattern reads the pattern of the rule that wakes the collector from
// the template, with the local stack's name in it.
func collectorPattern(file string) ([]byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // named by whoever runs this
	if err != nil {
		return nil, fmt.Errorf("read the collector's rule from the template: %w", err)
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				Events map[string]struct {
					Properties struct {
						Pattern yaml.Node `yaml:"Pattern"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		return nil, fmt.Errorf("read the collector's rule from %s: %w", file, err)
	}
	pattern := template.Resources["CollectorFunction"].Properties.Events["TaskStopped"].Properties.Pattern
	substitute(&pattern)
	var value any
	if err := pattern.Decode(&value); err != nil || value == nil {
		return nil, fmt.Errorf("%s has no pattern at CollectorFunction, event TaskStopped (%w)", file, err)
	}
	return json.Marshal(value)
}

// substitute does what CloudFormation does with the stack's name and its account.
func substitute(n *yaml.Node) {
	switch {
	case n.Tag == "!Sub":
		n.Tag, n.Value = "!!str", strings.ReplaceAll(n.Value, "${AWS::StackName}", Name)
	case n.Tag == "!Ref" && n.Value == "AWS::AccountId":
		n.Tag, n.Value = "!!str", account
	}
	for _, child := range n.Content {
		substitute(child)
	}
}
