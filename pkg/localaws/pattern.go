package localaws

import "errand/pkg/eventpattern"

// Pattern is an EventBridge event pattern.
type Pattern = eventpattern.Pattern

// CompilePattern reads an event pattern and refuses what EventBridge refuses,
// with the place in the error.
func CompilePattern(pattern []byte) (*Pattern, error) { return eventpattern.Compile(pattern) }
