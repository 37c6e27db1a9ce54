// Package metric writes the functions' metrics as lines of their logs, in
// CloudWatch's embedded metric format
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
// no call, no permission, no client.
package metric

import (
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"
)

// Namespace is that of every metric, with the dimension Stack.
const Namespace = "errand"

// Writer writes metrics of one stack.
type Writer struct {
	mu    sync.Mutex
	out   io.Writer
	stack string
	now   func() time.Time
}

// New makes a Writer. The stack's name is in the prefix of its tasks' startedBy,
// errand/NAME/.
func New(out io.Writer, startedByPrefix string, now func() time.Time) *Writer {
	return &Writer{out: out, stack: strings.Trim(strings.TrimPrefix(startedByPrefix, "errand/"), "/"), now: now}
}

// Stack is the stack's name.
func (w *Writer) Stack() string { return w.stack }

// Count writes one value of a metric. A metric that cannot be written is no reason
// to fail.
func (w *Writer) Count(name string, value float64) {
	type m = map[string]any
	line, _ := json.Marshal(m{
		"_aws": m{
			"Timestamp":         w.now().UnixMilli(),
			"CloudWatchMetrics": []m{{"Namespace": Namespace, "Dimensions": [][]string{{"Stack"}}, "Metrics": []m{{"Name": name}}}},
		},
		"Stack": w.stack,
		name:    value,
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.out.Write(append(line, '\n'))
}
