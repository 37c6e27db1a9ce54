package execute

import (
	"bytes"
	"strings"

	"errand/pkg/result"
)

// maxTail is how much of the output is kept, in bytes: more than a message to SNS
// has room for. The end is always kept, however much there was.
const maxTail = 512 << 10

// lastBytes keeps the end of the output.
type lastBytes struct {
	kept  []byte
	total int64
}

// Write never fails.
func (t *lastBytes) Write(p []byte) (int, error) {
	t.total += int64(len(p))
	t.kept = append(t.kept, p...)
	// Cut rarely, since each cut copies what stays.
	if len(t.kept) > 2*maxTail {
		t.kept = append([]byte(nil), t.kept[len(t.kept)-maxTail:]...)
	}
	return len(p), nil
}

// log is the end of the output as the end of a log.
func (t *lastBytes) log(n int) *result.Log {
	truncated := t.total > int64(len(t.kept))
	log := &result.Log{Status: result.LogOK, Truncated: &truncated}
	if t.total == 0 {
		log.Status, log.Truncated = result.LogEmpty, nil
		return log
	}
	lines := strings.Split(string(bytes.TrimSuffix(t.kept, []byte("\n"))), "\n")
	if len(lines) > n {
		lines, truncated = lines[len(lines)-n:], true
	}
	for _, line := range lines {
		log.Lines = append(log.Lines, result.Clean(line))
	}
	return log
}
