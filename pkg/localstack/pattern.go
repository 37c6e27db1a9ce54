package localstack

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

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

// substitute does what CloudFormation does with !Sub and the stack's name.
func substitute(n *yaml.Node) {
	if n.Tag == "!Sub" {
		n.Tag = "!!str"
		n.Value = strings.ReplaceAll(n.Value, "${AWS::StackName}", Name)
	}
	for _, child := range n.Content {
		substitute(child)
	}
}
